"""Some dates as L1, L2, L3 and L5 look at them: what we hold, and what the sources list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import pyarrow as pa

from cloud_conductor.accounting import journal
from cloud_conductor.accounting.agreed import Agreed, Way, agreed, green
from cloud_conductor.accounting.breaks import Break, Scope
from cloud_conductor.accounting.digests import compare
from cloud_conductor.accounting.facts import DAY, DayFacts, StoreDay, present_days, split
from cloud_conductor.accounting.level_books import compare_books
from cloud_conductor.accounting.level_sales import Control, compare_records, compare_totals
from cloud_conductor.accounting.level_tenders import compare_tenders
from cloud_conductor.accounting.levels import LevelResult, not_connected
from cloud_conductor.conform.span import span_facts
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.domain.stores import Store
from cloud_conductor.pipelines.close import CloseDeps, quarantined_ids
from cloud_conductor.ports.lake import Lake
from cloud_conductor.ports.pos import Listed

UPLOADED_WITHIN = timedelta(days=7)
"""How long after it was taken offline a sale may reach its vendor, and be listed there."""

Listings = Mapping[str, Mapping[date, Sequence[Listed]] | None]
"""Store -> business date -> what its source lists; None for a store that could not be asked."""


def facts_of(
    deps: CloseDeps, whole: Mapping[str, pa.Table], dates: Sequence[date], now: datetime
) -> DayFacts:
    """Facts of the store-days of `dates` that have ended, from the rows of a span."""
    present = present_days(whole)
    days = [
        StoreDay.of(store, one, processor=deps.processors.get(store.source, ""))
        for store in deps.stores
        for one in dates
        if (store.store, one) in present and store.day_interval(one)[1] <= now
    ]
    return DayFacts.of_span(days, whole, quarantined=quarantined_ids(deps))


def near_facts(lake: Lake, dates: Sequence[date]) -> dict[str, pa.Table]:
    """Facts of the days around a window that are not in it. dates: sorted, of the window."""
    inside = set(dates)
    near = [
        one
        for one in lake.dates("sales")
        if dates[0] - UPLOADED_WITHIN <= one <= dates[-1] + UPLOADED_WITHIN and one not in inside
    ]
    return span_facts(lake, near) if near else {name: TABLES[name].empty_table() for name in TABLES}


def agreed_days(facts: DayFacts, listed: Listings, way: Way) -> Agreed:
    """Store-days whose sets are equal, found one way or the other."""
    asked = {
        place: found.get(one.business_date, ())
        for place, one in enumerate(facts.days)
        if (found := listed[one.store]) is not None
    }
    return agreed(facts, asked, way)


@dataclass(frozen=True)
class Window:
    """Some dates of the span: what we hold of them and what the sources list.

    way: how sets are compared.
    """

    deps: CloseDeps
    dates: Sequence[date]
    whole: Mapping[str, pa.Table]
    facts: DayFacts
    booked: Mapping[tuple[str, date], Sequence[JournalEntry]]
    listed: Listings
    quarantined: frozenset[str]
    over_returned: Mapping[tuple[str, date], Sequence[Break]]
    way: Way = compare

    @cached_property
    def places(self) -> dict[tuple[str, date], int]:
        return {(one.store, one.business_date): n for n, one in enumerate(self.facts.days)}

    @cached_property
    def agreed(self) -> Agreed:
        """Store-days whose sets are equal."""
        return agreed_days(self.facts, self.listed, self.way)

    @cached_property
    def entries(self) -> list[journal.DayEntries]:
        return journal.span_entries(
            self.facts, self.deps.accounts, fees_at=self.deps.fees_at, hashed=False
        )

    @cached_property
    def sales_totals(self) -> dict[int, int]:
        """Place -> sum of its closed sales."""
        sums = self.facts.closed_sales.group_by(DAY).aggregate([("total_minor", "sum")])
        columns = (sums[name].to_pylist() for name in (DAY, "total_minor_sum"))
        return {place: minor or 0 for place, minor in zip(*columns, strict=True)}

    @cached_property
    def by_store(self) -> dict[str, dict[str, pa.Table]]:
        """Sales and tenders of each store over all dates of the window, and those around it.

        A sale taken offline is listed by its source on the day it was uploaded (R-2.5): it must be
        known there, also when its own day is in no window or in another.
        """
        near = near_facts(self.deps.conform.lake, self.dates)
        return split(
            {
                name: pa.concat_tables([rows, near[name].select(rows.column_names)])
                for name, rows in self.whole.items()
                if name in ("sales", "tenders")
            }
        )

    def control(self, store: Store, business_date: date) -> Control:
        listed = self.listed[store.store]
        return Control(
            scope=Scope(store=store.store, business_date=business_date, currency=store.currency),
            interval=store.day_interval(business_date),
            rows=None if listed is None else list(listed.get(business_date, ())),
            quarantined=self.quarantined,
        )

    def is_bare(self, control: Control) -> bool:
        """Nothing to compare: no facts, no entries, and the source lists nothing either."""
        key = (control.scope.store, control.scope.business_date)
        return control.rows == [] and key not in self.places and key not in self.booked

    def levels(self, store: Store, control: Control) -> Iterator[LevelResult]:
        """L1, L2, L3 and L5 of a store-day."""
        key = (store.store, control.scope.business_date)
        place = self.places.get(key)
        over = self.over_returned.get(key, ())
        records = totals = tenders = None
        if place is not None:
            records = green("L1", self.agreed.records.get(place))
            totals = None if over else green("L2", self.agreed.totals.get(place))
            tenders = green("L3", self.agreed.tenders.get(place))
        is_asked = store.source in self.deps.pos
        day = None
        if not (records and totals and (tenders or not is_asked)):
            day = self._day(store, control, place)
        yield records or compare_records(control, self._wide(store.store, "sales"))
        yield totals or self._totals(day, control, over)
        if not is_asked:
            yield not_connected("L3", "an export has no second record of its payments")
        else:
            yield tenders or self._tenders(day, control)
        yield self._books(key, place, control.scope)

    def _totals(self, day: DayFacts | None, control: Control, over: Sequence[Break]) -> LevelResult:
        assert day is not None, "read for what did not agree"
        tables = ("sale_lines", "sale_services", "sale_taxes")
        children = {name: getattr(day, name) for name in tables}
        return compare_totals(control, day.sales, children, over)

    def _tenders(self, day: DayFacts | None, control: Control) -> LevelResult:
        assert day is not None, "read for what did not agree"
        return compare_tenders(
            control.scope,
            day.of_closed_sales(day.sale_tenders),
            self._wide(control.scope.store, "tenders"),
            quarantined=self.quarantined,
            on_tickets=set(
                day.tenders.filter(day.on_tickets(day.tenders))["tender_id"].to_pylist()
            ),
        )

    def _books(self, key: tuple[str, date], place: int | None, scope: Scope) -> LevelResult:
        made = self.entries[place] if place is not None else journal.DayEntries((), (), {})
        total = self.sales_totals.get(place, 0) if place is not None else 0
        return compare_books(scope, made, self.booked.get(key, ()), sales_total_minor=total)

    def _day(self, store: Store, control: Control, place: int | None) -> DayFacts:
        """Facts of one store-day, to be looked at record by record."""
        on = control.scope.business_date
        if place is not None:
            return self.facts.of_day(place)
        processor = self.deps.processors.get(store.source, "")
        return DayFacts.of(store, on, {}, processor=processor, quarantined=self.quarantined)

    def _wide(self, store: str, table: str) -> pa.Table:
        return self.by_store.get(store, {}).get(table, TABLES[table].empty_table())
