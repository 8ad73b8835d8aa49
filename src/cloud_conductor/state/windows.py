"""Operations on live windows: one writing transaction at a time, and what screens ask.

The read functions take a connection of the worker database and write nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.state import consuming
from cloud_conductor.state.consuming import HEAD
from cloud_conductor.state.tables.windows import (
    CLOCK,
    CURSOR,
    LATE,
    MEMORY,
    PRODUCT,
    SALE,
)

KEYS_PER_QUERY = 200
ROWS_PER_WRITE = 500
_MARKS = frozenset({"version", "seq"})

Row = Mapping[str, Any]
Key = tuple[str, str, str]


@dataclass
class Writer:
    """The one writing transaction of windows. seq: number of the newest change."""

    connection: Connection
    seq: int

    def newest_us(self, partition: str) -> int:
        """The newest sale's time in a partition."""
        query = select(CURSOR.c.newest_us).where(CURSOR.c.partition == partition)
        return int(self.connection.execute(query).scalar() or 0)

    def advance(self, partition: str, lo: int, hi: int, newest_us: int) -> None:
        """Move a cursor on. LeaseLost when another process moved it."""
        consuming.advance(self.connection, CURSOR, partition, lo=lo, hi=hi, newest_us=newest_us)

    def sales(self, keys: Iterable[Key]) -> list[Any]:
        return _keyed(self.connection, SALE, ("source", "merchant_id", "sale_id"), keys)

    def products(self, keys: Iterable[Key]) -> list[Any]:
        """All versions of these products and categories."""
        return _keyed(self.connection, PRODUCT, ("source", "merchant_id", "product_id"), keys)

    def sales_at(self, places: Iterable[tuple[str, int]]) -> list[Any]:
        """Sales in windows, given as (store, start)."""
        return _keyed(self.connection, SALE, ("store", "start_us"), places)

    def sales_since(self, start_us: int) -> list[Any]:
        """Sales in windows that begin then or later."""
        return list(self.connection.execute(select(SALE).where(SALE.c.start_us >= start_us)))

    def replace(self, table: Table, places: Iterable[tuple[str, int]], rows: Sequence[Row]) -> int:
        """Bring windows of a table to these rows; gives how many rows changed.

        A row that is not among them goes to zeros; one that is as it was keeps its numbers.
        """
        keys = [column.name for column in table.primary_key]
        old = {
            tuple(row[name] for name in keys): row
            for one in _keyed(self.connection, table, ("store", "start_us"), places)
            for row in [one._asdict()]
        }
        new = {tuple(row[name] for name in keys): row for row in rows}
        changed = []
        for key in sorted(old.keys() | new.keys()):
            before = old.get(key)
            after = new[key] if key in new else _zeroed(table, old[key])
            if before is not None and all(before[name] == after[name] for name in after):
                continue
            self.seq += 1
            version = before["version"] + 1 if before is not None else 1
            changed.append({**after, "version": version, "seq": self.seq})
        self.put(table, changed)
        return len(changed)

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert or replace."""
        for some in _parts(rows, ROWS_PER_WRITE):
            statement = _insert(self.connection, table)
            keys = [column.name for column in table.primary_key]
            values = {name: statement.excluded[name] for name in some[0] if name not in keys}
            self.connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=values),
                [dict(row) for row in some],
            )

    def add_late(self, rows: Sequence[Row]) -> None:
        """Add to what came when its window was closed."""
        for row in rows:
            statement = _insert(self.connection, LATE).values(**row)
            sums = {
                name: LATE.c[name] + statement.excluded[name] for name in ("changes", "net_minor")
            }
            keys = ["store", "business_date", "currency"]
            self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=sums))

    def forget_sales(self, before_us: int) -> None:
        """Drop sales of windows that begin earlier; their figures stay."""
        self.connection.execute(delete(SALE).where(SALE.c.start_us < before_us))


def writing(engine: Engine) -> AbstractContextManager[Writer]:
    """A transaction that no other writer of windows overlaps; rolled back on any error."""
    return consuming.turn(engine, CURSOR, "change_seq", Writer)


def cursor(engine: Engine, partition: str) -> int:
    """Everything of a partition up to here is in the windows."""
    with engine.connect() as connection:
        return consuming.position(connection, CURSOR, partition)


def clocks(engine: Engine, source: str) -> dict[str, int]:
    """Sale id -> when it really was, for the sales of offline tills."""
    query = select(CLOCK.c.sale_id, CLOCK.c.at_us).where(CLOCK.c.source == source)
    with engine.connect() as connection:
        return {row.sale_id: row.at_us for row in connection.execute(query)}


def forget(engine: Engine) -> None:
    """Empty every table of windows, for a rebuild from the log. Change numbers go on."""
    with writing(engine) as writer:
        for table in MEMORY:
            query = delete(table)
            if table is CURSOR:
                query = query.where(CURSOR.c.partition != HEAD)
            writer.connection.execute(query)


def _keyed(
    connection: Connection, table: Table, names: Sequence[str], keys: Iterable[Any]
) -> list[Any]:
    """Rows of which these columns are one of the keys."""
    columns = tuple_(*(table.c[name] for name in names))
    found: list[Any] = []
    for some in _parts(sorted(set(keys)), KEYS_PER_QUERY):
        found += connection.execute(select(table).where(columns.in_(some)))
    return found


def _parts(some: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """SQLite takes a limited number of values in one statement."""
    for start in range(0, len(some), size):
        yield some[start : start + size]


def _zeroed(table: Table, row: Row) -> dict[str, Any]:
    keys = {column.name for column in table.primary_key}
    return {
        name: 0 if isinstance(value, int) and name not in keys and name != "day_start_us" else value
        for name, value in row.items()
        if name not in _MARKS
    }


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
