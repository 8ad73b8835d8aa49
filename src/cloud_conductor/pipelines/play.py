"""The score of one house: each named run, made of the rooms' own functions."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from cloud_conductor.pipelines import close, crosscheck, reconcile
from cloud_conductor.pipelines.close import CloseDeps
from cloud_conductor.pipelines.score import Report, Score

RECONCILED_DAYS = timedelta(days=4)
BROKEN_DAYS = timedelta(days=31)
CHECKED_DAYS = timedelta(days=31)
"""A closed date is compared again by itself this long; one with a break, until it is gone. Each
comparison costs about six calls of the ledger, and Xero allows 5,000 a day."""


def score_of(deps: CloseDeps) -> Score:
    """What the scheduler plays. Every function may run again: all of them are idempotent."""

    def sweep() -> Report:
        close.refresh(deps)
        return {"moved_to_posted": close.mark_posted(deps)}

    def close_date(business_date: date) -> Report:
        done = close.close_date(deps, business_date)
        return {"stores": done.stores, "drafted": done.drafted, "blocked": done.blocked}

    def reconcile_date(business_date: date) -> Report:
        done = reconcile.reconcile(deps, [business_date])
        return {
            "unexplained_minor": done.unexplained_minor,
            "breaks": sum(not found.is_explained for found in done.breaks),
        }

    def check() -> Report:
        since = deps.clock.now().date() - CHECKED_DAYS
        found = crosscheck.crosscheck(deps, close.closed_dates(deps, since=since))
        return msgspec.structs.asdict(found)

    def due_dates(now: datetime) -> Sequence[date]:
        return close.due_dates(deps, now)

    def due_reconciles(now: datetime) -> Sequence[date]:
        recent = close.closed_dates(deps, since=now.date() - RECONCILED_DAYS)
        broken = reconcile.dates_with_breaks(deps, since=now.date() - BROKEN_DAYS)
        return sorted({*recent, *broken})

    return Score(
        books=deps.books,
        sweep=sweep,
        due_dates=due_dates,
        due_reconciles=due_reconciles,
        close=close_date,
        reconcile=reconcile_date,
        crosscheck=check,
    )
