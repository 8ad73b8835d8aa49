"""Many rows at a time, in and out of a state database."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Result

_Row = TypeVar("_Row", bound=msgspec.Struct)
_Item = TypeVar("_Item")


def rows_of(kind: type[_Row], result: Result[Any]) -> list[_Row]:
    names = [str(name) for name in result.keys()]  # noqa: SIM118 - a method of results
    return [kind(**dict(zip(names, row, strict=True))) for row in result.all()]


def parts(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def run_many(
    connection: Connection,
    statement: Any,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> int:
    """Run one statement for every row, values in the order of `names`; gives rows touched.

    Straight to the driver: building parameters row by row cost more than the writes.
    """
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(names))
    order = compiled.positiontup
    given: Any = rows
    if order is None:
        given = [dict(zip(names, row, strict=True)) for row in rows]
    elif list(order) != list(names):
        places = [names.index(name) for name in order]
        pick = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
        given = [pick(row) for row in rows]
    return int(connection.exec_driver_sql(str(compiled), given).rowcount)
