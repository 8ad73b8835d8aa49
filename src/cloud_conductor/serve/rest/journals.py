"""Entries from draft to posted: look at them, approve, hold back, post."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.accounting import flow
from cloud_conductor.domain.errors import Conflict, Transient
from cloud_conductor.domain.journal import EntryKind
from cloud_conductor.serve import vendors
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    Empty,
    Endpoint,
    Identity,
    Nothing,
    Page,
    Params,
    SpanPage,
    Text,
    at,
    instant,
    page_of,
    place,
)
from cloud_conductor.serve.rest.finding import find_entry
from cloud_conductor.serve.rest.operation import Operation
from cloud_conductor.state import accounting as books
from cloud_conductor.state import screens
from cloud_conductor.state.accounting import EntryRow
from cloud_conductor.state.lock import is_held
from cloud_conductor.state.screens import Within

State = Literal[
    "draft", "approved", "pending", "sending", "posted", "blocked", "rejected", "dead", "void"
]
Keys = Annotated[list[Identity], Meta(min_length=1, max_length=1_000)]
HISTORY_MAX = 100


class Chosen(SpanPage, frozen=True, kw_only=True):
    state: list[State] = msgspec.field(default_factory=list)
    kind: list[EntryKind] = msgspec.field(default_factory=list)


class OneEntry(Params, frozen=True):
    """The posting key, or at least its first eight characters."""

    key: Identity


class Keyed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: Keys
    reason: Annotated[str, Meta(max_length=500)] = ""


class Reasoned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: Keys
    reason: Text


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry version (R-13.1). can_approve: by the caller, now; else why_not."""

    key: str
    kind: str
    entity: str
    store: str
    business_date: date
    ledger_date: date
    source_id: str
    version: int
    correction: str
    state: str
    currency: str
    debit_minor: int
    created_by: str
    created_at: datetime
    approved_by: str
    posted_at: datetime | None
    external_id: str
    url: str | None
    error: str
    mapping_version: str
    document_type: str
    can_approve: bool
    why_not: str


class Leg(msgspec.Struct, frozen=True):
    """One line. amount_minor is signed; debit and credit are views of it. n: its place, from 0."""

    n: int
    account_code: str
    account_name: str | None
    role: str
    movement: str
    description: str
    debit_minor: int | None
    credit_minor: int | None
    amount_minor: int


class Version(msgspec.Struct, frozen=True):
    key: str
    version: int
    correction: str
    state: str
    debit_minor: int


class AuditItem(msgspec.Struct, frozen=True):
    """One record of the audit chain (R-15.1)."""

    seq: int
    at: datetime
    actor: str
    act: str
    subject: str
    reason: str
    before: str
    after: str
    source: str
    hash: str


class Journal(Entry, frozen=True, kw_only=True):
    """An entry with its lines: exactly what is or will be sent."""

    lines: list[Leg]
    debit_total_minor: int
    credit_total_minor: int
    is_balanced: bool
    versions: list[Version]
    history: list[AuditItem]
    attempts: int
    readback: Literal["same", "differs", "not yet"]


class Approved(msgspec.Struct, frozen=True):
    approved: list[str]


class Declined(msgspec.Struct, frozen=True):
    rejected: list[str]


class Drafted(msgspec.Struct, frozen=True):
    drafted: list[str]


class Posting(msgspec.Struct, frozen=True):
    """What would be sent, or the work that sends it."""

    would_post: list[Entry] = msgspec.field(default_factory=list)
    operation: Operation | None = None


def journals(ask: Ask, params: Chosen) -> Page[Entry]:
    """Entries, newest business date first."""
    before = place(params.after, str, int)
    within = Within(ask.scope(params.store), _iso(params.since), _iso(params.until))
    with ask.desk.books.connect() as connection:
        rows = screens.entries(
            connection,
            within,
            states=params.state,
            kinds=params.kind,
            before=before,
            limit=params.limit + 1,
        )
    page = page_of(rows, params.limit, lambda row: (row.business_date, row.seq))
    return Page([entry_of(ask, row) for row in page.items], page.next)


def journal(ask: Ask, params: OneEntry) -> Journal:
    """One entry with its lines, its versions and what happened to it."""
    row = find_entry(ask, params.key)
    names = _account_names(ask)
    with ask.desk.books.connect() as connection:
        versions = books.versions(connection, row.identity)
        records = screens.audit_page(connection, text=[row.posting_key], limit=HISTORY_MAX)
    lines = [
        Leg(
            n=n,
            account_code=line.account_code,
            account_name=names.get(line.account_code),
            role=line.role,
            movement=line.movement,
            description=line.description,
            debit_minor=line.amount_minor if line.amount_minor > 0 else None,
            credit_minor=-line.amount_minor if line.amount_minor < 0 else None,
            amount_minor=line.amount_minor,
        )
        for n, line in enumerate(row.entry.lines)
    ]
    readback: Literal["same", "differs", "not yet"] = "not yet"
    if row.readback_hash:
        readback = "same" if row.readback_hash == row.content_hash else "differs"
    return Journal(
        **msgspec.structs.asdict(entry_of(ask, row)),
        lines=lines,
        debit_total_minor=sum(line.debit_minor or 0 for line in lines),
        credit_total_minor=sum(line.credit_minor or 0 for line in lines),
        is_balanced=row.entry.is_balanced,
        versions=[
            Version(one.posting_key, one.version, one.correction, one.state, one.debit_minor)
            for one in versions
        ],
        history=[audit_item(record) for record in records],
        attempts=row.attempts,
        readback=readback,
    )


