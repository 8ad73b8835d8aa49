"""The store master: who owns a business day (R-2.2)."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from cloud_conductor.domain import businessday


class TaxSplit(msgspec.Struct, frozen=True):
    """Statutory parts of one combined POS tax: jurisdiction -> percent as text (R-10.1)."""

    tax: str
    parts: tuple[tuple[str, str], ...]


class Store(msgspec.Struct, frozen=True):
    """A place that trades. `location_id` is the POS's name for it, `store` is ours."""

    store: str
    source: str
    location_id: str
    time_zone: str
    cutoff: time
    currency: str
    entity: str = "main"
    tax_splits: tuple[TaxSplit, ...] = ()

    def business_date(self, instant: datetime) -> date:
        return businessday.business_date(instant, self.time_zone, self.cutoff)

    def local_date(self, instant: datetime) -> date:
        """The calendar date on the store's wall; not its business date."""
        return instant.astimezone(ZoneInfo(self.time_zone)).date()

    def day_interval(self, day: date) -> tuple[datetime, datetime]:
        return businessday.day_interval(day, self.time_zone, self.cutoff)

    def previous(self, day: date) -> date:
        return day - timedelta(days=1)
