"""What ingest does: fetch what thin events name, sweep the sources, archive the log.

Each run may be killed anywhere and run again: what it appends is deduplicated by event id, what it
writes has the same name and bytes, and its position moves only when everything before it is
durable.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec
from sqlalchemy import Engine

from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.events import PARTITION, Event, NewEvent
from cloud_conductor.domain.stores import Store
from cloud_conductor.ingest.archive import duplicate_file, raw_files
from cloud_conductor.ingest.sweep import SweepPlan, bounds, due, spans, window
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.objects import ObjectStore
from cloud_conductor.ports.pos import FetchRequest, PosAdapter
from cloud_conductor.state import ingest as state

READ_EVENTS = 1_000
APPEND_EVENTS = 200
SWEEP_EVENTS, SWEEP_BYTES = 2_000, 8 * 1024 * 1024  # an append of a sweep: one fsync
ARCHIVE_EVENTS_MAX = 20_000  # per range: bounds memory, and files large enough to read well
ARCHIVE_BYTES_MAX = 64 * 1024 * 1024
DUPLICATES_PER_FILE_MAX = 50_000
FETCH = "fetch"  # the name under which fetching is written down beside the swept kinds
FETCHED = "ingest/fetch"
ARCHIVE = "ingest/archive"
ARCHIVE_DUPLICATES = "ingest/archive-duplicates"

log = logging.getLogger("conductor")


@dataclass(frozen=True, slots=True)
class Source:
    """A POS connection and how it is swept.

    receipts: how a till's receipt number looks in what it writes on a sale, with the groups
    `register` and `number`; None where nothing is numbered.
    """

    adapter: PosAdapter
    plan: SweepPlan
    receipts: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class IngestDeps:
    """What the flows need. sources: by the name in conductor.toml. engine: the worker database.

    stores: what conductor.toml says of them, to hold against what a source says.
    """

    log: EventLog
    engine: Engine
    raw: ObjectStore
    clock: Clock
    sources: Mapping[str, Source]
    stores: Sequence[Store] = ()


class Fetched(msgspec.Struct, frozen=True):
    """wanted: objects asked for, each once a batch; missing: the vendor did not have them (yet).

    fetched: events made of the answers, of which `new` were unknown to the log.
    """

    wanted: int = 0
    missing: int = 0
    fetched: int = 0
    new: int = 0


class Swept(msgspec.Struct, frozen=True):
    """objects: listed by the vendor; new: of those, unknown to the log until now."""

    objects: int = 0
    new: int = 0


class Archived(msgspec.Struct, frozen=True):
    files: int = 0
    events: int = 0
    duplicates: int = 0


def run_fetch(deps: IngestDeps) -> Fetched:
    """Fetch what the log's thin events name, for every source, up to the log's end.

    A source that fails keeps its position and is written down; the others go on. Raises the first
    failure when all had their turn.
    """
    total, failure = Fetched(), None
    for source in deps.sources:
        try:
            for partition in deps.log.partitions():
                total = _plus(total, _fetch_partition(deps, source, partition))
        except ConductorError as error:
            state.sweep_failed(deps.engine, source, FETCH, now=deps.clock.now(), error=str(error))
            failure = failure or error
    if failure is not None:
        raise failure
    return total


def run_sweep(
    deps: IngestDeps, source: str, kind: str, now: datetime, vendor_now: datetime | None = None
) -> Swept:
    """Read everything of one kind that changed since the last sweep, with overlap.

    vendor_now: the vendor's clock, which `updated_at` is told in; ours where it does not tell. The
    watermark moves when all pages are durable in the log; on a failure it stays, and what was
    already appended is a duplicate the next time.
    """
    connection = deps.sources[source]
    known = state.sweep_state(deps.engine, source, kind)
    standing = kind in connection.adapter.STANDING_KINDS
    until, watermark = bounds(now, vendor_now)
    since, until = window(connection.plan, known.watermark, until, standing=standing)
    swept = Swept()
    for start, end in spans(since, until):
        try:
            for some in _in_groups(connection.adapter.sweep(kind, start, end)):
                new = _append(deps, some)
                swept = Swept(objects=swept.objects + len(some), new=swept.new + new)
        except ConductorError as error:
            state.sweep_failed(deps.engine, source, kind, now=now, error=str(error))
            raise
        state.sweep_succeeded(
            deps.engine,
            source,
            kind,
            watermark=min(end, watermark),
            now=now,
            objects=swept.objects,
            new_objects=swept.new,
        )
    _tell("sweep.finished", source=source, kind=kind, objects=swept.objects, new=swept.new)
    return swept


def run_sweeps(deps: IngestDeps, now: datetime, *, source: str | None = None) -> Swept:
    """Sweep every kind of every source (or of one), due or not.

    A kind that fails is written down and the others go on; raises the first failure at the end.
    """
    names = deps.sources if source is None else [source]
    return _sweep_all(
        deps,
        [(name, kind) for name in names for kind in deps.sources[name].adapter.SWEEP_KINDS],
        now,
    )


def run_due_sweeps(deps: IngestDeps, now: datetime) -> Swept:
    """Sweep what is due by its interval; otherwise as `run_sweeps`."""
    finished = {
        (row.source, row.kind): row.last_success
        for row in state.sweep_states(deps.engine)
        if row.last_success is not None
    }
    return _sweep_all(
        deps,
        due(
            {name: one.plan for name, one in deps.sources.items()},
            {name: one.adapter.SWEEP_KINDS for name, one in deps.sources.items()},
            finished,
            now,
        ),
        now,
    )


def run_span(deps: IngestDeps, source: str, start: datetime, end: datetime) -> Swept:
    """Read everything of a source that changed in [start, end) again; no watermark moves.

    For a backfill: what the log knows is a duplicate, what it does not is appended.
    """
    adapter = deps.sources[source].adapter
    objects = new = 0
    for kind in adapter.SWEEP_KINDS:
        for page in adapter.sweep(kind, start, end):
            objects += len(page)
            new += _append(deps, page)
    _tell("backfill.finished", source=source, objects=objects, new=new)
    return Swept(objects=objects, new=new)


def run_archive(deps: IngestDeps) -> Archived:
    """Write the log's new events and duplicates into the raw zone, up to the log's end."""
    total = Archived()
    for partition in deps.log.partitions():
        while (done := _archive_range(deps, partition)) is not None:
            total = _added(total, done)
    while (done := _archive_duplicates(deps)) is not None:
        total = _added(total, done)
    if total.files:
        _tell("archive.written", files=total.files, events=total.events, dup=total.duplicates)
    return total


def _fetch_partition(deps: IngestDeps, source: str, partition: str) -> Fetched:
    name = f"{FETCHED}/{source}"
    total = Fetched()
    position = state.cursor(deps.engine, name, partition).position
    while events := deps.log.read(partition, position, READ_EVENTS):
        requests = _requests(deps, source, events)
        if requests:
            total = _plus(total, _fetch(deps, source, requests))
        position = events[-1].seq
        state.advance(deps.engine, name, partition, position=position)
    if total.wanted:
        now = deps.clock.now()
        state.sweep_succeeded(
            deps.engine,
            source,
            FETCH,
            watermark=now,
            now=now,
            objects=total.fetched,
            new_objects=total.new,
        )
        _tell("fetch.finished", source=source, wanted=total.wanted, missing=total.missing)
    return total


def _requests(deps: IngestDeps, source: str, events: Iterable[Event]) -> list[FetchRequest]:
    """What a batch of events points at, each object once, by the last event that named it."""
    adapter = deps.sources[source].adapter
    wanted: dict[tuple[str, str], FetchRequest] = {}
    for event in events:
        if event.source == source:
            for one in adapter.wanted(event):
                wanted[one.kind, one.object_id] = one
    return list(wanted.values())


def _fetch(deps: IngestDeps, source: str, requests: list[FetchRequest]) -> Fetched:
    found = deps.sources[source].adapter.fetch(requests, deps.clock.now())
    fetched = new = 0
    unanswered = {one.trigger_seq for one in requests}
    while some := list(islice(found, APPEND_EVENTS)):
        fetched += len(some)
        new += _append(deps, some)
        unanswered -= {event.trigger_seq for event in some}
    return Fetched(wanted=len(requests), missing=len(unanswered), fetched=fetched, new=new)


def _in_groups(pages: Iterable[list[NewEvent]]) -> Iterator[list[NewEvent]]:
    """Pages put together for one append each: lists of a chain's stores are mostly short."""
    waiting: list[NewEvent] = []
    size_bytes = 0
    for page in pages:
        waiting += page
        size_bytes += sum(len(event.body) for event in page)
        if len(waiting) >= SWEEP_EVENTS or size_bytes >= SWEEP_BYTES:
            yield waiting
            waiting, size_bytes = [], 0
    if waiting:
        yield waiting


