"""Replay: the same log into an empty lake must give the same content (design, section 5)."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypedDict

from sqlalchemy import delete

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import ChecksumMismatch
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.ports.lake import Lake
from cloud_conductor.state import conform as state
from cloud_conductor.state.engine import open_engine, state_url
from cloud_conductor.state.lock import state_lock
from cloud_conductor.state.migrate import migrate
from cloud_conductor.state.tables import conform as tables
from cloud_conductor.windows import flow as windows
from cloud_conductor.wiring.errands import Progress
from cloud_conductor.wiring.house import PROCESSED, House
from cloud_conductor.wiring.log_up_to import LogUpTo

MARK = "rebuild.json"
Days = tuple[date, date] | None
"""First and last business date to compare; None for all."""


class Replayed(TypedDict):
    """identical: table-days with equal digests. different: the others, `table date`.

    waiting: events of the log that the compared zone had not conformed yet.
    """

    schema: str
    identical: int
    different: list[str]
    waiting: int


def verify(house: House, tell: Progress, days: Days = None) -> Replayed:
    """Replay into a throw-away folder with throw-away state, and compare digests.

    As much of the log is replayed as has been conformed; the worker may go on meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="conductor-replay-") as folder:
        scratch = Path(folder)
        engine = open_engine(state_url(scratch, "", "worker"))
        migrate(engine, "worker")
        lake = DeltaLake(scratch / PROCESSED)
        log = LogUpTo(house.log, lambda partition: state.cursor(house.worker, partition))
        step = _teller(tell, house)
        deps = replace(house.conform_deps, log=log, lake=lake, engine=engine, step=step)
        tell("replaying the log")
        conform.run_conform(deps)
        with house.lake_lock():
            conform.run_conform(deps)  # what was conformed meanwhile
            engine.dispose()
            return _compared(house.lake, lake, tell, days, waiting=waiting(house))


def waiting(house: House) -> int:
    """Events that are in the log and not conformed yet."""
    counts = conform.accounting_of_events(house.conform_deps).values()
    return sum(count.pending for count in counts)


def rebuild(house: House, tell: Progress, days: Days = None) -> Replayed:
    """Move the processed zone aside, forget what conform remembers, conform the whole log, seal.

    A rebuild that was stopped is taken up again: a mark beside the state says where the old zone
    lies, until the new one is sealed. Everything between may be done twice. What the old zone had
    not conformed yet is in the new one, and counts as different.
    """
    with state_lock(house.state_dir), house.lake_lock():
        current = house.config.lake_dir / PROCESSED
        aside, waited = _begun(house, current)
        lake = DeltaLake(current)
        deps = replace(house.conform_deps, lake=lake, step=_teller(tell, house))
        tell("conforming the log")
        conform.run_conform(deps)
        dates = sorted({one for table in PARTITIONED for one in lake.dates(table)})
        tell(f"sealing {len(dates)} dates")
        conform.run_seals(deps, dates)
        (house.state_dir / MARK).unlink()
        tell("making live windows again")
        windows.rebuild(house.windows_deps)
        return _compared(DeltaLake(aside), lake, tell, days, waiting=waited)


def _begun(house: House, current: Path) -> tuple[Path, int]:
    """Where the old zone lies and how many events it lacked.

    It is moved there, and the memory of it gone, unless that was done.
    """
    mark = house.state_dir / MARK
    if mark.exists():
        told = json.loads(mark.read_text())
        aside, waited = current.with_name(told["aside"]), int(told.get("waiting", 0))
        if told["cleared"]:
            return aside, waited
    else:
        waited = waiting(house)
        aside = current.with_name(f"{PROCESSED}.before-{house.clock.now():%Y%m%dT%H%M%S}")
        _write(mark, aside.name, waited, cleared=False)
    if current.exists() and not aside.exists():
        shutil.move(current, aside)
    with house.worker.begin() as connection:
        for table in tables.MEMORY:
            connection.execute(delete(table))
    _write(mark, aside.name, waited, cleared=True)
    return aside, waited


def _write(mark: Path, aside: str, waited: int, *, cleared: bool) -> None:
    partial = mark.with_suffix(".partial")
    with partial.open("w") as file:
        json.dump({"aside": aside, "cleared": cleared, "waiting": waited}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(mark)


def _teller(tell: Progress, house: House) -> Callable[[str], None]:
    """Say how many batches of how many are done, each time one is."""
    events = sum(house.log.high_water(partition) for partition in house.log.partitions())
    batches = -(-events // house.conform_deps.events_per_batch)
    done = 0

    def step(name: str) -> None:
        nonlocal done
        if name == "committed":
            done += 1
            tell(f"batch {done} of {max(done, batches)}")

    return step


def _compared(
    one: Lake, other: Lake, tell: Progress, days: Days = None, *, waiting: int
) -> Replayed:
    identical, different = 0, []
    for table in PARTITIONED:
        for business_date in sorted({*one.dates(table), *other.dates(table)}):
            if days is not None and not days[0] <= business_date <= days[1]:
                continue
            tell(f"comparing {table} {business_date}")
            rows = [_digest(lake, table, business_date) for lake in (one, other)]
            if rows[0] == rows[1]:
                identical += 1
            else:
                different.append(f"{table} {business_date}")
    return Replayed(
        schema="conductor.replay/v1", identical=identical, different=different, waiting=waiting
    )


def _digest(lake: Lake, table: str, business_date: date) -> str:
    """Digest of the enriched rows: the same for an open and for a sealed day.

    Files that cannot be read differ from everything: that is why they are being rebuilt.
    """
    if business_date not in lake.dates(table):
        return ""
    try:
        return lake.digest_rows(table, conform.fact(lake, table, business_date))
    except ChecksumMismatch:
        return "unreadable"
