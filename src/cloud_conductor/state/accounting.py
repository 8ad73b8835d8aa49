"""Operations on the books: what the accounting room reads, and one writing transaction at a time."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    Result,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from cloud_conductor.domain import audit
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.journal import EntryKind, JournalEntry
from cloud_conductor.ports.ledger import DocumentType, Posting
from cloud_conductor.state.tables.accounting import AUDIT, BATCH, BREAK, DAY, ENTRY, HEAD, LEVEL

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD_ID = 1
_Row = TypeVar("_Row", bound=msgspec.Struct)
KEYS_PER_QUERY_MAX = 500
"""SQLite takes at most 999 values in one statement on old builds."""


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry version as stored (R-13.1). Instants in microseconds UTC, dates in ISO text."""

    posting_key: str
    seq: int
    organisation: str
    kind: EntryKind
    entity: str
    store: str
    currency: str
    business_date: str
    ledger_date: str
    source_id: str
    version: int
    document_type: DocumentType
    state: str
    debit_minor: int
    content_hash: str
    created_by: str
    created_us: int
    payload: str
    correction: str = ""
    replaces: str = ""
    readback_hash: str = ""
    mapping_version: str = ""
    fact_set_hash: str = ""
    external_id: str = ""
    approved_by: str = ""
    posted_at_us: int | None = None
    attempts: int = 0
    first_sent_us: int | None = None
    last_sent_us: int | None = None
    batch_id: str = ""
    error: str = ""

    @property
    def entry(self) -> JournalEntry:
        """The frozen entry: what was or will be sent."""
        return msgspec.json.decode(self.payload, type=JournalEntry)

    @property
    def posting(self) -> Posting:
        return Posting(self.posting_key, self.entry, self.document_type)

    @property
    def name(self) -> str:
        """How people call it in messages."""
        return f"{self.kind} {self.store} {self.source_id} v{self.version}"

    @property
    def identity(self) -> tuple[str, ...]:
        """What the versions of one entry have in common (R-13.6)."""
        return identity_of(self.organisation, self)


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that go in one call, membership frozen, in posting order."""

    batch_id: str
    seq: int
    organisation: str
    document_type: DocumentType
    posting_keys: str
    state: str
    created_us: int
    closed_us: int | None = None
    error: str = ""

    @property
    def keys(self) -> list[str]:
        return msgspec.json.decode(self.posting_keys, type=list[str])


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """A store-day and its control figures (R-2.7)."""

    store: str
    business_date: str
    state: str
    currency: str
    updated_us: int
    control_count: int | None = None
    control_minor: int | None = None
    held_count: int | None = None
    held_minor: int | None = None
    facts_seq: int | None = None
    note: str = ""


class BreakRow(msgspec.Struct, frozen=True, kw_only=True):
    """One state of one break (R-14.8)."""

    seq: int
    break_id: str
    at_us: int
    state: str
    scope: str
    level: str
    code: str
    item: str
    store: str
    business_date: str
    amount_minor: int
    currency: str
    message: str
    detected_us: int
    effect_minor: int = 0
    left_ref: str = ""
    right_ref: str = ""
    hint: str = ""
    owner: str = ""
    reason: str = ""


class LevelRow(msgspec.Struct, frozen=True):
    """How a level of a store-day stood when it was last compared (R-14.4b)."""

    store: str
    business_date: str
    level: str
    state: str
    unexplained_minor: int
    compared_us: int
    payload: str


class AuditRow(msgspec.Struct, frozen=True):
    seq: int
    record: str
    hash: str


def identity_of(organisation: str, entry: EntryRow | JournalEntry) -> tuple[str, ...]:
    """What the versions of one entry have in common (R-13.6)."""
    return (organisation, entry.entity, entry.store, entry.currency, entry.kind, entry.source_id)


@dataclass
class Writer:
    """The one writing transaction: the numbers it may hand out and the end of the audit chain."""

    connection: Connection
    entry_seq: int
    batch_seq: int
    break_seq: int
    audit_seq: int
    audit_hash: str

    def insert(self, table: Table, rows: Sequence[msgspec.Struct]) -> None:
        if rows:
            self.connection.execute(insert(table), [msgspec.structs.asdict(row) for row in rows])

    def record(self, acts: Iterable[Act], at: datetime) -> None:
        """Extend the audit chain in the transaction of the acts themselves (R-15.1)."""
        links = audit.extend(self.audit_seq, self.audit_hash, acts, at)
        if links:
            self.insert(AUDIT, [AuditRow(link.seq, link.record, link.hash) for link in links])
            self.audit_seq, self.audit_hash = links[-1].seq, links[-1].hash

    def update_entry(self, posting_key: str, **values: Any) -> None:
        statement = update(ENTRY).where(ENTRY.c.posting_key == posting_key).values(**values)
        changed = self.connection.execute(statement).rowcount
        assert changed == 1, f"entry {posting_key} vanished"

    def delete_entry(self, posting_key: str) -> None:
        self.connection.execute(delete(ENTRY).where(ENTRY.c.posting_key == posting_key))

    def update_batch(self, batch_id: str, **values: Any) -> None:
        self.connection.execute(update(BATCH).where(BATCH.c.batch_id == batch_id).values(**values))

    def put_day(self, row: DayRow) -> None:
        """Insert or replace a store-day."""
        key = and_(DAY.c.store == row.store, DAY.c.business_date == row.business_date)
        self.connection.execute(delete(DAY).where(key))
        self.insert(DAY, [row])

    def put_levels(self, rows: Sequence[LevelRow]) -> None:
        """Insert or replace what levels said of store-days."""
        if not rows:
            return
        key = and_(
            LEVEL.c.store == bindparam("of_store"),
            LEVEL.c.business_date == bindparam("of_date"),
            LEVEL.c.level == bindparam("of_level"),
        )
        named = [
            {"of_store": row.store, "of_date": row.business_date, "of_level": row.level}
            for row in rows
        ]
        self.connection.execute(delete(LEVEL).where(key), named)
        self.insert(LEVEL, rows)


@contextmanager
def writing(engine: Engine) -> Iterator[Writer]:
    """A transaction that no other writer of the books overlaps; rolled back on any error.

    Its first statement is a write on the head row, so SQLite takes the write lock before anything
    was read (no stale snapshot to upgrade) and PostgreSQL the row lock.
    """
    with engine.begin() as connection:
        touch = update(HEAD).where(HEAD.c.id == _HEAD_ID).values(id=_HEAD_ID)
        if connection.execute(touch).rowcount == 0:
            connection.execute(
                text(
                    "insert into accounting_head"
                    " (id, entry_seq, batch_seq, break_seq, audit_seq, audit_hash)"
                    " values (1, 0, 0, 0, 0, '') on conflict do nothing"
                )
            )
            connection.execute(touch)
        head = connection.execute(select(HEAD).where(HEAD.c.id == _HEAD_ID)).one()
        writer = Writer(
            connection, head.entry_seq, head.batch_seq, head.break_seq,
            head.audit_seq, head.audit_hash,
        )  # fmt: skip
        yield writer
        connection.execute(
            update(HEAD)
            .where(HEAD.c.id == _HEAD_ID)
            .values(
                entry_seq=writer.entry_seq,
                batch_seq=writer.batch_seq,
                break_seq=writer.break_seq,
                audit_seq=writer.audit_seq,
                audit_hash=writer.audit_hash,
            )
        )


def entries(
    connection: Connection,
    *,
    keys: Sequence[str] | None = None,
    states: Sequence[str] = (),
    organisation: str = "",
    store: str = "",
    business_date: date | None = None,
    batch_id: str | None = None,
) -> list[EntryRow]:
    """Entries that fit every given condition, by seq."""
    found = select(ENTRY).order_by(ENTRY.c.seq)
    if states:
        found = found.where(ENTRY.c.state.in_(states))
    if organisation:
        found = found.where(ENTRY.c.organisation == organisation)
    if store:
        found = found.where(ENTRY.c.store == store)
    if business_date is not None:
        found = found.where(ENTRY.c.business_date == business_date.isoformat())
    if batch_id is not None:
        found = found.where(ENTRY.c.batch_id == batch_id)
    if keys is None:
        return _rows(EntryRow, connection.execute(found))
    rows: list[EntryRow] = []
    for start in range(0, len(keys), KEYS_PER_QUERY_MAX):
        part = found.where(ENTRY.c.posting_key.in_(keys[start : start + KEYS_PER_QUERY_MAX]))
        rows += _rows(EntryRow, connection.execute(part))
    return sorted(rows, key=lambda row: row.seq)


def versions(connection: Connection, identity: tuple[str, ...]) -> list[EntryRow]:
    """Every version of one entry, oldest first."""
    organisation, entity, store, currency, kind, source_id = identity
    found = (
        select(ENTRY)
        .where(
            ENTRY.c.organisation == organisation,
            ENTRY.c.entity == entity,
            ENTRY.c.store == store,
            ENTRY.c.currency == currency,
            ENTRY.c.kind == kind,
            ENTRY.c.source_id == source_id,
        )
        .order_by(ENTRY.c.version)
    )
    return _rows(EntryRow, connection.execute(found))


def posted_mappings(connection: Connection, organisation: str, policy: str) -> set[str]:
    """Mapping versions under which an entry that a person approved is in the ledger (R-15.4)."""
    found = (
        select(ENTRY.c.mapping_version)
        .where(
            ENTRY.c.organisation == organisation,
            ENTRY.c.state == "posted",
            ENTRY.c.approved_by != policy,
        )
        .distinct()
    )
    return set(connection.execute(found).scalars())


def entry_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(kind, state) -> number of entries."""
    found = select(ENTRY.c.kind, ENTRY.c.state, func.count()).group_by(ENTRY.c.kind, ENTRY.c.state)
    return {(kind, state): count for kind, state, count in connection.execute(found)}


