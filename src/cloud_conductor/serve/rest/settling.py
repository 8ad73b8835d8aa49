"""What people do to breaks: assign, accept, match with one another, approve what another proposed."""

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from cloud_conductor.accounting import by_hand, flow
from cloud_conductor.domain.errors import Conflict
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    Empty,
    Endpoint,
    Identity,
    Page,
    Params,
    Text,
    is_within,
    sees,
)
from cloud_conductor.serve.rest.finding import find_break
from cloud_conductor.serve.rest.journals import actor
from cloud_conductor.serve.rest.reconciling import Break, OneBreak, break_of
from cloud_conductor.state import screens
from cloud_conductor.state.accounting import BreakRow
from cloud_conductor.state.screens import Within

ENDED = ("resolved", "verified")
WRITE, APPROVE = "breaks.resolve", "breaks.approve"
CANDIDATES_SHOWN = 50
BREAKS_READ_MAX = 10_000


class Accepting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Text


class Assigning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    owner: Text


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """counterparts: ids of the breaks that make up for this one; all together come to 0."""

    counterparts: Annotated[list[Identity], Meta(min_length=1, max_length=19)] = msgspec.field(
        name="with"
    )
    reason: Annotated[str, Meta(max_length=500)] = ""


class Search(Params, frozen=True, kw_only=True):
    """q: a piece of a record's words, id, store or amount (minor units). Dates: ends included."""

    id: Identity
    q: Annotated[str, Meta(max_length=200)] = ""
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = msgspec.field(default=None, name="to")


class Candidate(msgspec.Struct, frozen=True):
    """A record that may be the counterpart. rest_minor: what the two would leave over."""

    rest_minor: int
    days: int
    same_store: bool
    is_exact: bool
    broken: Break = msgspec.field(name="break")


class Candidates(msgspec.Struct, frozen=True):
    """suggested: ids that together make up for it, when just one choice of them does (R-14.2)."""

    items: list[Candidate]
    suggested: list[str]
    needs_second: bool


def accept(ask: Ask, params: OneBreak, body: Accepting) -> Break:
    """Resolve a break by a person's word; a large one is only proposed until another approves it."""
    row = _live(ask, params)
    done = flow.accept_break(ask.desk.house.books_deps, row.break_id, actor(ask), body.reason)
    return break_of(done)


def assign(ask: Ask, params: OneBreak, body: Assigning) -> Break:
    """Give an open break to somebody."""
    row = _live(ask, params)
    flow.assign_break(ask.desk.house.books_deps, row.break_id, actor(ask), body.owner)
    return break_of(find_break(ask, params.id))


def candidates(ask: Ask, params: Search) -> Candidates:
    """Records of the other side that may be what this one lacks, the nearest first."""
    row = find_break(ask, params.id)
    with ask.desk.books.connect() as connection:
        open_ones = screens.breaks(
            connection, Within(), states=("open", "assigned"), limit=BREAKS_READ_MAX
        )
    others = [
        one
        for one in open_ones
        if sees(ask, one.store)
        and is_within(one.business_date, params.since, params.until)
        and params.q.lower() in _words(one)
    ]
    found = by_hand.candidates(row, others)
    return Candidates(
        [_candidate(row, one) for one in found[:CANDIDATES_SHOWN]],
        [one.break_id for one in by_hand.suggested(row, found)],
        by_hand.needs_second([row], ask.desk.house.books_deps.approval.break_minor_max),
    )


def match(ask: Ask, params: OneBreak, body: Matching) -> Page[Break]:
    """Say which records belong together; large ones are only proposed until another approves."""
    ids = [find_break(ask, one).break_id for one in (params.id, *body.counterparts)]
    done = flow.match_breaks(ask.desk.house.books_deps, ids, actor(ask), body.reason)
    return Page([break_of(row) for row in done])


def approve(ask: Ask, params: OneBreak, _body: Empty) -> Page[Break]:
    """Resolve what another person proposed, with what it was matched with (R-15.3)."""
    row = find_break(ask, params.id)
    done = flow.approve_break(ask.desk.house.books_deps, row.break_id, actor(ask))
    return Page([break_of(one) for one in done])


def decline(ask: Ask, params: OneBreak, body: Accepting) -> Page[Break]:
    """Open again what was proposed: by who would have approved it."""
    row = find_break(ask, params.id)
    done = flow.decline_break(ask.desk.house.books_deps, row.break_id, actor(ask), body.reason)
    return Page([break_of(one) for one in done])


def _live(ask: Ask, params: OneBreak) -> BreakRow:
    row = find_break(ask, params.id)
    if row.state in ENDED:
        raise Conflict(f"break {row.break_id} is {row.state}")
    return row


def _words(row: BreakRow) -> str:
    amount = str(abs(row.amount_minor))
    words = (row.break_id, row.store, row.item, row.left_ref, row.right_ref, row.message, amount)
    return " ".join(words).lower()


def _candidate(row: BreakRow, other: BreakRow) -> Candidate:
    rest_minor = row.amount_minor + other.amount_minor
    days = date.fromisoformat(other.business_date) - date.fromisoformat(row.business_date)
    return Candidate(
        rest_minor, days.days, row.store == other.store, rest_minor == 0, break_of(other)
    )


ENDPOINTS = [
    Endpoint("POST", "/breaks/{id}/accept", accept, Break, WRITE, OneBreak, Accepting),
    Endpoint("POST", "/breaks/{id}/assign", assign, Break, WRITE, OneBreak, Assigning),
    Endpoint("GET", "/breaks/{id}/candidates", candidates, Candidates, params=Search),
    Endpoint("POST", "/breaks/{id}/match", match, Page[Break], WRITE, OneBreak, Matching),
    Endpoint("POST", "/breaks/{id}/approve", approve, Page[Break], APPROVE, OneBreak, Empty),
    Endpoint("POST", "/breaks/{id}/decline", decline, Page[Break], APPROVE, OneBreak, Accepting),
]
