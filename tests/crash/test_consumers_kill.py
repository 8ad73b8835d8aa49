"""kill -9 at every border of stock and of windows: nothing twice, nothing missing (INV-13, INV-26)."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import migrate
from conform_events import golden_day

DRIVER = Path(__file__).with_name("driver_borders.py")


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A log with the golden day, and a database in which nothing was made of it yet."""
    events, stores, _ = golden_day()
    folder = tmp_path / "start"
    folder.mkdir()
    log = SqliteLog(folder / "log.sqlite")
    log.append(events)
    log.close()
    (tmp_path / "stores.json").write_bytes(msgspec.json.encode(stores))
    engine = open_engine(f"sqlite:///{folder / 'worker.sqlite'}")
    migrate(engine, "worker")
    engine.dispose()
    return tmp_path


@pytest.mark.parametrize(("room", "borders_min"), [("inventory", 50), ("windows", 20)])
def test_a_room_killed_at_any_border_ends_as_an_undisturbed_one(
    start: Path, room: str, borders_min: int
):
    done = subprocess.run(
        [sys.executable, DRIVER, start, room],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] >= borders_min
    assert told["ends"] == [told["whole"]]
