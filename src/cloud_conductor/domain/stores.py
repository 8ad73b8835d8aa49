"""The store master: who owns a business day (R-2.2)."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from cloud_conductor.domain import businessday


class TaxSplit(msgspec.Struct, frozen=True):
    """Statutory parts of one combined POS tax: jurisdiction -> percent as text (R-10.1)."""

    tax: str
    parts: tuple[tuple[str, str], ...]


Rules = tuple[tuple[str, tuple[str, ...]], ...]


class Meanings(msgspec.Struct, frozen=True):
    """What names at the till mean where the POS has no word for it: (meaning, names) each.

    A name is compared without case; one that ends in `*` stands for all that begin so. lines: line
    kinds; discounts: kinds, `vendor` for those a vendor pays (R-9.14); tenders: types of external
    means of payment; paid_outs: `drop` for cash taken to the safe, `float` for a float that is
    lowered; paid_ins: `float` for one that is raised (R-8.1).
    """

    lines: Rules = ()
    discounts: Rules = ()
    tenders: Rules = ()
    paid_outs: Rules = ()
    paid_ins: Rules = ()


@lru_cache(maxsize=65_536)
def meaning_of(rules: Rules, name: str | None) -> str | None:
    """The first meaning one of whose names fits, or None."""
    told = (name or "").strip().casefold()
    for meaning, names in rules:
        for one in names:
            known = one.strip().casefold()
            if told == known or (known.endswith("*") and told.startswith(known[:-1])):
                return meaning
    return None


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
    meanings: Meanings = Meanings()

    def business_date(self, instant: datetime) -> date:
        return businessday.business_date(instant, self.time_zone, self.cutoff)

    def local_date(self, instant: datetime) -> date:
        """The calendar date on the store's wall; not its business date."""
        return instant.astimezone(ZoneInfo(self.time_zone)).date()

    def day_interval(self, day: date) -> tuple[datetime, datetime]:
        return businessday.day_interval(day, self.time_zone, self.cutoff)

    def previous(self, day: date) -> date:
        return day - timedelta(days=1)
