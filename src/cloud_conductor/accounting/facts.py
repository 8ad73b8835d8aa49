"""Facts of one store and business date: what entries and levels are computed from."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.domain.journal import EntryKind
from cloud_conductor.domain.schemas import KEYS, TABLES
from cloud_conductor.domain.stores import Store

FACT_TABLES = tuple(name for name in TABLES if name != "products")

DAY = "day"
_LEG_COLUMNS = (
    DAY, "sale_id", "line_uid", "event", "line_kind", "name", "department", "gross_minor",
    "cost_minor",
)  # fmt: skip

FACTS_OF: Mapping[EntryKind, tuple[str, ...]] = {
    "SALES": ("sales", "tenders"),
    "FEES": ("tenders",),
    "COGS": ("sales", "sale_lines"),
    "CASH": ("cash_shifts", "cash_events"),
    "DEPOSIT": ("cash_shifts",),
    "PAYOUT": ("payouts", "payout_entries"),
    "DISPUTE": ("disputes",),
}
"""Tables whose versions decide an entry. Children of a sale carry the sale's own version."""


@dataclass(frozen=True)
class StoreDay:
    """A store-day whose facts are looked at. processor: who sends the payouts; empty for the source."""

    store: str
    entity: str
    currency: str
    business_date: date
    processor: str = ""

    @classmethod
    def of(cls, store: Store, business_date: date, *, processor: str = "") -> "StoreDay":
        return cls(store.store, store.entity, store.currency, business_date, processor)


@dataclass(frozen=True, kw_only=True)
class DayFacts:
    """Tables of `domain.schemas.TABLES`, latest versions only, of one store-day or of several.

    Each table has one more column, DAY: the place of a row's store-day in `days`. payout_entries:
    those of `payouts`, whatever their own date. A store has one POS source, so a sale_id is unique
    within a store-day. quarantined: sales that wait in quarantine; what was paid for one we do not
    hold waits with it.
    """

    days: tuple[StoreDay, ...]
    sales: pa.Table
    sale_lines: pa.Table
    sale_taxes: pa.Table
    sale_discounts: pa.Table
    sale_services: pa.Table
    sale_tenders: pa.Table
    tenders: pa.Table
    payouts: pa.Table
    payout_entries: pa.Table
    disputes: pa.Table
    cash_shifts: pa.Table
    cash_events: pa.Table
    gift_card_activities: pa.Table
    quarantined: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        store: Store,
        business_date: date,
        tables: Mapping[str, pa.Table],
        *,
        processor: str = "",
        quarantined: Collection[str] = (),
    ) -> "DayFacts":
        """Facts of a store from tables that may hold several stores; a missing table is empty."""
        return cls(
            days=(StoreDay.of(store, business_date, processor=processor),),
            quarantined=frozenset(quarantined),
            **{name: _of_store(name, tables, store.store) for name in FACT_TABLES},
        )

    @classmethod
    def of_span(
        cls,
        days: Sequence[StoreDay],
        tables: Mapping[str, pa.Table],
        *,
        quarantined: Collection[str] = (),
    ) -> "DayFacts":
        """Facts of many store-days from tables that may hold more; a missing table is empty."""
        return cls(
            days=tuple(days),
            quarantined=frozenset(quarantined),
            **{name: _of_days(name, tables, days) for name in FACT_TABLES},
        )

    @property
    def is_one_day(self) -> bool:
        return len(self.days) == 1

    @cached_property
    def closed_sales(self) -> pa.Table:
        """Sales that reach money facts: voided and deleted ones never do (R-3.3)."""
        return kept(self.sales, pc.equal(self.sales["state"], "closed"))

    def of_day(self, place: int) -> "DayFacts":
        """Facts of one of the store-days."""
        first = pa.scalar(0, pa.int32())
        tables: dict[str, pa.Table] = {}
        for name in FACT_TABLES:
            rows = getattr(self, name)
            own = rows.filter(pc.equal(rows[DAY], place))
            zeros = pa.repeat(first, own.num_rows)
            tables[name] = own.set_column(own.schema.get_field_index(DAY), DAY, zeros)
        return DayFacts(days=(self.days[place],), quarantined=self.quarantined, **tables)

    def withheld(self, rows: pa.Table) -> pa.ChunkedArray:
        """Whether each row is of a quarantined sale of which its store-day holds no version (D16)."""
        waits = pc.is_in(rows["sale_id"], value_set=pa.array(sorted(self.quarantined), pa.string()))
        if not pc.any(waits, min_count=0).as_py():
            return waits
        held = pc.is_in(self.keys_of(rows), value_set=self._sale_keys)
        return pc.and_(waits, pc.invert(held))

    def on_tickets(self, tenders: pa.Table) -> pa.ChunkedArray:
        """Whether each tender was paid on an order of which no version is held: an open ticket.

        It is of the day on which the ticket closes (R-2.8). What waits in quarantine is withheld.
        """
        is_named = pc.and_(pc.equal(tenders["event"], "payment"), pc.is_valid(tenders["sale_id"]))
        held = pc.is_in(self.keys_of(tenders), value_set=self._sale_keys)
        waits = pc.is_in(
            tenders["sale_id"], value_set=pa.array(sorted(self.quarantined), pa.string())
        )
        return pc.and_(is_named, pc.invert(pc.or_(held, waits)))

    def of_closed_sales(self, child: pa.Table) -> pa.Table:
        """Rows of a child table whose sale is closed."""
        return kept(child, pc.is_in(self.keys_of(child), value_set=self._closed_keys))

    @cached_property
    def closed_lines(self) -> pa.Table:
        """Sale lines of closed sales, as far as they make legs."""
        return self.of_closed_sales(self.sale_lines.select(_LEG_COLUMNS))

    def keys_of(self, rows: pa.Table, column: str = "sale_id") -> pa.ChunkedArray:
        """What tells a row's id from the same id on another store-day."""
        if self.is_one_day:
            return rows[column]
        return pc.binary_join_element_wise(rows[DAY].cast(pa.string()), rows[column], "\x1f")

    @cached_property
    def _closed_keys(self) -> pa.Array:
        return self.keys_of(self.closed_sales).combine_chunks()

    @cached_property
    def _sale_keys(self) -> pa.Array:
        return self.keys_of(self.sales).combine_chunks()


