"""What a return says only beside its sale: what the goods cost, and whether money was owed. Pure."""

from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.conform.enrich import line_cost

ORIGINAL_COLUMNS = ("source", "merchant_id", "sale_id", "line_uid", "event", "unit_cost")
REPAYMENT = "repayment"


def returned_products(lines: pa.Table) -> pa.Table:
    """Return lines that name the line they take back."""
    is_linked = pc.and_(pc.is_valid(lines["return_of_sale_id"]), pc.is_valid(lines["product_id"]))
    return lines.filter(pc.and_(pc.equal(lines["event"], "return"), is_linked))


def returned_money(lines: pa.Table) -> pa.Table:
    """Return lines of a sale that take no goods back: an amount alone."""
    without_goods = pc.and_(
        pc.is_null(lines["product_id"]), pc.is_null(lines["return_of_line_uid"])
    )
    is_linked = pc.and_(pc.is_valid(lines["return_of_sale_id"]), without_goods)
    return lines.filter(pc.and_(pc.equal(lines["event"], "return"), is_linked))


def costed_as_sold(lines: pa.Table, originals: pa.Table, sales: pa.Table) -> pa.Table:
    """Goods come back at what they cost when they were sold, where that is known (R-11.7).

    originals: lines of the sales returned, as sealed; at least ORIGINAL_COLUMNS.
    """
    sold = originals.filter(
        pc.and_(pc.equal(originals["event"], "sale"), pc.is_valid(originals["unit_cost"]))
    )
    keys = _keys(sold, "sale_id", "line_uid")
    at = pc.index_in(_keys(lines, "return_of_sale_id", "return_of_line_uid"), value_set=keys)
    is_known = pc.and_(pc.equal(lines["event"], "return"), pc.is_valid(at))
    unit = pc.if_else(is_known, sold["unit_cost"].combine_chunks().take(at), lines["unit_cost"])
    unit = unit.cast(lines.schema.field("unit_cost").type)
    cost = line_cost(lines["quantity"], unit, lines, sales)
    filled = {
        "unit_cost": unit,
        "cost_minor": pc.if_else(is_known, cost, lines["cost_minor"]),
    }
    return pa.table([filled.get(name, lines[name]) for name in lines.schema.names], lines.schema)


def told_as_repayments(
    lines: pa.Table, sales: pa.Table, sale_tenders: pa.Table, money: pa.Table
) -> pa.Table:
    """Lines with amounts given back on a sale that was paid twice told as repayments (R-9.17).

    sales, sale_tenders: of the sales given back on; money: every amount given back on them,
    whenever. What was paid beyond a sale's total is repaid first, in the order of time; what goes
    beyond that is a return.
    """
    owed: dict[str, int] = defaultdict(int)
    for row in sale_tenders.select(["sale_id", "event", "amount_minor"]).to_pylist():
        owed[row["sale_id"]] += row["amount_minor"] if row["event"] == "payment" else 0
    for row in sales.select(["sale_id", "total_minor"]).to_pylist():
        owed[row["sale_id"]] -= row["total_minor"]
    repaid: list[str] = []
    names = ["occurred_at", "sale_id", "line_uid", "return_of_sale_id", "gross_minor"]
    # Some amounts a month at most: a loop over rows.
    for row in sorted(money.select(names).to_pylist(), key=lambda row: [*row.values()][:3]):
        if 0 < -row["gross_minor"] <= owed[row["return_of_sale_id"]]:
            owed[row["return_of_sale_id"]] += row["gross_minor"]
            repaid.append(f"{row['sale_id']}\x1f{row['line_uid']}")
    if not repaid:
        return lines
    keys = pc.binary_join_element_wise(lines["sale_id"], lines["line_uid"], "\x1f")
    is_repaid = pc.is_in(keys, value_set=pa.array(repaid))
    filled = {
        "line_kind": pc.if_else(is_repaid, REPAYMENT, lines["line_kind"]),
        "is_sale": pc.and_(lines["is_sale"], pc.invert(is_repaid)),
    }
    return pa.table([filled.get(name, lines[name]) for name in lines.schema.names], lines.schema)


def _keys(rows: pa.Table, sale: str, line: str) -> pa.Array:
    columns = (rows["source"], rows["merchant_id"], rows[sale], rows[line])
    joined = pc.binary_join_element_wise(*columns, "\x1f")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
