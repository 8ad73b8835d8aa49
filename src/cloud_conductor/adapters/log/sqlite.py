"""The event log in one SQLite file: WAL, synchronous=FULL, one writer at a time (decision 4).

The row id is the order and the body lies beside it; uniqueness is an 8-byte integer, because a
text key with random ids costs 3 times the inserts. A key may collide: the full id is compared on
every hit, and up to 8 different ids may share one key, so a collision never drops a sale.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from cloud_conductor.adapters.log.identity import (
    COLLISIONS_MAX,
    COLUMNS,
    Digest,
    described,
    event_digest,
    event_of,
)
from cloud_conductor.domain.errors import ConductorError, DiskPressure, Transient
from cloud_conductor.domain.events import PARTITION, Appended, Event, NewEvent

BUSY_TIMEOUT_MS = 10_000
FREE_BYTES_MIN = 64 * 1024 * 1024
READ_BYTES_MAX = 16 * 1024 * 1024
RETRY_AFTER_S = 5.0
CHECKPOINT_PAGES = 4_000  # 16 MB, 3 us less an event than the usual 1,000 (bench_intake)

# A plain integer primary key numbers without gaps in commit order; AUTOINCREMENT burns numbers on
# a conflict. The price: numbering restarts when the table is empty, so pruning keeps the last row.
SCHEMA = """
create table if not exists log(
  seq integer primary key,
  h integer not null,
  k integer not null,
  received_us integer not null,
  source text not null,
  channel text not null,
  kind text not null,
  event_id text not null,
  merchant_id text not null,
  headers text not null,
  url text not null,
  trigger_seq integer not null,
  body blob not null,
  unique(h, k)
) strict;
create table if not exists duplicate(
  number integer primary key,
  first_seq integer not null,
  received_us integer not null,
  source text not null,
  channel text not null,
  kind text not null,
  event_id text not null,
  merchant_id text not null,
  headers text not null,
  url text not null,
  trigger_seq integer not null
) strict;
"""
PUT = """
into log(h, k, received_us, source, channel, kind, event_id, merchant_id, headers, url,
         trigger_seq, body)
values """
VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_ONE = f"insert {PUT} {VALUES} on conflict do nothing returning seq"
ROWS_PER_INSERT_MAX = 64
# A statement that can only succeed or end its transaction needs no journal of its own.
INSERT_MANY = [
    f"insert or rollback {PUT} {', '.join([VALUES] * rows)}"
    for rows in range(ROWS_PER_INSERT_MAX + 1)
]
KNOWN = "select seq, source, event_id from log where h = ? and k = ?"
INSERT_DUPLICATE = """
insert into duplicate(first_seq, received_us, source, channel, kind, event_id, merchant_id,
                      headers, url, trigger_seq)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
READ = f"select {COLUMNS} from log where seq > ? order by seq limit ?"  # noqa: S608
GET = f"select {COLUMNS} from log where seq in (select value from json_each(?)) order by seq"  # noqa: S608
FIND = "select seq from log where h = ? and source = ? and event_id = ?"
DUPLICATES = """
select number, source, channel, kind, event_id, merchant_id, received_us, x'', headers, url,
       trigger_seq
from duplicate where number > ? order by number limit ?
"""
PRUNE = "delete from log where seq < ? and seq < (select max(seq) from log)"
PRUNE_DUPLICATES = """
delete from duplicate where first_seq < ? and number < (select max(number) from duplicate)
"""


