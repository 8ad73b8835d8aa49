"""Records that broke their contract: by reason, one by one, corrected, and sent through again."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.conform import flow as conform
from cloud_conductor.conform import flow_replays as replays
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import BadRequest, NotFound
from cloud_conductor.domain.findings import Finding
from cloud_conductor.governance import flow as governance
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest.endpoint import (
    Cursor,
    Endpoint,
    Limit,
    Nothing,
    Page,
    Params,
    at,
    cursor,
    place,
)
from cloud_conductor.serve.rest.events import (
    EVERYWHERE,
    READ,
    RELEASE,
    Filter,
    OneEvent,
    SequenceNumber,
    check_scope,
    one_event,
    shown_body,
)
from cloud_conductor.serve.rest.journals import actor
from cloud_conductor.state import conform as conform_state
from cloud_conductor.state import screens
from cloud_conductor.state.conform import Quarantined


class Chosen(Params, frozen=True, kw_only=True):
    group: Filter = ""
    state: Literal["", "open", "released", "replayed"] = "open"
    limit: Limit = 100
    after: Cursor = ""


class Corrected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: Annotated[str, Meta(max_length=1_000_000)]


class Releasing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records by number, or every open one of a group. body: a corrected one, for exactly one."""

    seqs: Annotated[list[SequenceNumber], Meta(max_length=10_000)] = []
    group: Filter = ""
    body: Annotated[str, Meta(max_length=1_000_000)] | None = None


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


def groups(ask: Ask, _params: Nothing) -> Page[Group]:
    """Open records by reason, the most frequent first."""
    check_scope(ask)
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
    check_scope(ask)
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
    check_scope(ask)
    row = _quarantined(ask.desk, params.seq)
    body, _, is_masked = shown_body(ask, one_event(ask.desk, params.seq).body)
    return RecordShown(
        **msgspec.structs.asdict(_record(row)),
        findings=list(row.findings),
        body=body,
        body_masked=is_masked,
    )


def check(ask: Ask, params: OneEvent, body: Corrected) -> Checked:
    """Whether a corrected body would be taken; nothing is written."""
    check_scope(ask)
    row = _quarantined(ask.desk, params.seq)
    found = replays.check_body(ask.desk.house.conform_deps, row, body.body.encode())
    return Checked(not found, list(found))


def release(ask: Ask, _params: Nothing, body: Releasing) -> Released:
    """Send records through again: as they are after a fix of the configuration, or one corrected."""
    check_scope(ask)
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


def _quarantined(desk: Desk, seq: int) -> Quarantined:
    rows = conform_state.quarantine(desk.worker, states=EVERYWHERE, seqs=[seq])
    if not rows:
        raise NotFound(f"record {seq} is not in quarantine")
    return rows[0]


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


ENDPOINTS = [
    Endpoint("GET", "/quarantine/groups", groups, Page[Group], READ),
    Endpoint("GET", "/quarantine", quarantine, Page[Record], READ, Chosen),
    Endpoint("GET", "/quarantine/{seq}", record, RecordShown, READ, OneEvent),
    Endpoint(
        "POST", "/quarantine/{seq}/check", check, Checked, RELEASE, OneEvent, Corrected, keyed=False
    ),
    Endpoint("POST", "/quarantine/release", release, Released, RELEASE, body=Releasing, previews=True),
]  # fmt: skip
