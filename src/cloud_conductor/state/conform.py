"""Operations on conform's tables: read what a batch needs, write what it learnt in one go."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloud_conductor.domain.errors import LeaseLost
from cloud_conductor.domain.findings import Finding
from cloud_conductor.ports.pos import Parent
from cloud_conductor.state.publishing import note_changes
from cloud_conductor.state.tables.conform import (
    CLOCK,
    COUNT,
    CURSOR,
    DUPLICATE,
    PARENT,
    POSITION,
    QUARANTINE,
    VERSION,
    WARNING,
)

IDS_PER_QUERY = 500
LOOKS_MAX = 20
OPEN, RELEASED, REPLAYED = "open", "released", "replayed"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ObjectKey = tuple[str, str, str, str]
"""table, source, merchant_id, object id."""


class Seen(msgspec.Struct, frozen=True):
    """The winning version of an object. seq: the event that holds it."""

    version_rank: int
    version_digest: str
    store: str
    business_date: str
    seq: int


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One event in quarantine. group_key: records that broke the same way."""

    seq: int
    partition: str
    source: str
    channel: str
    kind: str
    event_id: str
    merchant_id: str
    object_id: str
    received_us: int
    findings: tuple[Finding, ...]
    waits_for: str = ""
    state: str = OPEN
    attempts: int = 0
    author: str = ""
    released_us: int = 0
    resolved_by: int = 0

    @property
    def code(self) -> str:
        return self.findings[0].code

    @property
    def group_key(self) -> str:
        return self.findings[0].group


class Warned(msgspec.Struct, frozen=True):
    """A finding on an event whose rows were kept."""

    seq: int
    source: str
    finding: Finding


class Learnt(msgspec.Struct, kw_only=True):
    """Everything one batch adds to state. `released`: quarantined seq -> (state, resolved by)."""

    partition: str
    lo: int
    hi: int
    positions: dict[str, int]
    versions: dict[ObjectKey, Seen]
    clocks: dict[tuple[str, str], datetime]
    parents: dict[tuple[str, str], tuple[str, datetime]]
    quarantined: list[Quarantined]
    released: dict[int, tuple[str, int]]
    warnings: list[Warned]
    counts: dict[tuple[str, str], int]


def cursor(engine: Engine, partition: str) -> int:
    """Seq up to which everything of a partition is conformed; 0 for nothing."""
    with engine.connect() as connection:
        return _cursor(connection, partition)


def positions(engine: Engine, partition: str) -> dict[str, int]:
    """Lake table -> its position when the cursor was written."""
    query = select(POSITION.c.table_name, POSITION.c.seq).where(POSITION.c.partition == partition)
    with engine.connect() as connection:
        return {row.table_name: row.seq for row in connection.execute(query)}


def versions(engine: Engine, keys: Iterable[ObjectKey]) -> dict[ObjectKey, Seen]:
    """Winning versions of the objects that have one."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for table, source, merchant_id, object_id in keys:
        groups.setdefault((table, source, merchant_id), []).append(object_id)
    found: dict[ObjectKey, Seen] = {}
    with engine.connect() as connection:
        for (table, source, merchant_id), ids in groups.items():
            for start in range(0, len(ids), IDS_PER_QUERY):
                query = select(VERSION).where(
                    VERSION.c.table_name == table,
                    VERSION.c.source == source,
                    VERSION.c.merchant_id == merchant_id,
                    VERSION.c.object_id.in_(ids[start : start + IDS_PER_QUERY]),
                )
                for row in connection.execute(query):
                    found[table, source, merchant_id, row.object_id] = Seen(
                        row.version_rank,
                        row.version_digest,
                        row.store,
                        row.business_date,
                        row.seq,
                    )
    return found


def clocks(engine: Engine, source: str) -> dict[str, datetime]:
    """Sale id -> earliest till time of a source's offline sales."""
    query = select(CLOCK.c.object_id, CLOCK.c.at_us).where(CLOCK.c.source == source)
    with engine.connect() as connection:
        return {name: instant(at_us) for name, at_us in connection.execute(query)}


def parents(engine: Engine, source: str) -> dict[str, tuple[str, datetime]]:
    """Parent key -> (location id, instant)."""
    query = select(PARENT.c.key, PARENT.c.location_id, PARENT.c.at_us).where(
        PARENT.c.source == source
    )
    with engine.connect() as connection:
        return {key: (place, instant(at_us)) for key, place, at_us in connection.execute(query)}


def waiting(engine: Engine, source: str, keys: Sequence[str]) -> list[Quarantined]:
    """Open events of a source that wait for one of these parents, in log order."""
    if not keys:
        return []
    query = (
        select(QUARANTINE)
        .where(
            QUARANTINE.c.source == source,
            QUARANTINE.c.state == OPEN,
            QUARANTINE.c.waits_for.in_(keys),
        )
        .order_by(QUARANTINE.c.seq)
    )
    with engine.connect() as connection:
        return [_quarantined(row) for row in connection.execute(query)]


