"""kill -9 of the ingest room at random: nothing is lost, and the raw zone has nothing twice."""

import json
import random
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.sandbox.http import start
from cloud_conductor.sandbox.scenario import golden
from cloud_conductor.sandbox.square import Seller, simulator
from cloud_conductor.testing.log import new_event

DRIVER = Path(__file__).with_name("driver_ingest.py")
KILLS = 5


def _run(url: str, folder: Path, now: str, *, kill_after_s: float | None) -> bool:
    """Whether the child came to its end."""
    with subprocess.Popen(
        [sys.executable, DRIVER, url, folder, now], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        if kill_after_s is not None:
            timer = threading.Timer(kill_after_s, child.send_signal, (signal.SIGKILL,))
            timer.start()
        done = child.stdout.readline() == "done\n"
        if kill_after_s is not None:
            timer.cancel()
    return done


def test_killed_runs_leave_the_log_and_the_raw_zone_whole(tmp_path: Path) -> None:
    dice = random.Random(18)
    seller = Seller()
    golden.play(seller.call, seller.state.clock.set)
    now = (seller.state.instant() + timedelta(seconds=1)).isoformat()
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(_webhooks(seller))
    with start(simulator(seller)) as running:
        finished = [
            _run(running.url, tmp_path, now, kill_after_s=dice.uniform(0.0, 0.4))
            for _ in range(KILLS)
        ]
        assert not all(finished), "no run was killed: the test shows nothing"
        assert _run(running.url, tmp_path, now, kill_after_s=None)
    events = log.read("0", 0, 100_000)
    fetched = [event for event in events if event.kind == "order"]
    assert len(fetched) == len({event.event_id for event in fetched})
    assert {json.loads(e.body)["id"] for e in fetched} == set(seller.state.table("orders"))
    store = LocalObjects(tmp_path / "lake")
    keys = [key for key in store.list("raw/source=square/") if key.endswith(".parquet")]
    raw = pa.concat_tables([pq.ParquetFile(store.url(key)).read() for key in keys])
    rows = raw.sort_by("seq").to_pylist()
    assert [(row["seq"], row["body"]) for row in rows] == [(e.seq, e.body) for e in events]
    duplicates = [pq.ParquetFile(store.url(key)).read() for key in store.list("raw/duplicates/")]
    numbers = pa.concat_tables(duplicates)["number"].to_pylist()
    assert sorted(numbers) == [number for number, _ in log.duplicates(0, 100_000)]
    log.close()


def _webhooks(seller: Seller) -> list[NewEvent]:
    return [
        msgspec.structs.replace(
            new_event(body["event_id"], body=json.dumps(body).encode()), kind=body["type"]
        )
        for body in seller.call("GET", "/sandbox/dump")["events"]
    ]
