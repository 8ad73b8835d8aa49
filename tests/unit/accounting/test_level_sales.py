"""L1 and L2 over the golden day, with one thing wrong at a time."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from msgspec.structs import replace

from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.level_sales import (
    Control,
    compare_records,
    compare_totals,
    pos_total,
)
from cloud_conductor.ports.pos import Listed
from cloud_conductor.testing import golden_day as golden

TABLES = golden.golden_tables(golden.DAY)
SALES = TABLES["sales"]
SCOPE = Scope(store="NYC01", business_date=golden.DAY, currency="USD")


def listing() -> list[Listed]:
    states = {"closed": "COMPLETED", "voided": "CANCELED"}
    return [
        Listed(row["sale_id"], 1, row["total_minor"], states[row["state"]], row["occurred_at"])
        for row in SALES.to_pylist()
    ]


def control(rows: list[Listed] | None, quarantined: tuple[str, ...] = ()) -> Control:
    interval = golden.STORE.day_interval(golden.DAY)
    return Control(scope=SCOPE, interval=interval, rows=rows, quarantined=quarantined)


def without(sale_id: str) -> pa.Table:
    return SALES.filter(pc.not_equal(SALES["sale_id"], sale_id))


def only_break(result):
    (found,) = result.breaks
    return found


def test_the_golden_day_is_green_on_l1_and_l2():
    l1, l2 = (
        compare_records(control(listing()), SALES),
        compare_totals(control(listing()), SALES, TABLES),
    )
    assert (l1.state, l1.matched, l1.left.population, l1.right.population) == ("green", 11, 11, 11)
    assert (l2.state, l2.breaks, l2.left.population) == ("green", (), 11)
    assert pos_total(control(listing())) == golden.COLLECTED_MINOR


def test_without_a_listing_neither_level_is_green():
    assert compare_records(control(None), SALES).state == "not_connected"
    assert compare_totals(control(None), SALES, TABLES).state == "not_connected"


@pytest.mark.parametrize(("quarantined", "code"), [((), "D01"), (("O3",), "D16")])
def test_a_listed_sale_we_do_not_hold_is_missing_or_in_quarantine(quarantined, code):
    result = compare_records(control(listing(), quarantined), without("O3"))
    found = only_break(result)
    assert (found.code, found.key, found.amount_minor, found.effect_minor) == (
        code,
        "O3",
        -16_00,
        16_00,
    )
    assert result.state == "breaks"


def test_a_sale_the_source_does_not_list_is_missing_in_pos():
    rows = [row for row in listing() if row.object_id != "O8"]
    found = only_break(compare_records(control(rows), SALES))
    assert (found.code, found.key, found.effect_minor) == ("D02", "O8", -48_99)


def test_an_older_version_is_a_break_and_a_newer_one_is_timing():
    rows = [
        replace(row, version=2, total_minor=18_00) if row.object_id == "O3" else row
        for row in listing()
    ]
    stale = only_break(compare_records(control(rows), SALES))
    assert (stale.code, stale.amount_minor, stale.is_explained) == ("D01", -2_00, False)
    rows = [replace(row, version=0) if row.object_id == "O3" else row for row in listing()]
    newer = compare_records(control(rows), SALES)
    assert (only_break(newer).code, newer.state, newer.explained) == ("D05", "green", 1)


def test_an_offline_sale_dated_by_the_till_is_explained_on_both_days_r_2_5():
    late = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    index = SALES.schema.get_field_index("source_created_at")
    moved = SALES.set_column(
        index,
        "source_created_at",
        pa.array(
            [
                late if row["sale_id"] == "O3" else row["source_created_at"]
                for row in SALES.to_pylist()
            ],
            SALES.schema.field(index).type,
        ),
    )
    here = compare_records(control([row for row in listing() if row.object_id != "O3"]), moved)
    assert (only_break(here).code, here.state) == ("D05", "green")
    monday = Control(
        scope=Scope(store="NYC01", business_date=golden.PAYOUT_DAY, currency="USD"),
        interval=golden.STORE.day_interval(golden.PAYOUT_DAY),
        rows=[row for row in listing() if row.object_id == "O3"],
    )
    there = compare_records(monday, moved)
    assert (only_break(there).code, there.state, there.right.explained) == ("D05", "green", 1)


def test_an_object_listed_twice_while_it_changes_counts_once():
    rows = [*listing(), replace(listing()[0], version=0)]
    result = compare_records(control(rows), SALES)
    assert (result.state, result.right.population, result.right.explained) == ("green", 12, 1)


def test_rows_that_do_not_give_the_total_are_an_amount_break_on_l2():
    lines = TABLES["sale_lines"]
    facts = TABLES | {"sale_lines": lines.filter(pc.not_equal(lines["name"], "Lamp"))}
    found = only_break(compare_totals(control(listing()), SALES, facts))
    assert (found.code, found.key, found.amount_minor, found.effect_minor) == (
        "D03",
        "O8",
        -40_00,
        40_00,
    )


def test_l2_explains_the_day_by_what_l1_found():
    result = compare_totals(control(listing()), without("O3"), TABLES)
    assert (result.state, result.explained, result.unexplained_minor) == ("green", 1, 0)


def test_the_days_interval_is_the_stores():
    start, end = control([]).interval
    assert end - start == timedelta(hours=24)