def has_broken(engine: Engine, source: str) -> bool:
    """Whether any event of a source is open that says which object it is about."""
    query = select(QUARANTINE.c.seq).where(
        QUARANTINE.c.source == source,
        QUARANTINE.c.state == OPEN,
        QUARANTINE.c.object_id != "",
    )
    with engine.connect() as connection:
        return connection.execute(query.limit(1)).first() is not None


def broken(engine: Engine, source: str, ids: Collection[str]) -> list[Quarantined]:
    """Open events of a source about one of these objects, in log order."""
    query = (
        select(QUARANTINE)
        .where(
            QUARANTINE.c.source == source,
            QUARANTINE.c.state == OPEN,
            QUARANTINE.c.object_id != "",
        )
        .order_by(QUARANTINE.c.seq)
    )
    with engine.connect() as connection:
        rows = connection.execute(query)
        return [_quarantined(row) for row in rows if row.object_id in ids]


def quarantine(
    engine: Engine, *, states: Sequence[str] = (OPEN,), group: str = "", seqs: Sequence[int] = ()
) -> list[Quarantined]:
    """Quarantined events in log order, of some states, one group, or named ones."""
    query = select(QUARANTINE).where(QUARANTINE.c.state.in_(states)).order_by(QUARANTINE.c.seq)
    if group:
        query = query.where(QUARANTINE.c.group_key == group)
    if seqs:
        query = query.where(QUARANTINE.c.seq.in_(seqs))
    with engine.connect() as connection:
        return [_quarantined(row) for row in connection.execute(query)]


def warnings(engine: Engine, limit: int = 1_000) -> list[Warned]:
    """Newest warnings first."""
    query = select(WARNING).order_by(WARNING.c.seq.desc(), WARNING.c.ordinal).limit(limit)
    with engine.connect() as connection:
        return [
            Warned(row.seq, row.source, Finding(row.code, row.pointer, row.message, "warning"))
            for row in connection.execute(query)
        ]


class Tally(msgspec.Struct, frozen=True):
    """What conform has taken: cursors by partition, events and open quarantined by source."""

    cursors: dict[str, int]
    taken: dict[str, int]
    quarantined: dict[str, int]


def tally(engine: Engine) -> Tally:
    """All of one moment: read again when conform moved meanwhile."""
    held_query = (
        select(QUARANTINE.c.source, func.count())
        .where(QUARANTINE.c.state == OPEN)
        .group_by(QUARANTINE.c.source)
    )
    cursors = _cursors(engine)
    for _ in range(LOOKS_MAX):
        taken: dict[str, int] = {}
        for (source, _), events in counts(engine).items():
            taken[source] = taken.get(source, 0) + events
        with engine.connect() as connection:
            held = {source: int(number) for source, number in connection.execute(held_query)}
        after = _cursors(engine)
        if after == cursors:
            return Tally(cursors, taken, held)
        cursors = after
    raise LeaseLost(f"conform moved on during each of {LOOKS_MAX} looks at its counts")


def duplicates(engine: Engine) -> tuple[dict[str, int], int]:
    """Duplicate deliveries counted by source, and the number of the last one counted."""
    with engine.connect() as connection:
        rows = connection.execute(select(DUPLICATE)).all()
    return {row.source: row.deliveries for row in rows}, max(
        (row.number for row in rows), default=0
    )


def count_duplicates(engine: Engine, found: Mapping[str, int], *, after: int, number: int) -> bool:
    """Write counts that hold up to `number`; False when they no longer stand at `after`."""
    with engine.begin() as connection:
        rows = connection.execute(select(DUPLICATE.c.number)).scalars().all()
        if max(rows, default=0) != after:
            return False
        _upsert(
            connection,
            DUPLICATE,
            [
                {"source": source, "deliveries": deliveries, "number": number}
                for source, deliveries in found.items()
            ],
        )
    return True


