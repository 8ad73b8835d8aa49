"""Store-days whose two sides agree record by record: found by comparing sets, many at a time.

L1, L2 and L3 say the same of such a store-day as when they look at each record; every other one is
left to them (level_sales, level_tenders). The sets of all store-days are compared at once, by
digests per bucket and row by row only where those differ (digests.compare), or row by row
throughout (digests.exactly), which is the check on the first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.breaks import Level
from cloud_conductor.accounting.digests import Compared, Rows, buckets_for, rows_of
from cloud_conductor.accounting.facts import DAY, DayFacts, chunked
from cloud_conductor.accounting.legs import counted
from cloud_conductor.accounting.level_sales import listed_total
from cloud_conductor.accounting.levels import SOURCES, LevelResult, Side
from cloud_conductor.ports.pos import Listed

_PARTS = (
    ("sale_lines", "net_minor"),
    ("sale_services", "amount_minor"),
    ("sale_taxes", "amount_minor"),
    ("sales", "tip_minor"),
    ("sales", "rounding_minor"),
)
"""What a sale's total is made of (R-4)."""
_SALE = (DAY, "sale_id")
_TENDER = (DAY, "event", "tender_id")
_TOTALS = ("minor", "stated_minor", "unstated")


class Way(Protocol):
    """digests.compare or digests.exactly."""

    def __call__(
        self, left: Rows, right: Rows, *, key: Sequence[str], values: Sequence[str], buckets: int
    ) -> Compared: ...


class Agreed(msgspec.Struct, frozen=True):
    """Store-days that agree, by place in the facts, each with how many pairs agree in it.

    records: L1; totals: L2, of those; tenders: L3. compared: rows of both sides; opened: how many
    of them were looked at one by one.
    """

    records: Mapping[int, int]
    totals: Mapping[int, int]
    tenders: Mapping[int, int]
    compared: int = 0
    opened: int = 0

    def differing(self, other: "Agreed") -> set[int]:
        """Places of which the two do not say the same."""
        pairs = (
            (self.records, other.records),
            (self.totals, other.totals),
            (self.tenders, other.tenders),
        )
        return {place for mine, theirs in pairs for place, _ in mine.items() ^ theirs.items()}


def agreed(facts: DayFacts, listed: Mapping[int, Sequence[Listed]], way: Way) -> Agreed:
    """Which store-days agree.

    listed: by place, what the source lists; a place that is not there could not be asked.
    """
    theirs = _listed(listed)
    parts = _held_totals(facts)
    moved = _moved(facts)
    named = facts.of_closed_sales(facts.sale_tenders).select([*_TENDER, "amount_minor"])
    found = [
        _compared(way, facts.sales, theirs, _SALE, ("version_rank",)),
        _compared(way, parts, theirs, _SALE, _TOTALS),
        _compared(way, named, moved, _TENDER, ("amount_minor",)),
    ]
    records, totals, tenders = (_places(one.rows) for one in found)
    torn = _torn(facts, moved)
    held, closed = _counts(facts, facts.sales), _counts(facts, facts.closed_sales)
    counts = _counts(facts, named)
    same = {place: held[place] for place in listed if place not in records}
    return Agreed(
        records=same,
        totals={place: closed[place] + 1 for place in same if place not in totals},
        tenders={
            place: count
            for place, count in enumerate(counts)
            if place not in tenders and place not in torn
        },
        compared=sum(one.left_rows + one.right_rows for one in found),
        opened=sum(one.opened for one in found),
    )


def green(level: Level, pairs: int | None) -> LevelResult | None:
    """A level's result where so many pairs agree; None where they do not."""
    if pairs is None:
        return None
    side = Side(population=pairs, matched=pairs)
    return LevelResult(level, SOURCES[level], "green", side, side, pairs, 0, 0, 0, ())


def _compared(
    way: Way, left: pa.Table, right: pa.Table, key: Sequence[str], values: Sequence[str]
) -> Compared:
    columns = [*key, *values]
    sides = (rows_of(one.select(columns).combine_chunks()) for one in (left, right))
    buckets = buckets_for(max(left.num_rows, right.num_rows))
    return way(*sides, key=key, values=values, buckets=buckets)


