"""States of a store-day: OPEN, ENDED, COMPLETE or EMPTY, POSTED, LOCKED (R-2.7)."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

DayState = Literal["OPEN", "ENDED", "EMPTY", "COMPLETE", "POSTED", "LOCKED"]
STATES: tuple[DayState, ...] = ("OPEN", "ENDED", "EMPTY", "COMPLETE", "POSTED", "LOCKED")
"""In order: a day moves forward only. Late events make new versions of its entries (§13)."""

GRACE = timedelta(hours=6)


class ControlTotals(msgspec.Struct, frozen=True):
    """What the source's own listing says of a store-day, beside what we hold.

    Counts and totals of closed sales; quarantined ones are listed, not held.
    """

    listed_count: int
    listed_minor: int
    held_count: int
    held_minor: int

    @property
    def agrees(self) -> bool:
        return (self.listed_count, self.listed_minor) == (self.held_count, self.held_minor)

    @property
    def proves_empty(self) -> bool:
        """The source says there were no sales, and we hold none: not mere absence of data."""
        return self.listed_count == 0 == self.held_count


def next_state(
    state: DayState,
    now: datetime,
    interval: tuple[datetime, datetime],
    control: ControlTotals | None,
    *,
    has_other_facts: bool = False,
    grace: timedelta = GRACE,
    posted: bool = False,
    locked: bool = False,
) -> DayState:
    """Where a day stands at `now`; never behind `state`.

    interval: the day in UTC, half-open (R-2.2). control: None until the source was asked after the
    day's end. has_other_facts: shifts, payouts, disputes or refunds make a day without sales one
    with entries. posted: every entry of the day is posted. locked: the ledger refuses its date.
    """
    return max(
        state,
        _reached(
            now,
            interval[1],
            control,
            has_other_facts=has_other_facts,
            grace=grace,
            posted=posted,
            locked=locked,
        ),
        key=STATES.index,
    )


def may_close(state: DayState) -> bool:
    """True when the day's entries can be built and posted."""
    return state in ("COMPLETE", "POSTED", "LOCKED")


def _reached(
    now: datetime,
    end: datetime,
    control: ControlTotals | None,
    *,
    has_other_facts: bool,
    grace: timedelta,
    posted: bool,
    locked: bool,
) -> DayState:
    if now < end:
        return "OPEN"
    agrees = control is not None and control.agrees
    if not agrees and now < end + grace:
        return "ENDED"
    if control is not None and control.proves_empty and not has_other_facts:
        return "LOCKED" if locked else "EMPTY"
    if not posted:
        return "COMPLETE"
    return "LOCKED" if locked else "POSTED"
