"""A location keeps its code once days were closed under it (R-13.6)."""

from datetime import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.stores import Store
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import DayRow
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import migrate
from cloud_conductor.state.stores import keep_codes
from cloud_conductor.state.tables.stores import STORE_CODE

FIRST = Store(
    store="NYC01",
    source="square",
    location_id="L1",
    time_zone="America/New_York",
    cutoff=time(4),
    currency="USD",
)
RENAMED = replace(FIRST, store="NYC1")


@pytest.fixture
def engine(tmp_path: Path):
    opened = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    migrate(opened, "books")
    yield opened
    opened.dispose()


def codes(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(STORE_CODE))]


def test_a_code_may_change_until_a_day_is_closed_under_it(engine: Engine):
    keep_codes(engine, [FIRST])
    keep_codes(engine, [FIRST])
    keep_codes(engine, [RENAMED])
    assert codes(engine) == [("square", "L1", "NYC1")]


def test_another_code_after_a_closed_day_is_refused_and_says_which_to_restore(engine: Engine):
    keep_codes(engine, [FIRST])
    closed = DayRow(
        store="NYC01", business_date="2026-11-21", state="POSTED", currency="USD", updated_us=1
    )
    with books.writing(engine) as writer:
        writer.put_day(closed)
    with pytest.raises(
        ConfigError, match="L1 of square is store NYC01 in the books, with 1"
    ) as told:
        keep_codes(engine, [RENAMED])
    assert "call it NYC01 again" in told.value.fix
    keep_codes(engine, [FIRST, replace(FIRST, store="NYC02", location_id="L2")])
    assert codes(engine) == [("square", "L1", "NYC01"), ("square", "L2", "NYC02")]
