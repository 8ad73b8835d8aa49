"""Facts of one store and business date: what entries and levels are computed from."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import date

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.domain.journal import EntryKind
from cloud_conductor.domain.schemas import KEYS, TABLES
from cloud_conductor.domain.stores import Store

FACT_TABLES = tuple(name for name in TABLES if name != "products")

FACTS_OF: Mapping[EntryKind, tuple[str, ...]] = {
    "SALES": ("sales", "tenders"),
    "FEES": ("tenders",),
    "COGS": ("sales", "sale_lines"),
    "CASH": ("cash_shifts", "cash_events"),
    "DEPOSIT": ("cash_shifts",),
    "PAYOUT": ("payouts", "payout_entries"),
}
"""Tables whose versions decide an entry. Children of a sale carry the sale's own version."""


class DayFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Tables of `domain.schemas.TABLES`, latest versions only, of one store and business date.

    payout_entries: those of `payouts`, whatever their own date. A store has one POS source, so a
    sale_id is unique within these tables. processor: who sends the payouts; empty for the source.
    quarantined: sales that wait in quarantine; what was paid for one we do not hold waits with it.
    """

    store: str
    entity: str
    currency: str
    business_date: date
    sales: pa.Table
    sale_lines: pa.Table
    sale_taxes: pa.Table
    sale_discounts: pa.Table
    sale_services: pa.Table
    sale_tenders: pa.Table
    tenders: pa.Table
    payouts: pa.Table
    payout_entries: pa.Table
    cash_shifts: pa.Table
    cash_events: pa.Table
    gift_card_activities: pa.Table
    processor: str = ""
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
            store=store.store,
            entity=store.entity,
            currency=store.currency,
            business_date=business_date,
            processor=processor,
            quarantined=frozenset(quarantined),
            **{name: _of_store(name, tables, store.store) for name in FACT_TABLES},
        )

    @property
    def closed_sales(self) -> pa.Table:
        """Sales that reach money facts: voided and deleted ones never do (R-3.3)."""
        return self.sales.filter(pc.equal(self.sales["state"], "closed"))

    @property
    def withheld_sales(self) -> pa.Array:
        """Ids of quarantined sales of which no version is held (D16)."""
        held = set(self.sales["sale_id"].to_pylist())
        return pa.array(sorted(self.quarantined - held), pa.string())

    def of_closed_sales(self, child: pa.Table) -> pa.Table:
        """Rows of a child table whose sale is closed."""
        return child.filter(
            pc.is_in(child["sale_id"], value_set=chunked(self.closed_sales, "sale_id"))
        )


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
    digest = hashlib.sha256()
    for name in sorted(tables):
        table = tables[name]
        columns = [table[key].cast(pa.string()) for key in (*KEYS[name], "version_digest")]
        rows = pc.binary_join_element_wise(
            *columns, "\x1f", null_handling="replace", null_replacement=""
        )
        lines = "\x1e".join(sorted(rows.to_pylist()))
        digest.update(f"{name}\x1d{lines}\x1d".encode())
    return digest.hexdigest()


def only(table: pa.Table, column: str, values: Iterable[str]) -> pa.Table:
    """Rows whose column holds one of `values`."""
    wanted = pa.array(list(values), pa.string())
    return table.filter(pc.is_in(table[column], value_set=wanted))


def _of_store(name: str, tables: Mapping[str, pa.Table], store: str) -> pa.Table:
    table = tables.get(name)
    if table is None:
        return TABLES[name].empty_table()
    return table.filter(pc.equal(table["store"], store))
