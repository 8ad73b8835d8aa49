"""What ingest does to watch its own sources: webhooks against sweeps, receipt numbers, places.

A consumer of the log like any other, with a position of its own; what it learns is never needed to
make a figure, only to say early that something is being lost.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Engine

from cloud_conductor.domain.events import Event
from cloud_conductor.domain.stores import Store
from cloud_conductor.ingest.flow import READ_EVENTS, IngestDeps
from cloud_conductor.ingest.hearing import Heard
from cloud_conductor.ingest.receipts import Run, added, gaps
from cloud_conductor.ports.pos import Named, Namer, Place, Placer
from cloud_conductor.state import ingest as state
from cloud_conductor.state import watching
from cloud_conductor.state.consuming import follow_log
from cloud_conductor.state.watching import (
    ConnectionRow,
    HeardRow,
    Notice,
    ObjectKey,
    ReceiptRow,
    RegisterKey,
)

WATCH = "ingest/watch"
KEPT = timedelta(days=8)  # a vendor gives a webhook up after a day or three
PLACE = "place"
MICROSECOND = timedelta(microseconds=1)
NUMBER_DIGITS_MAX = 18

log = logging.getLogger("conductor")


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """How a source's webhooks compare with its sweeps, in objects changed since it is listened to.

    on_time: told of by webhook before any sweep. late: after. waiting: by sweep only, since less
    than a quarter of an hour. lost: by sweep only.
    """

    source: str
    last_webhook_us: int
    on_time: int
    late: int
    waiting: int
    lost: int
    late_s_max: float


class ReceiptGap(msgspec.Struct, frozen=True):
    """Receipt numbers between two that were seen (D13). first, last: inclusive.

    until_us: when the sale with the number after them was made, in the vendor's time.
    """

    source: str
    place: str
    register: str
    first: int
    last: int
    until_us: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def run_watch(deps: IngestDeps) -> int:
    """Learn from the log's new events, up to its end; gives how many were read."""

    def position(partition: str) -> int:
        return state.cursor(deps.engine, WATCH, partition).position

    def take(partition: str, _lo: int, events: Sequence[Event]) -> int:
        learnt = _learn(deps, events)
        watching.learn(deps.engine, WATCH, partition, learnt, position=events[-1].seq)
        return len(events)

    return sum(follow_log(deps.log, position, take, events_per_batch=READ_EVENTS))


def deliveries(engine: Engine, now: datetime) -> list[Deliveries]:
    """One per source that webhooks come from."""
    now_us = state.us(now)
    found = []
    for source, row in watching.connections(engine).items():
        late = row.late
        late_us, counts = row.late_us_max, {"waiting": 0, "lost": row.lost, "on_time": 0}
        ahead = [_heard(one) for one in watching.ahead(engine, source)]
        for one in ahead:
            verdict = one.verdict(now_us)
            late_us = max(late_us, one.late_us)
            if verdict == "late":
                late += 1
            else:
                counts[verdict] += 1
        found.append(
            Deliveries(
                source=source,
                last_webhook_us=row.last_webhook_us,
                on_time=row.on_time + watching.heard_count(engine, source) - len(ahead),
                late=late,
                waiting=counts["waiting"],
                lost=counts["lost"],
                late_s_max=late_us / 1e6,
            )
        )
    return found


def receipt_gaps(engine: Engine) -> list[ReceiptGap]:
    """Every gap in the receipt numbers of every register (D13)."""
    return [
        ReceiptGap(*key, gap.first, gap.last, gap.until_us)
        for key, rows in sorted(watching.receipts(engine).items())
        for gap in gaps([_run(row) for row in rows])
    ]


def run_places(deps: IngestDeps, now: datetime) -> list[Notice]:
    """Hold what each source says of its stores against conductor.toml; gives what differs."""
    found: list[Notice] = []
    for name, source in deps.sources.items():
        if isinstance(source.adapter, Placer):
            mine = [store for store in deps.stores if store.source == name]
            differing = _differing(name, mine, source.adapter.places(), state.us(now))
            watching.set_notices(deps.engine, name, PLACE, differing)
            found += differing
    return found


def run_forget(deps: IngestDeps, now: datetime) -> int:
    """Let objects go that nothing was heard of for KEPT; their verdicts stay counted."""
    before_us = state.us(now - KEPT)
    dropped = 0
    for source, row in watching.connections(deps.engine).items():
        old = [
            _heard(one)
            for one in watching.untouched(deps.engine, source, touched_before_us=before_us)
        ]
        if not old:
            continue
        verdicts = [one.verdict(state.us(now)) for one in old]
        counted = msgspec.structs.replace(
            row,
            on_time=row.on_time + verdicts.count("on_time"),
            late=row.late + verdicts.count("late"),
            lost=row.lost + verdicts.count("lost") + verdicts.count("waiting"),
            late_us_max=max(row.late_us_max, *(one.late_us for one in old)),
        )
        dropped += watching.let_go(deps.engine, counted, touched_before_us=before_us)
    return dropped


