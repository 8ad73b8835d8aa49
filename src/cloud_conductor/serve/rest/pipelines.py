"""What runs, when it ran, how far back the days are filled; runs and backfills on demand."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.domain.errors import BadRequest, NotFound, Transient
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines import engine
from cloud_conductor.pipelines.engine import Run
from cloud_conductor.pipelines.score import Times
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest.endpoint import (
    Cursor,
    Endpoint,
    Identity,
    Limit,
    Nothing,
    Page,
    Params,
    Span,
    at,
    cursor,
    place,
)
from cloud_conductor.serve.rest.operation import Operation
from cloud_conductor.state import conform, inventory, screens, windows
from cloud_conductor.state import ingest as feeds
from cloud_conductor.state.lock import is_held
from cloud_conductor.state.screens import Within

DATES_MAX = 31
BACKFILL_DAYS_MAX = 400
DAYS_SHOWN_MAX = 5_000
State = Literal["queued", "running", "ok", "failed"]
STATES: dict[str, State] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "ok",
}
STATUSES = {
    "queued": ("ENQUEUED", "DELAYED"),
    "running": ("PENDING",),
    "ok": ("SUCCESS",),
    "failed": engine.ENDED_BADLY,
}
Played = Literal["sweep", "close", "post", "reconcile", "crosscheck"]


class RunsChosen(Params, frozen=True, kw_only=True):
    pipeline: list[Played] = msgspec.field(default_factory=list)
    state: Literal["", "queued", "running", "ok", "failed"] = ""
    limit: Limit = 100
    after: Cursor = ""


class OneOperation(Params, frozen=True):
    id: Identity


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """dates: business dates; a sweep takes none."""

    what: Literal["sweep", "close", "reconcile"]
    dates: Annotated[list[date], Meta(max_length=DATES_MAX)] = []


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Business dates, ends included."""

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline: when it runs, how it went, what it reads and writes."""

    name: str
    title: str
    schedule: str
    state: State
    last_run_at: datetime | None = None
    last_ok_at: datetime | None = None
    last_error: str = ""
    next_at: datetime | None = None
    waiting: int = 0
    reads: list[str]
    writes: list[str]


class Edge(msgspec.Struct, frozen=True):
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")


class Pipelines(msgspec.Struct, frozen=True):
    items: list[Pipeline]
    edges: list[Edge]


class RunShown(msgspec.Struct, frozen=True, kw_only=True):
    """report: counts and names the run left."""

    id: str
    pipeline: str
    business_date: str | None
    state: State
    started_at: datetime
    ended_at: datetime | None
    took_ms: int | None
    error: str
    report: dict[str, str | int]


class Day(msgspec.Struct, frozen=True, kw_only=True):
    store: str
    business_date: date
    state: str
    currency: str
    control_count: int | None
    held_count: int | None
    control_minor: int | None
    held_minor: int | None
    note: str
    updated_at: datetime


class Filling(msgspec.Struct, frozen=True):
    """What a backfill would read, or the work that does it."""

    dates: list[date]
    would_read: list[datetime]
    operation: Operation | None = None


class Started(msgspec.Struct, frozen=True):
    operation: Operation


TITLES = {
    "sweep": "Read what the sources changed",
    "conform": "Raw events to facts",
    "archive": "Original bytes to the raw zone",
    "inventory": "Sales to stock",
    "windows": "Sales to live windows",
    "close": "Facts to journal entries",
    "post": "Entries to the ledger",
    "reconcile": "Compare six levels",
    "crosscheck": "Check the digests by a full join",
}
READS = {
    "sweep": ["sources"],
    "conform": ["event log"],
    "archive": ["event log"],
    "inventory": ["event log"],
    "windows": ["event log"],
    "close": ["facts"],
    "post": ["entries"],
    "reconcile": ["sources", "facts", "entries", "ledger"],
    "crosscheck": ["sources", "facts"],
}
WRITES = {
    "sweep": ["event log"],
    "conform": ["facts", "quarantine"],
    "archive": ["raw zone"],
    "inventory": ["stock"],
    "windows": ["live figures"],
    "close": ["entries"],
    "post": ["ledger"],
    "reconcile": ["breaks"],
    "crosscheck": [],
}


def pipelines(ask: Ask, _params: Nothing) -> Pipelines:
    """Every pipeline with its last run, and how they hang together."""
    desk = ask.desk
    times = Times()
    every = {
        "sweep": times.sweep_s,
        "close": times.close_s,
        "reconcile": times.reconcile_s,
        "crosscheck": times.crosscheck_s,
        "post": 1.0,
    }
    found = []
    for name in engine.PLAYED:
        runs = engine.recent_runs(desk.books, names=[name], limit=20)
        newest = runs[0] if runs else None
        good = next((run for run in runs if run.status == "SUCCESS"), None)
        found.append(
            Pipeline(
                name=name,
                title=TITLES[name],
                schedule=f"every {_span(every[name])} when due",
                state=_state(newest) if newest else "queued",
                last_run_at=_ms(desk, newest.created_ms) if newest else None,
                last_ok_at=_ms(desk, good.ended_ms or good.created_ms) if good else None,
                last_error=newest.error if newest else "",
                reads=READS[name],
                writes=WRITES[name],
            )
        )
    for name, waiting in _waiting(ask).items():
        found.append(
            Pipeline(
                name=name,
                title=TITLES[name],
                schedule="as events come",
                state="running" if waiting else "ok",
                waiting=waiting,
                reads=READS[name],
                writes=WRITES[name],
            )
        )
    edges = [
        Edge(one.name, other.name)
        for one in found
        for other in found
        if one is not other and not set(one.writes).isdisjoint(other.reads)
    ]
    return Pipelines(found, edges)


def runs(ask: Ask, params: RunsChosen) -> Page[RunShown]:
    """Runs, newest first."""
    start = place(params.after, int)
    offset = int(start[0]) if start else 0
    found = engine.recent_runs(
        ask.desk.books,
        names=params.pipeline,
        statuses=STATUSES.get(params.state, ()),
        limit=params.limit + 1,
        offset=max(0, min(offset, 1_000_000)),
    )
    shown = [_run(ask.desk, run) for run in found[: params.limit]]
    return Page(shown, cursor(offset + params.limit) if len(found) > params.limit else None)


def days(ask: Ask, params: Span) -> Page[Day]:
    """Store-days and their control figures, newest first: how far back it is filled."""
    first = params.since.isoformat() if params.since else ""
    last = params.until.isoformat() if params.until else ""
    with ask.desk.books.connect() as connection:
        rows = screens.days(connection, Within(ask.scope(params.store), first, last))
    return Page(
        [
            Day(
                store=row.store,
                business_date=date.fromisoformat(row.business_date),
                state=row.state,
                currency=row.currency,
                control_count=row.control_count,
                held_count=row.held_count,
                control_minor=row.control_minor,
                held_minor=row.held_minor,
                note=row.note,
                updated_at=at(row.updated_us),
            )
            for row in rows[:DAYS_SHOWN_MAX]
        ]
    )


def start(ask: Ask, _params: Nothing, body: Wanted) -> Started:
    """Ask the scheduler to sweep, close or reconcile now."""
    if (body.what == "sweep") == bool(body.dates):
        raise BadRequest("a sweep takes no dates, everything else takes at least one")
    desk = ask.desk
    _check_scheduler(ask)
    wanted: Sequence[date | None] = body.dates or [None]
    names = [engine.hand_over(desk.books, body.what, one, desk.now) for one in wanted]
    return Started(Operation(id=names[-1], what=body.what, state="queued", asked_at=desk.now))


def backfill(ask: Ask, _params: Nothing, body: Range) -> Filling:
    """Read what the sources hold for the dates, then close each; again adds nothing."""
    if body.first > body.last or (body.last - body.first).days >= BACKFILL_DAYS_MAX:
        raise BadRequest(f"from is not after to, and {BACKFILL_DAYS_MAX} days are the most")
    if body.last.year > 9000 or body.first.year < 1970:
        raise BadRequest("there was no till then")
    desk = ask.desk
    dates = [body.first + timedelta(days=n) for n in range((body.last - body.first).days + 1)]
    span = (
        min(one.day_interval(body.first)[0] for one in desk.stores),
        max(one.day_interval(body.last)[1] for one in desk.stores),
    )
    if ask.dry_run:
        return Filling(dates, list(span))
    _check_scheduler(ask)

    def fill() -> dict[str, str | int]:
        house = desk.house
        new = sum(ingest.run_span(house.ingest_deps, one, *span).new for one in house.pos)
        names = [engine.hand_over(desk.books, "close", one, desk.now) for one in dates]
        return {"new_events": new, "dates": len(names)}

    return Filling(dates, list(span), desk.errands.start("backfill", ask.act_id, fill))


def operation(ask: Ask, params: OneOperation) -> Operation:
    """How far some work is."""
    known = ask.desk.errands.find(params.id)
    if known is not None:
        return known
    if params.id == "post":
        return _posting(ask)
    found = engine.recent_runs(ask.desk.books, ids=[params.id], limit=1)
    if not found:
        raise NotFound(f"no operation {params.id}")
    run = _run(ask.desk, found[0])
    state: Literal["queued", "running", "done", "failed"] = "done"
    if run.state != "ok":
        state = run.state
    return Operation(
        id=run.id,
        what=run.pipeline,
        state=state,
        asked_at=run.started_at,
        ended_at=run.ended_at,
        report=run.report,
        error=run.error,
    )


def _posting(ask: Ask) -> Operation:
    with ask.desk.books.connect() as connection:
        states = screens.entry_states(connection, Within(ask.scope([])))
    left = sum(states.get(state, 0) for state in ("approved", "pending", "sending"))
    return Operation(
        id="post", what="post", state="running" if left else "done", report={"left": left}
    )


def _check_scheduler(ask: Ask) -> None:
    if not is_held(ask.desk.house.state_dir):
        raise Transient("no scheduler runs, and it is what does this", hint="conductor up")


def _waiting(ask: Ask) -> dict[str, int]:
    """Events that each consumer of the log has not read yet."""
    desk = ask.desk
    found = {"conform": 0, "archive": 0, "inventory": 0, "windows": 0}
    for partition in desk.log.partitions():
        high = desk.log.high_water(partition)
        found["conform"] += high - conform.cursor(desk.worker, partition)
        archived = feeds.cursor(desk.worker, ingest.ARCHIVE, partition)
        found["archive"] += high - archived.position
        found["inventory"] += high - inventory.cursor(desk.worker, partition)
        found["windows"] += high - windows.cursor(desk.worker, partition)
    return found


def _run(desk: Desk, run: Run) -> RunShown:
    started_at = _ms(desk, run.created_ms)
    ended_at = _ms(desk, run.ended_ms) if run.ended_ms else None
    words = run.run_id.split("-")
    day = "-".join(words[1:4]) if len(words) > 3 and len(words[1]) == 4 else None
    return RunShown(
        id=run.run_id,
        pipeline=run.name,
        business_date=day,
        state=_state(run),
        started_at=started_at,
        ended_at=ended_at,
        took_ms=run.ended_ms - run.created_ms if run.ended_ms else None,
        error=run.error,
        report=dict(run.report),
    )


def _state(run: Run) -> State:
    return STATES.get(run.status, "failed")


def _ms(desk: Desk, ms: int) -> datetime:
    """An instant of the durable engine, which knows the machine's clock only, by the house's own."""
    if not desk.house.config.clock.start:
        return at(ms * 1_000)
    ahead_min = round((desk.now - SystemClock().now()) / timedelta(minutes=1))
    return at(ms * 1_000 + ahead_min * 60_000_000)


def _span(seconds: float) -> str:
    """`60 s`, `hour`, `2 hours`."""
    hours, rest = divmod(seconds, 3_600)
    if rest:
        return f"{seconds:g} s"
    return "hour" if hours == 1 else f"{hours:g} hours"


ENDPOINTS = [
    Endpoint("GET", "/pipelines", pipelines, Pipelines),
    Endpoint("GET", "/runs", runs, Page[RunShown], params=RunsChosen),
    Endpoint("GET", "/days", days, Page[Day], params=Span),
    Endpoint("GET", "/operations/{id}", operation, Operation, params=OneOperation),
    Endpoint("POST", "/runs", start, Started, "runs.start", body=Wanted, status=202),
    Endpoint(
        "POST", "/backfills", backfill, Filling, "runs.start", body=Range, status=202, previews=True
    ),
]
