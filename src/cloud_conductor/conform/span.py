"""Facts of many business dates together: one read of each table, the same rows as day by day."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.conform.enrich import enrich_lines, named_in, strays
from cloud_conductor.conform.flow import SEAL_INPUTS, day_facts
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.ports.lake import Lake

_REFUND = "refund"


def span_facts(lake: Lake, dates: Sequence[date]) -> dict[str, pa.Table]:
    """`flow.day_facts` of every date, one under the other; dates that differ are read alone."""
    if len(dates) == 1:
        return day_facts(lake, dates[0])
    found = {table: lake.read(table, dates) for table in PARTITIONED}
    lines, inputs = found["sale_lines"], SEAL_INPUTS["sale_lines"]
    if lines.num_rows and not lake.sealed("sale_lines", dates, inputs) >= _dates(lines):
        found["sale_lines"] = enrich_lines(lines, found["sales"], lake.read("products"))
    torn = _torn(found)
    if not torn:
        return found
    return found | {"tenders": _mended(lake, found["tenders"], torn)}


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


def _mended(lake: Lake, tenders: pa.Table, torn: Sequence[date]) -> pa.Table:
    is_torn = pc.is_in(tenders["business_date"], value_set=pa.array(torn, pa.date32()))
    whole = tenders.filter(pc.invert(is_torn))
    return pa.concat_tables([whole, *(day_facts(lake, one)["tenders"] for one in torn)])
