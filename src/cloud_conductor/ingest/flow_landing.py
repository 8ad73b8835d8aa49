"""What landing does: look at the places where exports land, and put new files' records into the log.

Order of writes for one file: its bytes into the raw zone, its events into the log, its line into
state. A run that is killed in between does the same again: the object is there already, the events
are duplicates by id.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

import msgspec
from sqlalchemy import Engine

from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.domain.exports import DATASETS, Label, Unreadable, label_of
from cloud_conductor.ingest.landing import Taken, events_of, whole_event
from cloud_conductor.ports.landing import LandedFile, LandingPlace
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.objects import ObjectStore
from cloud_conductor.state import ingest as sweeps
from cloud_conductor.state import landing as state

LANDING = "landing"  # the name under which looks are written down beside the swept kinds
APPEND_EVENTS = 500
APPEND_BYTES = 4 * 1024 * 1024
FILES_PER_LOOK_MAX = 1_000  # the next look goes on where this one stopped
SEEN_FILES_MAX = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger("conductor")


def _nothing_wrong(_events: Sequence[NewEvent]) -> str:
    return ""


def _go_on(_step: str) -> None:
    """Nothing happens between two writes; a crash test puts a kill here."""


@dataclass(frozen=True, slots=True)
class Landing:
    """One place and how it is read. The name it is known by is its source.

    columns: the export's field name -> ours. is_first: takes files that name no source. copies: the
    file's bytes go into the raw zone (an object of a bucket stays where it is). problem: what is
    wrong with records of one file, as a text; asked only under policy `file`.
    """

    place: LandingPlace
    policy: Literal["record", "file"] = "record"
    interval: timedelta = timedelta(seconds=10)
    file_bytes_max: int = 64 * 1024 * 1024
    columns: Mapping[str, str] = field(default_factory=dict)
    is_first: bool = True
    copies: bool = True
    problem: Callable[[Sequence[NewEvent]], str] = _nothing_wrong


@dataclass(frozen=True, slots=True)
class LandingDeps:
    """landings: by source. engine: the worker database. step: called before every write."""

    log: EventLog
    engine: Engine
    raw: ObjectStore
    landings: Mapping[str, Landing]
    step: Callable[[str], None] = _go_on


class Looked(msgspec.Struct, frozen=True):
    """files: taken now; records: events made of them, of which `new` were unknown to the log.

    whole: files that went into quarantine as a whole; refused: not taken at all; unknown: new
    files whose path says nothing that anybody takes.
    """

    files: int = 0
    records: int = 0
    new: int = 0
    whole: int = 0
    refused: int = 0
    unknown: int = 0

    def __add__(self, other: "Looked") -> "Looked":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Looked(*(a + b for a, b in zip(mine, theirs, strict=True)))


def run_landing(deps: LandingDeps, now: datetime, *, only_due: bool = False) -> Looked:
    """Take every complete file that is new or has changed, source by source.

    A place that cannot be reached is written down and the others go on; raises the first failure
    at the end.
    """
    total, failure = Looked(), None
    for source, landing in deps.landings.items():
        if only_due and not _is_due(deps, source, landing, now):
            continue
        try:
            total += _look(deps, source, landing, now)
        except ConductorError as error:
            sweeps.sweep_failed(deps.engine, source, LANDING, now=now, error=str(error))
            failure = failure or error
    if failure is not None:
        raise failure
    return total


class Seen(msgspec.Struct, frozen=True):
    """What is at a place, and what its newest export would come to. problem: empty when it is whole.

    files: ours and complete, at most SEEN_FILES_MAX counted. path: of the newest, empty for none.
    """

    files: int = 0
    path: str = ""
    records: int = 0
    problem: str = ""


def look_only(source: str, landing: Landing) -> Seen:
    """Read and check the newest export, and write nothing down.

    Raises VendorUnavailable where the place is not reached, VendorRefused where it is not ours.
    """
    newest, files = None, 0
    for file in islice(landing.place.files(), SEEN_FILES_MAX):
        label = label_of(file.path)
        if label is not None and file.is_complete and _is_ours(source, landing, label):
            newest, files = (file, label), files + 1
    if newest is None:
        return Seen()
    file, label = newest
    if file.size_bytes > landing.file_bytes_max:
        problem = f"{file.size_bytes} bytes; at most {landing.file_bytes_max} are taken"
        return Seen(files, file.path, problem=problem)
    data = landing.place.read(file)
    if data is None:
        return Seen(files, file.path, problem="it changed while it was read")
    try:
        events = events_of(_taken(source, landing, file, label, data, EPOCH))
    except Unreadable as error:
        return Seen(files, file.path, problem=str(error))
    return Seen(files, file.path, len(events), landing.problem(events))


def take_file(deps: LandingDeps, source: str, file: LandedFile, now: datetime) -> Looked:
    """Take one file that is there, whether it was taken before or not (a notification named it)."""
    landing = deps.landings[source]
    label = label_of(file.path)
    if label is None or not _is_ours(source, landing, label):
        return Looked()
    return _take(deps, source, landing, file, label, now)


def _look(deps: LandingDeps, source: str, landing: Landing, now: datetime) -> Looked:
    known, strange = state.marks(deps.engine, source), state.unknown(deps.engine, source)
    gone = set(strange)
    looked = Looked()
    for file in landing.place.files():
        label = label_of(file.path)
        gone.discard(file.path)
        if not file.is_complete:
            continue
        if label is None or not _is_ours(source, landing, label):
            problem = _unclaimed(deps, landing, label)
            if problem and strange.get(file.path) != file.mark:
                _note(deps, source, file, "", state.UNKNOWN, Looked(), problem, now)
                looked += Looked(unknown=1)
        elif known.get(file.path) != file.mark:
            looked += _take(deps, source, landing, file, label, now)
        if looked.files + looked.refused + looked.unknown >= FILES_PER_LOOK_MAX:
            break
    else:
        state.forget_unknown(deps.engine, source, sorted(gone))
    sweeps.sweep_succeeded(
        deps.engine,
        source,
        LANDING,
        watermark=now,
        now=now,
        objects=looked.records,
        new_objects=looked.new,
    )
    if looked.files or looked.refused or looked.unknown:
        fields = {"source": source, **msgspec.structs.asdict(looked)}
        log.info("landing.taken", extra={"fields": fields})
    return looked


def _take(
    deps: LandingDeps,
    source: str,
    landing: Landing,
    file: LandedFile,
    label: Label,
    now: datetime,
) -> Looked:
    """One file: raw bytes, events, line in state; in this order."""
    if file.size_bytes > landing.file_bytes_max:
        problem = f"{file.size_bytes} bytes; at most {landing.file_bytes_max} are taken"
        _note(deps, source, file, "", state.REFUSED, Looked(), problem, now)
        return Looked(refused=1)
    data = landing.place.read(file)
    if data is None:
        return Looked()  # it changed under our eyes: the next look sees what became of it
    taken = _taken(source, landing, file, label, data, now)
    events, problem = _events(landing, taken)
    deps.step("raw")
    if landing.copies:
        deps.raw.create(_raw_key(taken, now), data)
    deps.step("append")
    new = _append(deps, events)
    is_whole = bool(problem)
    looked = Looked(files=1, records=len(events), new=new, whole=is_whole)
    deps.step("note")
    name = state.WHOLE if is_whole else state.TAKEN
    _note(deps, source, file, taken.sha256, name, looked, problem, now)
    return looked


def _taken(
    source: str, landing: Landing, file: LandedFile, label: Label, data: bytes, now: datetime
) -> Taken:
    return Taken(
        source=source,
        path=file.path,
        url=landing.place.url(file.path),
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        label=label,
        received_us=(now - EPOCH) // timedelta(microseconds=1),
        columns=landing.columns,
    )


def _events(landing: Landing, taken: Taken) -> tuple[list[NewEvent], str]:
    """A file's events, or the file as one event and why."""
    try:
        events = events_of(taken)
    except Unreadable as error:
        return [whole_event(taken)], str(error)
    problem = landing.problem(events) if landing.policy == "file" else ""
    return ([whole_event(taken)], problem) if problem else (events, "")