def _append(deps: IngestDeps, events: list[NewEvent]) -> int:
    return sum(not one.duplicate for one in deps.log.append(events))


def _sweep_all(deps: IngestDeps, pairs: Iterable[tuple[str, str]], now: datetime) -> Swept:
    total, failure = Swept(), None
    clocks: dict[str, datetime | None] = {}
    for source, kind in pairs:
        try:
            if source not in clocks:
                clocks[source] = deps.sources[source].adapter.now()
            swept = run_sweep(deps, source, kind, now, clocks[source])
            total = Swept(objects=total.objects + swept.objects, new=total.new + swept.new)
        except ConductorError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return total


def _archive_range(deps: IngestDeps, partition: str) -> Archived | None:
    """Archive the next range; None when there is none.

    The range is announced before its files are made. A killed run makes the same files again, and
    a process that runs beside this one makes the same files too.
    """
    at = state.cursor(deps.engine, ARCHIVE, partition)
    events = _range(deps.log, partition, at)
    if not events:
        return None
    hi = events[-1].seq
    if state.announce(deps.engine, ARCHIVE, partition, at, planned=hi) != state.Cursor(
        at.position, hi
    ):
        return Archived()  # another process was first: look again
    files = raw_files(events, lo=at.position + 1, hi=hi)
    for key, data in files.items():
        deps.raw.create(key, data)
    state.advance(deps.engine, ARCHIVE, partition, position=hi)
    return Archived(files=len(files), events=len(events))


