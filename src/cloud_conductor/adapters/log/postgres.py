"""The event log in PostgreSQL: several gateways may append (decisions 4 and 9).

Appends take one advisory lock before they draw a number and hold it to the commit: otherwise a
lower number commits later and a tailing reader misses it (32 % of rows, measured). Under the lock
the look-up of known ids is exact. Numbers may have holes (a rolled back append burns some).
"""

import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import psycopg

from cloud_conductor.adapters.log.identity import (
    COLLISIONS_MAX,
    COLUMNS,
    Digest,
    described,
    event_digest,
    event_of,
)
from cloud_conductor.domain.errors import ConductorError, DiskPressure, VendorUnavailable
from cloud_conductor.domain.events import PARTITION, Appended, Event, NewEvent

LOCK_KEY = 0x6C6F67  # "log": the same in every process that appends
READ_BYTES_MAX = 16 * 1024 * 1024
FETCH_ROWS = 200
RETRY_AFTER_S = 5.0

SCHEMA = """
create table if not exists event_log(
  seq bigint generated always as identity primary key,
  h bigint not null,
  k smallint not null,
  received_us bigint not null,
  source text not null,
  channel text not null,
  kind text not null,
  event_id text not null,
  merchant_id text not null,
  headers text not null,
  url text not null,
  trigger_seq bigint not null,
  body bytea not null,
  unique(h, k)
);
create table if not exists event_duplicate(
  number bigint generated always as identity primary key,
  first_seq bigint not null,
  received_us bigint not null,
  source text not null,
  channel text not null,
  kind text not null,
  event_id text not null,
  merchant_id text not null,
  headers text not null,
  url text not null,
  trigger_seq bigint not null
);
"""
KNOWN = "select h, k, source, event_id, seq from event_log where h = any(%s)"
INSERT = """
insert into event_log(h, k, received_us, source, channel, kind, event_id, merchant_id, headers,
                      url, trigger_seq, body)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning seq
"""
INSERT_DUPLICATE = """
insert into event_duplicate(first_seq, received_us, source, channel, kind, event_id, merchant_id,
                            headers, url, trigger_seq)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
READ = f"select {COLUMNS} from event_log where seq > %s order by seq limit %s"  # noqa: S608
GET = f"select {COLUMNS} from event_log where seq = any(%s) order by seq"  # noqa: S608
DUPLICATES = """
select number, source, channel, kind, event_id, merchant_id, received_us, ''::bytea, headers, url,
       trigger_seq