def _learn(deps: IngestDeps, events: Sequence[Event]) -> watching.Learnt:
    known = [(event, one) for event in events if (one := _named(deps, event)) is not None]
    rows, connections = _hear(deps, known)
    return watching.Learnt(
        heard=rows,
        touched_us=state.us(deps.clock.now()),
        connections=connections,
        receipts=_receipts(deps, known),
    )


def _named(deps: IngestDeps, event: Event) -> Named | None:
    source = deps.sources.get(event.source)
    if source is None or not isinstance(source.adapter, Namer):
        return None
    if event.channel == "api" and event.kind not in source.adapter.TOLD_KINDS:
        return None
    return source.adapter.named(event)


def _hear(
    deps: IngestDeps, known: Sequence[tuple[Event, Named]]
) -> tuple[dict[ObjectKey, HeardRow], list[ConnectionRow]]:
    """Rows of the objects that the events are about, after them; and of their connections."""
    connections = watching.connections(deps.engine)
    keys = {(event.source, one.kind, one.object_id) for event, one in known}
    before = watching.heard(deps.engine, keys)
    heard = {key: _heard(row) for key, row in before.items()}
    for event, one in known:
        key = (event.source, one.kind, one.object_id)
        row = heard.get(key, Heard())
        if event.channel == "webhook":
            connections[event.source] = _listened(connections.get(event.source), event, one)
            heard[key] = row.told(one.version, event.received_us)
        elif event.channel == "api" and not event.trigger_seq:
            listening = connections.get(event.source)
            if listening is not None and one.changed_us >= listening.listening_us:
                heard[key] = row.swept(one.version, event.received_us)
    changed = {
        key: HeardRow(*msgspec.structs.astuple(row))
        for key, row in heard.items()
        if key not in before or _heard(before[key]) != row
    }
    sources = {event.source for event, _ in known}
    return changed, [connections[name] for name in sorted(sources & connections.keys())]


def _listened(row: ConnectionRow | None, event: Event, one: Named) -> ConnectionRow:
    if row is None:
        return ConnectionRow(event.source, one.changed_us, event.received_us)
    newest = max(row.last_webhook_us, event.received_us)
    return msgspec.structs.replace(row, last_webhook_us=newest)


def _receipts(
    deps: IngestDeps, known: Iterable[tuple[Event, Named]]
) -> dict[RegisterKey, list[ReceiptRow]]:
    """Runs of the registers that the events name, after them.

    A register whose numbers are none stays as it was: watching it must not hold anything up.
    """
    seen: dict[RegisterKey, dict[int, int]] = {}
    for event, one in known:
        pattern = deps.sources[event.source].receipts
        found = _receipt(pattern, one.reference) if pattern is not None else None
        if found is not None:
            register, number = found
            numbers = seen.setdefault((event.source, one.place, register), {})
            numbers.setdefault(number, one.made_us or one.changed_us)
    before = watching.receipts(deps.engine, seen.keys()) if seen else {}
    changed: dict[RegisterKey, list[ReceiptRow]] = {}
    for key, numbers in seen.items():
        held = [_run(row) for row in before.get(key, ())]
        try:
            runs = added(held, numbers)
        except ValueError as error:
            fields = {"source": key[0], "register": key[2], "error": str(error)}
            log.warning("receipts.no_numbers", extra={"fields": fields})
            continue
        if runs != held:
            changed[key] = [ReceiptRow(*msgspec.structs.astuple(run)) for run in runs]
    return changed


def _run(row: ReceiptRow) -> Run:
    return Run(row.first, row.last, row.first_us)


def _receipt(pattern: re.Pattern[str], reference: str) -> tuple[str, int] | None:
    match = pattern.fullmatch(reference)
    if match is None or len(match["number"]) > NUMBER_DIGITS_MAX:
        return None
    return match["register"], int(match["number"])


def _differing(
    source: str, stores: Sequence[Store], places: Sequence[Place], now_us: int
) -> list[Notice]:
    told = {place.location_id: place for place in places}
    found = []
    for store in stores:
        place = told.get(store.location_id)
        if place is None:
            found.append(
                Notice(source, PLACE, store.store, "the source has no such place any more", now_us)
            )
            continue
        for what, theirs, ours in (
            ("time zone", place.time_zone, store.time_zone),
            ("currency", place.currency, store.currency),
        ):
            if theirs and theirs != ours:
                message = (
                    f"its {what} is {theirs} at the source and {ours} in conductor.toml; days go"
                    " by conductor.toml until you change it there"
                )
                found.append(Notice(source, PLACE, f"{store.store} {what}", message, now_us))
    return found


def _heard(row: HeardRow) -> Heard:
    return Heard(*msgspec.structs.astuple(row))
