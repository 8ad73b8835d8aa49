"""Replay: the same log into an empty lake must give the same content (design, section 5)."""

import shutil
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypedDict

from sqlalchemy import delete

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.ports.lake import Lake
from cloud_conductor.state.engine import open_engine, state_url
from cloud_conductor.state.lock import state_lock
from cloud_conductor.state.migrate import migrate
from cloud_conductor.state.tables import conform as tables
from cloud_conductor.wiring.errands import Progress
from cloud_conductor.wiring.house import PROCESSED, House


class Replayed(TypedDict):
    """identical: table-days with equal digests. different: the others, `table date`."""

    schema: str
    identical: int
    different: list[str]


def verify(house: House, tell: Progress) -> Replayed:
    """Replay into a throw-away folder with throw-away state, and compare digests."""
    with tempfile.TemporaryDirectory(prefix="conductor-replay-") as folder:
        scratch = Path(folder)
        engine = open_engine(state_url(scratch, "", "worker"))
        migrate(engine, "worker")
        lake = DeltaLake(scratch / PROCESSED)
        deps = replace(house.conform_deps, lake=lake, engine=engine)
        tell("replaying the log")
        conform.run_conform(deps)
        engine.dispose()
        with house.lake_lock():
            return _compared(house.lake, lake, tell)


def rebuild(house: House, tell: Progress) -> Replayed:
    """Move the processed zone aside, forget what conform remembers, conform the whole log, seal."""
    with state_lock(house.state_dir), house.lake_lock():
        current = house.config.lake_dir / PROCESSED
        aside = current.with_name(f"{PROCESSED}.before-{house.clock.now():%Y%m%dT%H%M%S}")
        if current.exists():
            shutil.move(current, aside)
        with house.worker.begin() as connection:
            for table in tables.MEMORY:
                connection.execute(delete(table))
        lake = DeltaLake(current)
        deps = replace(house.conform_deps, lake=lake)
        tell("conforming the log")
        conform.run_conform(deps)
        for business_date in sorted({one for table in PARTITIONED for one in lake.dates(table)}):
            tell(f"sealing {business_date}")
            conform.run_seal(deps, business_date)
        return _compared(DeltaLake(aside), lake, tell)


def _compared(one: Lake, other: Lake, tell: Progress) -> Replayed:
    identical, different = 0, []
    for table in PARTITIONED:
        for business_date in sorted({*one.dates(table), *other.dates(table)}):
            tell(f"comparing {table} {business_date}")
            rows = [_digest(lake, table, business_date) for lake in (one, other)]
            if rows[0] == rows[1]:
                identical += 1
            else:
                different.append(f"{table} {business_date}")
    return Replayed(schema="conductor.replay/v1", identical=identical, different=different)


def _digest(lake: Lake, table: str, business_date: date) -> str:
    """Digest of the enriched rows: the same for an open and for a sealed day."""
    if business_date not in lake.dates(table):
        return ""
    return lake.digest_rows(table, conform.fact(lake, table, business_date))