def batch(connection: Connection, batch_id: str) -> BatchRow | None:
    found = select(BATCH).where(BATCH.c.batch_id == batch_id)
    return next(iter(_rows(BatchRow, connection.execute(found))), None)


def open_batches(connection: Connection, organisation: str = "") -> list[BatchRow]:
    """Batches with work left, in posting order."""
    found = select(BATCH).where(BATCH.c.state == "open").order_by(BATCH.c.seq)
    if organisation:
        found = found.where(BATCH.c.organisation == organisation)
    return _rows(BatchRow, connection.execute(found))


def day(connection: Connection, store: str, business_date: date) -> DayRow | None:
    found = select(DAY).where(
        DAY.c.store == store, DAY.c.business_date == business_date.isoformat()
    )
    return next(iter(_rows(DayRow, connection.execute(found))), None)


def days(connection: Connection) -> list[DayRow]:
    """Store-days by date and store."""
    found = select(DAY).order_by(DAY.c.business_date, DAY.c.store)
    return _rows(DayRow, connection.execute(found))


def levels(
    connection: Connection, store: str = "", business_date: date | None = None
) -> list[LevelRow]:
    """What the levels said last, by date, store and level; of one store or day, or of all."""
    found = select(LEVEL).order_by(LEVEL.c.business_date, LEVEL.c.store, LEVEL.c.level)
    if store:
        found = found.where(LEVEL.c.store == store)
    if business_date is not None:
        found = found.where(LEVEL.c.business_date == business_date.isoformat())
    return _rows(LevelRow, connection.execute(found))


