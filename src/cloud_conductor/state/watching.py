"""Operations on what is known of connections: who told what, receipts seen, notices."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, and_, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.state.tables.ingest import CONNECTION, CURSOR, HEARD, NOTICE, RECEIPTS

IDS_PER_QUERY = 500

ObjectKey = tuple[str, str, str]
"""source, kind, object id."""
RegisterKey = tuple[str, str, str]
"""source, place, register."""


class ReceiptRow(msgspec.Struct, frozen=True):
    """An unbroken run of receipt numbers. first_us: when the sale of its first number was."""

    first: int
    last: int
    first_us: int


class HeardRow(msgspec.Struct, frozen=True):
    told_version: int
    told_us: int
    swept_version: int
    swept_us: int


class ConnectionRow(msgspec.Struct, frozen=True):
    """A source that webhooks come from; the counts are of objects let go."""

    source: str
    listening_us: int
    last_webhook_us: int
    on_time: int = 0
    late: int = 0
    lost: int = 0
    late_us_max: int = 0


class Notice(msgspec.Struct, frozen=True):
    """Something a person should look at; subject: what it is about, e.g. a store."""

    source: str
    code: str
    subject: str
    message: str
    since_us: int


class Learnt(msgspec.Struct, frozen=True):
    """What one batch of the log adds: written in one transaction with the cursor."""

    heard: Mapping[ObjectKey, HeardRow]
    touched_us: int
    connections: Sequence[ConnectionRow]
    receipts: Mapping[RegisterKey, Sequence[ReceiptRow]]


def connections(engine: Engine) -> dict[str, ConnectionRow]:
    """By source."""
    with engine.connect() as connection:
        rows = connection.execute(select(CONNECTION).order_by(CONNECTION.c.source)).mappings()
        return {row["source"]: ConnectionRow(**row) for row in rows}


def heard(engine: Engine, keys: Collection[ObjectKey]) -> dict[ObjectKey, HeardRow]:
    """What is known of some objects."""
    groups: dict[tuple[str, str], list[str]] = {}
    for source, kind, object_id in keys:
        groups.setdefault((source, kind), []).append(object_id)
    found: dict[ObjectKey, HeardRow] = {}
    with engine.connect() as connection:
        for (source, kind), ids in groups.items():
            for start in range(0, len(ids), IDS_PER_QUERY):
                some = ids[start : start + IDS_PER_QUERY]
                query = select(HEARD).where(
                    HEARD.c.source == source, HEARD.c.kind == kind, HEARD.c.object_id.in_(some)
                )
                for row in connection.execute(query):
                    found[source, kind, row.object_id] = _heard(row)
    return found


def ahead(engine: Engine, source: str) -> list[HeardRow]:
    """Objects of a source of which a sweep was, at some time, ahead of the webhooks."""
    query = select(HEARD).where(HEARD.c.source == source, HEARD.c.swept_version > 0)
    with engine.connect() as connection:
        return [_heard(row) for row in connection.execute(query)]


def heard_count(engine: Engine, source: str) -> int:
    query = select(func.count()).select_from(HEARD).where(HEARD.c.source == source)
    with engine.connect() as connection:
        return int(connection.execute(query).scalar() or 0)


def receipts(
    engine: Engine, keys: Collection[RegisterKey] | None = None
) -> dict[RegisterKey, list[ReceiptRow]]:
    """Runs seen per register, sorted; of some registers or of all."""
    query = select(RECEIPTS).order_by(RECEIPTS.c.first)
    found: dict[RegisterKey, list[ReceiptRow]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query):
            key = (row.source, row.place, row.register)
            if keys is None or key in keys:
                found.setdefault(key, []).append(ReceiptRow(row.first, row.last, row.first_us))
    return found


def learn(engine: Engine, name: str, partition: str, learnt: Learnt, *, position: int) -> None:
    """Write what a batch taught, and the consumer's new position, in one transaction."""
    with engine.begin() as connection:
        _put(
            connection,
            HEARD,
            [
                {"source": source, "kind": kind, "object_id": object_id}
                | msgspec.structs.asdict(row)
                | {"touched_us": learnt.touched_us}
                for (source, kind, object_id), row in learnt.heard.items()
            ],
        )
        _put(connection, CONNECTION, [msgspec.structs.asdict(one) for one in learnt.connections])
        for (source, place, register), runs in learnt.receipts.items():
            here = and_(
                RECEIPTS.c.source == source,
                RECEIPTS.c.place == place,
                RECEIPTS.c.register == register,
            )
            connection.execute(delete(RECEIPTS).where(here))
            key = {"source": source, "place": place, "register": register}
            rows = [
                key | msgspec.structs.asdict(run) | {"seen_us": learnt.touched_us} for run in runs
            ]
            _put(connection, RECEIPTS, rows)
        at = {"name": name, "partition": partition, "position": position, "planned": 0}
        _put(connection, CURSOR, [at])


def let_go(engine: Engine, counted: ConnectionRow, *, touched_before_us: int) -> int:
    """Drop a source's objects not touched since, and write the counts that hold them now."""
    old = and_(HEARD.c.source == counted.source, HEARD.c.touched_us < touched_before_us)
    with engine.begin() as connection:
        dropped = connection.execute(delete(HEARD).where(old)).rowcount
        _put(connection, CONNECTION, [msgspec.structs.asdict(counted)])
    return int(dropped)


def untouched(engine: Engine, source: str, *, touched_before_us: int) -> list[HeardRow]:
    """Objects of a source that nothing was heard of since."""
    query = select(HEARD).where(HEARD.c.source == source, HEARD.c.touched_us < touched_before_us)
    with engine.connect() as connection:
        return [_heard(row) for row in connection.execute(query)]


def notices(engine: Engine) -> list[Notice]:
    """Open notices, by source, code and subject."""
    query = select(NOTICE).order_by(NOTICE.c.source, NOTICE.c.code, NOTICE.c.subject)
    with engine.connect() as connection:
        return [Notice(**row) for row in connection.execute(query).mappings()]


def set_notices(engine: Engine, source: str, code: str, found: Sequence[Notice]) -> None:
    """Make these the open notices of a source and code; ones known already keep their age."""
    old = {one.subject: one for one in notices(engine) if (one.source, one.code) == (source, code)}
    if {one.subject: one.message for one in found} == {k: v.message for k, v in old.items()}:
        return
    with engine.begin() as connection:
        here = and_(NOTICE.c.source == source, NOTICE.c.code == code)
        connection.execute(delete(NOTICE).where(here))
        rows = [
            msgspec.structs.asdict(one)
            | {"since_us": old[one.subject].since_us if one.subject in old else one.since_us}
            for one in found
        ]
        _put(connection, NOTICE, rows)


def _heard(row: Any) -> HeardRow:
    return HeardRow(row.told_version, row.told_us, row.swept_version, row.swept_us)


def _put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    connection.execute(statement, list(rows))
