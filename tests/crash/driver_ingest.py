"""Child of test_ingest_kill: fetches, sweeps and archives until it says `done`."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from cloud_conductor.adapters.clock import RehearsalClock
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.adapters.pos.square.client import connect
from cloud_conductor.ingest import flow
from cloud_conductor.ingest.flow import IngestDeps, Source, run_archive, run_fetch, run_sweeps
from cloud_conductor.ingest.sweep import SweepPlan
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import WORKER

url, folder, start = sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
flow.ARCHIVE_EVENTS_MAX = 7  # many small ranges: many places to be killed at
flow.READ_EVENTS = 3
clock = RehearsalClock(start)
engine = open_engine(f"sqlite:///{folder / 'worker.sqlite'}")
WORKER.create_all(engine)
square = connect(url, lambda: "sandbox-square-token", source="square", clock=clock)
deps = IngestDeps(
    log=SqliteLog(folder / "log.sqlite"),
    engine=engine,
    raw=LocalObjects(folder / "lake"),
    clock=clock,
    sources={"square": Source(square, SweepPlan(overlap=timedelta(days=30)))},
)
print("ready", flush=True)
for _ in range(3):
    run_fetch(deps)
    run_sweeps(deps, clock.now())
    run_archive(deps)
print("done", flush=True)
