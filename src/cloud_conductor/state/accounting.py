"""Operations on the books: what the accounting room reads, and one writing transaction at a time."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
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
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.state.accounting_rows import (
    IDENTITY,
    AuditRow,
    BatchRow,
    BlockedEntry,
    BreakRow,
    DayRow,
    EntryHead,
    EntryPlace,
    EntryRow,
    LevelRow,
    decode_entry,
    identity_of,
    to_us,
)
from cloud_conductor.state.driver import parts, rows_of, run_many
from cloud_conductor.state.tables.accounting import AUDIT, BATCH, BREAK, DAY, ENTRY, HEAD, LEVEL

__all__ = [
    "AuditRow", "BatchRow", "BlockedEntry", "BreakRow", "DayRow", "EntryHead", "EntryPlace",
    "EntryRow", "LevelRow", "Writer", "audit_head", "audit_rows", "batch", "blocked_entries",
    "booked_on", "break_history", "current_breaks", "dates_in", "day", "day_states", "days",
    "entries", "entries_of_batches", "entries_of_days", "entry_counts", "has_entries", "heads",
    "identity_of", "ledger_heads", "levels", "move_days", "open_batches", "posted_mappings",
    "present_keys", "to_us", "unread_keys", "versions", "versions_of", "writing",
]  # fmt: skip

_HEAD_ID = 1
_seq = attrgetter("seq")
KEYS_PER_QUERY_MAX = 500
"""SQLite takes at most 999 values in one statement on old builds."""


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
            names = rows[0].__struct_fields__
            values = [msgspec.structs.astuple(row) for row in rows]
            run_many(self.connection, insert(table), names, values)

    def update_entry(self, posting_key: str, **values: Any) -> None:
        self.update_entries(tuple(values), [(posting_key, *values.values())])

    def update_entries(self, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Set columns of many entries. rows: the posting key, then a value for each of `names`."""
        if not rows:
            return
        given: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        statement = update(ENTRY).where(ENTRY.c.posting_key == bindparam("of_key")).values(**given)
        order = ["of_key", *(f"new_{name}" for name in names)]
        changed = run_many(self.connection, statement, order, rows)
        assert changed == len(rows), f"{len(rows) - changed} entries vanished"

    def record(self, acts: Iterable[Act], at: datetime) -> None:
        """Extend the audit chain in the transaction of the acts themselves (R-15.1)."""
        links = audit.extend(self.audit_seq, self.audit_hash, acts, at)
        if links:
            self.insert(AUDIT, [AuditRow(link.seq, link.record, link.hash) for link in links])
            self.audit_seq, self.audit_hash = links[-1].seq, links[-1].hash

    def delete_entry(self, posting_key: str) -> None:
        self.delete_entries([posting_key])

    def delete_entries(self, keys: Sequence[str]) -> None:
        if keys:
            statement = delete(ENTRY).where(ENTRY.c.posting_key == bindparam("of_key"))
            run_many(self.connection, statement, ["of_key"], [(key,) for key in keys])

    def update_batch(self, batch_id: str, **values: Any) -> None:
        self.connection.execute(update(BATCH).where(BATCH.c.batch_id == batch_id).values(**values))

    def put_day(self, row: DayRow) -> None:
        """Insert or replace a store-day."""
        self.put_days([row])

    def put_days(self, rows: Sequence[DayRow]) -> None:
        """Insert or replace store-days."""
        if not rows:
            return
        key = and_(
            DAY.c.store == bindparam("of_store"), DAY.c.business_date == bindparam("of_date")
        )
        named = [(row.store, row.business_date) for row in rows]
        run_many(self.connection, delete(DAY).where(key), ["of_store", "of_date"], named)
        self.insert(DAY, rows)

    def put_levels(self, rows: Sequence[LevelRow]) -> None:
        """Insert or replace what levels said of store-days."""
        if not rows:
            return
        key = and_(
            LEVEL.c.store == bindparam("of_store"),
            LEVEL.c.business_date == bindparam("of_date"),
            LEVEL.c.level == bindparam("of_level"),
        )
        named = [(row.store, row.business_date, row.level) for row in rows]
        order = ["of_store", "of_date", "of_level"]
        run_many(self.connection, delete(LEVEL).where(key), order, named)
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
    """Entries that fit every given condition, by seq.

    States of named entries are looked at here: asked with them, SQLite goes through every entry in
    these states once for each part of the keys.
    """
    found = select(ENTRY)
    if states and keys is None:
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
        return rows_of(EntryRow, connection.execute(found.order_by(ENTRY.c.seq)))
    rows: list[EntryRow] = []
    for part in parts(keys, KEYS_PER_QUERY_MAX):
        rows += rows_of(EntryRow, connection.execute(found.where(ENTRY.c.posting_key.in_(part))))
    return sorted((row for row in rows if not states or row.state in states), key=_seq)


