"""Raw events: what came in, byte for byte, and how far each has come; quarantine with fix and release."""

import fnmatch
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.conform import flow_replays as replays
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import NotAllowed, NotFound
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.findings import Finding
from cloud_conductor.governance import flow as governance
from cloud_conductor.governance.access import EVERY_STORE, masked_body
from cloud_conductor.ingest.flow import ARCHIVE
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest.endpoint import (
    Cursor,
    Endpoint,
    Limit,
    Nothing,
    Page,
    Params,
    Ref,
    Text,
    at,
    cursor,
    place,
)
from cloud_conductor.serve.rest.journals import actor
from cloud_conductor.state import conform as conform_state
from cloud_conductor.state import ingest, inventory, screens
from cloud_conductor.state.conform import Quarantined
from cloud_conductor.state.screens import Within

EVERYWHERE = (conform_state.OPEN, conform_state.RELEASED, conform_state.REPLAYED)
PAGES_READ_MAX = 20
PAGE_EVENTS = 500
STATES = ("accepted", "pending", "quarantined", "released")
SequenceNumber = Annotated[int, Meta(ge=1, le=2**53)]
Filter = Annotated[str, Meta(max_length=200)]


class EventsChosen(Params, frozen=True, kw_only=True):
    """kind: may hold `*`. object: an id that the event made rows of."""

    source: Filter = ""
    kind: Filter = ""
    state: Literal["", "accepted", "pending", "quarantined", "released"] = ""
    channel: Literal["", "webhook", "api", "file", "replay"] = ""
    from_at: Annotated[datetime, Meta(tz=True)] | None = None
    to_at: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Limit = 100
    after: Cursor = ""


class OneEvent(Params, frozen=True):
    seq: SequenceNumber