class SqliteLog:
    """An event log in the file `path` (ports.log.EventLog). Threads and processes may share it.

    free_bytes_min: an append that would leave less disk raises DiskPressure before it is tried.
    """

    def __init__(
        self, path: Path, *, free_bytes_min: int = FREE_BYTES_MIN, digest: Digest = event_digest
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = path.parent
        self._free_bytes_min = free_bytes_min
        self._digest = digest
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._writer = _connect(path)
        self._writer.executescript(SCHEMA)
        self._stager = _connect(path, busy_timeout_ms=0)
        self._reader = _connect(path)

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """Durable on return, all or none. Raises DiskPressure, or Transient when locked out."""
        if not events:
            return []
        self._check_space(events)
        with self._write_lock:
            try:
                self._writer.execute("begin immediate")
                outcomes = self._put_all(self._writer, events)
                self._writer.execute("commit")
            except sqlite3.OperationalError as error:
                raise _world_failed(error) from error
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("rollback")
        return outcomes

    def stage(self, events: Sequence[NewEvent]) -> list[Appended] | None:
        """Insert without waiting for anyone (ports.log.TwoStepLog); the write lock stays taken."""
        self._check_space(events)
        if not self._write_lock.acquire(blocking=False):
            return None
        staged = False
        try:
            self._stager.execute("begin immediate")
            outcomes = self._put_all(self._stager, events)
            staged = True
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                return None
            raise _world_failed(error) from error
        finally:
            if not staged:
                self._let_go()
        return outcomes

    def commit(self) -> None:
        try:
            self._stager.execute("commit")
        except sqlite3.OperationalError as error:
            raise _world_failed(error) from error
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._stager.in_transaction:
            self._stager.execute("rollback")
        self._write_lock.release()

    def partitions(self) -> tuple[str, ...]:
        return (PARTITION,)

    def read(self, partition: str, after: int, limit: int = 1_000) -> list[Event]:
        assert partition == PARTITION, partition
        with self._read_lock, closing(self._reader.execute(READ, (after, limit))) as rows:
            return _until_full(rows)

    def get(self, seqs: Sequence[int]) -> list[Event]:
        wanted = msgspec.json.encode(list(seqs)).decode()
        with self._read_lock:
            return [event_of(row) for row in self._reader.execute(GET, (wanted,)).fetchall()]

    def find(self, source: str, event_id: str) -> int:
        with self._read_lock:
            rows = self._reader.execute(FIND, (self._digest(source, event_id), source, event_id))
            return int(next(iter(rows.fetchall()), (0,))[0])

    def high_water(self, partition: str) -> int:
        assert partition == PARTITION, partition
        with self._read_lock:
            (seq,) = self._reader.execute("select coalesce(max(seq), 0) from log").fetchone()
        return int(seq)

    def duplicates(self, after: int, limit: int = 10_000) -> list[tuple[int, NewEvent]]:
        with self._read_lock:
            rows = self._reader.execute(DUPLICATES, (after, limit)).fetchall()
        return [(number, NewEvent(*fields)) for number, *fields in rows]

    def prune(self, partition: str, before: int) -> int:
        assert partition == PARTITION, partition
        with self._write_lock:
            self._writer.execute("begin immediate")
            dropped = self._writer.execute(PRUNE, (before,)).rowcount
            self._writer.execute(PRUNE_DUPLICATES, (before,))
            self._writer.execute("commit")
        return dropped

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._stager.close()
            self._writer.close()

    def _put_all(self, writer: sqlite3.Connection, events: Sequence[NewEvent]) -> list[Appended]:
        """Insert events in the transaction that is open, with few statements when all are new."""
        outcomes = self._put_new(writer, events)
        if outcomes is None:
            writer.execute("begin immediate")
            outcomes = [self._put(writer, event) for event in events]
        return outcomes

    def _put_new(
        self, writer: sqlite3.Connection, events: Sequence[NewEvent]
    ) -> list[Appended] | None:
        """Insert events that are all new, many by one statement.

        None when one of them is not; then the transaction is rolled back.

        sqlite3 gives the interpreter lock away at every statement and waits to get it back, which
        beside a busy event loop costs more than the insert. In one transaction the row ids of one
        statement follow each other.
        """
        outcomes: list[Appended] = []
        for start in range(0, len(events), ROWS_PER_INSERT_MAX):
            some = events[start : start + ROWS_PER_INSERT_MAX]
            rows: list[Any] = []
            for event in some:
                h = self._digest(event.source, event.event_id)
                rows += (h, 0, *described(event), event.body)
            try:
                done = writer.execute(INSERT_MANY[len(some)], rows)
            except sqlite3.IntegrityError:
                assert not writer.in_transaction, "the statement ended it"
                return None
            assert done.lastrowid is not None
            first = done.lastrowid - len(some) + 1
            outcomes += [Appended(seq=first + n, duplicate=False) for n in range(len(some))]
        return outcomes

    def _put(self, writer: sqlite3.Connection, event: NewEvent) -> Appended:
        h = self._digest(event.source, event.event_id)
        row = described(event)
        for k in range(COLLISIONS_MAX):
            new = writer.execute(INSERT_ONE, (h, k, *row, event.body)).fetchone()
            if new is not None:
                return Appended(seq=new[0], duplicate=False)
            seq, source, event_id = writer.execute(KNOWN, (h, k)).fetchone()
            if (source, event_id) == (event.source, event.event_id):
                writer.execute(INSERT_DUPLICATE, (seq, *row))
                return Appended(seq=seq, duplicate=True)
        raise ConductorError(f"{COLLISIONS_MAX} different event ids share the key {h}")

    def _check_space(self, events: Sequence[NewEvent]) -> None:
        incoming_bytes = sum(len(event.body) for event in events)
        disk = os.statvfs(self._folder)
        free_bytes = disk.f_bavail * disk.f_frsize
        if free_bytes - incoming_bytes < self._free_bytes_min:
            raise DiskPressure(
                f"{free_bytes} bytes are free at {self._folder}; "
                f"{self._free_bytes_min} are kept in reserve",
                retry_after_s=RETRY_AFTER_S,
            )


def _connect(path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout_ms / 1_000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("pragma journal_mode=WAL")
    connection.execute("pragma synchronous=FULL")
    # Where a statement does keep a journal of its own, not in a file: 4 us a row.
    connection.execute("pragma temp_store=memory")
    # Keys are hashes: each row dirties an index page, and many rows the same ones in time.
    connection.execute(f"pragma wal_autocheckpoint={CHECKPOINT_PAGES}")
    return connection


def _until_full(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """Rows until their bodies pass READ_BYTES_MAX; at least one if there is one."""
    events: list[Event] = []
    size_bytes = 0
    for row in rows:
        event = event_of(row)
        events.append(event)
        size_bytes += len(event.body)
        if size_bytes >= READ_BYTES_MAX:
            break
    return events


def _world_failed(error: sqlite3.OperationalError) -> Transient:
    name = getattr(error, "sqlite_errorname", "")
    if name in {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC"}:
        return DiskPressure(
            f"the event log could not be written: {error}", retry_after_s=RETRY_AFTER_S
        )
    return Transient(f"the event log is not available: {error}", retry_after_s=1.0)