def heads(
    connection: Connection,
    *,
    keys: Sequence[str] | None = None,
    states: Sequence[str] = (),
    organisation: str = "",
    store: str = "",
    business_date: date | None = None,
) -> list[EntryHead]:
    """`entries` without their lines: a tenth of the bytes."""
    columns = [ENTRY.c[name] for name in EntryHead.__struct_fields__]
    found = select(*columns)
    if states and keys is None:
        found = found.where(ENTRY.c.state.in_(states))
    if organisation:
        found = found.where(ENTRY.c.organisation == organisation)
    if store:
        found = found.where(ENTRY.c.store == store)
    if business_date is not None:
        found = found.where(ENTRY.c.business_date == business_date.isoformat())
    if keys is None:
        return rows_of(EntryHead, connection.execute(found.order_by(ENTRY.c.seq)))
    rows: list[EntryHead] = []
    for part in parts(keys, KEYS_PER_QUERY_MAX):
        rows += rows_of(EntryHead, connection.execute(found.where(ENTRY.c.posting_key.in_(part))))
    return sorted((row for row in rows if not states or row.state in states), key=_seq)


def blocked_entries(connection: Connection) -> list[BlockedEntry]:
    """Entries that wait for something, each with why."""
    columns = [ENTRY.c[name] for name in BlockedEntry.__struct_fields__]
    query = select(*columns).where(ENTRY.c.state == "blocked").order_by(ENTRY.c.seq)
    return rows_of(BlockedEntry, connection.execute(query))


def booked_on(
    connection: Connection,
    stores: Sequence[str],
    first: date,
    last: date,
    states: Sequence[str],
) -> Iterator[tuple[str, JournalEntry]]:
    """(posting key, entry) of every version in these states of some stores' business dates."""
    for part in parts(stores, KEYS_PER_QUERY_MAX):
        query = select(ENTRY.c.seq, ENTRY.c.posting_key, ENTRY.c.payload).where(
            ENTRY.c.store.in_(part),
            ENTRY.c.business_date.between(first.isoformat(), last.isoformat()),
            ENTRY.c.state.in_(states),
        )  # in order here: SQLite would sort the entries' texts as well
        for _, key, payload in sorted(connection.execute(query).all(), key=_seq):
            yield key, decode_entry(payload)


def ledger_heads(
    connection: Connection, first: date, last: date, states: Sequence[str]
) -> list[EntryHead]:
    """Entries in these states whose ledger date lies from `first` to `last`."""
    columns = [ENTRY.c[name] for name in EntryHead.__struct_fields__]
    query = select(*columns).where(
        ENTRY.c.ledger_date.between(first.isoformat(), last.isoformat()),
        ENTRY.c.state.in_(states),
    )
    return rows_of(EntryHead, connection.execute(query.order_by(ENTRY.c.seq)))


