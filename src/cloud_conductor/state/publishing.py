"""Operations on the publishing room's tables: changes noted, messages queued, delivered, revived."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Select, and_, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.domain.audit import AuditRecord
from cloud_conductor.state.tables.accounting import AUDIT
from cloud_conductor.state.tables.conform import CURSOR
from cloud_conductor.state.tables.publishing import CHANGE, MESSAGE, POSITION

PENDING, SENT, DEAD = "pending", "sent", "dead"
SALES = "sales"
WATCH = "watch"
ERROR_CHARS_MAX = 500


class Change(msgspec.Struct, frozen=True):
    """A sale that has a new winning version."""

    number: int
    source: str
    merchant_id: str
    sale_id: str
    business_date: str


class Queued(msgspec.Struct, frozen=True):
    """One message of the outbox. number: its place in its store's order."""

    number: int
    channel: str
    message_id: str
    type: str
    store: str
    body: str
    state: str
    attempts: int
    created_us: int
    due_us: int
    sent_us: int
    error: str


class ChannelState(msgspec.Struct, frozen=True):
    """waiting: messages on their way. dead: given up. error: why the oldest that failed waits.

    error is empty for a channel that takes what it is given.
    """

    channel: str
    waiting: int = 0
    dead: int = 0
    error: str = ""


def watch(engine: Engine, *, on: bool) -> None:
    """Whether conform notes changed sales from now on. Off: what was noted is forgotten.

    The position kept is the place in the log from which changes are noted: a replay tells nobody.
    """
    with engine.connect() as connection:
        if (position(connection, WATCH) > 0) == on:
            return
    with engine.begin() as connection:
        connection.execute(delete(POSITION).where(POSITION.c.name == WATCH))
        if on:
            done = connection.execute(select(func.max(CURSOR.c.seq))).scalar() or 0
            connection.execute(insert(POSITION).values(name=WATCH, position=done + 1))
        else:
            connection.execute(delete(CHANGE))


def note_changes(
    connection: Connection, changed: Mapping[tuple[str, str, str, str], Any], *, hi: int
) -> None:
    """Note changed sales in the transaction that conforms them, when somebody wants to know.

    changed: (table, source, merchant_id, object id) -> what has a `business_date`. hi: end of the
    batch in the log; one that was noted before is a replay.
    """
    at = position(connection, WATCH)
    if not 0 < at <= hi:
        return
    connection.execute(update(POSITION).where(POSITION.c.name == WATCH).values(position=hi + 1))
    sales = [(key, seen) for key, seen in changed.items() if key[0] == SALES]
    if not sales:
        return
    rows = [
        {"source": key[1], "merchant_id": key[2], "sale_id": key[3],
         "business_date": seen.business_date}
        for key, seen in sales
    ]  # fmt: skip
    connection.execute(insert(CHANGE), rows)


def changes(engine: Engine, limit: int) -> list[Change]:
    """Changes in the order they were noted."""
    with engine.connect() as connection:
        rows = connection.execute(select(CHANGE).order_by(CHANGE.c.number).limit(limit))
        return [Change(**row) for row in rows.mappings()]


def note_again(engine: Engine, rows: Sequence[Mapping[str, str]]) -> None:
    """Note sales as if they had changed: a backfill of what channels lack."""
    if rows:
        with engine.begin() as connection:
            connection.execute(insert(CHANGE), [dict(row) for row in rows])


def queue_changes(engine: Engine, rows: Sequence[Mapping[str, Any]], done: Iterable[Change]) -> int:
    """Put messages into the outbox and take their changes away, together; gives new messages."""
    numbers = [one.number for one in done]
    with engine.begin() as connection:
        new = _put(connection, rows)
        connection.execute(delete(CHANGE).where(CHANGE.c.number.in_(numbers)))
    return new


def queue_at(engine: Engine, rows: Sequence[Mapping[str, Any]], *, name: str, at: int) -> int:
    """Put messages into the outbox and move a position, together; gives new messages."""
    with engine.begin() as connection:
        new = _put(connection, rows)
        connection.execute(delete(POSITION).where(POSITION.c.name == name))
        connection.execute(insert(POSITION).values(name=name, position=at))
    return new


def position(connection: Connection, name: str) -> int:
    """How far something has been read; 0 for not at all."""
    query = select(POSITION.c.position).where(POSITION.c.name == name)
    return int(connection.execute(query).scalar() or 0)


def acts_after(books: Engine, after: int, limit: int) -> list[AuditRecord]:
    """Acts of the books' audit chain from a number on, in order."""
    query = select(AUDIT.c.record).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
    with books.connect() as connection:
        return [
            msgspec.json.decode(record, type=AuditRecord)
            for record in connection.execute(query).scalars()
        ]


