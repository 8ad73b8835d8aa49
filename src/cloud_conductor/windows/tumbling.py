"""Tumbling windows over sale lines: whole batches in, sums per window out. Pure (R-22.1).

Windows are half-open, `[start, end)`, five minutes, aligned to the UTC epoch; an instant on a border
belongs to the window that begins there. Figures are exact integers: minor units of money, and
millionths of a unit of quantity, so that sums of windows are sums of lines whatever the batching.
"""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

WINDOW_US = 5 * 60 * 1_000_000
JSON_BLOCK_BYTES = 4 * 1024 * 1024

KEYS = ("store", "department", "currency", "start_us")
SUMS = ("quantity", "gross_minor", "discount_minor", "net_minor", "tax_minor")
LINES = pa.schema(
    [
        ("store", pa.string()),
        ("department", pa.string()),
        ("currency", pa.string()),
        ("occurred_us", pa.int64()),
        ("sale_id", pa.string()),
        ("event", pa.string()),  # sale | return
        *((name, pa.int64()) for name in SUMS),
    ]
)
"""One row per line of a closed sale that counts as one (`is_sale`, R-17.3)."""

CELLS = pa.schema(
    [
        ("store", pa.string()),
        ("department", pa.string()),
        ("currency", pa.string()),
        ("start_us", pa.int64()),
        ("sales", pa.int64()),
        ("returns", pa.int64()),
        *((name, pa.int64()) for name in SUMS),
    ]
)
"""One row per store, department, currency and window. sales: distinct orders with a line sold in
it, returns: with a line that came back; an exchange is in both."""


def start_of(instant_us: int) -> int:
    """Start of the window that holds an instant, in microseconds since 1970."""
    return instant_us - instant_us % WINDOW_US


def tumbling(lines: pa.Table) -> pa.Table:
    """Sums of lines (LINES) per window, as CELLS, in the order of their keys."""
    at = lines["occurred_us"]
    whole = pc.divide(at, WINDOW_US)  # towards zero: one too high for instants before 1970
    is_before = pc.less(at, pc.multiply(whole, WINDOW_US))
    start = pc.multiply(pc.subtract(whole, is_before.cast(pa.int64())), WINDOW_US)
    placed = lines.append_column("start_us", start)
    sums = placed.group_by(list(KEYS)).aggregate([(name, "sum") for name in SUMS])
    for event, name in (("sale", "sales"), ("return", "returns")):
        orders = _distinct(placed, event).rename_columns([*KEYS, name])
        sums = sums.join(orders, list(KEYS), join_type="left outer")
    columns = [
        pc.fill_null(sums[name if name in sums.column_names else f"{name}_sum"], 0)
        if name not in KEYS
        else sums[name]
        for name in CELLS.names
    ]
    cells = pa.table(columns, names=CELLS.names).cast(CELLS)
    return cells.sort_by([(name, "ascending") for name in KEYS])


def lines_of_json(data: bytes) -> pa.Table:
    """Lines (LINES) from text with one JSON object a line; other members are passed over."""
    return pj.read_json(
        pa.BufferReader(data),
        pj.ReadOptions(block_size=JSON_BLOCK_BYTES),
        pj.ParseOptions(explicit_schema=LINES, unexpected_field_behavior="ignore"),
    )


def _distinct(placed: pa.Table, event: str) -> pa.Table:
    """Distinct orders per window among the lines of one kind: KEYS and their number."""
    some = placed.filter(pc.equal(placed["event"], event))
    return some.group_by(list(KEYS)).aggregate([("sale_id", "count_distinct")])
