"""kill -9 of the worker while it makes windows: no sale twice, none missing (INV-26)."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
from sqlalchemy import select

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import migrate
from cloud_conductor.state.tables.windows import CELL, CURSOR, SALE, STORE, TENDER
from cloud_conductor.windows.flow import WindowsDeps, rebuild, run_windows
from conform_events import golden_day

DRIVER = Path(__file__).with_name("driver_windows.py")
KILLS = 3


def test_windows_killed_again_and_again_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    events, stores, _ = golden_day()
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(events)
    (tmp_path / "stores.json").write_bytes(msgspec.json.encode(stores))
    engine = open_engine(f"sqlite:///{tmp_path / 'worker.sqlite'}")
    migrate(engine, "worker")
    dice = random.Random(26)
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, DRIVER, str(tmp_path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            for _ in range(dice.randint(2, 6)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
    deps = WindowsDeps(log, engine, {"square": SquareDecoder()}, stores)
    with engine.connect() as connection:
        killed_at = connection.execute(
            select(CURSOR.c.seq).where(CURSOR.c.partition == "0")
        ).scalar()
    assert killed_at is not None
    assert 0 < killed_at < len(events), "the kills came while there was work left"
    run_windows(deps)

    def held() -> dict[str, list[tuple[object, ...]]]:
        with engine.connect() as connection:
            return {
                table.name: sorted(
                    tuple(
                        value
                        for name, value in row._asdict().items()
                        if name not in {"seq", "version", "change_seq"}
                    )
                    for row in connection.execute(select(table))
                )
                for table in (CELL, STORE, TENDER, SALE)
            }

    after_kills = held()
    rebuild(deps)
    again = held()
    assert after_kills["windows_sale"] == again["windows_sale"]
    for name in ("windows_store", "windows_tender"):
        assert after_kills[name] == again[name]
    engine.dispose()
    log.close()
