"""Child of test_consumers_kill: forks a process per border, kills it there, and lets one go on after.

A border is before every statement of the room's database, and before every commit: what is before
the first statement of a transaction is after the commit of the one before. Says how many borders it
killed at, and what the room held after each, as digests.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
from sqlalchemy import Engine, event, select

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.stores import Store
from cloud_conductor.inventory import acts
from cloud_conductor.inventory import flow as inventory
from cloud_conductor.inventory.acts import Quantity
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import inventory as stock
from cloud_conductor.state.tables import windows as live
from cloud_conductor.windows import flow as windows

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BATCH = 62  # events: two batches
BORDERS_MAX = 2_000
TABLES = {
    "inventory": (
        stock.CURSOR, stock.SALE, stock.MOVEMENT, stock.UNKNOWN, stock.ON_HAND, stock.TRANSFER,
    ),
    "windows": (live.CURSOR, live.CELL, live.STORE, live.TENDER, live.SALE, live.LATE),
}  # fmt: skip


class At:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


class Borders:
    """Counts the borders of an engine; at one of them the process is killed."""

    def __init__(self, engine: Engine, last: int) -> None:
        self.count, self.last = 0, last
        for name in ("before_cursor_execute", "commit"):
            event.listen(engine, name, self.pass_one)

    def pass_one(self, *_ignored: object, **_more: object) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def move_stock(folder: Path, engine: Engine, stores: list[Store]) -> None:
    """A day's sales, and the acts of people in between, each under an id of its own."""
    log = SqliteLog(folder / "log.sqlite")
    deps = inventory.InventoryDeps(log, engine, At(), {"square": SquareDecoder()}, stores, BATCH)
    inventory.run_inventory(deps)
    with engine.connect() as connection:
        sku = connection.execute(select(stock.ON_HAND.c.sku).order_by(stock.ON_HAND.c.sku)).scalar()
    assert sku, "the day's catalogue has SKUs"
    some = [Quantity(sku, Decimal(12))]
    acts.receive(deps, "act-1", "user:ana", "NYC01", "delivery 7", some)
    acts.count(deps, "act-2", "user:ana", "NYC01", NOW - timedelta(hours=15), some)
    sent = acts.send(deps, "act-3", "user:ana", "NYC01", "NYC02", some)
    acts.arrive(deps, "act-4", "user:ana", sent.transfer_id, [Quantity(sku, Decimal(5))])
    log.close()


def make_windows(folder: Path, engine: Engine, stores: list[Store]) -> None:
    log = SqliteLog(folder / "log.sqlite")
    windows.run_windows(
        windows.WindowsDeps(log, engine, {"square": SquareDecoder()}, stores, BATCH)
    )
    log.close()


ROOMS: dict[str, Callable[[Path, Engine, list[Store]], None]] = {
    "inventory": move_stock,
    "windows": make_windows,
}


def work(folder: Path, room: str, last: int) -> None:
    stores = msgspec.json.decode((folder.parent / "stores.json").read_bytes(), type=list[Store])
    engine = open_engine(f"sqlite:///{folder / 'worker.sqlite'}")
    Borders(engine, last)
    ROOMS[room](folder, engine, stores)
    engine.dispose()


def run(folder: Path, room: str, last: int) -> int:
    """Work in a process of its own that is killed at a border; gives its exit status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    work(folder, room, last)
    os._exit(0)


def held(folder: Path, room: str) -> str:
    """A digest of every row of the room."""
    engine = open_engine(f"sqlite:///{folder / 'worker.sqlite'}")
    told = hashlib.sha256()
    with engine.connect() as connection:
        for table in TABLES[room]:
            for row in sorted(map(repr, connection.execute(select(table)))):
                told.update(f"{table.name}{row}".encode())
    engine.dispose()
    return told.hexdigest()


def main() -> None:
    base, room = Path(sys.argv[1]), sys.argv[2]
    whole = base / f"{room}-whole"
    shutil.copytree(base / "start", whole)
    work(whole, room, 0)  # not in a child: what is compiled and cached here, children need not
    killed, ends = 0, set[str]()
    for border in range(1, BORDERS_MAX):
        folder = base / f"{room}-{border}"
        shutil.copytree(base / "start", folder)
        if is_killed := os.WIFSIGNALED(run(folder, room, border)):
            killed += 1
            assert run(folder, room, 0) == 0, f"after a kill at border {border}"
        ends.add(held(folder, room))
        shutil.rmtree(folder)
        if not is_killed:
            break
    print(json.dumps({"killed": killed, "ends": sorted(ends), "whole": held(whole, room)}))


main()