def present_days(tables: Mapping[str, pa.Table]) -> set[tuple[str, date]]:
    """(store, business date) pairs that have a row in any table."""
    found: set[tuple[str, date]] = set()
    for table in tables.values():
        pairs = table.select(["store", "business_date"]).group_by(["store", "business_date"])
        columns = pairs.aggregate([])
        found.update(
            zip(columns["store"].to_pylist(), columns["business_date"].to_pylist(), strict=True)
        )
    return found


def split(tables: Mapping[str, pa.Table]) -> dict[str, dict[str, pa.Table]]:
    """Store -> table name -> its rows, in the order they had; stores without rows are left out."""
    found: dict[str, dict[str, pa.Table]] = {}
    for name, table in tables.items():
        ordered = table.take(pc.sort_indices(table["store"]))  # stable
        runs = pc.value_counts(ordered["store"])
        start = 0
        for store, count in sorted(
            zip(runs.field(0).to_pylist(), runs.field(1).to_pylist(), strict=True)
        ):
            found.setdefault(store, {})[name] = ordered.slice(start, count)
            start += count
    return found


def chunked(table: pa.Table, column: str) -> pa.Array:
    """A column as one array."""
    return table[column].combine_chunks()


def total(column: pa.ChunkedArray | pa.Array) -> int:
    """Sum of an amount column; 0 for none."""
    return int(pc.sum(column, min_count=0).as_py())


def fact_set_hash(tables: Mapping[str, pa.Table]) -> str:
    """SHA-256 over the sorted (table, key, version digest) of every fact an entry stands on (R-13.1).

    The same facts give the same hash in any order; one changed version gives another.
    """
    return hash_of_facts({name: fact_names(name, table) for name, table in tables.items()})


def fact_names(name: str, table: pa.Table) -> list[str]:
    """Key and version digest of each row of a table, as one text each."""
    columns = [table[key].cast(pa.string()) for key in (*KEYS[name], "version_digest")]
    names: list[str] = pc.binary_join_element_wise(
        *columns, "\x1f", null_handling="replace", null_replacement=""
    ).to_pylist()
    return names


def hash_of_facts(names: Mapping[str, Iterable[str]]) -> str:
    """`fact_set_hash` of facts whose names are known."""
    digest = hashlib.sha256()
    for table in sorted(names):
        lines = "\x1e".join(sorted(names[table]))
        digest.update(f"{table}\x1d{lines}\x1d".encode())
    return digest.hexdigest()


def only(table: pa.Table, column: str, values: Iterable[str]) -> pa.Table:
    """Rows whose column holds one of `values`."""
    wanted = pa.array(list(values), pa.string())
    return kept(table, pc.is_in(table[column], value_set=wanted))


def kept(table: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """Rows where the mask is true. Mostly that is all of them, and nothing is copied."""
    if pc.sum(mask, min_count=0).as_py() == table.num_rows:
        return table
    return table.filter(mask)


def _of_store(name: str, tables: Mapping[str, pa.Table], store: str) -> pa.Table:
    table = tables.get(name)
    table = (
        TABLES[name].empty_table()
        if table is None
        else table.filter(pc.equal(table["store"], store))
    )
    return table.append_column(DAY, pa.repeat(pa.scalar(0, pa.int32()), table.num_rows))


def _of_days(name: str, tables: Mapping[str, pa.Table], days: Sequence[StoreDay]) -> pa.Table:
    """Rows of these store-days in their order, each with its place."""
    table = tables.get(name)
    table = TABLES[name].empty_table() if table is None else table
    stores = pa.array(sorted({one.store for one in days}), pa.string())
    first = min((one.business_date for one in days), default=date.min)
    dates = max((one.business_date for one in days), default=date.min) - first
    width = dates.days + 1
    rank = {store: n for n, store in enumerate(stores.to_pylist())}
    places: list[int | None] = [None] * (len(stores) * width)
    for place, one in enumerate(days):
        places[rank[one.store] * width + (one.business_date - first).days] = place
    offset = pc.subtract(table["business_date"].cast(pa.int32()), _day_number(first))
    within = pc.and_(pc.greater_equal(offset, 0), pc.less(offset, width))
    cell = pc.add(pc.multiply(pc.index_in(table["store"], value_set=stores), width), offset)
    day = pa.array(places, pa.int32()).take(pc.if_else(within, cell, None).cast(pa.int32()))
    order = pc.sort_indices(day)  # stable, nulls last: the order within a day stays
    return table.append_column(DAY, day).take(order.slice(0, len(day) - day.null_count))


def _day_number(day: date) -> int:
    """Days since 1970, as Arrow counts dates."""
    return day.toordinal() - date(1970, 1, 1).toordinal()
