from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.state import ingest as state
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.sealed import SealedStore, key_file
from cloud_conductor.state.tables import WORKER
from cloud_conductor.state.tables.ingest import SEALED

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'worker.sqlite'}"
    if request.param == "postgres":
        given: str = request.getfixturevalue("postgres_fresh_url")
        url = given.replace("postgresql://", "postgresql+psycopg://", 1)
    opened = open_engine(url)
    WORKER.create_all(opened)
    yield opened
    opened.dispose()


def test_a_cursor_starts_at_zero_and_only_moves_forward(engine: Engine):
    assert state.cursor(engine, "a", "0") == state.Cursor(0, 0)
    state.advance(engine, "a", "0", position=2**40)
    state.advance(engine, "a", "1", position=3)
    state.advance(engine, "a", "0", position=7)
    assert state.cursor(engine, "a", "0") == state.Cursor(2**40, 0)


def test_of_two_announced_ranges_the_first_stands_until_it_is_done(engine: Engine):
    start = state.Cursor(0, 0)
    assert state.announce(engine, "a", "0", start, planned=5) == state.Cursor(0, 5)
    assert state.announce(engine, "a", "0", start, planned=9) == state.Cursor(0, 5)
    state.advance(engine, "a", "0", position=5)
    assert state.announce(engine, "a", "0", start, planned=9) == state.Cursor(5, 0)
    now = state.Cursor(5, 0)
    assert state.announce(engine, "a", "0", now, planned=9) == state.Cursor(5, 9)
    state.advance(engine, "a", "0", position=5)  # the slower process comes to its end
    assert state.cursor(engine, "a", "0") == state.Cursor(5, 9)


def test_a_failure_is_written_down_beside_the_last_success(engine: Engine):
    later = NOW + timedelta(minutes=1)
    state.sweep_succeeded(
        engine, "square", "order", watermark=NOW, now=NOW, objects=13, new_objects=2
    )
    state.sweep_failed(engine, "square", "order", now=later, error="x" * 9_000)
    state.sweep_failed(engine, "square", "payout", now=later, error="no")
    order, payout = state.sweep_states(engine)
    assert (order.watermark, order.last_success, order.last_failure) == (NOW, NOW, later)
    assert (order.objects, order.new_objects, len(order.last_error)) == (13, 2, 500)
    assert (payout.kind, payout.watermark, payout.last_error) == ("payout", None, "no")
    assert state.sweep_state(engine, "square", "order") == order


def test_a_sealed_secret_opens_with_its_key_only(engine: Engine):
    store = SealedStore(engine, bytes(32))
    assert store.get("token") is None
    store.put("token", "first", now=NOW)
    store.put("token", "second", now=NOW)
    assert store.get("token") == "second"
    with engine.connect() as connection:
        (row,) = connection.execute(SEALED.select()).all()
    assert b"second" not in row.sealed
    with pytest.raises(ConfigError, match="sealed under another key"):
        SealedStore(engine, b"\x01" * 32).get("token")


def test_a_sealed_secret_cannot_be_passed_off_as_another(engine: Engine):
    store = SealedStore(engine, bytes(32))
    store.put("token", "value", now=NOW)
    with engine.begin() as connection:
        connection.execute(SEALED.update().values(name="admin"))
    with pytest.raises(ConfigError):
        store.get("admin")


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path):
    path = tmp_path / "state" / "key"
    key = key_file(path)
    assert len(key) == 32
    assert key_file(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key"]
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        key_file(path)


def test_a_key_of_another_length_is_refused(engine: Engine):
    with pytest.raises(ConfigError, match="3 bytes"):
        SealedStore(engine, b"abc")
