"""The published grocer: net sales in the truth against a sum of the file by another engine."""

import time as clock
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario import grocer
from cloud_conductor.sandbox.scenario.baskets import MissingData, data_folder
from cloud_conductor.sandbox.scenario.truth import Store, truth_of
from cloud_conductor.sandbox.square import Seller, Settings

LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
SUMS = """
    select store_id, cast(timezone('America/New_York', timezone('UTC', moment)) as date) as day,
           sum(cents) as net_minor, count(distinct basket_id) filter (quantity > 0 or cents > 0)
    from (select *, transaction_timestamp as moment,
                 cast(round(sales_value * 100) as bigint) as cents
          from '{folder}/transactions.parquet')
    where cast(timezone('America/New_York', timezone('UTC', moment)) as date) < date '{end}'
    group by all
"""


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return data_folder()
    except MissingData as missing:
        pytest.skip(str(missing))


def played(folder: Path, **options: Any) -> tuple[dict, dict]:
    seller = Seller(Settings(seed=1), clock=SandboxClock(LONG_AGO, scale=0))
    truth = grocer.play(seller.call, seller.set_clock, folder=folder, **options)
    return truth, seller.call("GET", "/sandbox/dump")


@pytest.fixture(scope="module")
def week(folder: Path) -> tuple[dict, dict, float]:
    started = clock.process_time()
    truth, dump = played(folder, days=7)
    return truth, dump, clock.process_time() - started


def test_net_sales_are_the_sum_of_sales_value_per_store_and_day(week: tuple, folder: Path) -> None:
    truth, _, _ = week
    rows = duckdb.connect().execute(SUMS.format(folder=folder, end="2017-01-08")).fetchall()
    expected = {(f"CJ{store:03d}", str(day)): int(net) for store, day, net, _ in rows if net}
    found = {
        (day["store"], day["business_date"]): day["figures"]["net_sales_minor"]
        for day in truth["store_days"]
        if day["figures"]["net_sales_minor"]
    }
    assert found == expected
    assert sum(found.values()) == truth["source"]["sales_value_minor"] == 8790874


def test_every_basket_with_a_line_is_one_completed_order(week: tuple, folder: Path) -> None:
    truth, dump, _ = week
    rows = duckdb.connect().execute(SUMS.format(folder=folder, end="2017-01-08")).fetchall()
    completed = [order for order in dump["orders"] if order["state"] == "COMPLETED"]
    assert len(completed) == len(dump["orders"]) == sum(row[3] for row in rows)
    assert len({order["reference_id"] for order in completed}) == len(completed)
    source = truth["source"]
    assert source["baskets"] - source["baskets_without_order"] == len(completed)
    assert source["lines"] == sum(len(order["line_items"]) for order in completed)


def test_what_square_holds_nets_to_the_same_sum(week: tuple) -> None:
    _, dump, _ = week
    net = sum(
        line["total_money"]["amount"] - line["total_tax_money"]["amount"]
        for order in dump["orders"]
        for line in order["line_items"]
    )
    assert net == 8790874


def test_only_stores_that_sold_are_locations(week: tuple) -> None:
    truth, dump, _ = week
    sold = {order["location_id"] for order in dump["orders"]}
    assert {place["id"] for place in dump["locations"]} == sold
    assert len(truth["stores"]) == len(sold) == 138


def test_truth_is_balanced_and_what_is_derived_is_labelled(week: tuple) -> None:
    truth, dump, _ = week
    left: Counter[str] = Counter()
    for day in truth["store_days"]:
        for entry in day["entries"]:
            assert sum(entry["lines"].values()) == 0
            left.update(entry["lines"])
    unpaid = [entry for entry in dump["balance_entries"] if not entry["payout_id"]]
    assert left["clearing.square"] == sum(entry["net_amount_money"]["amount"] for entry in unpaid)
    assert left["undeposited_cash"] == 0
    labels = {text.partition(":")[0] for text in truth["derived"]}
    assert labels == {"tenders", "taxes", "unit costs", "fees", "drawers", "payouts"}
    card = sum(1 for payment in dump["payments"] if payment["source_type"] == "CARD")
    assert 0.66 < card / len(dump["payments"]) < 0.74


def test_what_was_meant_is_what_the_sellers_dump_gives(week: tuple) -> None:
    truth, dump, _ = week
    stores = [
        Store(name=row["store"], **{key: value for key, value in row.items() if key != "store"})
        for row in truth["stores"]
    ]
    found = truth_of(dump, stores, scenario="completejourney")
    for day in truth["store_days"]:
        for entry in day["entries"]:
            entry.pop("source_id", None)
    assert truth["store_days"] == found["store_days"]


def test_fuel_is_sold_by_the_gallon_with_three_decimals(week: tuple) -> None:
    _, dump, _ = week
    fuel = [
        line for order in dump["orders"] for line in order["line_items"] if "." in line["quantity"]
    ]
    assert len(fuel) > 100
    assert all(150 < line["base_price_money"]["amount"] < 400 for line in fuel)


def test_a_week_plays_within_fifteen_seconds_of_cpu(week: tuple) -> None:
    assert week[2] < 15


def test_the_same_days_play_alike(folder: Path) -> None:
    first, second = (played(folder, days=1, first_day=date(2017, 3, 12)) for _ in range(2))
    assert first == second


def test_a_window_without_baskets_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="no basket"):
        played(folder, days=1, first_day=date(2016, 1, 1))
