"""Conform's state on PostgreSQL gives what it gives on SQLite."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_conductor.conform.flow import accounting_of_events, release, run_conform
from cloud_conductor.state import conform as state
from conform_events import House, event, golden_day, store
from square_payloads import line, offline, order, payout, payout_entry

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.postgres
def test_the_golden_day_and_its_troubles_are_the_same(
    tmp_path: Path, postgres_fresh_url: str
) -> None:
    events, stores, _ = golden_day()
    more = [
        event("payout_entry", payout_entry()),
        event("payout", payout()),
        event("order", order(line("a", 1000), name="OX")),
        event("payment", offline("OX", "2026-11-20T12:00:00Z")),
        event("order", order(line("a", 1000, quantity="two"), name="BAD")),
    ]
    seen = []
    for name, url in (
        ("lite", ""),
        ("postgres", postgres_fresh_url.replace("postgresql://", "postgresql+psycopg://")),
    ):
        (tmp_path / name).mkdir()
        with House(
            tmp_path / name, [*stores, store()], events_per_batch=30, state_url=url
        ) as house:
            house.take([*events, *more])
            (bad,) = state.quarantine(house.engine)
            release(house.deps, [bad], author="ana", now=NOW)
            run_conform(house.deps)
            house.seal()
            quarantine = state.quarantine(house.engine, states=("open", "released", "replayed"))
            seen.append(
                (house.digests(), quarantine, accounting_of_events(house.deps), house.dates())
            )
    assert seen[0] == seen[1]
