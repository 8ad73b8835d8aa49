from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_conductor.accounting.flow import BooksDeps
from cloud_conductor.adapters.clock import RehearsalClock
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import BOOKS
from cloud_conductor.state.tables import accounting as _tables
from cloud_conductor.testing.ledger import MemoryLedger

assert _tables


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def deps(tmp_path: Path, ledger: MemoryLedger) -> Iterator[BooksDeps]:
    engine = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    BOOKS.create_all(engine)
    clock = RehearsalClock(datetime(2026, 11, 23, 15, tzinfo=UTC))
    yield BooksDeps(engine=engine, ledger=ledger, clock=clock, settle_s=0.0)
    engine.dispose()
