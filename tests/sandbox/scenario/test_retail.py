"""The seeded chain of every flow: what was meant against what the simulated seller holds."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES, STORES_MAX, dealt, stores_of
from cloud_conductor.sandbox.scenario.retail.play import Season, play
from cloud_conductor.sandbox.scenario.retail.stories import FLOWS
from cloud_conductor.sandbox.square import Seller, Settings


def played(season: Season) -> tuple[dict[str, Any], dict[str, Any]]:
    """(truth, the seller's own dump)."""
    settings = Settings(seed=season.seed, country=season.country)
    seller = Seller(settings, clock=SandboxClock(scale=0))
    truth = play(seller.call, seller.set_clock, season)
    return truth, seller.call("GET", "/sandbox/dump")


@pytest.fixture(scope="module", params=sorted(COUNTRIES))
def month(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """A month of two stores of each country; every order agreed with the simulator's total."""
    return played(Season(country=request.param, seed=3))


def test_same_plan_gives_the_same_truth_and_the_same_seller():
    season = Season(country="AU", seed=5, days=5)
    assert played(season) == played(season)


def test_another_seed_gives_other_days():
    one, other = (played(Season(country="IE", seed=seed, days=3))[0] for seed in (1, 3))
    assert one["store_days"] != other["store_days"]


def test_every_entry_balances_and_has_no_zero_line(month):
    for day in month[0]["store_days"]:
        for entry in day["entries"]:
            assert sum(entry["lines"].values()) == 0
            assert len(entry["lines"]) >= 2
            assert 0 not in entry["lines"].values()


def test_clearing_that_is_left_is_the_sellers_unpaid_balance(month):
    truth, dump = month
    left: Counter[str] = Counter()
    for day in truth["store_days"]:
        for entry in day["entries"]:
            for role in ("clearing.square", "dispute_receivable"):
                left[day["store"]] += entry["lines"].get(role, 0)
    unpaid: Counter[str] = Counter()
    places = {store["location_id"]: store["store"] for store in truth["stores"]}
    for one in dump["disputes"]:
        if one["state"] == "EVIDENCE_REQUIRED":
            unpaid[places[one["location_id"]]] += one["amount_money"]["amount"]
    for entry in dump["balance_entries"]:
        if not entry["payout_id"]:
            unpaid[places[entry["location_id"]]] += entry["net_amount_money"]["amount"]
    amounts = {place: amount for place, amount in left.items() if amount}
    assert amounts == {place: amount for place, amount in unpaid.items() if amount}


def test_what_is_lost_is_what_the_seller_lost_r_7_5(month):
    truth, dump = month
    lost: Counter[str] = Counter()
    for day in truth["store_days"]:
        for entry in day["entries"]:
            lost[day["store"]] += entry["lines"].get("chargeback_loss", 0)
    places = {store["location_id"]: store["store"] for store in truth["stores"]}
    told: Counter[str] = Counter()
    for one in dump["disputes"]:
        if one["state"] in {"LOST", "ACCEPTED"}:
            told[places[one["location_id"]]] += one["amount_money"]["amount"]
    assert +lost == told


def test_gift_card_liability_is_the_sum_of_the_cards_inv_10(month):
    truth, dump = month
    liability = 0
    for day in truth["store_days"]:
        for entry in day["entries"]:
            for role, amount in entry["lines"].items():
                if role.startswith("gift_card_liability"):
                    liability -= amount
    assert liability == sum(card["balance_money"]["amount"] for card in dump["gift_cards"])


def test_fees_meant_are_the_fees_charged(month):
    truth, dump = month
    charged = sum(
        fee["amount_money"]["amount"]
        for payment in dump["payments"]
        for fee in payment.get("processing_fee", ())
    )
    assert sum(day["figures"].get("fees", 0) for day in truth["store_days"]) == charged


def test_stock_meant_is_the_stock_counted_r_11_1(month):
    truth, dump = month
    skus = {
        row["id"]: row["item_variation_data"]["sku"]
        for row in dump["catalog"]
        if row["type"] == "ITEM_VARIATION"
    }
    places = {store["location_id"]: store["store"] for store in truth["stores"]}
    counted = {
        (places[row["location_id"]], skus[row["catalog_object_id"]]): int(row["quantity"])
        for row in dump["inventory_counts"]
    }
    assert counted == {(row["store"], row["sku"]): row["units"] for row in truth["stock"]}


def test_every_flow_can_be_demanded():
    forced = dict.fromkeys(FLOWS, 2)
    season = Season(country="US", seed=1, days=12, orders_per_day=1, quiet=True, forced=forced)
    assert played(season)[0]["flows"] | {"ordinary": 2} == forced | {"ordinary": 2}


def test_a_month_meets_every_flow():
    told: Counter[str] = Counter()
    for seed in range(4):
        told.update(played(Season(country="GB", seed=seed))[0]["flows"])
    assert told.keys() == FLOWS.keys()


def test_each_country_has_a_month_that_moves_its_clocks():
    for country in COUNTRIES.values():
        for place in stores_of(country, len(country.cities)):
            if place.time_zone == "Asia/Tokyo":
                continue  # the zone has no change of clocks
            spans = {
                _hours(place.time_zone, first + timedelta(days=n))
                for first in country.months
                for n in range(30)
            }
            assert len(spans) > 1, place


def _hours(zone: str, day: date) -> timedelta:
    from zoneinfo import ZoneInfo

    start = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    after = day + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return end - start


def test_a_chain_has_up_to_five_thousand_stores_in_every_country():
    assert sum(dealt(STORES_MAX).values()) == STORES_MAX
    assert set(dealt(7)) == set(COUNTRIES)
    names = {place.store for place in stores_of(COUNTRIES["US"], STORES_MAX)}
    assert len(names) == STORES_MAX
    with pytest.raises(ValueError, match="1 to 5000"):
        stores_of(COUNTRIES["US"], STORES_MAX + 1)


def test_what_cannot_be_played_is_refused():
    for wrong in ({"days": 0}, {"country": "XX"}, {"forced": {"no_such_flow": 1}}):
        with pytest.raises(ValueError, match="cannot play"):
            Season(**wrong)


def test_the_page_of_the_chain_lists_every_flow_with_its_weight_and_rules():
    page = (Path(__file__).parents[3] / "docs/explanation/seeded-chain.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    listed = {row[0].strip("`"): (row[1], row[2]) for row in rows}
    assert listed == {name: (f"{flow.weight:g}", flow.rules) for name, flow in FLOWS.items()}