def current_breaks(
    connection: Connection, *, scope: str = "", states: Sequence[str] = ()
) -> list[BreakRow]:
    """The newest row of each break, of one scope or all, in some states or any."""
    newest = select(func.max(BREAK.c.seq)).group_by(BREAK.c.break_id)
    found = select(BREAK).where(BREAK.c.seq.in_(newest)).order_by(BREAK.c.seq)
    if scope:
        found = found.where(BREAK.c.scope == scope)
    if states:
        found = found.where(BREAK.c.state.in_(states))
    return _rows(BreakRow, connection.execute(found))


def break_history(connection: Connection, break_id: str) -> list[BreakRow]:
    """Every state row of one break, oldest first."""
    found = select(BREAK).where(BREAK.c.break_id == break_id).order_by(BREAK.c.seq)
    return _rows(BreakRow, connection.execute(found))


def audit_rows(connection: Connection) -> Iterator[AuditRow]:
    """The chain in order."""
    for row in connection.execute(select(AUDIT).order_by(AUDIT.c.seq)):
        yield AuditRow(row.seq, row.record, row.hash)


def audit_head(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last record written."""
    row = connection.execute(select(HEAD).where(HEAD.c.id == _HEAD_ID)).one_or_none()
    return (0, "") if row is None else (row.audit_seq, row.audit_hash)


def _rows(kind: type[_Row], result: Result[Any]) -> list[_Row]:
    return [kind(**{str(name): value for name, value in row.items()}) for row in result.mappings()]
