"""Live figures held against the books, date by date (INV-26)."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import Endpoint, Page, Span, at
from cloud_conductor.state import proofs as state


class Differs(msgspec.Struct, frozen=True):
    """Net sales of a store and department. department `*`: the store as a whole."""

    store: str
    department: str
    live_minor: int
    facts_minor: int


class LiveProof(msgspec.Struct, frozen=True):
    """A closed date. state: alike | unlike | behind, while one of the two has not caught up.

    stores: those that closed it. net_minor: their net sales by the facts, for who sees every store.
    """

    business_date: date
    state: state.State
    stores: int
    net_minor: int | None
    differences: list[Differs]
    proven_at: datetime


class LiveProven(msgspec.Struct, frozen=True):
    """All dates proven so far: how many are alike, and the newest that is not."""

    alike: int
    unlike: int
    behind: int
    worst_date: date | None
    proven_at: datetime | None


def live_proofs(ask: Ask, params: Span) -> Page[LiveProof]:
    """Closed dates whose live windows were held against the facts, newest first."""
    scope = ask.scope(params.store)
    since = params.since.isoformat() if params.since else ""
    with ask.desk.worker.connect() as connection:
        found = state.proofs(connection, since=since)
    until = params.until.isoformat() if params.until else "9999"
    is_whole = "*" in ask.principal.stores and not params.store
    return Page(
        [
            _shown(one, scope, is_whole=is_whole)
            for one in reversed(found)
            if one.business_date <= until
        ][:500]
    )


def proven(found: Sequence[state.Proof]) -> LiveProven:
    """One line about all of them."""
    counts = dict.fromkeys(("alike", "unlike", "behind"), 0)
    for one in found:
        counts[one.state] += 1
    worst = [one.business_date for one in found if one.state == "unlike"]
    newest_us = max((one.proven_us for one in found), default=None)
    return LiveProven(
        **counts,
        worst_date=date.fromisoformat(worst[-1]) if worst else None,
        proven_at=None if newest_us is None else at(newest_us),
    )


def _shown(one: state.Proof, scope: Sequence[str], *, is_whole: bool) -> LiveProof:
    return LiveProof(
        business_date=date.fromisoformat(one.business_date),
        state=one.state,
        stores=one.stores,
        net_minor=one.net_minor if is_whole else None,
        differences=[
            Differs(each.store, each.department, each.windows_minor, each.facts_minor)
            for each in one.differences
            if each.store in scope
        ],
        proven_at=at(one.proven_us),
    )


ENDPOINTS = [Endpoint("GET", "/live/proofs", live_proofs, Page[LiveProof], params=Span)]
