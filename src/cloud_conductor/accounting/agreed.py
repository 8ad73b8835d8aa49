"""Store-days whose two sides agree record by record: found by comparing sets, many at a time.

L1, L2 and L3 say the same of such a store-day as when they look at each record; every other one is
left to them (level_sales, level_tenders).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from cloud_conductor.accounting.breaks import Level
from cloud_conductor.accounting.facts import DAY, DayFacts
from cloud_conductor.accounting.legs import counted
from cloud_conductor.accounting.level_sales import Control, listed_total
from cloud_conductor.accounting.levels import SOURCES, LevelResult, Side

_PARTS = (
    ("sale_lines", "net_minor"),
    ("sale_services", "amount_minor"),
    ("sale_taxes", "amount_minor"),
    ("sales", "tip_minor"),
    ("sales", "rounding_minor"),
)
"""What a sale's total is made of (R-4)."""

TenderKey = tuple[str, str]
"""(event, tender id)."""


class HeldSale(NamedTuple):
    """A sale as we hold it. parts_minor: worked out from its rows; stated_minor: the source's own."""

    version: int
    is_closed: bool
    stated_minor: int | None
    parts_minor: int


@dataclass(frozen=True)
class Sides:
    """Our side of L1 and L2, and both sides of L3, by place of the store-day in the facts.

    named, moved: amounts. torn: store-days whose tenders are named twice or held on several days.
    """

    sales: Sequence[Mapping[str, HeldSale]]
    named: Sequence[Mapping[TenderKey, int]]
    moved: Sequence[Mapping[TenderKey, int]]
    torn: frozenset[int]


def sides(facts: DayFacts) -> Sides:
    """Every record of the store-days, once."""
    torn: set[int] = set()
    named = _tenders(facts, facts.of_closed_sales(facts.sale_tenders), torn)
    moved = _tenders(facts, counted(facts.tenders), torn, tips=True)
    places: dict[tuple[str, TenderKey], int] = {}
    for place, (day, keys) in enumerate(zip(facts.days, moved, strict=True)):
        for key in keys:
            other = places.setdefault((day.store, key), place)
            if other != place:
                torn |= {place, other}
    return Sides(_sales(facts), named, moved, frozenset(torn))


def agreed_records(control: Control, held: Mapping[str, HeldSale]) -> LevelResult | None:
    """L1 where the source lists exactly the versions we hold, each once; else None."""
    if control.rows is None or len(control.rows) != len(held):
        return None
    if {row.object_id: row.version for row in control.rows} != {
        key: sale.version for key, sale in held.items()
    }:
        return None
    return _green("L1", len(held))


def agreed_totals(control: Control, held: Mapping[str, HeldSale]) -> LevelResult | None:
    """L2 where each sale's rows, its own total and the listed one are equal; else None.

    Asks for an agreed L1: every listed sale is held in the listed version.
    """
    total = count = 0
    for row in control.rows or ():
        sale, listed = held[row.object_id], listed_total(row)
        if sale.is_closed:
            count += 1
            if not sale.parts_minor == listed == sale.stated_minor:
                return None
        elif listed:
            return None
        total += listed
    return _green("L2", count + 1)


def agreed_tenders(sides: Sides, place: int) -> LevelResult | None:
    """L3 where the sales name exactly the tenders that moved, to the same amounts; else None."""
    if place in sides.torn or sides.named[place] != sides.moved[place]:
        return None
    return _green("L3", len(sides.named[place]))


def _green(level: Level, pairs: int) -> LevelResult:
    side = Side(population=pairs, matched=pairs)
    return LevelResult(level, SOURCES[level], "green", side, side, pairs, 0, 0, 0, ())


def _sales(facts: DayFacts) -> list[dict[str, HeldSale]]:
    parts = [
        getattr(facts, name)
        .select([DAY, "sale_id", column])
        .rename_columns([DAY, "sale_id", "minor"])
        for name, column in _PARTS
    ]
    sums = pa.concat_tables(parts).group_by([DAY, "sale_id"]).aggregate([("minor", "sum")])
    totals: list[dict[str, int]] = [{} for _ in facts.days]
    columns = (sums[name].to_pylist() for name in (DAY, "sale_id", "minor_sum"))
    for place, sale, minor in zip(*columns, strict=True):
        totals[place][sale] = minor or 0
    found: list[dict[str, HeldSale]] = [{} for _ in facts.days]
    names = (DAY, "sale_id", "version_rank", "state", "source_total_minor")
    for place, sale, version, state, stated in zip(
        *(facts.sales[name].to_pylist() for name in names), strict=True
    ):
        found[place][sale] = HeldSale(
            version, state == "closed", stated, totals[place].get(sale, 0)
        )
    return found


def _tenders(
    facts: DayFacts, rows: pa.Table, torn: set[int], *, tips: bool = False
) -> list[dict[TenderKey, int]]:
    """Amounts by store-day and tender; a store-day that has one twice is torn."""
    found: list[dict[TenderKey, int]] = [{} for _ in facts.days]
    names = (DAY, "event", "tender_id", "amount_minor")
    columns = [rows[name].to_pylist() for name in names]
    columns.append(rows["tip_minor"].to_pylist() if tips else [0] * rows.num_rows)
    for place, event, tender, amount, tip in zip(*columns, strict=True):
        if (event, tender) in found[place]:
            torn.add(place)
        found[place][event, tender] = amount + (tip or 0)
    return found
