"""When a store is open, and how busy it is: weekdays, season, weather."""

import math
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud_conductor.sandbox.scenario.retail.places import Country, Place

WEEKDAYS = (0.8, 0.8, 0.9, 1.0, 1.3, 1.6, 1.1)
HOLIDAYS = ((1, 1), (12, 25))
OPENING = timedelta(minutes=20)
CLOSING = timedelta(minutes=40)


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours of a place over the days it is played: first .. last, inclusive."""

    country: Country
    place: Place
    first: date
    last: date
    seed: int

    @property
    def zone(self) -> ZoneInfo:
        """The store's zone."""
        return ZoneInfo(self.place.time_zone)

    def local_date(self, at: datetime) -> date:
        """Calendar date on the store's wall."""
        return at.astimezone(self.zone).date()

    def is_open(self, day: date) -> bool:
        """Whether the store trades on a day it is played."""
        is_holiday = (day.month, day.day) in HOLIDAYS
        is_played = self.first <= day <= self.last
        return is_played and not is_holiday and day.weekday() != self.place.closed_weekday

    def opens(self, day: date) -> datetime:
        """Instant the doors open."""
        return self._instant(day, self.place.opens)

    def closes(self, day: date) -> datetime:
        """Instant the doors close; after midnight for times before the cut-off."""
        late = self.place.closes < self.place.opens
        return self._instant(day + timedelta(days=late), self.place.closes)

    def moment(
        self, day: date, rng: random.Random, *, part: tuple[float, float] = (0, 1)
    ) -> datetime:
        """An instant of an open day, away from opening and closing; part: of the hours between."""
        start, end = self.opens(day) + OPENING, self.closes(day) - CLOSING
        length = (end - start).total_seconds()
        low, high = (int(length * one) for one in part)
        return start + timedelta(seconds=rng.randrange(low, max(high, low + 1)))

    def later(
        self, at: datetime, day: date, rng: random.Random, days: tuple[int, int]
    ) -> datetime | None:
        """An instant some days after `day` while open, later than `at`; None when not played."""
        wanted = day + timedelta(days=rng.randint(*days))
        while not self.is_open(wanted):
            wanted += timedelta(days=1)
            if wanted > self.last:
                return None
        if wanted > day:
            return self.moment(wanted, rng)
        end = self.closes(day) - CLOSING
        left = int((end - at).total_seconds()) - 60
        return at + timedelta(seconds=60 + rng.randrange(left)) if left > 0 else None

    def cut(self, day: date) -> datetime:
        """When the processor's day ends that began on `day` (R-2.9)."""
        country = self.country
        if country.cut_zone is None:
            return self._instant(day + timedelta(days=1), time(0))
        return datetime.combine(day, country.cut, ZoneInfo(country.cut_zone)).astimezone(UTC)

    def busy(self, day: date) -> float:
        """Demand of a day against the usual: weekday x season x weather, the same for a seed."""
        season = 1 + 0.25 * math.sin(2 * math.pi * (day.timetuple().tm_yday - 260) / 365)
        weather = random.Random(f"{self.seed}/{self.place.store[:3]}/{day}").uniform(0.7, 1.2)
        return WEEKDAYS[day.weekday()] * season * weather

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)
