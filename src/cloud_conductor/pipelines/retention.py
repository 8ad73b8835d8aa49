"""How long the event log and the lake keep what nobody needs any more, and when they let go.

An event leaves the log when it is older than `keep`, every consumer is past it, its raw file and
its rows are fsynced, and no day that holds rows of it is still open. Its bytes stay in the raw zone.

A data file leaves the lake when a seal replaced it longer than `keep` ago: readers that opened the
table before are done by then. Of a day that is open again nothing is taken.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import msgspec

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.events import PARTITION
from cloud_conductor.domain.schemas import PARTITIONED, TABLES
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.ingest import flow_watch as watch
from cloud_conductor.pipelines.close import CloseDeps
from cloud_conductor.ports.lake import Lake
from cloud_conductor.ports.log import EventLog
from cloud_conductor.state import accounting as books
from cloud_conductor.state import conform as conform_state
from cloud_conductor.state import ingest as ingest_state

log = logging.getLogger("conductor")

EVERY = timedelta(hours=1)
VACUUM_EVERY = timedelta(days=1)
VACUUMER = "service:worker"
PAGE_EVENTS = 1_000
EVENTS_MAX = 200_000  # looked at in one run; the rest waits for the next

Position = Callable[[str], int]
"""A consumer's position in a partition."""


class Retention:
    """Prunes the log, at most once an hour. keep: None for everything, for ever.

    store: the log itself, without the past that the raw zone holds. others: positions of the
    consumers that are not of ingest and conform.
    """

    def __init__(
        self,
        deps: CloseDeps,
        store: EventLog,
        *,
        keep: timedelta | None,
        others: Sequence[Position] = (),
    ) -> None:
        self._deps = deps
        self._store = store
        self._keep = keep
        self._others = others
        self._last: datetime | None = None

    def __call__(self) -> int:
        """Prune if an hour has passed; gives the number of events dropped."""
        now = self._deps.clock.now()
        if self._keep is None or (self._last is not None and now - self._last < EVERY):
            return 0
        self._last = now
        return self.run(now)

    def run(self, now: datetime) -> int:
        """Prune now."""
        assert self._keep is not None
        watch.run_forget(self._deps.ingest, now)
        conform.accounting_of_events(self._deps.conform)  # duplicates are counted before they go
        if not self._duplicates_archived():
            return 0
        dropped = 0
        for partition in self._store.partitions():
            safe = min(self._passed(partition), self._sealed())
            before = self._young(partition, safe, now - self._keep)
            dropped += self._store.prune(partition, before) if before else 0
        if dropped:
            log.info("log.pruned", extra={"fields": {"events": dropped}})
        return dropped

    def _passed(self, partition: str) -> int:
        """Largest seq that every consumer has behind it."""
        engine = self._deps.ingest.engine
        names = [ingest.ARCHIVE, watch.WATCH]
        names += [f"{ingest.FETCHED}/{source}" for source in self._deps.ingest.sources]
        positions = [ingest_state.cursor(engine, name, partition).position for name in names]
        positions.append(conform_state.cursor(engine, partition))
        return min([*positions, *(position(partition) for position in self._others)])

    def _sealed(self) -> int:
        """Largest seq of which no row lies in a day that is still open."""
        lake = self._deps.conform.lake
        first: list[int] = []
        for table in PARTITIONED:
            opened = open_dates(lake, table)
            if opened:
                seqs = lake.read(table, opened, columns=["log_seq"])["log_seq"].to_pylist()
                first += [min(seqs)] if seqs else []
        return min(first) - 1 if first else 2**63 - 1

    def _young(self, partition: str, safe: int, older_than: datetime) -> int:
        """First seq to keep: the first that is young, or not safe; 0 to keep all.

        Received instants rise with the numbers but for clocks that were set back.
        """
        limit_us = ingest_state.us(older_than)
        after = before = 0
        for _ in range(EVENTS_MAX // PAGE_EVENTS):
            page = self._oldest(partition, after)
            for event_seq, received_us in page:
                if event_seq > safe or received_us >= limit_us:
                    return before
                before = event_seq + 1
            if not page:
                break
            after = page[-1][0]
        return before

    def _oldest(self, partition: str, after: int) -> list[tuple[int, int]]:
        events = self._store.read(partition, after, PAGE_EVENTS)
        return [(event.seq, event.received_us) for event in events]

    def _duplicates_archived(self) -> bool:
        """Duplicates are pruned with their events, so all of them must be in the raw zone."""
        cursor = ingest_state.cursor(self._deps.ingest.engine, ingest.ARCHIVE_DUPLICATES, PARTITION)
        return not self._store.duplicates(cursor.position, 1)


class Vacuumed(msgspec.Struct, frozen=True):
    """Files that were replaced and are gone now, or would be."""

    files: int = 0
    bytes: int = 0


class Vacuum:
    """Removes files that seals replaced, at most once a day. keep: None for never."""

    def __init__(self, deps: CloseDeps, *, keep: timedelta | None) -> None:
        self._deps = deps
        self._keep = keep
        self._last: datetime | None = None

    def __call__(self) -> int:
        """Vacuum if a day has passed; gives the number of files removed."""
        now = self._deps.clock.now()
        if self._keep is None or (self._last is not None and now - self._last < VACUUM_EVERY):
            return 0
        self._last = now
        return self.run(now).files

    def run(self, now: datetime, *, dry_run: bool = False) -> Vacuumed:
        """Vacuum now. What was removed is written into the audit chain."""
        if self._keep is None:
            return Vacuumed()
        lake, before = self._deps.conform.lake, now - self._keep
        found: dict[str, int] = {}
        leave = {table: open_dates(lake, table) for table in PARTITIONED}
        lake.sync()  # what took a file's place is on the disk before the file goes
        for table in TABLES:
            found |= lake.vacuum(table, before=before, leave=leave.get(table, ()), dry_run=dry_run)
        done = Vacuumed(len(found), sum(found.values()))
        if found and not dry_run:
            told = f"{done.files} files of {done.bytes} bytes, replaced before {before:%Y-%m-%d}"
            act = Act(VACUUMER, "lake.vacuumed", "lake", told)
            with books.writing(self._deps.books.engine) as writer:
                writer.record([act], now)
            log.info("lake.vacuumed", extra={"fields": msgspec.structs.asdict(done)})
        return done


def open_dates(lake: Lake, table: str) -> list[date]:
    """Business dates of a table that are not as their last seal left them."""
    dates = lake.dates(table)
    inputs = conform.SEAL_INPUTS.get(table, ())
    is_sealed = lake.sealed(table, dates, inputs) if dates else set()
    return [one for one in dates if one not in is_sealed]
