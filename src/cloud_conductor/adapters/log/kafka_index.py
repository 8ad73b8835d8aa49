"""What a Kafka log's records mean, by offset: first deliveries, duplicates, what was pruned.

A file that every process of a machine shares, made from the topic and from nothing else: lose it,
and it is made again. Records are applied in the order of their offsets, each once, so that every
index of a topic, wherever it is, says the same.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from cloud_conductor.adapters.log.identity import COLLISIONS_MAX, Digest, event_digest
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.events import NewEvent

BUSY_TIMEOUT_S = 10
SCHEMA = """
create table if not exists place(
  id integer primary key check (id = 1), next integer not null, topic text not null
) strict;
insert or ignore into place values (1, 0, '');
create table if not exists event(
  h integer not null, k integer not null, seq integer not null unique,
  source text not null, event_id text not null, primary key (h, k)
) strict, without rowid;
create table if not exists duplicate(
  number integer primary key, first_seq integer not null, event blob not null
) strict;
"""


class Entry(msgspec.Struct, frozen=True):
    """A record of the topic without its body. before: where a `prune` record cuts.

    kind: event; duplicate (its producer knew it, and sent no body); prune.
    """

    offset: int
    kind: Literal["event", "duplicate", "prune"]
    event: NewEvent
    before: int = 0

    @property
    def seq(self) -> int:
        return self.offset + 1


class Index:
    """The index in `path`. Threads and processes may share it."""

    def __init__(self, path: Path, *, digest: Digest = event_digest) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._digest = digest
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._db.execute("pragma journal_mode=WAL")
        self._db.execute("pragma synchronous=NORMAL")  # a commit lost to a power cut is read again
        self._db.executescript(SCHEMA)

    def is_of(self, topic: str) -> bool:
        """Whether this index was made from the topic of this id; a new one is from now on."""
        with self._lock:
            self._db.execute("update place set topic = ? where topic = ''", (topic,))
            return bool(self._db.execute("select topic from place").fetchone()[0] == topic)

    def next_offset(self) -> int:
        """Offset of the first record that was not applied yet."""
        with self._lock:
            return int(self._db.execute("select next from place").fetchone()[0])

    def apply(self, entries: Sequence[Entry], *, upto: int) -> None:
        """Take in records; those before `next_offset` were taken in by another process.

        upto: the offset after the last one read, past any that gave no entry.
        """
        with self._lock:
            self._db.execute("begin immediate")
            try:
                (at,) = self._db.execute("select next from place").fetchone()
                for entry in entries:
                    if entry.offset >= at:
                        self._take(entry)
                self._db.execute("update place set next = max(next, ?)", (upto,))
                self._db.execute("commit")
            finally:
                if self._db.in_transaction:
                    self._db.execute("rollback")

    def known(self, events: Iterable[NewEvent]) -> list[int]:
        """Seq of each event by its id; 0 for one that is new."""
        with self._lock:
            return [self._find(event.source, event.event_id)[0] for event in events]

    def find(self, source: str, event_id: str) -> int:
        """Seq of the event of an id; 0 for none."""
        with self._lock:
            return self._find(source, event_id)[0]

    def seqs(self, after: int, limit: int) -> list[int]:
        """Seqs of events after one, in order."""
        with self._lock:
            rows = self._db.execute(
                "select seq from event where seq > ? order by seq limit ?", (after, limit)
            )
            return [seq for (seq,) in rows.fetchall()]

    def high_water(self) -> int:
        with self._lock:
            return int(self._db.execute("select coalesce(max(seq), 0) from event").fetchone()[0])

    def count_before(self, seq: int) -> int:
        """Events with a smaller seq, the newest event left out."""
        with self._lock:
            query = "select count(*) from event where seq < min(?, (select max(seq) from event))"
            return int(self._db.execute(query, (seq,)).fetchone()[0])

    def duplicates(self, after: int, limit: int) -> list[tuple[int, NewEvent]]:
        with self._lock:
            rows = self._db.execute(
                "select number, event from duplicate where number > ? order by number limit ?",
                (after, limit),
            ).fetchall()
        return [(number, msgspec.msgpack.decode(event, type=NewEvent)) for number, event in rows]

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _take(self, entry: Entry) -> None:
        if entry.kind == "prune":
            self._prune(entry.before)
            return
        first, k = self._find(entry.event.source, entry.event.event_id)
        if first or entry.kind == "duplicate":
            bare = msgspec.structs.replace(entry.event, body=b"")
            self._db.execute(
                "insert or ignore into duplicate values (?, ?, ?)",
                (entry.seq, first, msgspec.msgpack.encode(bare)),
            )
            return
        if k >= COLLISIONS_MAX:
            raise ConductorError(f"{COLLISIONS_MAX} different event ids share one key")
        event = entry.event
        h = self._digest(event.source, event.event_id)
        self._db.execute(
            "insert into event values (?, ?, ?, ?, ?)",
            (h, k, entry.seq, event.source, event.event_id),
        )

    def _find(self, source: str, event_id: str) -> tuple[int, int]:
        """(seq, 0) of an event that is known; (0, the first free place of its key) otherwise."""
        h = self._digest(source, event_id)
        rows = self._db.execute("select k, seq, source, event_id from event where h = ?", (h,))
        used = -1
        for k, seq, *who in rows.fetchall():
            if who == [source, event_id]:
                return int(seq), 0
            used = max(used, k)
        return 0, used + 1

    def _prune(self, before: int) -> None:
        """As every log prunes: the newest event stays, and duplicates of what went, but the last."""
        self._db.execute(
            "delete from event where seq < ? and seq < (select max(seq) from event)", (before,)
        )
        self._db.execute(
            "delete from duplicate where first_seq < ?"
            " and number < (select max(number) from duplicate)",
            (before,),
        )
