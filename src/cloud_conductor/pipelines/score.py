"""What the pipelines play: functions handed in by wiring, and when each is due."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cloud_conductor.accounting.flow import BooksDeps

Report = Mapping[str, str | int]
"""What a run leaves in the engine's own tables: counts and names, never rows."""


class StoreDay(msgspec.Struct, frozen=True):
    store: str
    business_date: str


@dataclass(frozen=True)
class Score:
    """Functions by name. Each may be run again after a crash: all of them are idempotent.

    sweep: read what the sources changed. due_days: store-days to close at an instant.
    close: one store-day up to its drafts. reconcile: every level of one store-day.
    """

    books: BooksDeps
    sweep: Callable[[], Report]
    due_days: Callable[[datetime], Sequence[StoreDay]]
    close: Callable[[StoreDay], Report]
    reconcile: Callable[[StoreDay], Report]


class Times(msgspec.Struct, frozen=True):
    """How often each runs, in seconds; every one above 0."""

    tick_s: float = 1.0
    sweep_s: float = 60.0
    close_s: float = 300.0
    reconcile_s: float = 900.0


def slot(now: datetime, every_s: float) -> int:
    """Number of the interval an instant lies in: the same slot is the same run."""
    return int(now.timestamp() // every_s)