def _append(deps: LandingDeps, events: Sequence[NewEvent]) -> int:
    """Append in the file's order, in groups of bounded size; gives how many were new."""
    new, group, size_bytes = 0, list[NewEvent](), 0
    for event in events:
        group.append(event)
        size_bytes += len(event.body)
        if len(group) >= APPEND_EVENTS or size_bytes >= APPEND_BYTES:
            new += sum(not one.duplicate for one in deps.log.append(group))
            deps.step("appended")
            group, size_bytes = [], 0
    return new + sum(not one.duplicate for one in deps.log.append(group))


def _is_ours(source: str, landing: Landing, label: Label) -> bool:
    return label.source == source if label.source else landing.is_first


def _unclaimed(deps: LandingDeps, landing: Landing, label: Label | None) -> str:
    """Why nobody takes a file, said once per place; empty when another source does."""
    if not landing.is_first:
        return ""
    if label is None:
        return f"its path names no dataset; there is: {', '.join(sorted(DATASETS))}"
    if label.source and label.source not in deps.landings:
        return f"its path names the source {label.source}; there is no [landing.{label.source}]"
    return ""


def _is_due(deps: LandingDeps, source: str, landing: Landing, now: datetime) -> bool:
    last = sweeps.sweep_state(deps.engine, source, LANDING)
    tried = max(last.last_success or EPOCH, last.last_failure or EPOCH)
    return now - tried >= landing.interval or now < tried


def _raw_key(taken: Taken, now: datetime) -> str:
    suffix = taken.path.rpartition(".")[2].lower()
    day = now.date().isoformat()
    return f"raw/landed/source={taken.source}/date={day}/{taken.sha256}.{suffix}"


def _note(
    deps: LandingDeps,
    source: str,
    file: LandedFile,
    sha256: str,
    name: str,
    looked: Looked,
    problem: str,
    now: datetime,
) -> None:
    landed = state.Landed(
        source=source,
        path=file.path,
        mark=file.mark,
        sha256=sha256,
        size_bytes=file.size_bytes,
        state=name,
        records=looked.records,
        new_records=looked.new,
        taken_us=0,
        problem=problem,
    )
    state.note(deps.engine, landed, now=now)
    if problem:
        fields = {"source": source, "file": file.path, "state": name, "problem": problem}
        log.warning("landing.refused", extra={"fields": fields})
