"""Live windows on PostgreSQL say what they say on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.state import live
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import migrate
from cloud_conductor.windows.flow import WindowsDeps, rebuild, run_windows
from conform_events import golden_day

DAY = "2026-11-21"


@pytest.fixture
def engines(tmp_path: Path, postgres_fresh_url: str) -> Iterator[list[Engine]]:
    made = [
        open_engine(url) for url in (f"sqlite:///{tmp_path / 'worker.sqlite'}", postgres_fresh_url)
    ]
    for engine in made:
        migrate(engine, "worker")
    yield made
    for engine in made:
        engine.dispose()


@pytest.mark.postgres
def test_both_databases_hold_the_same_windows(tmp_path: Path, engines: list[Engine]) -> None:
    events, stores, _ = golden_day()
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(events)
    said = []
    for engine in engines:
        deps = WindowsDeps(log, engine, {"square": SquareDecoder()}, stores, 20)
        run_windows(deps)
        rebuild(deps)
        with engine.connect() as connection:
            said.append(
                (
                    live.cells(connection),
                    live.head(connection),
                    live.totals(connection, DAY),
                    live.store_totals(connection, DAY, stores=["NYC01"]),
                    live.tender_totals(connection, DAY),
                    live.actual(connection, DAY, stores=["NYC01"]),
                    live.late(connection, "2026-11-20"),
                )
            )
    assert said[0] == said[1]
    assert said[1][3][0].net_minor == 18_683
    log.close()
