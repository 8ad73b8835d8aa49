"""What rows lack that only other tables know: product facts of a line, the card of a refund. Pure.

Done at the seal and on every read of an open day, from the same inputs by the same function: a
late catalogue changes the next seal, never a fact that is an entry already.
"""

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.domain.money import minor_exponent
from cloud_conductor.domain.schemas import SALE_LINES, TENDERS

_PRODUCTS_AS_OF = """
with versions as (
  select source, merchant_id, product_id, valid_from, name, sku, department, unit_cost,
    lead(valid_from) over w as valid_to,
    row_number() over w as ordinal
  from products
  window w as (partition by source, merchant_id, product_id order by valid_from)
)
select l.row, p.sku, p.unit_cost, c.name as department
from lines l
join versions p on p.source = l.source and p.merchant_id = l.merchant_id
  and p.product_id = l.product_id
  and (l.occurred_at >= p.valid_from or p.ordinal = 1)
  and (p.valid_to is null or l.occurred_at < p.valid_to)
left join versions c on c.source = l.source and c.merchant_id = l.merchant_id
  and c.product_id = p.department
  and (l.occurred_at >= c.valid_from or c.ordinal = 1)
  and (c.valid_to is null or l.occurred_at < c.valid_to)
order by l.row
"""


def enrich_lines(lines: pa.Table, sales: pa.Table, products: pa.Table) -> pa.Table:
    """Lines (SALE_LINES) with sku, department, unit_cost and cost_minor as of their sale.

    The product version valid at occurred_at, the earliest when none is older; no product gives
    nulls, and the sale stands (R-11.4). A line that names no product keeps what it says of itself
    (landed exports). cost_minor has the sign of the quantity and is rounded
    once, half to even (R-1.5). Rows keep their order.
    """
    if not lines.num_rows:
        return lines
    keyed = lines.select(["source", "merchant_id", "product_id", "occurred_at"])
    keyed = keyed.append_column("row", pa.array(range(lines.num_rows), pa.int64()))
    with duckdb.connect() as memory:
        memory.register("lines", keyed)
        memory.register("products", products)
        found = memory.sql(_PRODUCTS_AS_OF).to_arrow_table()
    at = pc.index_in(keyed["row"], value_set=found["row"].combine_chunks())
    cost = found["unit_cost"].take(at).cast(SALE_LINES.field("unit_cost").type)
    filled = {
        "sku": found["sku"].take(at),
        "department": found["department"].take(at),
        "unit_cost": cost,
        "cost_minor": _cost_minor(lines["quantity"], cost, _currencies(lines, sales)),
    }
    own = pc.is_null(lines["product_id"])
    columns = [
        pc.if_else(own, lines[name], filled[name]) if name in filled else lines[name]
        for name in SALE_LINES.names
    ]
    return pa.table(columns, schema=SALE_LINES)


def enrich_tenders(tenders: pa.Table, activities: pa.Table) -> pa.Table:
    """Tenders (TENDERS) with refunds onto gift cards told from refunds onto bank cards.

    Square calls both CARD; only a gift card has an activity of the same payment that day (R-9.12).
    """
    given_back = activities.filter(pc.equal(activities["activity_type"], "refund"))
    cards = _on_day(given_back, "tender_id").combine_chunks()
    on_card = pc.fill_null(
        pc.and_(
            pc.equal(tenders["event"], "refund"),
            pc.and_(
                pc.equal(tenders["tender_type"], "card"),
                pc.and_(
                    pc.is_valid(tenders["original_tender_id"]),
                    pc.is_in(_on_day(tenders, "original_tender_id"), value_set=cards),
                ),
            ),
        ),
        False,
    )
    filled = {
        "tender_type": pc.if_else(on_card, "gift_card", tenders["tender_type"]),
        "processor": pc.if_else(on_card, "", tenders["processor"]),
    }
    columns = [filled.get(name, tenders[name]) for name in TENDERS.names]
    return pa.table(columns, schema=TENDERS)


def _on_day(rows: pa.Table, column: str) -> pa.ChunkedArray:
    """A column's values with their business date; null where the column is."""
    return pc.binary_join_element_wise(rows["business_date"].cast(pa.string()), rows[column], " ")


def strays(tenders: pa.Table, sale_tenders: pa.Table) -> pa.Table:
    """Tenders that moved money and that none of these sales (SALE_TENDERS) names."""
    pending_refund = pc.and_(
        pc.equal(tenders["event"], "refund"), pc.equal(tenders["state"], "pending")
    )
    moved = tenders.filter(pc.or_(pc.equal(tenders["state"], "captured"), pending_refund))
    return moved.filter(pc.invert(named_in(moved, sale_tenders)))


def named_in(rows: pa.Table, others: pa.Table) -> pa.Array:
    """Whether each row's tender is one of `others`; TENDERS and SALE_TENDERS name them alike."""
    return pc.is_in(_tender_keys(rows), value_set=_tender_keys(others).combine_chunks())


def _tender_keys(rows: pa.Table) -> pa.ChunkedArray:
    columns = ("source", "merchant_id", "event", "tender_id")
    return pc.binary_join_element_wise(*(rows[name] for name in columns), "\x1f")


def _currencies(lines: pa.Table, sales: pa.Table) -> pa.ChunkedArray:
    """Currency of each line's sale."""
    at = pc.index_in(lines["sale_id"], value_set=sales["sale_id"].combine_chunks())
    return sales["currency"].take(at)


def line_cost(
    quantity: pa.ChunkedArray, unit_cost: pa.ChunkedArray, lines: pa.Table, sales: pa.Table
) -> pa.ChunkedArray:
    """Quantity x unit cost of lines in minor units of their sales' currencies, rounded once."""
    return _cost_minor(quantity, unit_cost, _currencies(lines, sales))


def _cost_minor(
    quantity: pa.ChunkedArray, unit_cost: pa.ChunkedArray, currency: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Quantity x unit_cost in minor units, exact until the one rounding."""
    cost = pc.multiply(quantity, unit_cost)  # DECIMAL(37,12): exact
    result = pa.nulls(len(quantity), pa.int64())
    for code in pc.unique(currency).drop_null().to_pylist():
        exponent = minor_exponent(code)
        rounded = pc.round(cost, ndigits=exponent, round_mode="half_to_even")
        whole = rounded.cast(pa.decimal128(25 + exponent, exponent))
        factor = pa.scalar(10**exponent).cast(pa.decimal128(19, 0))
        minor = pc.multiply(whole.cast(pa.decimal256(30 + exponent, exponent)), factor)
        result = pc.if_else(pc.equal(currency, code), minor.cast(pa.int64()), result)
    return result
