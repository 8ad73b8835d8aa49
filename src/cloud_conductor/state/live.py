"""What screens ask of live windows. Each function takes a connection of the worker database."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, select

from cloud_conductor.state.consuming import HEAD
from cloud_conductor.state.tables.windows import CELL, CURSOR, LATE, STORE, TENDER

WINDOW_US = 5 * 60 * 1_000_000
WATERMARK_DELAY_US = 10 * 60 * 1_000_000
WEEKS = 8
DAYS_MIN = 2
LOW, HIGH = 0.1, 0.9

State = Literal["provisional", "final"]
Sums = TypeVar("Sums", bound=msgspec.Struct)


class Cell(msgspec.Struct, frozen=True):
    """One store, department and window `[start_us, end_us)`. quantity: millionths of a unit.

    sales, returns: distinct orders with a line sold or brought back. version: rises with each
    change, which retracts the former; seq: rises with every change of any cell.
    """

    store: str
    department: str
    currency: str
    business_date: str
    start_us: int
    end_us: int
    sales: int
    returns: int
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    state: State
    version: int
    seq: int


class Head(msgspec.Struct, frozen=True):
    """seq: the newest change. Windows that end by `final_until_us` are final; 0 before any sale."""

    seq: int
    watermark_us: int
    final_until_us: int


class Total(msgspec.Struct, frozen=True):
    """A business day of one store and department."""

    store: str
    department: str
    currency: str
    sales: int
    returns: int
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int


class StoreTotal(msgspec.Struct, frozen=True):
    """A business day of one store. sales: its distinct orders. total_minor: what was to be paid."""

    store: str
    currency: str
    sales: int
    returns: int
    net_minor: int
    tax_minor: int
    total_minor: int


class TenderTotal(msgspec.Struct, frozen=True):
    """A business day's tenders of one type, as the sales state them; refunds negative."""

    store: str
    tender_type: str
    currency: str
    payments: int
    refunds: int
    amount_minor: int


class Late(msgspec.Struct, frozen=True):
    """What reached a day after its windows were closed: in the facts, not in the cells."""

    store: str
    business_date: str
    currency: str
    changes: int
    net_minor: int


class Slot(msgspec.Struct, frozen=True):
    """One window of several stores. sales: distinct orders, for an order is of one store."""

    start_us: int
    sales: int
    net_minor: int


class DepartmentSlot(msgspec.Struct, frozen=True):
    """One window of a department in several stores. quantity: millionths of a unit."""

    start_us: int
    department: str
    sales: int
    quantity: int
    net_minor: int


class Step(msgspec.Struct, frozen=True):
    """Net sales of a day up to the end of a window; offset_s: that end, from the day's start."""

    offset_s: int
    net_minor: int


class Band(msgspec.Struct, frozen=True):
    """What the same weekdays had sold by then: 10, 50 and 90 % of `days` days lie below."""

    offset_s: int
    low_minor: int
    middle_minor: int
    high_minor: int
    days: int


def head(connection: Connection) -> Head:
    """The newest change and the watermark: the slowest partition's, of those that had a sale."""
    rows = connection.execute(select(CURSOR)).all()
    newest = [row.newest_us for row in rows if row.partition != HEAD and row.newest_us]
    seq = next((row.change_seq for row in rows if row.partition == HEAD), 0)
    watermark_us = min(newest) - WATERMARK_DELAY_US if newest else 0
    return Head(seq, watermark_us, watermark_us - watermark_us % WINDOW_US)


def cells(
    connection: Connection,
    *,
    stores: Sequence[str] = (),
    departments: Sequence[str] = (),
    since_us: int | None = None,
    until_us: int | None = None,
    after_seq: int = 0,
    limit: int = 10_000,
) -> list[Cell]:
    """Windows that begin in [since_us, until_us), in order of time, store, department.

    after_seq: only what changed since, in order of the changes; a cell that was retracted comes
    with zeros.
    """
    query = select(CELL).limit(limit)
    if stores:
        query = query.where(CELL.c.store.in_(stores))
    if departments:
        query = query.where(CELL.c.department.in_(departments))
    if since_us is not None:
        query = query.where(CELL.c.start_us >= since_us)
    if until_us is not None:
        query = query.where(CELL.c.start_us < until_us)
    if after_seq:
        query = query.where(CELL.c.seq > after_seq).order_by(CELL.c.seq)
    else:
        query = query.order_by(CELL.c.start_us, CELL.c.store, CELL.c.department)
    final_until_us = head(connection).final_until_us
    return [_cell(row, final_until_us) for row in connection.execute(query)]


def totals(
    connection: Connection, business_date: str, *, stores: Sequence[str] = ()
) -> list[Total]:
    """Rolling totals of a business day per store and department."""
    names = ("store", "department", "currency")
    return _summed(connection, CELL, names, Total, business_date, stores)


def store_totals(
    connection: Connection, business_date: str, *, stores: Sequence[str] = ()
) -> list[StoreTotal]:
    """Rolling totals of a business day per store. A sale lies in one window: orders may be added."""
    return _summed(connection, STORE, ("store", "currency"), StoreTotal, business_date, stores)


def tender_totals(
    connection: Connection, business_date: str, *, stores: Sequence[str] = ()
) -> list[TenderTotal]:
    """Rolling totals of a business day per store and type of tender."""
    names = ("store", "tender_type", "currency")
    return _summed(connection, TENDER, names, TenderTotal, business_date, stores)


