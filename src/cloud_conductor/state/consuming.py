"""How a room follows a log: batch by batch, what a batch does and the position in one transaction.

Killed anywhere, it goes on where the last whole batch ended: an event is never taken twice, nor left
out. Rooms differ in what a batch does, so that is a function they hand in.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.domain.errors import LeaseLost
from cloud_conductor.domain.events import Event
from cloud_conductor.ports.log import EventLog

HEAD = ""
"""The row of a cursor table that every writer touches first, and that gives out numbers."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Numbering(Protocol):
    """A writing transaction that gives out rising numbers. seq: the newest one."""

    seq: int


Writer = TypeVar("Writer", bound=Numbering)


def follow_log(
    log: EventLog,
    cursor: Callable[[str], int],
    take: Callable[[str, int, Sequence[Event]], Result],
    *,
    events_per_batch: int,
) -> Iterator[Result]:
    """What `take` gives for every batch of what the log holds now, partition by partition.

    cursor(partition): the durable position. take(partition, lo, events): does what the events say
    and moves the position from lo on, both or neither; see `follow`.
    """
    for partition in log.partitions():
        yield from follow(
            partial(cursor, partition),
            partial(log.read, partition, limit=events_per_batch),
            partial(take, partition),
            end=log.high_water(partition),
        )


def follow(
    position: Callable[[], int],
    read: Callable[[int], Sequence[Item]],
    take: Callable[[int, Sequence[Item]], Result],
    *,
    end: int | None = None,
) -> Iterator[Result]:
    """What `take` gives for every batch after a position: until `end`, or until there is none.

    The position is read anew for every batch. `take` raises LeaseLost, having written nothing, when
    another process moved it on meanwhile: that one is at it, and this one stops.
    """
    while True:
        lo = position()
        if end is not None and lo >= end:
            return
        items = read(lo)
        if not items:
            return
        try:
            yield take(lo, items)
        except LeaseLost:
            return


@contextmanager
def turn(
    engine: Engine, cursors: Table, counter: str, writer: Callable[[Connection, int], Writer]
) -> Iterator[Writer]:
    """A transaction that no other writer of these cursors overlaps; rolled back on any error.

    Its first statement writes the head row, which takes the lock before anything is read. counter:
    the column of that row that holds the newest number.
    """
    is_head = cursors.c.partition == HEAD
    with engine.begin() as connection:
        _put(connection, cursors, HEAD, {"seq": 0})
        newest = connection.execute(select(cursors.c[counter]).where(is_head)).scalar_one()
        mine = writer(connection, int(newest))
        yield mine
        connection.execute(update(cursors).where(is_head).values({counter: mine.seq}))


def position(connection: Connection, cursors: Table, partition: str) -> int:
    """Everything of a partition up to here was taken."""
    query = select(cursors.c.seq).where(cursors.c.partition == partition)
    return int(connection.execute(query).scalar() or 0)


def advance(
    connection: Connection, cursors: Table, partition: str, *, lo: int, hi: int, **more: int
) -> None:
    """Move a position on, with other columns of its row. LeaseLost when another process moved it."""
    if position(connection, cursors, partition) != lo:
        raise LeaseLost(f"another process moved {cursors.name} of {partition} on from {lo}")
    _put(connection, cursors, partition, {"seq": hi, **more})


def _put(connection: Connection, cursors: Table, partition: str, changes: dict[str, int]) -> None:
    """Change columns of a row; in one that is not there yet, the others are 0."""
    blank = {column.name: 0 for column in cursors.columns if column.name != "partition"}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(cursors).values({"partition": partition, **blank, **changes})
    connection.execute(statement.on_conflict_do_update(index_elements=["partition"], set_=changes))