def _places(rows: pa.Table) -> set[int]:
    """Store-days of rows that only one side has."""
    return set(rows[DAY].unique().to_pylist()) if rows.num_rows else set()


def _counts(facts: DayFacts, rows: pa.Table) -> list[int]:
    """Rows of each store-day."""
    counts: list[int] = np.bincount(rows[DAY].to_numpy(), minlength=len(facts.days)).tolist()
    return counts


def _listed(listed: Mapping[int, Sequence[Listed]]) -> pa.Table:
    """What the sources list, with its total once as worked out and once as stated."""
    rows: Collection[Listed] = list(chain.from_iterable(listed.values()))
    sizes = [len(some) for some in listed.values()]
    totals = pa.array([listed_total(row) for row in rows], pa.int64())
    return pa.table(
        {
            DAY: pa.array(np.repeat(np.array(list(listed), np.int32), sizes)),
            "sale_id": pa.array([row.object_id for row in rows], pa.string()),
            "version_rank": pa.array([row.version for row in rows], pa.int64()),
            "minor": totals,
            "stated_minor": totals,
            "unstated": pa.repeat(pa.scalar(0, pa.int64()), len(rows)),
        }
    )


def _held_totals(facts: DayFacts) -> pa.Table:
    """Each sale's total from its rows, and its own; 0 for one that is not closed.

    unstated: 1 for a closed sale without a total of its own, which agrees with nothing.
    """
    sums = pa.concat_tables(list(_parts(facts))).group_by(_SALE, use_threads=False)
    table = sums.aggregate([(name, "sum") for name in ("closed", *_TOTALS)])
    is_closed = pc.greater(table["closed_sum"], 0)
    zero = pa.scalar(0, pa.int64())
    columns = {name: pc.if_else(is_closed, table[f"{name}_sum"], zero) for name in _TOTALS}
    return pa.table({name: table[name] for name in _SALE} | columns)


def _parts(facts: DayFacts) -> Iterator[pa.Table]:
    """Amounts every sale is made of, a row each; and one row of what is known of the sale itself."""
    for name, column in _PARTS:
        rows = getattr(facts, name)
        yield _part(rows, minor=rows[column].fill_null(0))
    sales = facts.sales
    stated = sales["source_total_minor"]
    yield _part(
        sales,
        closed=pc.equal(sales["state"], "closed").cast(pa.int64()),
        stated_minor=stated.fill_null(0),
        unstated=stated.is_null().cast(pa.int64()),
    )


def _part(rows: pa.Table, **given: pa.ChunkedArray) -> pa.Table:
    """Store-day and sale of some rows with the given columns of figures; 0 in the others."""
    nothing = pa.repeat(pa.scalar(0, pa.int64()), rows.num_rows)
    figures = {name: given.get(name, nothing) for name in ("closed", *_TOTALS)}
    return pa.table({name: rows[name] for name in _SALE} | figures)


def _moved(facts: DayFacts) -> pa.Table:
    """Tenders that moved money, with tips."""
    rows = counted(facts.tenders)
    amount = pc.add(rows["amount_minor"], rows["tip_minor"].fill_null(0))
    return rows.select(_TENDER).append_column("amount_minor", amount)


def _torn(facts: DayFacts, moved: pa.Table) -> set[int]:
    """Store-days of tenders that are held twice, be it there or on several days of a store."""
    stores = pa.array([one.store for one in facts.days], pa.string()).dictionary_encode()
    store = stores.indices.take(chunked(moved, DAY))
    rows = moved.select(_TENDER).append_column("store", store)
    found = rows.group_by(["store", "event", "tender_id"], use_threads=False).aggregate(
        [([], "count_all")]
    )
    twice = found.filter(pc.greater(found["count_all"], 1))
    if not twice.num_rows:
        return set()
    ids = pc.is_in(rows["tender_id"], value_set=chunked(twice, "tender_id"))
    return set(rows.filter(ids)[DAY].to_pylist())
