"""Sales by what a person remembers of them, from the latest rows of the processed zone."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.conform.enrich import enrich_lines
from cloud_conductor.ports.lake import Lake

CHILDREN = ("sale_lines", "sale_taxes", "sale_discounts", "sale_services", "tenders")

FIND = """
with picked as (
  select s.source, s.merchant_id, s.sale_id, s.store, s.business_date, s.total_minor, s.currency,
    s.state, s.customer_id, epoch_us(s.occurred_at) as occurred_us
  from sales s
  where s.store in (select store from wanted)
    and ($amount is null or s.total_minor = $amount or exists (
      select 1 from tenders t where t.source = s.source and t.sale_id = s.sale_id
        and t.amount_minor + coalesce(t.tip_minor, 0) = $amount))
    and ($text = '' or contains(lower(s.sale_id), lower($text)) or exists (
      select 1 from tenders t where t.source = s.source and t.sale_id = s.sale_id
        and contains(lower(t.tender_id), lower($text))))
    and ($before is null or (epoch_us(s.occurred_at), s.sale_id) < ($before, $before_id))
  order by occurred_us desc, s.sale_id desc limit $limit
)
select p.*, (select count(*) from lines l where l.source = p.source and l.sale_id = p.sale_id) as lines
from picked p order by occurred_us desc, sale_id desc
"""


class Card(msgspec.Struct, frozen=True):
    """One tender of a found sale. log_seq: the event it came in."""

    tender_type: str
    brand: str | None
    amount_minor: int
    log_seq: int


class Found(msgspec.Struct, frozen=True):
    sale_id: str
    store: str
    business_date: date
    occurred_us: int
    total_minor: int
    currency: str
    state: str
    customer_id: str | None
    lines: int
    tenders: tuple[Card, ...]


class Wanted(msgspec.Struct, frozen=True):
    """before: (instant in microseconds, sale id) of the last one shown."""

    stores: tuple[str, ...]
    amount_minor: int | None = None
    text: str = ""
    before: tuple[Any, ...] | None = None
    limit: int = 100


def sales(lake: Lake, dates: Sequence[date], wanted: Wanted) -> list[Found]:
    """Sales of some business dates that fit, newest first."""
    tenders = lake.read("tenders", dates)
    with duckdb.connect() as memory:
        memory.register("sales", lake.read("sales", dates))
        memory.register("tenders", tenders)
        memory.register("lines", lake.read("sale_lines", dates, columns=["source", "sale_id"]))
        memory.register("wanted", pa.table({"store": list(wanted.stores)}))
        before = wanted.before or (None, None)
        rows = (
            memory.sql(
                FIND,
                params={
                    "amount": wanted.amount_minor,
                    "text": wanted.text,
                    "before": before[0],
                    "before_id": before[1],
                    "limit": wanted.limit,
                },
            )
            .to_arrow_table()
            .to_pylist()
        )
    ids = pa.array([row["sale_id"] for row in rows], pa.string())
    cards: dict[tuple[str, str], list[Card]] = {}
    for row in tenders.filter(pc.is_in(tenders["sale_id"], value_set=ids)).to_pylist():
        cards.setdefault((row["source"], row["sale_id"]), []).append(
            Card(
                row["tender_type"],
                row["brand"],
                row["amount_minor"] + (row["tip_minor"] or 0),
                row["log_seq"],
            )
        )
    return [
        Found(
            sale_id=row["sale_id"],
            store=row["store"],
            business_date=row["business_date"],
            occurred_us=row["occurred_us"],
            total_minor=row["total_minor"],
            currency=row["currency"],
            state=row["state"],
            customer_id=row["customer_id"],
            lines=row["lines"],
            tenders=tuple(cards.get((row["source"], row["sale_id"]), ())),
        )
        for row in rows
    ]


def one_sale(lake: Lake, sale_id: str, day: date) -> Mapping[str, pa.Table]:
    """Rows of one sale by table, lines with their SKU and cost."""
    sold = lake.read("sales", [day])
    found = {"sales": sold.filter(pc.equal(sold["sale_id"], sale_id))}
    for name in CHILDREN:
        rows = lake.read(name, [day])
        found[name] = rows.filter(pc.equal(rows["sale_id"], sale_id))
    found["sale_lines"] = enrich_lines(found["sale_lines"], sold, lake.read("products"))
    return found


def customers(lake: Lake) -> pa.Table:
    """Closed sales that name a customer."""
    columns = [
        "sale_id", "store", "business_date", "state", "currency", "customer_id", "occurred_at",
        "subtotal_minor", "total_minor",
    ]  # fmt: skip
    rows = lake.read("sales", columns=columns)
    is_known = pc.and_(pc.equal(rows["state"], "closed"), pc.is_valid(rows["customer_id"]))
    return rows.filter(is_known)
