"""Questions that screens ask of the books and of quarantine: pages and counts, nothing is written."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from cloud_conductor.state.accounting import AuditRow, BreakRow, DayRow, EntryRow, LevelRow
from cloud_conductor.state.tables.accounting import AUDIT, BREAK, DAY, ENTRY, LEVEL
from cloud_conductor.state.tables.conform import COUNT, QUARANTINE, VERSION

LIVE_BREAKS = ("open", "assigned", "proposed", "auto_explained")
OPEN_BREAKS = ("open", "assigned", "proposed")


class Within(msgspec.Struct, frozen=True):
    """Which rows: of some stores and business dates (ISO text, ends included; empty: all)."""

    stores: tuple[str, ...] = ()
    first: str = ""
    last: str = ""

    def of(self, table: Any) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.stores:
            found.append(table.c.store.in_(self.stores))
        if self.first:
            found.append(table.c.business_date >= self.first)
        if self.last:
            found.append(table.c.business_date <= self.last)
        return found


class Group(msgspec.Struct, frozen=True):
    """Quarantined records that broke the same way."""

    group: str
    code: str
    pointer: str
    message: str
    count: int
    oldest_us: int
    newest_us: int
    sources: tuple[str, ...]
    kinds: tuple[str, ...]
    example_seq: int


def entries(
    connection: Connection,
    within: Within,
    *,
    states: Sequence[str] = (),
    kinds: Sequence[str] = (),
    before: tuple[str, int] | None = None,
    limit: int = 100,
) -> list[EntryRow]:
    """Entries, newest business date first, then newest made. before: (business date, seq)."""
    query = select(ENTRY).where(*within.of(ENTRY))
    if states:
        query = query.where(ENTRY.c.state.in_(states))
    if kinds:
        query = query.where(ENTRY.c.kind.in_(kinds))
    if before is not None:
        query = query.where(_before(ENTRY, before))
    ordered = query.order_by(ENTRY.c.business_date.desc(), ENTRY.c.seq.desc()).limit(limit)
    return [EntryRow(**row) for row in _plain(connection, ordered)]


def entries_like(connection: Connection, text: str, limit: int = 20) -> list[EntryRow]:
    """Entries whose posting key begins with the text, or whose ledger document has this id."""
    fits = or_(
        ENTRY.c.posting_key.startswith(text, autoescape=True),
        ENTRY.c.external_id == text,
        ENTRY.c.source_id == text,
    )
    query = select(ENTRY).where(fits).order_by(ENTRY.c.seq.desc()).limit(limit)
    return [EntryRow(**row) for row in _plain(connection, query)]


def entry_states(connection: Connection, within: Within) -> dict[str, int]:
    """Number of entries by state."""
    query = select(ENTRY.c.state, func.count()).where(*within.of(ENTRY)).group_by(ENTRY.c.state)
    return {str(state): int(count) for state, count in connection.execute(query)}


def days(connection: Connection, within: Within) -> list[DayRow]:
    """Store-days, newest date first."""
    query = select(DAY).where(*within.of(DAY)).order_by(DAY.c.business_date.desc(), DAY.c.store)
    return [DayRow(**row) for row in _plain(connection, query)]


def day_states(connection: Connection, within: Within) -> dict[str, int]:
    query = select(DAY.c.state, func.count()).where(*within.of(DAY)).group_by(DAY.c.state)
    return {str(state): int(count) for state, count in connection.execute(query)}


def levels(connection: Connection, within: Within) -> list[LevelRow]:
    """What levels said last, by date, store and level."""
    query = (
        select(LEVEL)
        .where(*within.of(LEVEL))
        .order_by(LEVEL.c.business_date, LEVEL.c.store, LEVEL.c.level)
    )
    return [LevelRow(**row) for row in _plain(connection, query)]


def breaks(
    connection: Connection,
    within: Within,
    *,
    states: Sequence[str] = LIVE_BREAKS,
    codes: Sequence[str] = (),
    ids: Sequence[str] = (),
    before: tuple[str, int] | None = None,
    limit: int = 100,
) -> list[BreakRow]:
    """The newest row of each break, newest business date first. before: (business date, seq)."""
    newest = select(func.max(BREAK.c.seq)).group_by(BREAK.c.break_id)
    query = select(BREAK).where(BREAK.c.seq.in_(newest), *within.of(BREAK))
    if states:
        query = query.where(BREAK.c.state.in_(states))
    if codes:
        query = query.where(BREAK.c.code.in_(codes))
    if ids:
        query = query.where(BREAK.c.break_id.in_(ids))
    if before is not None:
        query = query.where(_before(BREAK, before))
    ordered = query.order_by(BREAK.c.business_date.desc(), BREAK.c.seq.desc()).limit(limit)
    return [BreakRow(**row) for row in _plain(connection, ordered)]


def break_seq(connection: Connection) -> int:
    """Number of the newest break row: rises with every change."""
    return int(connection.execute(select(func.max(BREAK.c.seq))).scalar() or 0)


def entry_stamp(connection: Connection) -> tuple[int, int]:
    """Changes with every change of an entry: number of the newest, and of the newest audit record."""
    seq = connection.execute(select(func.max(ENTRY.c.seq))).scalar() or 0
    audit_seq = connection.execute(select(func.max(AUDIT.c.seq))).scalar() or 0
    return int(seq), int(audit_seq)


def audit_page(
    connection: Connection, *, before: int | None = None, text: Sequence[str] = (), limit: int = 100
) -> list[AuditRow]:
    """Audit records, newest first, whose text holds every given piece."""
    query = select(AUDIT)
    if before is not None:
        query = query.where(AUDIT.c.seq < before)
    for piece in text:
        query = query.where(AUDIT.c.record.contains(piece, autoescape=True))
    query = query.order_by(AUDIT.c.seq.desc()).limit(limit)
    return [AuditRow(**row) for row in _plain(connection, query)]


def quarantine_groups(connection: Connection) -> list[Group]:
    """Open records by group of reason, the largest group first."""
    query = (
        select(
            QUARANTINE.c.group_key,
            func.min(QUARANTINE.c.code),
            func.min(QUARANTINE.c.pointer),
            func.min(QUARANTINE.c.message),
            func.count(),
            func.min(QUARANTINE.c.received_us),
            func.max(QUARANTINE.c.received_us),
            func.min(QUARANTINE.c.seq),
        )
        .where(QUARANTINE.c.state == "open")
        .group_by(QUARANTINE.c.group_key)
        .order_by(func.count().desc(), QUARANTINE.c.group_key)
    )
    kinds: dict[str, tuple[set[str], set[str]]] = {}
    pairs = select(QUARANTINE.c.group_key, QUARANTINE.c.source, QUARANTINE.c.kind)
    for group, source, kind in connection.execute(
        pairs.where(QUARANTINE.c.state == "open").distinct()
    ):
        sources, names = kinds.setdefault(group, (set(), set()))
        sources.add(source)
        names.add(kind)
    return [
        Group(
            group=group,
            code=code,
            pointer=pointer,
            message=message,
            count=count,
            oldest_us=oldest_us,
            newest_us=newest_us,
            sources=tuple(sorted(kinds[group][0])),
            kinds=tuple(sorted(kinds[group][1])),
            example_seq=seq,
        )
        for group, code, pointer, message, count, oldest_us, newest_us, seq in connection.execute(
            query
        )
        if group in kinds
    ]


def quarantine_page(
    connection: Connection,
    *,
    states: Sequence[str] = (),
    group: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[int]:
    """Log numbers of quarantined records, newest first."""
    query = select(QUARANTINE.c.seq)
    if states:
        query = query.where(QUARANTINE.c.state.in_(states))
    if group:
        query = query.where(QUARANTINE.c.group_key == group)
    if before is not None:
        query = query.where(QUARANTINE.c.seq < before)
    return list(connection.execute(query.order_by(QUARANTINE.c.seq.desc()).limit(limit)).scalars())


def quarantine_states(connection: Connection, seqs: Iterable[int]) -> dict[int, str]:
    """State in quarantine by log number, of those that are there."""
    query = select(QUARANTINE.c.seq, QUARANTINE.c.state).where(QUARANTINE.c.seq.in_(list(seqs)))
    return {int(seq): str(state) for seq, state in connection.execute(query)}


def quarantined_open(connection: Connection) -> int:
    query = select(func.count()).select_from(QUARANTINE).where(QUARANTINE.c.state == "open")
    return int(connection.execute(query).scalar() or 0)


def outcomes(connection: Connection) -> dict[tuple[str, str], int]:
    """(source, first outcome) -> events conformed so far."""
    return {(row.source, row.outcome): row.events for row in connection.execute(select(COUNT))}


def objects_like(connection: Connection, text: str, limit: int = 20) -> list[Any]:
    """Sales, tenders and other objects whose id begins with the text: rows of conform_version."""
    query = (
        select(VERSION).where(VERSION.c.object_id.startswith(text, autoescape=True)).limit(limit)
    )
    return list(connection.execute(query))


def objects_of(connection: Connection, seqs: Sequence[int]) -> list[Any]:
    """Objects whose winning version came in these events."""
    return list(connection.execute(select(VERSION).where(VERSION.c.seq.in_(list(seqs)))))


def _before(table: Any, place: tuple[str, int]) -> ColumnElement[bool]:
    day, seq = place
    return or_(table.c.business_date < day, and_(table.c.business_date == day, table.c.seq < seq))


def _plain(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [
        {str(name): value for name, value in row.items()}
        for row in connection.execute(query).mappings()
    ]
