"""What the shift before left in each drawer, on whichever day that was (R-8.2).

The day before, mostly; earlier where a store was closed. Looked up here for whoever makes entries
of facts, so that days read together give what each gives alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from cloud_conductor.accounting.custody import (
    LEFT_EVENT_COLUMNS,
    LEFT_SHIFT_COLUMNS,
    STOOD_STILL,
    Drawer,
    drawers,
    followed,
    with_left,
)
from cloud_conductor.ports.lake import Lake

CASH_TABLES = ("cash_shifts", "cash_events")
_DAY = timedelta(days=1)


def with_drawers(lake: Lake, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Facts of some dates, each shift with what the one before left (`custody.with_left`).

    Days before are read only as far as a register's last shift is: one day, then 2, 4, 8 and 16.
    """
    shifts = tables["cash_shifts"]
    held = set(shifts["business_date"].unique().to_pylist())
    own = drawers(shifts, tables["cash_events"])
    if not own:
        return {**tables, "cash_shifts": with_left(shifts, ())}
    with lake.held():
        return {**tables, "cash_shifts": with_left(shifts, _followed(lake, own, held))}


def newest_before(newest: Mapping[str, Mapping[date, int]], on: date) -> int:
    """Largest log_seq of drawers of the days before a date that its shifts may follow.

    newest: by table and business date. 0 when the date has no shift. A count that comes after the
    next day was closed makes that day due again.
    """
    if on not in newest["cash_shifts"]:
        return 0
    days = [on - n * _DAY for n in range(1, STOOD_STILL.days + 1)]
    return max(newest[table].get(one, 0) for table in CASH_TABLES for one in days)


def _followed(
    lake: Lake, own: Sequence[Drawer], dates: Collection[date]
) -> list[tuple[Drawer, Drawer | None]]:
    """The drawers of some dates with the ones before, wherever those are."""
    others = sorted(set(lake.dates("cash_shifts")) - set(dates), reverse=True)
    found, read, reach = list(own), set[date](), 1
    while True:
        pairs = [pair for pair in followed(found) if pair[0].business_date in dates]
        near = _unread(pairs, [one for one in others if one not in read], reach)
        if not near:
            return pairs
        read |= near
        days = sorted(near)
        shifts = lake.read("cash_shifts", days, columns=LEFT_SHIFT_COLUMNS)
        found += drawers(shifts, lake.read("cash_events", days, columns=LEFT_EVENT_COLUMNS))
        reach *= 2


def _unread(
    pairs: Iterable[tuple[Drawer, Drawer | None]], others: Sequence[date], reach: int
) -> set[date]:
    """The newest `reach` dates of `others` (newest first) between each shift and the one before."""
    spans = {
        (
            before.business_date if before else one.business_date - STOOD_STILL - _DAY,
            one.business_date,
        )
        for one, before in pairs
    }
    near: set[date] = set()
    for after, on in spans:
        near.update([one for one in others if after < one < on][:reach])
    return near
