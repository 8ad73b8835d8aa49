"""Runs on demand: by the living scheduler when there is one, else here, under its lock.

Decision 10: two processes never play the same score, and a command never waits for a schedule.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from cloud_conductor.accounting import flow
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import LeaseLost, Transient
from cloud_conductor.pipelines import close, engine
from cloud_conductor.pipelines.engine import Errand
from cloud_conductor.state import accounting as books
from cloud_conductor.state.conform import Quarantined
from cloud_conductor.state.lock import is_held, state_lock
from cloud_conductor.wiring.house import House

POLL_S = 0.25
POST_WAIT_S_MAX = 3_600.0
BATCHES_MAX = 10_000
READ_BACK_ENTRIES = 50
ON_THE_WAY = ("approved", "pending", "sending")

Progress = Callable[[str], object]


@contextmanager
def _is_alone(house: House) -> Iterator[bool]:
    """True while holding the scheduler's lock; False when a living scheduler has it."""
    try:
        lock = state_lock(house.state_dir)
        lock.__enter__()
    except LeaseLost:
        yield False
        return
    try:
        yield True
    finally:
        lock.__exit__(None, None, None)


def run(house: House, what: Errand, dates: Sequence[date] = (), tell: Progress = str) -> None:
    """Sweep, close, reconcile or check the digests now, and return when it is done."""
    wanted: Sequence[date | None] = dates or [None]
    with _is_alone(house) as alone:
        if alone and what == "close" and dates:
            tell(f"close {len(dates)} dates")
            close.close_dates(house.close_deps, dates)
            return
        if alone:
            for one in wanted:
                tell(f"{what} {one or ''}".strip())
                _here(house, what, one)
            return
        now = house.clock.now()
        names = [engine.hand_over(house.books, what, one, now) for one in wanted]
        tell(f"{what}: handed {len(names)} runs to the scheduler")
        engine.wait_for(house.books, names, lambda: is_held(house.state_dir))


def catch_up(house: House) -> None:
    """As close.catch_up, and needs no ledger: facts come before entries."""
    close.take_in(house.ingest_deps, house.conform_deps, house.lake_lock)


def release(
    house: House,
    quarantined: Sequence[Quarantined],
    *,
    author: str,
    fixed_body: bytes | None = None,
) -> int:
    """Send quarantined records through again and conform them; gives how many. Needs no ledger."""
    coming, conforming = house.ingest_deps, house.conform_deps  # what they lack is told before
    now = house.clock.now()
    sent = conform.release(conforming, quarantined, author=author, now=now, fixed_body=fixed_body)
    close.take_in(coming, conforming, house.lake_lock)
    return sent


def close_due(house: House, tell: Progress = str) -> list[date]:
    """Sweep, then close every business date that is due; gives the dates."""
    run(house, "sweep", tell=tell)
    due = close.due_dates(house.close_deps, house.clock.now())
    if due:
        run(house, "close", due, tell)
    return due


def post(house: House, tell: Progress = str) -> dict[str, int]:
    """Post what is approved and wait for its outcome; gives counts of entries by state."""
    with _is_alone(house) as alone:
        if alone:
            house.prepare_ledger()
            flow.post_all(house.books_deps, BATCHES_MAX, time.sleep)
            _read_back(house)
        else:
            _wait_posted(house, tell)
    close.mark_posted(house.close_deps)
    return entry_states(house)


def _read_back(house: House) -> None:
    """Read back what was posted by a run that died before it could (R-13.6)."""
    with house.books.connect() as connection:
        unread = books.unread_keys(connection, house.books_deps.ledger.organisation())
    for start in range(0, len(unread), READ_BACK_ENTRIES):
        flow.read_back(house.books_deps, unread[start : start + READ_BACK_ENTRIES])


def entry_states(house: House) -> dict[str, int]:
    """Number of entries in the books by state."""
    with house.books.connect() as connection:
        counts: dict[str, int] = {}
        for (_, state), number in books.entry_counts(connection).items():
            counts[state] = counts.get(state, 0) + number
    return counts


def _here(house: House, what: Errand, business_date: date | None) -> None:
    score = house.score
    if what == "sweep":
        score.sweep()
    elif what == "crosscheck":
        score.crosscheck()
    elif business_date is None:
        raise Transient(f"{what} needs a business date", hint=f"conductor run {what} --date DATE")
    elif what == "close":
        score.close(business_date)
    else:
        score.reconcile(business_date)


def _wait_posted(house: House, tell: Progress) -> None:
    deadline = time.monotonic() + POST_WAIT_S_MAX
    while left := sum(entry_states(house).get(state, 0) for state in ON_THE_WAY):
        if time.monotonic() > deadline:
            raise Transient(
                f"{left} entries are still on their way",
                hint="conductor journals list --state sending",
            )
        tell(f"{left} entries on their way")
        time.sleep(POLL_S)
