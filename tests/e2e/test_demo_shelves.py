"""The demo's shelves: filled by a count before the first sale, the same every time, and signed so."""

from datetime import date
from pathlib import Path

import pytest
from house_rig import Town, open_town
from sqlalchemy import select

from cloud_conductor.cli.demo_console import opening_units, stock_shelves
from cloud_conductor.inventory.flow import run_inventory
from cloud_conductor.inventory.movements import MILLION
from cloud_conductor.state import inventory
from cloud_conductor.state.inventory import StockRow
from cloud_conductor.state.tables.inventory import MOVEMENT

FIRST = date(2026, 11, 20)


@pytest.fixture
def town(tmp_path: Path):
    with open_town(tmp_path, stores=2, days=2, orders_per_day=8) as found:
        found.close_due()
        yield found


def stock(town: Town) -> list[StockRow]:
    with town.house.worker.connect() as connection:
        return inventory.stock(connection)


def test_one_product_is_below_zero_on_purpose_and_all_others_are_in_stock(town: Town):
    run_inventory(town.house.inventory_deps)
    assert all(row.quantity <= 0 for row in stock(town))
    stock_shelves(town.house, FIRST)
    filled = stock(town)
    (short,) = [row for row in filled if row.quantity <= 0]
    assert short.store == town.house.stores[0].store
    assert all(12 * MILLION <= row.quantity < 49 * MILLION for row in filled if row is not short)

    stock_shelves(town.house, FIRST)
    assert stock(town) == filled, "the same act again moves nothing"

    with town.house.worker.connect() as connection:
        rows = connection.execute(select(MOVEMENT).order_by(MOVEMENT.c.occurred_us)).all()
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.sku, row.store)
        sums[key] = sums.get(key, 0) + row.quantity
        assert sums[key] >= 0 or key == (short.sku, short.store), "never below zero in between"
    assert sums == {(row.sku, row.store): row.quantity for row in filled}
    counted = [row for row in rows if row.kind == "count"]
    assert {row.author for row in counted} == {"service:demo"}


def test_what_is_on_a_shelf_is_the_same_every_time():
    assert opening_units("NYC01", "APP-CAP", -1_500_000) == opening_units(
        "NYC01", "APP-CAP", -1_500_000
    )
    assert opening_units("NYC01", "APP-CAP", 0) + 2 == opening_units("NYC01", "APP-CAP", -1_500_000)
