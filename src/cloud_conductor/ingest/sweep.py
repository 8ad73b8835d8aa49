"""When a source is swept, and over which span of time."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPAN_MAX = timedelta(days=31)


class SweepPlan(msgspec.Struct, frozen=True):
    """How one source is swept.

    overlap: lists are eventually consistent, so each sweep reaches back over the end of the one
    before. start: what happened earlier is not asked for.
    """

    interval: timedelta = timedelta(seconds=60)
    overlap: timedelta = timedelta(minutes=5)
    start: datetime = EPOCH


def window(
    plan: SweepPlan, watermark: datetime | None, now: datetime, *, standing: bool
) -> tuple[datetime, datetime]:
    """Half-open span `[since, until)` of the next sweep.

    standing: the kind says what is, not what happened, so its first sweep has no start. A clock
    that was set back asks for more, never for less.
    """
    if watermark is None:
        return (EPOCH if standing else min(plan.start, now)), now
    floor = EPOCH if standing else plan.start
    return max(floor, min(watermark, now) - plan.overlap), max(watermark, now)


def spans(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A first sweep's years in consecutive spans of SPAN_MAX: what happened together comes together.

    Each is durable before the next is asked for, so a sweep that was cut short goes on from there.
    A sweep without a start is one span: most of its time nothing happened.
    """
    start = since
    while since > EPOCH and until - start > SPAN_MAX:
        yield start, start + SPAN_MAX
        start += SPAN_MAX
    yield start, until


def bounds(now: datetime, vendor_now: datetime | None) -> tuple[datetime, datetime]:
    """(end of the sweep, watermark it leaves), by our clock and the vendor's.

    One of the two may be wrong by hours. The later one ends the sweep, so that nothing is too young
    to be asked for; the earlier one is the watermark, so that nothing is taken for read.
    """
    told = vendor_now or now
    return max(now, told), min(now, told)


def due(
    plans: Mapping[str, SweepPlan],
    kinds: Mapping[str, Iterable[str]],
    finished: Mapping[tuple[str, str], datetime],
    now: datetime,
) -> list[tuple[str, str]]:
    """(source, kind) to sweep now, in order. finished: when each last succeeded, if ever."""
    return [
        (source, kind)
        for source, plan in plans.items()
        for kind in kinds[source]
        if (source, kind) not in finished
        or now - finished[source, kind] >= plan.interval
        or now < finished[source, kind]
    ]
