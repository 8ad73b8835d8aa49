"""What the pipelines play: functions handed in by wiring, and when each is due."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from cloud_conductor.accounting.flow import BooksDeps

Report = Mapping[str, str | int]
"""What a run leaves in the engine's own tables: counts and names, never rows."""


@dataclass(frozen=True)
class Score:
    """Functions by name. Each may be run again after a crash: all of them are idempotent.

    sweep: read what the sources changed. due_dates, due_reconciles: business dates to close or to
    compare at an instant. close: every store of a date up to its drafts. reconcile: every level of
    a date. crosscheck: join every row of the last dates, to check the digests.
    """

    books: BooksDeps
    sweep: Callable[[], Report]
    due_dates: Callable[[datetime], Sequence[date]]
    due_reconciles: Callable[[datetime], Sequence[date]]
    close: Callable[[date], Report]
    reconcile: Callable[[date], Report]
    crosscheck: Callable[[], Report]


class Times(msgspec.Struct, frozen=True):
    """How often each runs, in seconds; every one above 0."""

    tick_s: float = 1.0
    sweep_s: float = 60.0
    close_s: float = 60.0
    reconcile_s: float = 3_600.0
    crosscheck_s: float = 86_400.0


def slot(now: datetime, every_s: float) -> int:
    """Number of the interval an instant lies in: the same slot is the same run."""
    return int(now.timestamp() // every_s)