def _range(events_log: EventLog, partition: str, at: state.Cursor) -> list[Event]:
    """Events after a cursor: the announced range exactly, or as many as fit into one."""
    events: list[Event] = []
    size_bytes, after = 0, at.position
    while len(events) < ARCHIVE_EVENTS_MAX and size_bytes < ARCHIVE_BYTES_MAX:
        page = events_log.read(partition, after, READ_EVENTS)
        if not page:
            break
        events += page
        size_bytes += sum(len(event.body) for event in page)
        after = page[-1].seq
        if at.planned and after >= at.planned:
            break
    return [event for event in events if not at.planned or event.seq <= at.planned]


def _archive_duplicates(deps: IngestDeps) -> Archived | None:
    """The same for the duplicate deliveries, which have numbers of their own."""
    at = state.cursor(deps.engine, ARCHIVE_DUPLICATES, PARTITION)
    found = deps.log.duplicates(at.position, DUPLICATES_PER_FILE_MAX)
    if at.planned:
        found = [one for one in found if one[0] <= at.planned]
    if not found:
        return None
    hi = found[-1][0]
    if state.announce(deps.engine, ARCHIVE_DUPLICATES, PARTITION, at, planned=hi) != state.Cursor(
        at.position, hi
    ):
        return Archived()
    key, data = duplicate_file(found, lo=at.position + 1, hi=hi)
    deps.raw.create(key, data)
    state.advance(deps.engine, ARCHIVE_DUPLICATES, PARTITION, position=hi)
    return Archived(files=1, duplicates=len(found))


def _plus(one: Fetched, other: Fetched) -> Fetched:
    return Fetched(
        wanted=one.wanted + other.wanted,
        missing=one.missing + other.missing,
        fetched=one.fetched + other.fetched,
        new=one.new + other.new,
    )


def _added(one: Archived, other: Archived) -> Archived:
    return Archived(
        files=one.files + other.files,
        events=one.events + other.events,
        duplicates=one.duplicates + other.duplicates,
    )


def _tell(event: str, **fields: object) -> None:
    log.info(event, extra={"fields": fields})
