"""A house of two stores in this process, with weeks behind it, for what a demo has no time to show."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from shop_front import DAYS, Front, open_front
from sqlalchemy import insert

from cloud_conductor.governance import flow
from cloud_conductor.state.tables.windows import STORE
from cloud_conductor.windows.flow import run_windows

LAST_DAY = DAYS[-1]
WEEKS = 4
OPENS_H, CLOSES_H = 4, 17
STEP_US = 300_000_000


@contextmanager
def house(folder: Path) -> Iterator[Front]:
    """The town, its windows made, and its first store's same weekdays of the weeks before."""
    with open_front(folder) as front:
        run_windows(front.house.windows_deps)
        for week in range(1, WEEKS + 1):
            _trade(front, "NYC01", LAST_DAY - timedelta(weeks=week), sale_minor=150 * week)
        yield front


def link(front: Front, name: str) -> str:
    """A one-time address that signs somebody in."""
    return f"{front.url}/login?t={flow.make_link(front.api.desk.access, 'test', name)}"


def _trade(front: Front, store: str, day: date, *, sale_minor: int) -> None:
    """Windows of a day as they are kept: a sale every five minutes while the store is open."""
    place = front.api.desk.store(store)
    assert place is not None
    start_us = int(place.day_interval(day)[0].timestamp()) * 1_000_000
    steps = range(OPENS_H * 12, CLOSES_H * 12)
    with front.house.worker.begin() as connection:
        connection.execute(
            insert(STORE),
            [
                {"store": store, "start_us": start_us + step * STEP_US, "currency": place.currency,
                 "business_date": day.isoformat(), "day_start_us": start_us, "sales": 1,
                 "returns": 0, "net_minor": sale_minor, "tax_minor": 0, "total_minor": sale_minor,
                 "version": 1, "seq": 0}
                for step in steps
            ],
        )  # fmt: skip