class Because(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Text


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seqs: Annotated[list[SequenceNumber], Meta(min_length=1, max_length=1_000)]


class EventHead(msgspec.Struct, frozen=True, kw_only=True):
    """One event without its body. trigger_seq: of the event it was fetched or replayed for."""

    seq: int
    event_id: str
    source: str
    channel: str
    kind: str
    merchant_id: str
    received_at: datetime
    state: str
    bytes: int
    trigger_seq: int | None


class Delivery(msgspec.Struct, frozen=True):
    """One step of an event's way."""

    step: Literal["received", "archived", "conformed", "quarantined", "released", "stock", "entry"]
    state: Literal["done", "waiting", "failed"]
    detail: str
    at: datetime | None = None
    ref: Ref | None = None


class Row(msgspec.Struct, frozen=True):
    table: str
    key: str
    business_date: str
    store: str


class EventShown(EventHead, frozen=True, kw_only=True):
    """An event with its body as text; hidden fields are null unless they were revealed."""

    sha256: str
    headers: dict[str, str]
    url: str
    signature: Literal["verified", "fetched", "replayed"]
    body: str
    is_json: bool
    body_masked: bool
    deliveries: list[Delivery]
    rows: list[Row]
    findings: list[Finding]
    curl: str


class Revealed(msgspec.Struct, frozen=True):
    """The original bytes as text."""

    seq: int
    body: str


class Replayed(msgspec.Struct, frozen=True):
    sent: int


def events(ask: Ask, params: EventsChosen) -> Page[EventHead]:
    """Events, newest first. A page may be short where a filter fits few: follow `next`."""
    check_scope(ask)
    desk = ask.desk
    (partition, *_) = desk.log.partitions()
    start = place(params.after, int)
    before = int(start[0]) if start else desk.log.high_water(partition) + 1
    found: list[EventHead] = []
    for _ in range(PAGES_READ_MAX):
        if before <= 1 or len(found) > params.limit:
            break
        after = max(0, before - 1 - PAGE_EVENTS)
        page = _between(desk, partition, after, before)
        heads = {one.seq: one for one in _heads(desk, page)}
        fitting = [heads[one.seq] for one in reversed(page) if _fits(params, one, heads[one.seq])]
        found += fitting
        before = after + 1
    shown = found[: params.limit]
    if len(found) > params.limit:
        return Page(shown, cursor(shown[-1].seq))
    return Page(shown, cursor(before) if before > 1 else None)


def event(ask: Ask, params: OneEvent) -> EventShown:
    """One event: body, headers, signature, how far it has come, and the rows it made."""
    check_scope(ask)
    one = one_event(ask.desk, params.seq)
    (head,) = _heads(ask.desk, [one])
    body, is_json, is_masked = shown_body(ask, one.body)
    known = conform_state.quarantine(ask.desk.worker, states=EVERYWHERE, seqs=[one.seq])
    with ask.desk.worker.connect() as connection:
        rows = screens.objects_of(connection, [one.seq])
    kinds: dict[str, Literal["verified", "fetched", "replayed"]] = {
        "webhook": "verified",
        "replay": "replayed",
    }
    return EventShown(
        **msgspec.structs.asdict(head),
        sha256=hashlib.sha256(one.body).hexdigest(),
        headers=msgspec.json.decode(one.headers, type=dict[str, str]),
        url=one.url,
        signature=kinds.get(one.channel, "fetched"),
        body=body,
        is_json=is_json,
        body_masked=is_masked,
        deliveries=_deliveries(ask, one, known, rows),
        rows=[Row(row.table_name, row.object_id, row.business_date, row.store) for row in rows],
        findings=[finding for row in known for finding in row.findings],
        curl=_curl(one),
    )


def reveal(ask: Ask, params: OneEvent, body: Because) -> Revealed:
    """The original bytes, hidden fields too; who looked and why is in the audit chain."""
    check_scope(ask)
    one = one_event(ask.desk, params.seq)
    act = Act(actor(ask), "event.revealed", str(params.seq), body.reason, source=ask.source)
    governance.note_act(ask.desk.access, act)
    return Revealed(params.seq, one.body.decode("utf-8", "replace"))


def replay(ask: Ask, _params: Nothing, body: Again) -> Replayed:
    """Send events through again, as new events that name the old; content stays the same."""
    check_scope(ask)
    desk = ask.desk
    found = desk.log.get(body.seqs)
    if len(found) != len(set(body.seqs)):
        raise NotFound(f"{len(set(body.seqs)) - len(found)} of the events are not in the log")
    deps = desk.house.conform_deps
    sent = replays.replay_events(deps, found, now=desk.now, act_id=ask.act_id)
    act = Act(actor(ask), "event.replayed", ",".join(map(str, body.seqs[:20])), f"{sent} events")
    governance.note_act(desk.access, act)
    return Replayed(sent)


def check_scope(ask: Ask) -> None:
    """Raw events are not told apart by store: only those who see every store see them."""
    if EVERY_STORE not in ask.principal.stores:
        raise NotAllowed("raw events are not told apart by store, and you see some stores only")


def _between(desk: Desk, partition: str, after: int, before: int) -> list[Event]:
    """Events with after < seq < before, in order."""
    found: list[Event] = []
    while after < before - 1:
        page = desk.log.read(partition, after, PAGE_EVENTS)
        inside = [one for one in page if one.seq < before]
        found += inside
        if not page or len(inside) < len(page):
            break
        after = page[-1].seq
    return found


def _heads(desk: Desk, events: Sequence[Event]) -> list[EventHead]:
    done = {name: conform_state.cursor(desk.worker, name) for name in desk.log.partitions()}
    reached = max(done.values(), default=0)
    with desk.worker.connect() as connection:
        held = screens.quarantine_states(connection, [one.seq for one in events])
    states = {"open": "quarantined", "released": "released", "replayed": "released"}
    return [
        EventHead(
            seq=one.seq,
            event_id=one.event_id,
            source=one.source,
            channel=one.channel,
            kind=one.kind,
            merchant_id=one.merchant_id,
            received_at=at(one.received_us),
            state=states.get(held.get(one.seq, ""), "pending" if one.seq > reached else "accepted"),
            bytes=len(one.body),
            trigger_seq=one.trigger_seq or None,
        )
        for one in events
    ]


def _fits(params: EventsChosen, one: Event, head: EventHead) -> bool:
    return (
        (not params.source or one.source == params.source)
        and (not params.kind or fnmatch.fnmatchcase(one.kind, params.kind))
        and (not params.channel or one.channel == params.channel)
        and (not params.state or head.state == params.state)
        and (params.from_at is None or head.received_at >= params.from_at)
        and (params.to_at is None or head.received_at < params.to_at)
    )


def one_event(desk: Desk, seq: int) -> Event:
    found = desk.log.get([seq])
    if not found:
        raise NotFound(f"no event {seq}")
    return found[0]


def shown_body(ask: Ask, body: bytes) -> tuple[str, bool, bool]:
    """The body as text for this caller, whether it is JSON, and whether something is hidden.

    What is not JSON cannot be masked field by field: it is hidden whole.
    """
    masked = ask.principal.masked
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ("" if masked else body.decode("utf-8", "replace")), False, bool(masked)
    shown = masked_body(value, masked)
    if shown == value:
        return body.decode("utf-8", "replace"), True, False
    return msgspec.json.format(msgspec.json.encode(shown)).decode(), True, True


def _deliveries(
    ask: Ask, one: Event, known: Sequence[Quarantined], rows: Sequence[Any]
) -> list[Delivery]:
    """The event's way: received, archived, conformed or quarantined, in stock, in the books."""
    desk = ask.desk
    (partition, *_) = desk.log.partitions()
    archived = ingest.cursor(desk.worker, ARCHIVE, partition).position >= one.seq
    conformed = conform_state.cursor(desk.worker, partition) >= one.seq
    moved = inventory.cursor(desk.worker, partition) >= one.seq
    found = [
        Delivery("received", "done", f"by {one.channel}, durable", at(one.received_us)),
        Delivery("archived", _done(archived), "original bytes in the raw zone"),
    ]
    if known:
        row = known[0]
        is_open = row.state == conform_state.OPEN
        state: Literal["done", "failed"] = "failed" if is_open else "done"
        found.append(Delivery("quarantined", state, row.findings[0].message))
        if not is_open:
            ref = _event_ref(row.resolved_by) if row.resolved_by else None
            told = f"{row.state} by {row.author}"
            found.append(Delivery("released", "done", told, at(row.released_us), ref))
    else:
        told = f"{len(rows)} records" if rows else "read; a newer version or another event counts"
        found.append(Delivery("conformed", _done(conformed), told))
    if any(row.table_name == "sales" for row in rows):
        found.append(Delivery("stock", _done(moved), "movements by SKU"))
    if ask.principal.may("journals.read"):
        found += _entry_deliveries(desk, rows)
    return found


def _entry_deliveries(desk: Desk, rows: Sequence[Any]) -> list[Delivery]:
    """The SALES entry of each store-day that the event's rows belong to."""
    found = []
    with desk.books.connect() as connection:
        for store, day in dict.fromkeys((row.store, row.business_date) for row in rows):
            within = Within((store,), day, day)
            for entry in screens.entries(connection, within, kinds=["SALES"], limit=5):
                ref = Ref(kind="entry", id=entry.posting_key, label=entry.name, detail=entry.state)
                is_done = entry.state == "posted"
                found.append(
                    Delivery("entry", _done(is_done), f"{entry.name}: {entry.state}", None, ref)
                )
    return found


def _done(is_done: bool) -> Literal["done", "waiting"]:  # noqa: FBT001 - a claim, as its name says
    return "done" if is_done else "waiting"


def _event_ref(seq: int) -> Ref:
    return Ref(kind="event", id=str(seq), label=f"event {seq}")


def _curl(one: Event) -> str:
    """A command that asks the vendor the same, its token left out."""
    if not one.url or one.channel == "webhook":
        return ""
    return f"curl -H 'Authorization: Bearer $TOKEN' '{one.url}'"


READ, RELEASE = "events.read", "quarantine.release"
ENDPOINTS = [
    Endpoint("GET", "/events", events, Page[EventHead], READ, EventsChosen),
    Endpoint("GET", "/events/{seq}", event, EventShown, READ, OneEvent),
    Endpoint(
        "POST", "/events/{seq}/reveal", reveal, Revealed, "events.reveal", OneEvent, Because,
        shows_secret=True,
    ),
    Endpoint("POST", "/events/replay", replay, Replayed, RELEASE, body=Again),
]  # fmt: skip
