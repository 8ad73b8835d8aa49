"""Seals of many dates: what a late change touches, and what it leaves alone."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.conform.flow import fact, run_seals
from cloud_conductor.domain.schemas import PARTITIONED
from conform_events import House, event, store
from square_payloads import item, line, order, payment

DAYS = [date(2026, 11, number) for number in range(18, 22)]
LATE = DAYS[1]


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with House(tmp_path, [store()]) as made:
        yield made


def sold(day: date, *, name: str, amount: int = 1000, version: int = 1) -> list[Any]:
    at = f"{day}T17:00:00.000Z"
    times = {"created_at": at, "updated_at": at, "closed_at": at}
    body = order(line("a", amount), name=name, version=version, **times)
    paid = payment(f"P{name}", amount, order_id=name, created_at=at, updated_at=at)
    return [event("order", body), event("payment", paid)]


def files(house: House) -> dict[date, set[str]]:
    return {
        day: {uri for table in PARTITIONED for uri in house.lake.uris(table, [day])} for day in DAYS
    }


def test_a_late_change_touches_only_its_day(house: House) -> None:
    house.take([one for day in DAYS for one in sold(day, name=f"O{day.day}")])
    assert run_seals(house.deps, DAYS) > 0
    before = files(house)
    assert run_seals(house.deps, DAYS) == 0
    house.take(sold(LATE, name=f"O{LATE.day}", amount=900, version=2))
    rows = run_seals(house.deps, DAYS)
    changed = {day for day in DAYS if files(house)[day] != before[day]}
    assert changed == {LATE}
    lines = fact(house.lake, "sale_lines", LATE)
    assert lines["net_minor"].to_pylist() == [900]
    sealed = ("sales", "sale_lines", "sale_tenders")  # its payment came again, unchanged
    assert rows == sum(fact(house.lake, table, LATE).num_rows for table in sealed)


def test_a_seal_leaves_one_file_a_table_and_day_of_many_small_ones(house: House) -> None:
    for number in range(5):
        house.take([one for day in DAYS for one in sold(day, name=f"O{day.day}{number}")])
    small = len(house.lake.uris("sale_lines"))
    run_seals(house.deps, DAYS)
    assert (small, len(house.lake.uris("sale_lines"))) == (5 * len(DAYS), len(DAYS))


def test_a_late_catalogue_changes_the_next_seal_of_every_day(house: House) -> None:
    house.take([one for day in DAYS for one in sold(day, name=f"O{day.day}")])
    run_seals(house.deps, DAYS)
    assert fact(house.lake, "sale_lines", LATE)["sku"].to_pylist() == [None]
    house.take([event("catalog_item", item("Va", cost="4.00"))])
    assert fact(house.lake, "sale_lines", LATE)["sku"].null_count == 0
    assert run_seals(house.deps, DAYS) == len(DAYS)
    assert fact(house.lake, "sale_lines", LATE)["sku"].null_count == 0