def heads(engine: Engine, channel: str, *, now_us: int, limit: int) -> list[Queued]:
    """The oldest pending message of each store, where it is due; oldest first."""
    waiting = _waiting(channel)
    first = select(func.min(waiting.c.number)).group_by(waiting.c.store)
    query = select(MESSAGE).where(MESSAGE.c.number.in_(first), MESSAGE.c.due_us <= now_us)
    return _queued(engine, query.order_by(MESSAGE.c.number).limit(limit))


def settle(engine: Engine, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Write down what became of messages: rows of number and the columns that change."""
    with engine.begin() as connection:
        for row in outcomes:
            values = {name: value for name, value in row.items() if name != "number"}
            if "error" in values:
                values["error"] = values["error"][:ERROR_CHARS_MAX]
            connection.execute(
                update(MESSAGE).where(MESSAGE.c.number == row["number"]).values(values)
            )


def messages(
    engine: Engine, *, states: Sequence[str], channel: str = "", limit: int = 1_000
) -> list[Queued]:
    """Messages in given states, oldest first."""
    query = select(MESSAGE).where(MESSAGE.c.state.in_(states))
    if channel:
        query = query.where(MESSAGE.c.channel == channel)
    return _queued(engine, query.order_by(MESSAGE.c.number).limit(limit))


def revive(engine: Engine, *, channel: str = "", numbers: Sequence[int] = ()) -> int:
    """Dead letters back to their place in line; gives how many."""
    query = update(MESSAGE).where(MESSAGE.c.state == DEAD)
    if channel:
        query = query.where(MESSAGE.c.channel == channel)
    if numbers:
        query = query.where(MESSAGE.c.number.in_(numbers))
    with engine.begin() as connection:
        done = connection.execute(query.values(state=PENDING, attempts=0, due_us=0, error=""))
    return done.rowcount


def dead_numbers(engine: Engine, *, channel: str = "") -> list[int]:
    """Numbers of dead letters, of one channel or of all, oldest first."""
    query = select(MESSAGE.c.number).where(MESSAGE.c.state == DEAD)
    if channel:
        query = query.where(MESSAGE.c.channel == channel)
    with engine.connect() as connection:
        return list(connection.execute(query.order_by(MESSAGE.c.number)).scalars())


def tally(engine: Engine) -> dict[tuple[str, str], int]:
    """(channel, state) -> messages."""
    query = select(MESSAGE.c.channel, MESSAGE.c.state, func.count()).group_by(
        MESSAGE.c.channel, MESSAGE.c.state
    )
    with engine.connect() as connection:
        return {(channel, state): count for channel, state, count in connection.execute(query)}


def channels(engine: Engine, names: Iterable[str] = ()) -> list[ChannelState]:
    """Channels by name: those given, and others that have messages."""
    failed = and_(MESSAGE.c.state == PENDING, MESSAGE.c.attempts > 0)
    oldest = select(func.min(MESSAGE.c.number)).where(failed).group_by(MESSAGE.c.channel)
    query = select(MESSAGE.c.channel, MESSAGE.c.error).where(MESSAGE.c.number.in_(oldest))
    counts = tally(engine)
    with engine.connect() as connection:
        errors = {row.channel: row.error for row in connection.execute(query)}
    return [
        ChannelState(
            channel=name,
            waiting=counts.get((name, PENDING), 0),
            dead=counts.get((name, DEAD), 0),
            error=errors.get(name, ""),
        )
        for name in sorted({*names, *(name for name, _ in counts)})
    ]


def forget_sent(engine: Engine, *, before_us: int) -> int:
    """Drop messages sent before an instant; gives how many."""
    old = and_(MESSAGE.c.state == SENT, MESSAGE.c.sent_us < before_us)
    with engine.begin() as connection:
        return connection.execute(delete(MESSAGE).where(old)).rowcount


def _waiting(channel: str) -> Any:
    return (
        select(MESSAGE.c.number, MESSAGE.c.store)
        .where(MESSAGE.c.channel == channel, MESSAGE.c.state == PENDING)
        .subquery()
    )


def _queued(engine: Engine, query: Select[Any]) -> list[Queued]:
    with engine.connect() as connection:
        return [Queued(**row) for row in connection.execute(query).mappings()]


def _put(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert what is not there yet by (channel, message_id)."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(MESSAGE).on_conflict_do_nothing(
        index_elements=["channel", "message_id"]
    )
    first = {"state": PENDING, "attempts": 0, "due_us": 0, "sent_us": 0, "error": ""}
    new = 0
    for row in rows:
        new += connection.execute(statement.values(first | dict(row))).rowcount
    return new
