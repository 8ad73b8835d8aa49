"""Raw events: what came in, byte for byte, and how far each has come; quarantine with fix and release."""

import fnmatch
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.conform import flow as conform
from cloud_conductor.conform import flow_replays as replays
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import BadRequest, NotAllowed, NotFound
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
Sequence_number = Annotated[int, Meta(ge=1, le=2**53)]
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
    seq: Sequence_number


class Chosen(Params, frozen=True, kw_only=True):
    group: Filter = ""
    state: Literal["", "open", "released", "replayed"] = "open"
    limit: Limit = 100
    after: Cursor = ""


class Because(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Text


class Corrected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: Annotated[str, Meta(max_length=1_000_000)]


class Releasing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records by number, or every open one of a group. body: a corrected one, for exactly one."""

    seqs: Annotated[list[Sequence_number], Meta(max_length=10_000)] = []
    group: Filter = ""
    body: Annotated[str, Meta(max_length=1_000_000)] | None = None


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seqs: Annotated[list[Sequence_number], Meta(min_length=1, max_length=1_000)]


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


class Group(msgspec.Struct, frozen=True):
    """Open records that broke the same way: one fix releases them together."""

    group: str
    code: str
    pointer: str
    message: str
    count: int
    oldest_at: datetime
    newest_at: datetime
    sources: list[str]
    kinds: list[str]
    example_seq: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    event_id: str
    source: str
    kind: str
    object_id: str
    state: str
    group: str
    code: str
    pointer: str
    message: str
    attempts: int
    author: str
    received_at: datetime
    waits_for: str


class RecordShown(Record, frozen=True, kw_only=True):
    findings: list[Finding]
    body: str
    body_masked: bool


class Checked(msgspec.Struct, frozen=True):
    """Whether a corrected body would be taken; nothing is written."""

    ok: bool
    findings: list[Finding]


class Released(msgspec.Struct, frozen=True):
    """still_open: null until the worker has read what was sent."""

    chosen: int
    sent: int
    still_open: int | None = None


class Replayed(msgspec.Struct, frozen=True):
    sent: int


def events(ask: Ask, params: EventsChosen) -> Page[EventHead]:
    """Events, newest first. A page may be short where a filter fits few: follow `next`."""
    _check_scope(ask)
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
    _check_scope(ask)
    one = _one(ask.desk, params.seq)
    (head,) = _heads(ask.desk, [one])
    body, is_json, is_masked = _shown_body(ask, one.body)
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
    _check_scope(ask)
    one = _one(ask.desk, params.seq)
    act = Act(actor(ask), "event.revealed", str(params.seq), body.reason, source=ask.source)
    governance.note_act(ask.desk.access, act)
    return Revealed(params.seq, one.body.decode("utf-8", "replace"))


def replay(ask: Ask, _params: Nothing, body: Again) -> Replayed:
    """Send events through again, as new events that name the old; content stays the same."""
    _check_scope(ask)
    desk = ask.desk
    found = desk.log.get(body.seqs)
    if len(found) != len(set(body.seqs)):
        raise NotFound(f"{len(set(body.seqs)) - len(found)} of the events are not in the log")
    deps = desk.house.conform_deps
    sent = replays.replay_events(deps, found, now=desk.now, act_id=ask.act_id)
    act = Act(actor(ask), "event.replayed", ",".join(map(str, body.seqs[:20])), f"{sent} events")
    governance.note_act(desk.access, act)
    return Replayed(sent)


def groups(ask: Ask, _params: Nothing) -> Page[Group]:
    """Open records by reason, the most frequent first."""
    _check_scope(ask)
    with ask.desk.worker.connect() as connection:
        found = screens.quarantine_groups(connection)
    return Page(
        [
            Group(
                one.group,
                one.code,
                one.pointer,
                one.message,
                one.count,
                at(one.oldest_us),
                at(one.newest_us),
                list(one.sources),
                list(one.kinds),
                one.example_seq,
            )
            for one in found
        ]
    )


def quarantine(ask: Ask, params: Chosen) -> Page[Record]:
    """Records in quarantine, newest first."""
    _check_scope(ask)
    start = place(params.after, int)
    with ask.desk.worker.connect() as connection:
        seqs = screens.quarantine_page(
            connection,
            states=[params.state] if params.state else [],
            group=params.group,
            before=int(start[0]) if start else None,
            limit=params.limit + 1,
        )
    shown = seqs[: params.limit]
    rows = conform_state.quarantine(ask.desk.worker, states=EVERYWHERE, seqs=shown) if shown else []
    items = [_record(row) for row in reversed(rows)]
    return Page(items, cursor(shown[-1]) if len(seqs) > params.limit else None)


def record(ask: Ask, params: OneEvent) -> RecordShown:
    """One quarantined record: every finding with its pointer, and the body."""
    _check_scope(ask)
    row = _quarantined(ask.desk, params.seq)
    body, _, is_masked = _shown_body(ask, _one(ask.desk, params.seq).body)
    return RecordShown(
        **msgspec.structs.asdict(_record(row)),
        findings=list(row.findings),
        body=body,
        body_masked=is_masked,
    )


def check(ask: Ask, params: OneEvent, body: Corrected) -> Checked:
    """Whether a corrected body would be taken; nothing is written."""
    _check_scope(ask)
    row = _quarantined(ask.desk, params.seq)
    found = replays.check_body(ask.desk.house.conform_deps, row, body.body.encode())
    return Checked(not found, list(found))


def release(ask: Ask, _params: Nothing, body: Releasing) -> Released:
    """Send records through again: as they are after a fix of the configuration, or one corrected."""
    _check_scope(ask)
    desk = ask.desk
    if not body.seqs and not body.group:
        raise BadRequest("name records by `seqs`, or a `group`")
    rows = conform_state.quarantine(desk.worker, group=body.group, seqs=body.seqs)
    if body.body is not None and len(rows) != 1:
        raise BadRequest(f"a corrected body replaces exactly one record, not {len(rows)}")
    if ask.dry_run:
        return Released(len(rows), 0, len(rows))
    fixed = None if body.body is None else body.body.encode()
    sent = conform.release(
        desk.house.conform_deps, rows, author=actor(ask), now=desk.now, fixed_body=fixed
    )
    told = f"{sent} records" + (", corrected" if fixed else "")
    subject = body.group or ",".join(map(str, body.seqs[:20]))
    governance.note_act(desk.access, Act(actor(ask), "quarantine.released", subject, told))
    return Released(len(rows), sent)


def _check_scope(ask: Ask) -> None:
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


def _one(desk: Desk, seq: int) -> Event:
    found = desk.log.get([seq])
    if not found:
        raise NotFound(f"no event {seq}")
    return found[0]


def _quarantined(desk: Desk, seq: int) -> Quarantined:
    rows = conform_state.quarantine(desk.worker, states=EVERYWHERE, seqs=[seq])
    if not rows:
        raise NotFound(f"record {seq} is not in quarantine")
    return rows[0]


def _shown_body(ask: Ask, body: bytes) -> tuple[str, bool, bool]:
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


def _record(row: Quarantined) -> Record:
    return Record(
        seq=row.seq,
        event_id=row.event_id,
        source=row.source,
        kind=row.kind,
        object_id=row.object_id,
        state=row.state,
        group=row.group_key,
        code=row.code,
        pointer=row.findings[0].pointer,
        message=row.findings[0].message,
        attempts=row.attempts,
        author=row.author,
        received_at=at(row.received_us),
        waits_for=row.waits_for,
    )


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
    Endpoint("GET", "/quarantine/groups", groups, Page[Group], READ),
    Endpoint("GET", "/quarantine", quarantine, Page[Record], READ, Chosen),
    Endpoint("GET", "/quarantine/{seq}", record, RecordShown, READ, OneEvent),
    Endpoint(
        "POST", "/quarantine/{seq}/check", check, Checked, RELEASE, OneEvent, Corrected, keyed=False
    ),
    Endpoint("POST", "/quarantine/release", release, Released, RELEASE, body=Releasing, previews=True),
]  # fmt: skip
