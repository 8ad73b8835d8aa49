"""Laws of conform: any order, any batching, any repetition, same content (INV-03, 07, 14, 16, 29)."""

import random
import tempfile
from datetime import date
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.adapters.pos.square.taxes import telescope
from cloud_conductor.conform.flow import accounting_of_events, facts, run_conform
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.money import allocate, cumulative_share
from cloud_conductor.sandbox.scenario import chain
from cloud_conductor.sandbox.square.seller import Seller
from conform_events import House, event, events_of, golden_day, store, stores_of
from square_payloads import (
    category,
    dispute,
    hook,
    item,
    line,
    money,
    offline,
    order,
    payment,
    payout,
    payout_entry,
    returned,
    shift,
)

DAYS = [date(2026, 11, day) for day in (19, 20, 21, 22, 23, 24)]
few = settings(max_examples=5, suppress_health_check=list(HealthCheck))
amounts = st.integers(0, 100_000)


@lru_cache
def knotted() -> tuple[NewEvent, ...]:
    """Every event whose effect could depend on the order: versions that change the day, equal
    versions in two envelopes, late till clocks, children before parents, a catalogue in steps."""
    url = "https://connect.example/v2/cash-drawers/shifts/S1/events?location_id=L1"
    drawer = {"event_type": "NO_SALE", "created_at": "2026-11-21T20:00:00Z"}
    part = line("a", 1000, tax=89)
    paid = payment(processing_fee=[{"amount_money": money(36)}], updated_at="2026-11-21T17:00:05Z")
    objects: list[tuple[str, Any]] = [
        ("order", order(part)),
        ("order", order(part, line("b", 500, tax=44), version=2)),
        ("order", order(part, version=3, closed_at="2026-11-20T17:00:00Z")),
        ("order", order(part, version=4, closed_at="2026-11-22T17:00:00Z")),
        ("order", order(line("a", 999, tax=89), version=4, closed_at="2026-11-21T17:00:00Z")),
        ("order", order(part, name="O2")),
        ("order", order(part, name="O2", version=2, state="OPEN")),
        ("order", order(part, name="O3")),
        ("order", order(part, name="O3", version=2)),
        ("order", order(line("a", 1000, quantity="two"), name="BAD")),
        ("order", b"{"),
        ("payment", payment()),
        ("payment", paid),
        ("payment.updated", hook("payment.updated", "payment", paid)),
        ("payment", offline("O2", "2026-11-20T12:00:00Z")),
        ("payment", offline("O3", "2026-11-21T16:00:00Z")),
        ("payment", offline("O3", "2026-11-19T16:00:00Z", id="PO3b")),
        ("payment", offline("O9", "2027-11-19T16:00:00Z")),
        ("payout", payout()),
        ("payout", payout() | {"status": "PAID", "updated_at": "2026-11-25T00:00:00Z"}),
        ("payout_entry", payout_entry()),
        ("payout_entry", payout_entry("poe_2")),
        ("payout_entry", payout_entry("poe_3", payout_id="po_never")),
        ("dispute", dispute()),
        ("dispute", dispute(state="LOST", updated_at="2026-11-23T17:00:00Z", version=2)),
        ("dispute", dispute(state="WON", updated_at="2026-11-24T17:00:00Z", version=3)),
        ("dispute", dispute("D2")),
        ("dispute", dispute("D2", state="ACCEPTED", updated_at="2026-11-22T17:00:00Z")),
        ("cash_shift", shift(state="OPEN", updated_at="2026-11-21T14:00:00Z")),
        ("cash_shift", shift()),
        ("cash_event", drawer | {"id": "E1"}),
        ("cash_event", drawer | {"id": "E2"}),
        ("catalog_item", item("Va", cost="3.10")),
        ("catalog_item", item("Va", cost="4.10", updated_at="2026-11-21T00:00:00Z")),
        ("catalog_category", category("Home")),
        ("catalog_category", category("Garden", updated_at="2026-11-20T00:00:00Z")),
        ("order.updated", {"data": {}}),
    ]
    return tuple(event(kind, body, url=url) for kind, body in objects)


def conformed(events: list[NewEvent], cuts: list[int], batch: int) -> tuple[Any, Any]:
    """Digests after a seal, and the rows of the sealed files in their order."""
    with (
        tempfile.TemporaryDirectory() as folder,
        House(Path(folder), [store()], events_per_batch=batch) as house,
    ):
        for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
            house.take(events[start:end])
        unsealed = house.digests(DAYS)
        house.seal(*DAYS)
        return (unsealed, house.digests(DAYS)), {
            (table, day): house.lake.read(table, [day]).drop_columns(
                ["log_seq", "raw_sha256", "received_at"]
            )
            for table in (
                "sales",
                "sale_lines",
                "tenders",
                "payout_entries",
                "disputes",
                "cash_events",
            )
            for day in DAYS
        }


