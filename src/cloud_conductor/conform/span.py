"""Facts of many business dates together: one read of each table, the same rows as day by day.

Without the columns that say how rows came (ARRIVAL_COLUMNS): a digest a row is half of the bytes.
"""

from collections.abc import Collection, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.conform.enrich import enrich_lines, enrich_tenders, named_in, strays
from cloud_conductor.conform.flow import SEAL_INPUTS, beside_their_sales, day_facts, day_tenders
from cloud_conductor.domain.schemas import ARRIVAL_COLUMNS, PARTITIONED, TABLES
from cloud_conductor.ports.lake import Lake

_REFUND = "refund"
_COLUMNS = {
    name: [column for column in TABLES[name].names if column not in ARRIVAL_COLUMNS]
    for name in PARTITIONED
}


def span_facts(lake: Lake, dates: Sequence[date]) -> dict[str, pa.Table]:
    """`flow.day_facts` of every date, one under the other; dates that differ are read alone."""
    if len(dates) == 1:
        return _said(day_facts(lake, dates[0]))
    with lake.held():
        found = {table: _read(lake, table, dates) for table in PARTITIONED}
        found["sale_lines"] = beside_their_sales(lake, found["sale_lines"], found["sales"])
        if torn := _torn(found):
            found["tenders"] = _mended(lake, found, dates, torn)
    return _said(found)


def _said(found: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Tables without the columns that say how their rows came."""
    return {table: rows.select(_COLUMNS[table]) for table, rows in found.items()}


def _read(lake: Lake, table: str, dates: Sequence[date]) -> pa.Table:
    """Enriched rows of some dates. Sealed ones are read as they stand, a file a date.

    Tenders whole: they may have to be enriched again.
    """
    columns = None if table == "tenders" else _COLUMNS[table]
    present = sorted(set(dates) & set(lake.dates(table)))
    if present and lake.sealed(table, present, SEAL_INPUTS.get(table, ())) >= set(present):
        return pa.concat_tables([lake.read(table, [one], columns=columns) for one in present])
    if table != "sale_lines":
        return lake.read(table, dates, columns=columns)
    rows = lake.read(table, dates)
    if rows.num_rows:
        rows = enrich_lines(rows, lake.read("sales", dates), lake.read("products"))
    return rows.select(columns)


def _torn(found: dict[str, pa.Table]) -> list[date]:
    """Dates whose tenders cannot be taken as they are.

    Some belong to a sale of another date (R-2.8), or a card must be told from a gift card by that
    day's activities (R-9.12).
    """
    tenders, named = _dated(found["tenders"]), _dated(found["sale_tenders"])
    activities = found["gift_card_activities"]
    refunds = activities.filter(pc.equal(activities["activity_type"], _REFUND))
    parts = (strays(tenders, named), named.filter(pc.invert(named_in(named, tenders))), refunds)
    dates: set[date] = set()
    for part in parts:
        dates |= _dates(part)
    return sorted(dates)


def _dates(rows: pa.Table) -> set[date]:
    return set(rows["business_date"].unique().to_pylist())


def _dated(rows: pa.Table) -> pa.Table:
    """Rows whose tender ids hold within one date only."""
    at = rows.schema.get_field_index("tender_id")
    day = rows["business_date"].cast(pa.int32()).cast(pa.string())
    return rows.set_column(
        at, "tender_id", pc.binary_join_element_wise(day, rows["tender_id"], "\x1f")
    )


def _mended(
    lake: Lake, found: dict[str, pa.Table], dates: Collection[date], torn: Sequence[date]
) -> pa.Table:
    """Tenders of the span, those of torn dates brought to their sales; the span is not read again."""

    def read(table: str, near: Sequence[date]) -> pa.Table:
        others = [one for one in near if one not in held]
        parts = [_of(found[table], [one for one in near if one in held])]
        names = found[table].schema.names
        rest = [lake.read(table, others, columns=names)] if others else []
        return pa.concat_tables([*parts, *rest])

    held = set(dates)
    tenders = found["tenders"]
    is_torn = pc.is_in(tenders["business_date"], value_set=pa.array(torn, pa.date32()))
    mended = [tenders.filter(pc.invert(is_torn))]
    for one in torn:
        activities = _of(found["gift_card_activities"], [one])
        own = enrich_tenders(_of(tenders, [one]), activities)
        mended.append(day_tenders(lake, one, own, _of(found["sale_tenders"], [one]), read))
    return pa.concat_tables(mended)


def _of(rows: pa.Table, dates: Sequence[date]) -> pa.Table:
    return rows.filter(pc.is_in(rows["business_date"], value_set=pa.array(dates, pa.date32())))