def has_entries(connection: Connection, state: str, organisation: str) -> bool:
    """Whether any entry of an organisation is in this state."""
    found = select(ENTRY.c.seq).where(ENTRY.c.state == state, ENTRY.c.organisation == organisation)
    return connection.execute(found.limit(1)).first() is not None


def unread_keys(connection: Connection, organisation: str) -> list[str]:
    """Posting keys of entries that are posted and were never read back, in order."""
    query = (
        select(ENTRY.c.posting_key)
        .where(
            ENTRY.c.state == "posted",
            ENTRY.c.organisation == organisation,
            ENTRY.c.readback_hash == "",
        )
        .order_by(ENTRY.c.seq)
    )
    return list(connection.execute(query).scalars())


def entries_of_batches(
    connection: Connection, batch_ids: Sequence[str], states: Sequence[str]
) -> dict[str, list[EntryRow]]:
    """Batch -> its entries in some states, which are looked at here (see `entries`)."""
    found: dict[str, list[EntryRow]] = {}
    for part in parts(batch_ids, KEYS_PER_QUERY_MAX):
        query = select(ENTRY).where(ENTRY.c.batch_id.in_(part))
        for row in rows_of(EntryRow, connection.execute(query)):
            if row.state in states:
                found.setdefault(row.batch_id, []).append(row)
    return found


def present_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of some posting keys that the books hold."""
    found: set[str] = set()
    for part in parts(keys, KEYS_PER_QUERY_MAX):
        query = select(ENTRY.c.posting_key).where(ENTRY.c.posting_key.in_(part))
        found.update(connection.execute(query).scalars())
    return found


def versions(connection: Connection, identity: tuple[str, ...]) -> list[EntryRow]:
    """Every version of one entry, oldest first."""
    return versions_of(connection, [identity]).get(identity, [])


def versions_of(
    connection: Connection, identities: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], list[EntryRow]]:
    """Every version of some entries, oldest first; an entry the books do not hold is left out."""
    wanted: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for one in identities:
        wanted.setdefault(one[:4], []).append(one)
    rows: list[EntryRow] = []
    for (organisation, entity, store, currency), some in wanted.items():
        of_store = select(ENTRY).where(
            ENTRY.c.organisation == organisation,
            ENTRY.c.entity == entity,
            ENTRY.c.store == store,
            ENTRY.c.currency == currency,
            ENTRY.c.kind.in_(sorted({one[4] for one in some})),
        )
        for part in parts(sorted({one[5] for one in some}), KEYS_PER_QUERY_MAX):
            found = connection.execute(of_store.where(ENTRY.c.source_id.in_(part)))
            rows += rows_of(EntryRow, found)
    known = set(identities)
    found_rows: dict[tuple[str, ...], list[EntryRow]] = {}
    for row in sorted(rows, key=lambda row: row.version):
        if row.identity in known:
            found_rows.setdefault(row.identity, []).append(row)
    return found_rows


def entries_of_days(
    connection: Connection, organisation: str, stores: Sequence[str], first: date, last: date
) -> list[EntryPlace]:
    """Every entry version of these stores with a business date from `first` to `last`."""
    rows: list[EntryPlace] = []
    columns = [ENTRY.c[name] for name in ("posting_key", "business_date", *IDENTITY)]
    for part in parts(stores, KEYS_PER_QUERY_MAX):
        query = select(*columns).where(
            ENTRY.c.store.in_(part),
            ENTRY.c.business_date.between(first.isoformat(), last.isoformat()),
            ENTRY.c.organisation == organisation,
        )
        for key, day, *identity in connection.execute(query):
            rows.append(EntryPlace(key, day, tuple(identity), identity[2], identity[4]))
    return rows


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
    return next(iter(rows_of(BatchRow, connection.execute(found))), None)


def open_batches(connection: Connection, organisation: str = "") -> list[BatchRow]:
    """Batches with work left, in posting order."""
    found = select(BATCH).where(BATCH.c.state == "open").order_by(BATCH.c.seq)
    if organisation:
        found = found.where(BATCH.c.organisation == organisation)
    return rows_of(BatchRow, connection.execute(found))


def day(connection: Connection, store: str, business_date: date) -> DayRow | None:
    found = select(DAY).where(
        DAY.c.store == store, DAY.c.business_date == business_date.isoformat()
    )
    return next(iter(rows_of(DayRow, connection.execute(found))), None)


def days(
    connection: Connection, first: date | None = None, last: date | None = None
) -> list[DayRow]:
    """Store-days by date and store, from `first` to `last`; of all dates without them."""
    found = select(DAY).order_by(DAY.c.business_date, DAY.c.store)
    if first is not None:
        found = found.where(DAY.c.business_date >= first.isoformat())
    if last is not None:
        found = found.where(DAY.c.business_date <= last.isoformat())
    return rows_of(DayRow, connection.execute(found))


def day_states(connection: Connection) -> dict[str, dict[str, tuple[str, int]]]:
    """Business date -> store -> (state, newest fact its close saw; 0 for none)."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    query = select(DAY.c.business_date, DAY.c.store, DAY.c.state, DAY.c.facts_seq)
    for day, store, state, seq in connection.execute(query):
        found.setdefault(day, {})[store] = (state, seq or 0)
    return found


