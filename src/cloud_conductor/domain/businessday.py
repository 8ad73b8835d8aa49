"""The store's trading day: which date an instant belongs to (R-2.1 to R-2.5, INV-08)."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FUTURE_TOLERANCE = timedelta(minutes=5)


@lru_cache(maxsize=65_536)
def day_start(day: date, zone: str, cutoff: time) -> datetime:
    """UTC instant at which the business date `day` begins.

    Local cut-off to UTC with fold=0: the first occurrence when ambiguous, the offset before the
    transition when the wall time does not exist (R-2.2).
    """
    local = datetime.combine(day, cutoff, tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC)


def day_interval(day: date, zone: str, cutoff: time) -> tuple[datetime, datetime]:
    """Half-open UTC interval `[start, end)` of a business date; 23 to 25 hours long (R-2.3)."""
    return day_start(day, zone, cutoff), day_start(day + timedelta(days=1), zone, cutoff)


def business_date(instant: datetime, zone: str, cutoff: time) -> date:
    """The business date that contains an aware instant. Days partition time exactly (INV-08)."""
    if instant.tzinfo is None:
        raise ValueError("a naive time has no business date")
    guess = instant.astimezone(ZoneInfo(zone)).date()
    if instant < day_start(guess, zone, cutoff):
        return guess - timedelta(days=1)
    if instant >= day_start(guess + timedelta(days=1), zone, cutoff):
        return guess + timedelta(days=1)
    return guess


def is_clock_suspect(occurred_at: datetime, source_created_at: datetime) -> bool:
    """True when the till's clock runs ahead of the vendor's cloud by more than 5 minutes (R-2.5)."""
    return occurred_at > source_created_at + FUTURE_TOLERANCE
