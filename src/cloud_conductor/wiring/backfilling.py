"""Backfill: what the sources hold for a span of dates, read again day by day, then closed.

Each day that is read is written down, so a run that was stopped goes on where it was. What the log
knows already is a duplicate: a second run adds nothing (INV-14), and a day read now is the day as
it would have been read live (INV-23).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines import close
from cloud_conductor.state import ingest as state
from cloud_conductor.wiring import errands
from cloud_conductor.wiring.errands import Progress
from cloud_conductor.wiring.house import House

DAYS_MAX = 400
DAY = timedelta(days=1)


class Span(msgspec.Struct, frozen=True):
    """Business dates first..last of one source; the first `done` of them are read already."""

    source: str
    first: date
    last: date
    done: int

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def left(self) -> list[date]:
        return [self.first + DAY * offset for offset in range(self.done, self.days)]


class Backfilled(msgspec.Struct, frozen=True):
    """days: read in this run; new_events: of those, what the log had not."""

    days: int
    objects: int
    new_events: int


def spans(house: House, first: date, last: date) -> list[Span]:
    """What is to be read of each source, and how much of it an earlier run has done.

    Raises ConfigError where there is no source, or one of no store: its day has no beginning.
    """
    _check(house)
    found = []
    for source in house.pos:
        done_to = state.backfilled_to(house.worker, source, first, last)
        done = (done_to - first).days + 1 if done_to is not None else 0
        found.append(Span(source, first, last, done))
    return found


def reach(house: House, wanted: Sequence[Span]) -> tuple[datetime, datetime]:
    """From the first beginning to the last end of what the spans cover, read or not."""
    starts = [interval(house, span.source, span.first)[0] for span in wanted]
    ends = [interval(house, span.source, span.last)[1] for span in wanted]
    return min(starts), max(ends)


def interval(house: House, source: str, business_date: date) -> tuple[datetime, datetime]:
    """From the first store's beginning of the day to the last one's end."""
    stores = [store for store in house.stores if store.source == source]
    days = [store.day_interval(business_date) for store in stores]
    return min(start for start, _ in days), max(end for _, end in days)


def run(house: House, wanted: Sequence[Span], tell: Progress) -> Backfilled:
    """Read what is left, day by day, then close every date of the span.

    Raises ConfigError before anything is read where there is no ledger to close for.
    """
    closing = house.close_deps
    days = objects = new = 0
    for span in wanted:
        for business_date in span.left:
            number = (business_date - span.first).days + 1
            tell(f"reading {span.source} {business_date} ({number} of {span.days})")
            start, end = interval(house, span.source, business_date)
            read = ingest.run_span(house.ingest_deps, span.source, start, end)
            days, objects, new = days + 1, objects + read.objects, new + read.new
            state.note_backfill(
                house.worker,
                (span.source, span.first, span.last),
                done_to=business_date,
                objects=read.objects,
                new_objects=read.new,
                now=house.clock.now(),
            )
    close.catch_up(closing)
    dates = sorted({span.first + DAY * n for span in wanted for n in range(span.days)})
    errands.run(house, "close", dates, tell)
    for span in wanted:
        state.forget_backfill(house.worker, span.source, span.first, span.last)
    return Backfilled(days, objects, new)


def _check(house: House) -> None:
    name, sources = house.path.name, house.config.sources
    if not sources:
        raise ConfigError(
            f"{name} has no [sources.*]: there is nobody to read from again",
            hint="put exports where they land, then: conductor landing take, conductor run close",
        )
    without = sorted(set(sources) - {store.source for store in house.stores})
    if without:
        raise ConfigError(
            f"{name} has no [stores.*] of source {', '.join(without)}: a business day is a store's",
            hint=f'add a [stores.NAME] with source = "{without[0]}" for each of its locations',
        )