def dates_in(connection: Connection, states: Sequence[str], since: date) -> list[date]:
    """Business dates from `since` on with a store-day in one of these states, sorted."""
    query = (
        select(DAY.c.business_date)
        .where(DAY.c.state.in_(states), DAY.c.business_date >= since.isoformat())
        .distinct()
    )
    return sorted(date.fromisoformat(found) for found in connection.execute(query).scalars())


def move_days(
    connection: Connection, before: str, after: str, states: Sequence[str], now_us: int
) -> int:
    """Move store-days from one state on whose entries are in none of `states`; gives how many."""
    query = select(ENTRY.c.store, ENTRY.c.business_date).where(ENTRY.c.state.in_(states))
    left = {tuple(row) for row in connection.execute(query.distinct())}
    at = select(DAY.c.store, DAY.c.business_date).where(DAY.c.state == before)
    done = [row for row in connection.execute(at) if tuple(row) not in left]
    if done:
        key = and_(
            DAY.c.store == bindparam("of_store"), DAY.c.business_date == bindparam("of_date")
        )
        statement = update(DAY).where(key).values(state=after, updated_us=now_us)
        rows = [(store, day, after, now_us) for store, day in done]
        run_many(connection, statement, ["of_store", "of_date", "state", "updated_us"], rows)
    return len(done)


def levels(
    connection: Connection, store: str = "", business_date: date | None = None
) -> list[LevelRow]:
    """What the levels said last, by date, store and level; of one store or day, or of all."""
    found = select(LEVEL).order_by(LEVEL.c.business_date, LEVEL.c.store, LEVEL.c.level)
    if store:
        found = found.where(LEVEL.c.store == store)
    if business_date is not None:
        found = found.where(LEVEL.c.business_date == business_date.isoformat())
    return rows_of(LevelRow, connection.execute(found))


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
    return rows_of(BreakRow, connection.execute(found))


def break_history(connection: Connection, break_id: str) -> list[BreakRow]:
    """Every state row of one break, oldest first."""
    found = select(BREAK).where(BREAK.c.break_id == break_id).order_by(BREAK.c.seq)
    return rows_of(BreakRow, connection.execute(found))


def audit_rows(connection: Connection) -> Iterator[AuditRow]:
    """The chain in order."""
    for row in connection.execute(select(AUDIT).order_by(AUDIT.c.seq)):
        yield AuditRow(row.seq, row.record, row.hash)


def audit_head(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last record written."""
    row = connection.execute(select(HEAD).where(HEAD.c.id == _HEAD_ID)).one_or_none()
    return (0, "") if row is None else (row.audit_seq, row.audit_hash)