@lru_cache
def straight() -> tuple[Any, Any]:
    return conformed(list(knotted()), [], 5_000)


@few
@given(seed=st.integers(0, 2**32), batch=st.sampled_from([3, 11, 5_000]), data=st.data())
def test_any_order_repetition_and_batching_give_equal_content(
    seed: int, batch: int, data: st.DataObject
) -> None:
    """INV-14, INV-29: digests per table and date, before and after the seal, and row order."""
    events = list(knotted())
    again = data.draw(st.lists(st.sampled_from(range(len(events))), max_size=10))
    events += [events[at] for at in again]
    random.Random(seed).shuffle(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    digests, rows = conformed(events, cuts, batch)
    assert digests == straight()[0]
    for key, table in rows.items():
        assert table.equals(straight()[1][key]), key


@few
@given(cuts=st.lists(st.integers(0, len(knotted())), max_size=6).map(sorted))
def test_one_log_in_any_batching_seals_to_equal_bytes(cuts: list[int]) -> None:
    """Decision 7: arrival columns are the log's own, so they agree too."""
    assert sealed_bytes(tuple(cuts)) == sealed_bytes(())


@lru_cache
def sealed_bytes(cuts: tuple[int, ...]) -> list[bytes]:
    events = list(knotted())
    with tempfile.TemporaryDirectory() as folder, House(Path(folder), [store()]) as house:
        for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
            house.take(events[start:end])
        house.seal(*DAYS)
        return [
            Path(uri).read_bytes()
            for table in ("sales", "sale_lines", "sale_taxes", "tenders", "payout_entries")
            for day in DAYS
            for uri in house.lake.uris(table, [day])
        ]


@settings(few, max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_a_shuffled_golden_day_is_the_golden_day(seed: int) -> None:
    events, stores, _ = golden_day()
    random.Random(seed).shuffle(events)
    with (
        tempfile.TemporaryDirectory() as folder,
        House(Path(folder), stores, events_per_batch=40) as house,
    ):
        house.take(events)
        assert house.digests(DAYS) == golden_digests()


@lru_cache
def golden_digests() -> Any:
    events, stores, _ = golden_day()
    with tempfile.TemporaryDirectory() as folder, House(Path(folder), stores) as house:
        house.take(events)
        return house.digests(DAYS)


@few
@given(st.lists(st.sampled_from(range(len(knotted()))), max_size=60), st.integers(0, 60))
def test_every_delivery_is_in_exactly_one_class(chosen: list[int], conform_first: int) -> None:
    """INV-16: received = processed + quarantined + deduplicated (+ not read yet)."""
    events = [knotted()[at] for at in chosen]
    with tempfile.TemporaryDirectory() as folder, House(Path(folder), [store()]) as house:
        house.log.append(events[:conform_first])
        run_conform(house.deps)
        house.log.append(events[conform_first:])
        counts = accounting_of_events(house.deps).get("square")
        if not events:
            assert counts is None
            return
        assert counts is not None
        assert counts.received == len(events)
        assert counts.received == (
            counts.processed + counts.quarantined + counts.deduplicated + counts.pending
        )
        assert counts.deduplicated == len(events) - len(set(chosen))
        assert counts.pending == len(set(chosen) - set(chosen[:conform_first]))


def decoded(body: Any) -> Any:
    new = event("order", body)
    fields = {name: getattr(new, name) for name in new.__struct_fields__}
    found = SquareDecoder().decode([Event(seq=1, **fields)], {"L1": store()}, {})
    assert found.rejected == ()
    return found.tables


lines = st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=6).map(
    lambda parts: [
        line(str(n), gross, discount=min(cut, gross), tax=tax if gross else 0)
        for n, (gross, cut, tax) in enumerate(parts)
    ]
)


@given(lines, st.integers(0, 5_000), st.integers(-4, 4))
def test_a_sale_adds_up(parts: Any, tip: int, rounding: int) -> None:
    """INV-03, and every sum of children is the sale's own figure."""
    sold = sum(one["total_money"]["amount"] for one in parts)
    rounded = {"amount_money": money(max(rounding, -sold))}
    tables = decoded(order(*parts, tip=tip, rounding_adjustment=rounded))
    (sale,) = tables["sales"].to_pylist()
    assert sale["total_minor"] == sale["source_total_minor"]
    assert sale["total_minor"] == (
        sale["subtotal_minor"]
        + sale["service_minor"]
        + sale["tax_minor"]
        + sale["tip_minor"]
        + sale["rounding_minor"]
    )
    rows = tables["sale_lines"].to_pylist()
    assert sum(row["net_minor"] for row in rows) == sale["subtotal_minor"]
    assert all(row["gross_minor"] - row["discount_minor"] == row["net_minor"] for row in rows)
    taxes = tables["sale_taxes"].to_pylist() if "sale_taxes" in tables else []
    assert sum(row["amount_minor"] for row in taxes) == sale["tax_minor"]
    if taxes:
        order_tax = sum(row["tax_minor"] for row in rows)
        parts_of = {
            name: sum(row["amount_minor"] for row in taxes if row["jurisdiction"] == name)
            for name in ("STATE", "CITY", "DISTRICT")
        }
        assert list(parts_of.values()) == allocate(order_tax, [4000, 4500, 375])


@given(st.integers(1, 9), amounts, st.data())
def test_partial_returns_sum_to_the_sale_and_never_exceed_it(
    units: int, gross: int, data: st.DataObject
) -> None:
    """INV-07, R-1.7: whatever the steps, returned lines undo the sold line to the cent."""
    tax = data.draw(st.integers(0, 1_000)) if gross else 0
    discount = data.draw(st.integers(0, gross))
    steps = data.draw(st.lists(st.integers(1, units), max_size=units))
    sold = decoded(order(line("a", gross, discount=discount, tax=tax, quantity=str(units))))
    names = ("quantity", "gross_minor", "discount_minor", "net_minor", "tax_minor")
    left = {name: sold["sale_lines"][name][0].as_py() for name in names}
    done = 0
    for now in [*steps, units]:
        now = min(now, units - done)  # noqa: PLW2901  # the last step gives back the rest
        if not now:
            continue
        share = [
            cumulative_share(value, Fraction(done), Fraction(done + now), Fraction(units))
            for value in (gross, discount, tax)
        ]
        back = returned("a", share[0], discount=share[1], tax=share[2], quantity=str(now))
        entry = {"uid": "r", "source_order_id": "O1", "return_line_items": [back]}
        taxes = [{"uid": "t1", "name": "NYC sales tax", "percentage": "8.875"}]
        rows = decoded(order(name="R", returns=[entry | {"return_taxes": taxes}]))["sale_lines"]
        for name in names:
            change = rows[name][0].as_py()
            assert change <= 0
            left[name] += change
            assert left[name] >= 0
        done += now
    assert all(value == 0 for value in left.values())


@given(
    st.lists(st.integers(-10_000, 10_000), max_size=12), st.lists(st.integers(1, 9_999), min_size=1)
)
def test_split_taxes_lose_nothing_by_line_or_by_authority(
    taxes: list[int], weights: list[int]
) -> None:
    shares = telescope(taxes, tuple(weights))
    width = len(weights)
    assert [sum(shares[at * width :][:width]) for at in range(len(taxes))] == taxes
    if taxes:
        assert [sum(shares[at::width]) for at in range(width)] == allocate(sum(taxes), weights)


@settings(max_examples=3)
@given(st.integers(0, 1_000))
def test_a_chain_of_stores_conforms_to_what_was_meant(seed: int) -> None:
    """Every store and day of a generated chain: net sales, tax, tenders and cost as meant."""
    seller = Seller()
    truth = chain.play(
        seller.call, seller.set_clock, seed=seed, orders_per_day=12, first_day=date(2026, 10, 31)
    )
    with tempfile.TemporaryDirectory() as folder, House(Path(folder), stores_of(truth)) as house:
        result = house.take(events_of(seller))
        assert result.quarantined == 0
        house.seal()
        for meant in truth["store_days"]:
            day = date.fromisoformat(meant["business_date"])
            check_store_day(house, meant["store"], day, meant["figures"])


def check_store_day(house: House, name: str, day: date, figures: dict[str, Any]) -> None:
    found = {table: rows.to_pylist() for table, rows in facts(house.lake, day, store=name).items()}
    goods = [row for row in found["sale_lines"] if row["is_sale"]]
    assert sum(row["net_minor"] for row in goods) == figures["net_sales_minor"], (name, day)
    assert sum(row["cost_minor"] or 0 for row in goods) == figures["cogs_minor"]
    taxes: dict[str, int] = {}
    for row in found["sale_taxes"]:
        taxes[row["jurisdiction"]] = taxes.get(row["jurisdiction"], 0) + row["amount_minor"]
    assert {key: value for key, value in taxes.items() if value} == {
        key: value for key, value in figures["tax_minor"].items() if value
    }
    money_in: dict[str, int] = {}
    for row in found["tenders"]:
        if row["state"] == "captured":
            amount = row["amount_minor"] + row["tip_minor"]
            money_in[row["tender_type"]] = money_in.get(row["tender_type"], 0) + amount
    for kind in ("card", "cash"):
        assert money_in.get(kind, 0) == figures[f"{kind}_minor"], (name, day, kind)
    assert sum(row["fee_minor"] for row in found["tenders"]) == figures["fees_minor"]
    assert sum(row["total_minor"] for row in found["sales"]) == sum(money_in.values())
