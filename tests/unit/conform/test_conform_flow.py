"""The conform flow over a real log, lake and state: golden day, moves, parents, quarantine, seal."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cloud_conductor.conform.flow import (
    EventCount,
    RunResult,
    accounting_of_events,
    facts,
    release,
    run_conform,
    run_seal,
)
from cloud_conductor.domain.errors import ConfigError, CursorGap, LeaseLost
from cloud_conductor.state import conform as state
from conform_events import House, event, golden_day, store
from square_payloads import (
    category,
    item,
    line,
    money,
    offline,
    order,
    payment,
    payout,
    payout_entry,
)

DAY = date(2026, 11, 21)
BEFORE = date(2026, 11, 20)
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with House(tmp_path, [store()]) as made:
        yield made


def total(column: pa.ChunkedArray) -> int:
    return pc.sum(column, min_count=0).as_py()


def test_the_golden_day_has_its_figures(tmp_path: Path) -> None:
    """Section 5, 6 and 18 of the guide, typed by hand."""
    events, stores, _ = golden_day()
    with House(tmp_path, stores) as house:
        result = house.take(events)
        assert (result.quarantined, result.events) == (0, len(events))
        open_day = facts(house.lake, DAY, store="NYC01")
        house.seal()
        day = facts(house.lake, DAY, store="NYC01")
        for table, rows in day.items():
            assert rows.equals(open_day[table]), table
        lines, taxes, tenders = day["sale_lines"], day["sale_taxes"], day["tenders"]
        sold = lines.filter(pc.and_(lines["is_sale"], pc.equal(lines["event"], "sale")))
        back = lines.filter(pc.equal(lines["event"], "return"))
        assert total(sold["gross_minor"]) == 24087
        assert (total(sold["discount_minor"]), total(back["discount_minor"])) == (1155, -250)
        assert total(back["gross_minor"]) == -4499
        assert total(sold["net_minor"]) + total(back["net_minor"]) == 18683
        assert (total(sold["cost_minor"]), total(back["cost_minor"])) == (9640, -1890)
        by_authority = taxes.group_by("jurisdiction").aggregate([("amount_minor", "sum")])
        assert {
            row["jurisdiction"]: row["amount_minor_sum"] for row in by_authority.to_pylist()
        } == {
            "STATE": 735,
            "CITY": 828,
            "DISTRICT": 68,
        }
        by_department = sold.group_by("department").aggregate([("gross_minor", "sum")])
        assert {row["department"]: row["gross_minor_sum"] for row in by_department.to_pylist()} == {
            "Apparel": 9998,
            "Home": 11250,
            "Grocery": 799,
            "Café": 2040,
        }
        assert total(day["sales"]["total_minor"]) == 26064
        assert total(day["sale_services"]["amount_minor"]) == 500
        settled = tenders.filter(pc.equal(tenders["processor"], "square"))
        paid = total(settled["amount_minor"]) + total(settled["tip_minor"])
        assert (paid, total(settled["fee_minor"])) == (18407, 602)
        cash = tenders.filter(pc.equal(tenders["tender_type"], "cash"))
        assert total(cash["amount_minor"]) == 5657
        (shift,) = day["cash_shifts"].to_pylist()
        assert shift["counted_minor"] - shift["expected_minor"] == -50
        (paid_out,) = facts(house.lake, date(2026, 11, 23))["payouts"].to_pylist()
        entries = facts(house.lake, date(2026, 11, 23))["payout_entries"]
        assert paid_out["net_minor"] == total(entries["net_minor"]) == 19898


def test_running_again_does_nothing(house: House) -> None:
    house.take([event("order", order(line("a", 1000)))])
    before = house.lake.uris("sales"), house.digests()
    assert run_conform(house.deps) == RunResult()
    assert (house.lake.uris("sales"), house.digests()) == before


def test_a_sale_that_changes_its_day_leaves_the_old_one(house: House) -> None:
    house.take([event("order", order(line("a", 1000)))])
    moved = order(line("a", 1000), line("b", 50), version=2, closed_at="2026-11-20T17:00:00Z")
    house.take([event("order", moved)])
    for table in ("sales", "sale_lines", "sale_tenders"):
        assert house.lake.read(table, [DAY]).num_rows == 0
    assert house.lake.read("sale_lines", [BEFORE])["line_uid"].to_pylist() == ["a", "b"]
    house.seal()
    assert house.lake.read("sales")["business_date"].to_pylist() == [BEFORE]
    again = order(line("a", 1000), version=3)
    house.take([event("order", again)])
    assert house.lake.read("sales")["business_date"].to_pylist() == [DAY]


def test_an_older_version_that_comes_late_changes_nothing(house: House) -> None:
    new = order(line("a", 1000), version=5, closed_at="2026-11-20T17:00:00Z")
    house.take([event("order", new)])
    before = house.digests([BEFORE, DAY])
    result = house.take([event("order", order(line("a", 999), version=4))])
    assert (result.events, result.rows, result.quarantined) == (1, 0, 0)
    assert house.digests([BEFORE, DAY]) == before


def test_an_offline_payment_that_comes_later_moves_its_sale(house: House) -> None:
    """R-2.5: sold on the 20th at 23:00 local, uploaded on the 21st; once in any order."""
    house.take([event("order", order(line("a", 1000, tax=89)))])
    assert house.lake.read("sales")["business_date"].to_pylist() == [DAY]
    house.take([event("payment", offline("O1", "2026-11-21T04:00:00Z"))])
    for table in ("sales", "sale_lines", "sale_taxes", "sale_tenders", "tenders"):
        assert set(house.lake.read(table)["business_date"].to_pylist()) == {BEFORE}
    newer = order(line("a", 1000, tax=89), version=2)
    house.take([event("order", newer)])
    assert house.lake.read("sales")["business_date"].to_pylist() == [BEFORE]


def test_a_clock_within_the_day_still_corrects_the_time(house: House) -> None:
    house.take([event("order", order(line("a", 1000)))])
    house.take([event("payment", offline("O1", "2026-11-21T16:00:00Z"))])
    (sale,) = house.lake.read("sales").to_pylist()
    assert sale["occurred_at"] == datetime(2026, 11, 21, 16, tzinfo=UTC)
    assert house.lake.read("sale_lines").num_rows == 1


def test_entries_wait_for_their_payout_in_quarantine_and_leave_it(house: House) -> None:
    first = house.take([event("payout_entry", payout_entry())])
    (waiting,) = state.quarantine(house.engine)
    assert (first.quarantined, waiting.waits_for) == (1, "payout:po_1")
    second = house.take([event("payout_entry", payout_entry("poe_2")), event("payout", payout())])
    assert second.released == 1
    assert state.quarantine(house.engine) == []
    assert house.lake.read("payout_entries")["entry_id"].to_pylist() == ["poe_1", "poe_2"]
    counts = accounting_of_events(house.deps)["square"]
    assert counts == EventCount(3, processed=3, quarantined=0, deduplicated=0, pending=0)


def test_a_released_event_leaves_quarantine_when_its_body_was_corrected(house: House) -> None:
    bad = order(line("a", 1000, quantity="two"))
    house.take([event("order", bad), event("order", order(line("a", 1000), name="O2"))])
    (held,) = state.quarantine(house.engine)
    assert (held.object_id, held.group_key) == ("O1", "contract:/line_items/#/quantity")
    assert release(house.deps, [held], author="ana", now=NOW) == 1
    run_conform(house.deps)
    (again,) = state.quarantine(house.engine)
    assert (again.channel, again.event_id) == ("replay", f"replay:{held.seq}:1")
    fixed = event("order", order(line("a", 1000))).body
    assert release(house.deps, [again], author="bo", now=NOW, fixed_body=fixed) == 1
    assert run_conform(house.deps).quarantined == 0
    assert state.quarantine(house.engine) == []
    assert house.lake.read("sales")["sale_id"].to_pylist() == ["O1", "O2"]
    states = state.quarantine(house.engine, states=(state.RELEASED, state.REPLAYED))
    assert [(one.state, one.author) for one in states] == [("replayed", "ana"), ("released", "bo")]
    (original,) = house.log.get([held.seq])
    assert b'"two"' in original.body


@pytest.mark.parametrize("together", [True, False])
def test_a_broken_repeat_of_what_is_held_whole_waits_for_nobody(
    house: House, together: bool
) -> None:
    """A vendor changes what orders look like and tells a known version once more: nothing is lost."""
    whole, broken = (
        event("order", order(line("a", 1000, quantity=quantity), version=2))
        for quantity in ("1", "two")
    )
    for some in [[whole, broken]] if together else [[whole], [broken]]:
        house.take(some)
    assert state.quarantine(house.engine) == []
    (kept,) = state.quarantine(house.engine, states=(state.RELEASED,))
    assert (kept.object_id, kept.findings[0].code) == ("O1", "contract")
    counts = accounting_of_events(house.deps)["square"]
    assert counts == EventCount(2, processed=2, quarantined=0, deduplicated=0, pending=0)


@pytest.mark.parametrize("together", [True, False])
def test_a_broken_version_newer_than_the_one_held_waits(house: House, together: bool) -> None:
    whole = event("order", order(line("a", 1000), version=2))
    broken = event("order", order(line("a", 1000, quantity="two"), version=3))
    for some in [[whole, broken]] if together else [[whole], [broken]]:
        house.take(some)
    (held,) = state.quarantine(house.engine)
    assert held.object_id == "O1"


def test_a_group_is_released_together_and_only_once(house: House) -> None:
    house.take(
        event("order", order(line("a", 1000), name=f"O{n}", location_id="L9")) for n in range(3)
    )
    held = state.quarantine(house.engine, group="unknown_store:/location_id")
    assert len(held) == 3
    deps = house.deps
    assert release(deps, held, author="ana", now=NOW) == 3
    opened = [store(), store("L9", store="NYC09")]
    object.__setattr__(deps, "stores", opened)
    assert run_conform(deps).quarantined == 0
    assert house.lake.read("sales")["store"].to_pylist() == ["NYC09"] * 3
    assert release(deps, state.quarantine(house.engine), author="ana", now=NOW) == 0
    assert accounting_of_events(deps)["square"].quarantined == 0


def test_a_corrected_body_is_for_one_event(house: House) -> None:
    with pytest.raises(ConfigError):
        release(house.deps, [], author="ana", now=NOW, fixed_body=b"{}")


def test_every_event_is_counted_once(house: House) -> None:
    """INV-16: two good, one thin, one bad, one delivered twice, one not conformed yet."""
    events = [
        event("order", order(line("a", 1000))),
        event("payment", payment()),
        event("order.updated", {"data": {}}, channel="webhook", name="e1"),
        event("order", b"{"),
    ]
    house.take([*events, events[0]])
    house.log.append([event("payment", payment("P9"))])
    counts = accounting_of_events(house.deps)["square"]
    assert counts == EventCount(6, processed=3, quarantined=1, deduplicated=1, pending=1)
    assert state.counts(house.engine) == {
        ("square", "rows"): 2,
        ("square", "ignored"): 1,
        ("square", "rejected"): 1,
    }


def test_a_source_nobody_configured_is_quarantined_not_lost(house: House) -> None:
    strange = event("order", order(line("a", 1000)))
    house.log.append([strange.__class__(**{**_fields(strange), "source": "toast"})])
    assert run_conform(house.deps).quarantined == 1
    assert state.quarantine(house.engine)[0].code == "unknown_kind"


def test_a_late_catalogue_completes_the_next_seal_and_the_sale_stood_all_along(
    house: House,
) -> None:
    """R-11.4; the version valid at the sale counts, the earliest when none is older."""
    house.take([event("order", order(line("a", 1000, quantity="3")))])
    house.seal()
    (bare,) = facts(house.lake, DAY)["sale_lines"].to_pylist()
    assert (bare["department"], bare["cost_minor"], bare["net_minor"]) == (None, None, 1000)
    house.take(
        [
            event("catalog_item", item("Va", cost="0.125", updated_at="2026-11-01T00:00:00Z")),
            event("catalog_item", item("Va", cost="9.99", updated_at="2026-11-22T00:00:00Z")),
            event("catalog_category", category("Home", updated_at="2026-12-01T00:00:00Z")),
        ]
    )
    run_seal(house.deps, DAY)
    (line_now,) = house.lake.read("sale_lines").to_pylist()
    assert (line_now["sku"], line_now["department"]) == ("SKU-Va", "Home")
    assert line_now["cost_minor"] == 38  # 0.375 half to even


def test_a_refund_onto_a_gift_card_is_told_by_the_cards_own_activity(house: House) -> None:
    refund = {
        "id": "PG_R1",
        "location_id": "L1",
        "status": "COMPLETED",
        "created_at": "2026-11-21T20:00:00Z",
        "destination_type": "CARD",
        "amount_money": money(2000),
        "payment_id": "PG",
    }
    activity = {
        "id": "g1",
        "type": "REFUND",
        "location_id": "L1",
        "created_at": "2026-11-21T20:00:00Z",
        "gift_card_id": "gc",
        "gift_card_balance_money": money(2000),
        "refund_activity_details": {"amount_money": money(2000), "payment_id": "PG"},
    }
    house.take([event("refund", refund), event("gift_card_activity", activity)])
    (found,) = facts(house.lake, DAY)["tenders"].to_pylist()
    assert (found["tender_type"], found["processor"]) == ("gift_card", "")


def test_a_seal_is_idempotent_to_the_byte(house: House) -> None:
    house.take(event("order", order(line("a", 100), name=f"O{n:02}")) for n in range(20))
    run_seal(house.deps, DAY)
    first = [Path(uri).read_bytes() for uri in house.lake.uris("sales", [DAY])]
    run_seal(house.deps, DAY)
    second = [Path(uri).read_bytes() for uri in house.lake.uris("sales", [DAY])]
    assert (first, len(first)) == (second, 1)


def test_warnings_are_kept_beside_the_rows(house: House) -> None:
    body = order(line("a", 1000, tax=89))
    body["net_amounts"]["total_money"]["amount"] -= 1
    house.take([event("order", body)])
    (warned,) = state.warnings(house.engine)
    assert (warned.seq, warned.finding.code, warned.finding.severity) == (
        1,
        "arithmetic",
        "warning",
    )


def test_a_lake_that_lost_commits_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with House(tmp_path / "a", [store()]) as house:
        house.take([event("order", order(line("a", 1000)))])
        house.log.append([event("order", order(line("a", 1000), name="O2"))])
        house.lake.root.rename(tmp_path / "elsewhere")
        again = House(tmp_path / "a", [store()])
        with again, pytest.raises(CursorGap, match="files of the lake are gone"):
            run_conform(again.deps)


def test_two_conforms_of_one_log_do_not_both_write(tmp_path: Path) -> None:
    with House(tmp_path, [store()]) as one, House(tmp_path, [store()]) as other:
        one.log.append([event("order", order(line("a", 1000)))])

        def intrude(step: str) -> None:
            if step == "commit":
                run_conform(other.deps)

        object.__setattr__(one.deps, "step", intrude)
        with pytest.raises(LeaseLost):
            run_conform(one.deps)
        assert one.lake.read("sales").num_rows == 1
        assert len(one.lake.uris("sales")) == 1


def test_an_empty_log_is_no_work(house: House) -> None:
    assert run_conform(house.deps) == RunResult()
    assert accounting_of_events(house.deps) == {}
    assert run_seal(house.deps, DAY) == 0


def _fields(new: Any) -> dict[str, Any]:
    return {name: getattr(new, name) for name in new.__struct_fields__}