def approve(ask: Ask, _params: Nothing, body: Keyed) -> Approved:
    """Release drafts for posting: all of them or none; never one's own (R-15.3)."""
    keys = [find_entry(ask, key).posting_key for key in body.keys]
    done = flow.approve(ask.desk.house.books_deps, actor(ask), keys=keys, reason=body.reason)
    return Approved(done)


def reject(ask: Ask, _params: Nothing, body: Reasoned) -> Declined:
    """Hold drafts or approved entries back, with a reason, until their facts change or a redraft."""
    rows = [find_entry(ask, key) for key in body.keys]
    keys = [row.posting_key for row in rows]
    for row in rows:
        if row.state not in ("draft", "approved"):
            raise Conflict(f"{row.name} is {row.state}: only what waits can be held back")
    done = flow.decline(ask.desk.house.books_deps, actor(ask), keys, body.reason)
    return Declined(done)


def redraft(ask: Ask, _params: Nothing, body: Keyed) -> Drafted:
    """Put blocked or refused entries back to draft, once their cause is gone."""
    keys = [find_entry(ask, key).posting_key for key in body.keys]
    done = flow.redraft(ask.desk.house.books_deps, actor(ask), keys, body.reason)
    return Drafted(done)


def repost(ask: Ask, _params: Nothing, body: Reasoned) -> Drafted:
    """Draft anew what somebody voided in the ledger; it is asked first, all of them or none."""
    keys = [find_entry(ask, key).posting_key for key in body.keys]
    return Drafted(flow.repost(ask.desk.house.books_deps, actor(ask), keys, body.reason))


def post(ask: Ask, _params: Nothing, _body: Empty) -> Posting:
    """Post every approved entry exactly once; the scheduler does it and reads it back."""
    desk = ask.desk
    with desk.books.connect() as connection:
        rows = screens.entries(connection, Within(ask.scope([])), states=["approved"], limit=1_000)
    if ask.dry_run:
        return Posting(would_post=[entry_of(ask, row) for row in rows])
    if not is_held(desk.house.state_dir):
        raise Transient("no scheduler runs, and it is what posts", hint="conductor up")
    state: Literal["queued", "done"] = "queued" if rows else "done"
    return Posting(operation=Operation(id="post", what="post", state=state, asked_at=desk.now))


def entry_of(ask: Ask, row: EntryRow) -> Entry:
    """An entry as the caller sees it."""
    why_not = _why_not(ask, row)
    return Entry(
        key=row.posting_key,
        kind=row.kind,
        entity=row.entity,
        store=row.store,
        business_date=date.fromisoformat(row.business_date),
        ledger_date=date.fromisoformat(row.ledger_date),
        source_id=row.source_id,
        version=row.version,
        correction=row.correction,
        state=row.state,
        currency=row.currency,
        debit_minor=row.debit_minor,
        created_by=row.created_by,
        created_at=at(row.created_us),
        approved_by=row.approved_by,
        posted_at=instant(row.posted_at_us),
        external_id=row.external_id,
        url=vendors.ledger_url(ask.desk, row.document_type, row.external_id),
        error=row.error,
        mapping_version=row.mapping_version,
        document_type=row.document_type,
        can_approve=not why_not,
        why_not=why_not,
    )


def audit_item(row: books.AuditRow) -> AuditItem:
    """A record of the chain, its text taken apart."""
    record = msgspec.json.decode(row.record)
    return AuditItem(
        seq=row.seq,
        at=datetime.fromisoformat(record["at"]),
        actor=record["actor"],
        act=record["act"],
        subject=record["subject"],
        reason=record.get("reason", ""),
        before=record.get("before", ""),
        after=record.get("after", ""),
        source=record.get("source", ""),
        hash=row.hash,
    )


def actor(ask: Ask) -> str:
    """Who does it, in the audit chain: the person, also behind a key (R-15.3)."""
    return f"user:{ask.principal.owner}"


def _why_not(ask: Ask, row: EntryRow) -> str:
    if row.state != "draft":
        return f"it is {row.state}"
    if not ask.principal.may("journals.approve"):
        return "this needs the role approver"
    if row.created_by == actor(ask):
        return "you prepared it (R-15.3)"
    return ""


def _account_names(ask: Ask) -> dict[str, str]:
    """Account code -> name, as the ledger told when its accounts were last read; often empty."""
    return dict(ask.desk.account_names())


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


ENDPOINTS = [
    Endpoint("GET", "/journals", journals, Page[Entry], "journals.read", params=Chosen),
    Endpoint("GET", "/journals/{key}", journal, Journal, "journals.read", params=OneEntry),
    Endpoint("POST", "/journals/approve", approve, Approved, "journals.approve", body=Keyed),
    Endpoint("POST", "/journals/reject", reject, Declined, "journals.approve", body=Reasoned),
    Endpoint("POST", "/journals/redraft", redraft, Drafted, "breaks.resolve", body=Keyed),
    Endpoint("POST", "/journals/repost", repost, Drafted, "breaks.resolve", body=Reasoned),
    Endpoint(
        "POST", "/journals/post", post, Posting, "journals.post", body=Empty, status=202, previews=True
    ),
]  # fmt: skip
