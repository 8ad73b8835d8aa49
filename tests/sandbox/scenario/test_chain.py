"""The chain: what was meant, against what the simulated seller holds after it was played."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario import chain
from cloud_conductor.sandbox.scenario.daybook import StoreMeant
from cloud_conductor.sandbox.scenario.truth import Store, truth_of
from cloud_conductor.sandbox.square import Seller, Settings

DAY = date(2026, 11, 20)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SEEDS = range(20)


def played(seed: int = 1, **options: Any) -> tuple[dict, dict]:
    """(truth, the seller's own dump) of a small chain."""
    seller = Seller(Settings(seed=seed), clock=SandboxClock(LONG_AGO, scale=0))
    options = {"orders_per_day": 8, "first_day": DAY} | options
    truth = chain.play(seller.call, seller.set_clock, seed=seed, **options)
    return truth, seller.call("GET", "/sandbox/dump")


@pytest.fixture(scope="module")
def chains() -> list[tuple[dict, dict]]:
    return [played(seed) for seed in SEEDS]


def other_truth(truth: dict, dump: dict) -> dict:
    """The truth as worked out from the seller's dump: the other of two independent records."""
    stores = [
        Store(name=row["store"], **{key: value for key, value in row.items() if key != "store"})
        for row in truth["stores"]
    ]
    return truth_of(dump, stores, scenario=truth["scenario"], planted=truth["planted"])


def roles(truth: dict, *kinds: str) -> Counter[tuple[str, str]]:
    """Sum of the truth's lines by (store, role)."""
    out: Counter[tuple[str, str]] = Counter()
    for day in truth["store_days"]:
        for entry in day["entries"]:
            if not kinds or entry["kind"] in kinds:
                for role, amount in entry["lines"].items():
                    out[day["store"], role] += amount
    return out


def test_same_seed_gives_the_same_truth_and_the_same_seller() -> None:
    assert played(7) == played(7)


def test_another_seed_gives_other_days() -> None:
    assert played(7)[0]["store_days"] != played(8)[0]["store_days"]


def held(balances: dict) -> dict[str, int]:
    return {role: amount for role, amount in balances["roles"].items() if amount}


def test_what_was_meant_is_what_the_sellers_dump_gives(chains: list) -> None:
    for truth, dump in chains:
        found = other_truth(truth, dump)
        for day in truth["store_days"]:
            for entry in day["entries"]:
                entry.pop("source_id", None)
        for part in ("stores", "store_days"):
            assert truth[part] == found[part], (truth["seed"], part)
        assert list(map(held, truth["balances"])) == list(map(held, found["balances"]))
        assert len(truth["payouts"]) == len(found["payouts"]) == 6


def test_every_entry_balances_and_has_no_zero_line(chains: list) -> None:
    for truth, _ in chains:
        for day in truth["store_days"]:
            for entry in day["entries"]:
                assert sum(entry["lines"].values()) == 0
                assert len(entry["lines"]) >= 2
                assert 0 not in entry["lines"].values()


def test_sales_and_liabilities_are_the_tenders_on_every_store_day(chains: list) -> None:
    for truth, _ in chains:
        for day in truth["store_days"]:
            f = day["figures"]
            collected = f["gross_sales_minor"] - f["discounts_minor"] - f["returns_minor"]
            assert collected == f["net_sales_minor"]
            collected += f["service_minor"] + sum(f["tax_minor"].values()) + f["tips_minor"]
            collected += f["gift_cards_sold_minor"]
            tendered = f["card_minor"] + f["cash_minor"] + f["gift_cards_redeemed_minor"]
            assert collected == tendered, (truth["seed"], day["store"], day["business_date"])


def test_clearing_that_is_left_is_the_sellers_unpaid_balance(chains: list) -> None:
    for truth, dump in chains:
        left = roles(truth)
        unpaid: Counter[str] = Counter()
        for entry in dump["balance_entries"]:
            if not entry["payout_id"]:
                unpaid[entry["location_id"]] += entry["net_amount_money"]["amount"]
        for store in truth["stores"]:
            assert left[store["store"], "clearing.square"] == unpaid[store["location_id"]] != 0
            assert left[store["store"], "undeposited_cash"] == 0


def test_fees_meant_are_the_fees_charged(chains: list) -> None:
    for truth, dump in chains:
        charged: Counter[str] = Counter()
        for payment in dump["payments"]:
            for fee in payment.get("processing_fee", ()):
                charged[payment["location_id"]] += fee["amount_money"]["amount"]
        meant = roles(truth, "FEES")
        for store in truth["stores"]:
            assert meant[store["store"], "merchant_fees.square"] == charged[store["location_id"]]


def test_drawers_expect_what_was_meant_and_differ_by_the_over_short(chains: list) -> None:
    for truth, dump in chains:
        names = {store["location_id"]: store["store"] for store in truth["stores"]}
        found = {
            (names[shift["location_id"]], shift["opened_at"][:10]): (
                shift["closed_cash_money"]["amount"] - shift["expected_cash_money"]["amount"]
            )
            for shift in dump["cash_drawer_shifts"]
        }
        meant = {
            (day["store"], day["business_date"]): day["figures"]["over_short_minor"]
            for day in truth["store_days"]
        }
        assert found == meant
        assert len(found) == 6


def test_payouts_hold_the_entries_meant_and_span_business_days(chains: list) -> None:
    for truth, dump in chains:
        held: dict[str, set[str]] = defaultdict(set)
        days: dict[str, set[str]] = defaultdict(set)
        for entry in dump["payout_entries"]:
            details = entry.get("type_refund_details") or entry.get("type_charge_details")
            held[entry["payout_id"]].add(details.get("refund_id") or details["payment_id"])
            days[entry["payout_id"]].add(entry["effective_at"][:10])
        assert {p["id"]: set(p["entry_payment_ids"]) for p in truth["payouts"]} == held
        assert any(len(dates) > 1 for dates in days.values())


def test_orders_fall_on_the_days_that_were_meant(chains: list) -> None:
    for truth, dump in chains:
        stores = {row["location_id"]: meant(row) for row in truth["stores"]}
        counted: Counter[tuple[str, str]] = Counter()
        for order in dump["orders"]:
            sold = [line for line in order.get("line_items", ()) if line["item_type"] == "ITEM"]
            if order["state"] == "COMPLETED" and sold:
                store = stores[order["location_id"]]
                day = store.business_date(datetime.fromisoformat(order["closed_at"]))
                counted[store.store, day.isoformat()] += 1
        assert counted == {
            (day["store"], day["business_date"]): day["figures"]["orders"]
            for day in truth["store_days"]
        }


def meant(row: dict) -> StoreMeant:
    cutoff = datetime.strptime(row["cutoff"], "%H:%M").time()
    return StoreMeant(row["store"], row["location_id"], row["time_zone"], cutoff, {})


def test_a_short_run_shows_every_flow(chains: list) -> None:
    _, dump = chains[0]
    orders = dump["orders"]
    states = Counter(order["state"] for order in orders)
    assert states["CANCELED"] == 6
    assert states["OPEN"] == 0
    assert any(len(order.get("tenders", ())) == 2 for order in orders), "split tender"
    assert any(order.get("returns") and order.get("line_items") for order in orders), "exchange"
    assert any(
        order.get("returns") and order.get("line_items") and not order.get("tenders")
        for order in orders
    ), "even exchange"
    assert any(order.get("rewards") for order in orders), "loyalty reward"
    assert any(order.get("ticket_name") == "Table 2" for order in orders), "updated twice"
    assert any(order.get("service_charges") for order in orders)
    assert any(payment.get("tip_money") for payment in dump["payments"])
    assert {refund["destination_type"] for refund in dump["refunds"]} == {"CARD", "CASH"}
    assert {card["state"] for card in dump["gift_cards"]} == {"ACTIVE"}
    events = {event["event_type"] for rows in dump["cash_drawer_events"].values() for event in rows}
    assert events >= {"NO_SALE", "PAID_OUT", "CASH_TENDER_PAYMENT", "CASH_TENDER_REFUND"}
    changes = [
        payment.get("cash_details", {}).get("change_back_money") for payment in dump["payments"]
    ]
    assert any(change and change["amount"] for change in changes)


def test_the_clock_never_goes_back() -> None:
    seller, instants = Seller(Settings()), []

    def set_clock(at: datetime) -> None:
        instants.append(at)
        seller.set_clock(at)

    chain.play(seller.call, set_clock, seed=3, orders_per_day=3, first_day=DAY)
    assert instants == sorted(instants)


@pytest.mark.parametrize("seed", range(10))
def test_a_planted_violation_is_served_wrong_and_its_amounts_are_told(seed: int) -> None:
    plant = chain.Plant("D16", "CHI01", DAY)
    truth, dump = played(seed, plants=[plant], days=1)
    (row,) = truth["planted"]
    (order,) = (order for order in dump["orders"] if order["id"] == row["order_id"])
    assert order["state"] == "COMPLETED"
    assert list(dump["corruptions"]) == [order["id"]]
    assert (row["kind"], row["store"], row["business_date"]) == ("D16", "CHI01", "2026-11-20")
    assert row["figures"]["cash_minor"] == order["total_money"]["amount"]
    assert {entry["kind"] for entry in row["entries"]} == {"SALES", "COGS"}
    clean, _ = played(seed, days=1)
    by_day = {(day["store"], day["business_date"]): day["figures"] for day in truth["store_days"]}
    was = {(day["store"], day["business_date"]): day["figures"] for day in clean["store_days"]}
    here = ("CHI01", "2026-11-20")
    net = row["figures"]["net_sales_minor"]
    assert by_day[here]["net_sales_minor"] - was[here]["net_sales_minor"] == net
    assert {key: day for key, day in by_day.items() if key != here} == {
        key: day for key, day in was.items() if key != here
    }


def test_a_planted_order_was_never_served_right_once_it_was_paid() -> None:
    seller = Seller(Settings(seed=1))
    plant = chain.Plant("D16", "NYC01", DAY)
    truth = chain.play(
        seller.call,
        seller.set_clock,
        seed=1,
        days=1,
        orders_per_day=1,
        first_day=DAY,
        plants=[plant],
    )
    order_id = truth["planted"][0]["order_id"]
    (planted,) = seller.state.table("corruptions")[order_id]
    served = seller.call("GET", f"/v2/orders/{order_id}")["order"]
    here: Any = served
    for step in planted["pointer"].split("/")[1:]:
        here = here[int(step)] if isinstance(here, list) else here[step]
    assert here == planted["value"]
    events = seller.call("GET", "/sandbox/dump")["events"]
    thin = [event["data"]["object"] for event in events if event["data"].get("id") == order_id]
    states = [next(iter(one.values()))["state"] for one in thin if "order_updated" in one]
    assert states[0] == "OPEN"
    assert states[-1] == "COMPLETED"


def test_breaks_to_be_planted_elsewhere_are_carried_through() -> None:
    plants = [chain.Plant(kind, "LAX01", DAY) for kind in ("D01", "D03", "D04", "D05")]
    truth, _ = played(2, plants=plants, days=1, orders_per_day=1)
    assert [row["kind"] for row in truth["planted"]] == ["D01", "D03", "D04", "D05"]
    assert all(row["store"] == "LAX01" for row in truth["planted"])


@pytest.mark.parametrize(
    "plant",
    [chain.Plant("D16", "XXX01", DAY), chain.Plant("D16", "NYC01", DAY + timedelta(days=9))],
)
def test_a_plant_outside_the_chain_is_refused(plant: chain.Plant) -> None:
    with pytest.raises(ValueError, match="cannot plant D16"):
        played(plants=[plant])


def test_no_day_and_no_store_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        played(days=0)
    with pytest.raises(ValueError, match="stores"):
        played(stores=0)