def _cursors(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(select(CURSOR.c.partition, CURSOR.c.seq))
        return {partition: int(seq) for partition, seq in rows}


def counts(engine: Engine) -> dict[tuple[str, str], int]:
    """(source, first outcome) -> events."""
    with engine.connect() as connection:
        return {(row.source, row.outcome): row.events for row in connection.execute(select(COUNT))}


def note_release(engine: Engine, seq: int, *, attempts: int, author: str, now: datetime) -> None:
    """Write down who sent a quarantined event through again."""
    query = (
        update(QUARANTINE)
        .where(QUARANTINE.c.seq == seq)
        .values(attempts=attempts, author=author, released_us=micros(now))
    )
    with engine.begin() as connection:
        connection.execute(query)


def commit(engine: Engine, learnt: Learnt) -> None:
    """Write a batch in one transaction. LeaseLost when another process moved the cursor."""
    with engine.begin() as connection:
        if _cursor(connection, learnt.partition) != learnt.lo:
            raise LeaseLost(
                f"another conform moved partition {learnt.partition} on from {learnt.lo}"
            )
        _upsert(connection, CURSOR, [{"partition": learnt.partition, "seq": learnt.hi}])
        _upsert(
            connection,
            POSITION,
            [
                {"partition": learnt.partition, "table_name": name, "seq": seq}
                for name, seq in learnt.positions.items()
            ],
        )
        _upsert(connection, VERSION, list(_version_rows(learnt.versions)))
        _upsert(
            connection,
            CLOCK,
            [
                {"source": source, "object_id": name, "at_us": micros(at)}
                for (source, name), at in learnt.clocks.items()
            ],
        )
        _upsert(
            connection,
            PARENT,
            [
                {"source": source, "key": key, "location_id": place, "at_us": micros(at)}
                for (source, key), (place, at) in learnt.parents.items()
            ],
        )
        _upsert(connection, QUARANTINE, [_quarantine_row(one) for one in learnt.quarantined])
        for seq, (state, by) in learnt.released.items():
            connection.execute(
                update(QUARANTINE)
                .where(QUARANTINE.c.seq == seq)
                .values(state=state, resolved_by=by)
            )
        _upsert(connection, WARNING, list(_warning_rows(learnt.warnings)))
        _add_counts(connection, learnt.counts)
        note_changes(connection, learnt.versions, hi=learnt.hi)


def instant(at_us: int) -> datetime:
    """Aware UTC of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def _cursor(connection: Connection, partition: str) -> int:
    query = select(CURSOR.c.seq).where(CURSOR.c.partition == partition)
    return int(connection.execute(query).scalar() or 0)


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    compiled = statement.on_conflict_do_update(index_elements=keys, set_=changed).compile(
        dialect=connection.dialect, column_keys=list(rows[0])
    )
    # Straight to the driver: building parameters row by row cost more than the writes.
    order = compiled.positiontup
    given = [tuple(row[name] for name in order) for row in rows] if order else list(rows)
    connection.exec_driver_sql(str(compiled), given)


def _version_rows(found: Mapping[ObjectKey, Seen]) -> Iterator[dict[str, Any]]:
    for (table, source, merchant_id, object_id), seen in found.items():
        yield {
            "table_name": table,
            "source": source,
            "merchant_id": merchant_id,
            "object_id": object_id,
            **msgspec.structs.asdict(seen),
        }


def _quarantine_row(one: Quarantined) -> dict[str, Any]:
    row = msgspec.structs.asdict(one)
    first = one.findings[0]
    return row | {
        "findings": msgspec.json.encode(one.findings).decode(),
        "code": first.code,
        "group_key": first.group,
        "pointer": first.pointer,
        "message": first.message,
    }


def _quarantined(row: Any) -> Quarantined:
    fields = {name: getattr(row, name) for name in Quarantined.__struct_fields__}
    findings = msgspec.json.decode(row.findings, type=tuple[Finding, ...])
    return Quarantined(**{**fields, "findings": findings})


def _warning_rows(found: Sequence[Warned]) -> Iterator[dict[str, Any]]:
    ordinals: dict[int, int] = {}
    for one in found:
        ordinal = ordinals[one.seq] = ordinals.get(one.seq, -1) + 1
        yield {
            "seq": one.seq,
            "ordinal": ordinal,
            "source": one.source,
            "code": one.finding.code,
            "pointer": one.finding.pointer,
            "message": one.finding.message,
        }


def _add_counts(connection: Connection, added: Mapping[tuple[str, str], int]) -> None:
    known = {(row.source, row.outcome): row.events for row in connection.execute(select(COUNT))}
    rows = [
        {"source": source, "outcome": outcome, "events": known.get((source, outcome), 0) + number}
        for (source, outcome), number in added.items()
    ]
    _upsert(connection, COUNT, rows)


class Memory:
    """What earlier batches left, bound to an engine, for one run.

    Clocks and parents are read once, and then told by `learn`: a year has tens of thousands. So it
    holds for batches that follow each other, with none of another process in between.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clocks: dict[str, dict[str, datetime]] = {}
        self._parents: dict[str, dict[str, Parent]] = {}

    def learn(self, learnt: Learnt) -> None:
        """What a batch that is committed taught."""
        for (source, name), at in learnt.clocks.items():
            self.clocks(source)[name] = at
        for (source, key), (place, at) in learnt.parents.items():
            self.parents(source)[key] = Parent(key, place, at)

    def versions(self, keys: Iterable[ObjectKey]) -> dict[ObjectKey, Seen]:
        return versions(self._engine, keys)

    def clocks(self, source: str) -> dict[str, datetime]:
        if source not in self._clocks:
            self._clocks[source] = clocks(self._engine, source)
        return self._clocks[source]

    def parents(self, source: str) -> dict[str, Parent]:
        if source not in self._parents:
            found = parents(self._engine, source)
            self._parents[source] = {key: Parent(key, *said) for key, said in found.items()}
        return self._parents[source]

    def waiting(self, source: str, keys: Sequence[str]) -> list[Quarantined]:
        return waiting(self._engine, source, keys)

    def has_broken(self, source: str) -> bool:
        return has_broken(self._engine, source)

    def broken(self, source: str, ids: Collection[str]) -> list[Quarantined]:
        return broken(self._engine, source, ids)
