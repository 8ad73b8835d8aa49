"""Sales figures of open and closed days (R-18), from the latest rows of the processed zone.

The one place where net sales is worked out for people: the command line, REST and the console ask
here, and the same sum in SQL is in docs/reference/metrics.md.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import duckdb
import msgspec
import pyarrow as pa

from cloud_conductor.conform.enrich import enrich_lines
from cloud_conductor.ports.lake import Lake

By = Literal["none", "store", "date", "department"]
_KEYS = {
    "none": "''",
    "store": "store",
    "date": "cast(business_date as varchar)",
    "department": "coalesce(department, '')",
}

NET_SALES = """
with sold as (
  select l.*, s.currency from lines l
  join closed s using (source, merchant_id, sale_id, business_date)
  where l.is_sale
)
select {key} as key, currency,
  sum(net_minor)::bigint as net_minor,
  coalesce(sum(gross_minor) filter (event = 'sale'), 0)::bigint as gross_minor,
  sum(discount_minor)::bigint as discounts_minor,
  coalesce(-sum(gross_minor) filter (event = 'return'), 0)::bigint as returns_minor,
  count(distinct (source, merchant_id, sale_id)) filter (event = 'sale') as orders,
  coalesce(sum(quantity) filter (event = 'sale'), 0)::varchar as units
from sold group by all order by all
"""
TAKEN = """
select store, currency, sum(total_minor)::bigint as collected_minor,
  sum(tax_minor)::bigint as tax_minor, sum(tip_minor)::bigint as tips_minor,
  epoch_us(max(occurred_at)) as last_sale_us
from closed group by all
"""

TENDERED = """
select tender_type, currency,
  sum(amount_minor + coalesce(tip_minor, 0))::bigint as amount_minor, count(*) as count
from tenders
where (state = 'captured' or (state = 'pending' and event = 'refund'))
  and (store in (select store from wanted) or (select count(*) from wanted) = 0)
group by all order by amount_minor desc, tender_type
"""


class NetSales(msgspec.Struct, frozen=True):
    """R-18 over some sales: net = gross - discounts - returns. units: decimal text."""

    key: str
    currency: str
    net_minor: int
    gross_minor: int
    discounts_minor: int
    returns_minor: int
    orders: int
    units: str


class Tendered(msgspec.Struct, frozen=True):
    """What was taken by one kind of tender, refunds taken off; with tips (INV-04)."""

    tender_type: str
    currency: str
    amount_minor: int
    count: int


class Taken(msgspec.Struct, frozen=True):
    """What closed sales of a store came to: with tax, tips, service and gift cards sold."""

    store: str
    currency: str
    collected_minor: int
    tax_minor: int
    tips_minor: int
    last_sale_us: int


def net_sales(
    lake: Lake, dates: Sequence[date], *, stores: Sequence[str] = (), by: By = "none"
) -> list[NetSales]:
    """Net sales of closed sales on business dates, by key and currency; all stores when none named."""
    with duckdb.connect() as memory:
        _register(memory, lake, dates, stores, enriched=by == "department")
        rows = memory.sql(NET_SALES.format(key=_KEYS[by])).to_arrow_table().to_pylist()
    return [NetSales(**{**row, "units": plain(row["units"])}) for row in rows]


def taken(lake: Lake, dates: Sequence[date], *, stores: Sequence[str] = ()) -> list[Taken]:
    """What was collected by closed sales, by store and currency."""
    with duckdb.connect() as memory:
        _register(memory, lake, dates, stores, enriched=False, lines=False)
        rows = memory.sql(TAKEN).to_arrow_table().to_pylist()
    return [Taken(**row) for row in rows]


def tenders_of(lake: Lake, dates: Sequence[date], *, stores: Sequence[str] = ()) -> list[Tendered]:
    """Captured payments less refunds by kind of tender and currency, the largest first."""
    with duckdb.connect() as memory:
        memory.register("tenders", lake.read("tenders", dates))
        memory.register("wanted", pa.table({"store": pa.array(list(stores), pa.string())}))
        rows = memory.sql(TENDERED).to_arrow_table().to_pylist()
    return [Tendered(**row) for row in rows]


def sold_until(
    lake: Lake, days: Sequence[tuple[date, datetime]], *, stores: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Net sales by store, currency and date, up to an instant on each: what was expected by now."""
    rows: list[dict[str, Any]] = []
    for day, until in days:
        with duckdb.connect() as memory:
            _register(memory, lake, [day], stores, enriched=False)
            found = memory.sql(
                "select l.store, s.currency, sum(l.net_minor)::bigint as net_minor from lines l"
                " join closed s using (source, merchant_id, sale_id, business_date)"
                " where l.is_sale and l.occurred_at < $until group by all",
                params={"until": until},
            ).to_arrow_table()
        rows += [row | {"business_date": day} for row in found.to_pylist()]
    return rows


def plain(number: str) -> str:
    """Decimal text without needless zeros: `3.000000` is `3`."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def _register(
    memory: duckdb.DuckDBPyConnection,
    lake: Lake,
    dates: Sequence[date],
    stores: Sequence[str],
    *,
    enriched: bool,
    lines: bool = True,
) -> None:
    """Tables `closed` (sales) and `lines` of the dates and stores."""
    sales = lake.read("sales", dates)
    memory.register("all_sales", sales)
    wanted = pa.table({"store": pa.array(list(stores), pa.string())})
    memory.register("wanted", wanted)
    memory.execute(
        "create temp table closed as select * from all_sales where state = 'closed'"
        " and (store in (select store from wanted) or (select count(*) from wanted) = 0)"
    )
    if not lines:
        return
    found = lake.read("sale_lines", dates)
    if enriched:
        found = enrich_lines(found, sales, lake.read("products"))
    memory.register("lines", found)
