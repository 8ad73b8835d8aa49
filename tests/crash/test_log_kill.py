"""kill -9 of a writer mid-stream: every acknowledged event is in the log, each once."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloud_conductor.adapters.log.kafka import KafkaLog
from cloud_conductor.adapters.log.postgres import PostgresLog
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.ports.log import EventLog
from services import tansu

DRIVER = Path(__file__).with_name("driver_log.py")
KILLS = 3


def _kill_a_writer_after(target: str, acknowledged_min: int) -> list[str]:
    """Ids that the child acknowledged before it was killed."""
    with subprocess.Popen(
        [sys.executable, DRIVER, target], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline().strip() for _ in range(acknowledged_min)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    seen += rest.splitlines()
    return seen if rest.endswith("\n") or not rest else seen[:-1]


def _check(log: EventLog, acknowledged: list[str]) -> None:
    stored: list[str] = []
    after = 0
    while page := log.read("0", after):
        assert all(one.seq > after for one in page)
        stored += [event.event_id for event in page]
        after = page[-1].seq
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert log.high_water("0") == after


def test_sqlite_keeps_every_acknowledged_event_over_kills(tmp_path: Path) -> None:
    dice = random.Random(16)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += _kill_a_writer_after(str(tmp_path / "log.sqlite"), dice.randint(1, 2_000))
    log = SqliteLog(tmp_path / "log.sqlite")
    _check(log, acknowledged)
    assert [e.seq for e in log.read("0", 0)][:5] == [1, 2, 3, 4, 5]
    log.close()


@pytest.mark.postgres
def test_postgres_keeps_every_acknowledged_event_over_kills(postgres_fresh_url: str) -> None:
    dice = random.Random(17)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += _kill_a_writer_after(postgres_fresh_url, dice.randint(1, 1_000))
    log = PostgresLog(postgres_fresh_url)
    _check(log, acknowledged)
    log.close()


def test_kafka_keeps_every_acknowledged_event_over_kills(tmp_path: Path) -> None:
    """And an index made anew from the topic says the same as the one that lived through the kills."""
    dice = random.Random(18)
    acknowledged: list[str] = []
    with tansu(tmp_path) as broker:
        url, index = f"kafka://{broker}/log", tmp_path / "index.sqlite"
        for _ in range(KILLS):
            acknowledged += _kill_a_writer_after(f"{url} {index}", dice.randint(1, 1_000))
        seen = []
        for path in (index, tmp_path / "anew.sqlite"):
            log = KafkaLog(url, {}, path)
            _check(log, acknowledged)
            seen.append([(one.seq, one.event_id) for one in log.read("0", 0, 100_000)])
            log.close()
    assert seen[0] == seen[1]