from event_duplicate where number > %s order by number limit %s
"""
PRUNE = "delete from event_log where seq < %s and seq < (select max(seq) from event_log)"
PRUNE_DUPLICATES = """
delete from event_duplicate
where first_seq < %s and number < (select max(number) from event_duplicate)
"""


class PostgresLog:
    """An event log in a PostgreSQL database (ports.log.EventLog). Threads and hosts may share it."""

    def __init__(self, url: str, *, digest: Digest = event_digest) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._digest = digest
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._writer = self._connect()
        self._reader = self._connect()
        with self._writer.transaction():
            self._writer.execute("select pg_advisory_xact_lock(%s)", (LOCK_KEY,))
            self._writer.execute(SCHEMA)

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """Durable on return, all or none. Raises VendorUnavailable when the server is away."""
        if not events:
            return []
        with self._write_lock:
            try:
                if self._writer.closed:
                    self._writer = self._connect()
                with self._writer.transaction():
                    self._writer.execute("select pg_advisory_xact_lock(%s)", (LOCK_KEY,))
                    return self._put(events)
            except psycopg.OperationalError as error:
                _raise(error)

    def partitions(self) -> tuple[str, ...]:
        return (PARTITION,)

    def read(self, partition: str, after: int, limit: int = 1_000) -> list[Event]:
        assert partition == PARTITION, partition
        events: list[Event] = []
        size_bytes = 0
        while len(events) < limit and size_bytes < READ_BYTES_MAX:
            rows = self._rows(READ, (after, min(FETCH_ROWS, limit - len(events))))
            if not rows:
                break
            for row in rows:
                events.append(event_of(row))
                size_bytes += len(events[-1].body)
                if size_bytes >= READ_BYTES_MAX:
                    break
            after = events[-1].seq
        return events

    def get(self, seqs: Sequence[int]) -> list[Event]:
        return [event_of(row) for row in self._rows(GET, (list(seqs),))]

    def find(self, source: str, event_id: str) -> int:
        rows = self._rows(KNOWN, ([self._digest(source, event_id)],))
        return next((int(seq) for _, _, *who, seq in rows if who == [source, event_id]), 0)

    def high_water(self, partition: str) -> int:
        assert partition == PARTITION, partition
        return int(self._rows("select coalesce(max(seq), 0) from event_log", ())[0][0])

    def duplicates(self, after: int, limit: int = 10_000) -> list[tuple[int, NewEvent]]:
        rows = self._rows(DUPLICATES, (after, limit))
        return [(number, NewEvent(*fields)) for number, *fields in rows]

    def prune(self, partition: str, before: int) -> int:
        assert partition == PARTITION, partition
        with self._write_lock, self._writer.transaction():
            dropped = self._writer.execute(PRUNE, (before,)).rowcount
            self._writer.execute(PRUNE_DUPLICATES, (before,))
        return dropped

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            return psycopg.connect(self._url, autocommit=True)
        except psycopg.OperationalError as error:
            _raise(error)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._read_lock:
            try:
                if self._reader.closed:
                    self._reader = self._connect()
                return self._reader.execute(query, values).fetchall()
            except psycopg.OperationalError as error:
                _raise(error)

    def _put(self, events: Sequence[NewEvent]) -> list[Appended]:
        """Sort the new from the known, then insert; the advisory lock is held."""
        keys = [self._digest(event.source, event.event_id) for event in events]
        known: dict[tuple[str, str], int] = {}  # seq, or -1 - index into `fresh`
        used: dict[int, int] = {}
        for h, k, source, event_id, seq in self._writer.execute(KNOWN, (list(set(keys)),)):
            known[source, event_id] = seq
            used[h] = max(used.get(h, 0), k + 1)
        fresh: list[tuple[Any, ...]] = []
        places: list[int] = []
        for h, event in zip(keys, events, strict=True):
            identity = (event.source, event.event_id)
            places.append(known.get(identity, -1 - len(fresh)))
            if identity in known:
                continue
            known[identity] = -1 - len(fresh)
            fresh.append((h, used.get(h, 0), *described(event), event.body))
            used[h] = used.get(h, 0) + 1
            if used[h] > COLLISIONS_MAX:
                raise ConductorError(f"{COLLISIONS_MAX} different event ids share the key {h}")
        return self._write(events, fresh, places)

    def _write(
        self, events: Sequence[NewEvent], fresh: list[tuple[Any, ...]], places: list[int]
    ) -> list[Appended]:
        """Insert `fresh` in order and record the rest. places: seq, or -1 - index into fresh."""
        numbers: list[int] = []
        cursor = self._writer.cursor()
        if fresh:
            cursor.executemany(INSERT, fresh, returning=True)
            numbers = [int(result.fetchall()[0][0]) for result in cursor.results()]
        outcomes: list[Appended] = []
        duplicates: list[tuple[Any, ...]] = []
        first: set[int] = set()
        for event, place in zip(events, places, strict=True):
            is_new = place < 0 and place not in first
            first.add(place)
            seq = place if place >= 0 else numbers[-1 - place]
            outcomes.append(Appended(seq=seq, duplicate=not is_new))
            if not is_new:
                duplicates.append((seq, *described(event)))
        if duplicates:
            cursor.executemany(INSERT_DUPLICATE, duplicates)
        return outcomes


def _raise(error: psycopg.OperationalError) -> NoReturn:
    if isinstance(error, psycopg.errors.DiskFull):
        raise DiskPressure(
            f"PostgreSQL has no space for the event log: {error}", retry_after_s=RETRY_AFTER_S
        ) from error
    raise VendorUnavailable(
        f"PostgreSQL does not answer for the event log: {error}", retry_after_s=RETRY_AFTER_S
    ) from error