def late(connection: Connection, business_date: str, *, stores: Sequence[str] = ()) -> list[Late]:
    """What the day's facts have and its windows, closed by then, have not."""
    query = select(LATE).where(LATE.c.business_date == business_date).order_by(LATE.c.store)
    if stores:
        query = query.where(LATE.c.store.in_(stores))
    return [Late(**row._asdict()) for row in connection.execute(query)]


class Asked(msgspec.Struct, frozen=True):
    """Which windows: of some stores, in one currency, of a business date or since an instant."""

    stores: Sequence[str]
    currency: str
    business_date: str = ""
    since_us: int = 0

    def of(self, table: Table) -> ColumnElement[bool]:
        """The condition on a table of windows."""
        when = table.c.start_us >= self.since_us
        if self.business_date:
            when = table.c.business_date == self.business_date
        return and_(table.c.store.in_(self.stores), table.c.currency == self.currency, when)


def slots(connection: Connection, asked: Asked) -> list[Slot]:
    """What the stores sold together in each window, in order of time."""
    query = select(STORE.c.start_us, func.sum(STORE.c.sales), func.sum(STORE.c.net_minor))
    query = query.where(asked.of(STORE)).group_by(STORE.c.start_us).order_by(STORE.c.start_us)
    return [Slot(*map(int, row)) for row in connection.execute(query)]


def department_slots(connection: Connection, asked: Asked) -> list[DepartmentSlot]:
    """The same by department, in order of time and department."""
    figures = (func.sum(CELL.c[name]) for name in ("sales", "quantity", "net_minor"))
    keys = (CELL.c.start_us, CELL.c.department)
    query = select(*keys, *figures).where(asked.of(CELL)).group_by(*keys).order_by(*keys)
    return [
        DepartmentSlot(int(row[0]), row[1], *map(int, row[2:])) for row in connection.execute(query)
    ]


def actual(connection: Connection, business_date: str, *, stores: Sequence[str]) -> list[Step]:
    """Net sales of a day so far, at the end of each window in which something changed it.

    stores: those whose days begin together and whose currency is one, so that they may be added.
    """
    day = _days(connection, [business_date], stores).get(business_date, {})
    total, steps = 0, []
    for offset_s in sorted(day):
        total += day[offset_s]
        steps.append(Step(offset_s, total))
    return steps


def expected(
    connection: Connection, business_date: str, *, stores: Sequence[str], weeks: int = WEEKS
) -> list[Band]:
    """What a day should have sold by now, from the same weekday of the weeks before.

    stores: as in `actual`; what they sold is added first, for a band of sums is no sum of bands.
    One row per five minutes from the first to the last sale of those days. Empty when fewer than
    DAYS_MIN of them have sales: two points make no band.
    """
    at = date.fromisoformat(business_date)
    wanted = [(at - timedelta(weeks=number)).isoformat() for number in range(1, weeks + 1)]
    days = [day for day in _days(connection, wanted, stores).values() if day]
    if len(days) < DAYS_MIN:
        return []
    step_s = WINDOW_US // 1_000_000
    first = min(min(day) for day in days)
    last = max(max(day) for day in days)
    sums = [0] * len(days)
    found = []
    for offset_s in range(first, last + step_s, step_s):
        sums = [total + day.get(offset_s, 0) for total, day in zip(sums, days, strict=True)]
        ranked = sorted(sums)
        low, middle, high = (_ranked(ranked, share) for share in (LOW, 0.5, HIGH))
        found.append(Band(offset_s, low, middle, high, len(days)))
    return found


def _days(
    connection: Connection, dates: Sequence[str], stores: Sequence[str]
) -> dict[str, dict[int, int]]:
    """Business date -> end of a window, in seconds from the day's start -> its net sales."""
    query = select(STORE.c.business_date, STORE.c.start_us, STORE.c.day_start_us, STORE.c.net_minor)
    query = query.where(STORE.c.store.in_(stores), STORE.c.business_date.in_(dates))
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in connection.execute(query):
        offset_s = (row.start_us + WINDOW_US - row.day_start_us) // 1_000_000
        found[row.business_date][offset_s] += row.net_minor
    return found


def _ranked(ordered: Sequence[int], share: float) -> int:
    """Nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _summed(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    into: type[Sums],
    business_date: str,
    stores: Sequence[str],
) -> list[Sums]:
    """A day's rows of a table summed by columns, each as a struct; those of zeros left out."""
    figures = [name for name in into.__struct_fields__ if name not in names]
    keys = [table.c[name] for name in names]
    query: Select[Any] = select(*keys, *(func.sum(table.c[name]) for name in figures))
    query = query.where(table.c.business_date == business_date).group_by(*keys).order_by(*keys)
    if stores:
        query = query.where(table.c.store.in_(stores))
    count = len(keys)
    return [
        into(*row[:count], *map(int, row[count:]))
        for row in connection.execute(query)
        if any(row[count:])
    ]


def _cell(row: Any, final_until_us: int) -> Cell:
    end_us = row.start_us + WINDOW_US
    state: State = "final" if end_us <= final_until_us else "provisional"
    return Cell(**row._asdict(), end_us=end_us, state=state)
