"""Live windows held against the facts, after every close (INV-26): alike, unlike, or still to come."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.events import PARTITION
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.lake import Lake
from cloud_conductor.state import accounting as books
from cloud_conductor.state import conform as conform_state
from cloud_conductor.state import live, proofs
from cloud_conductor.state import windows as windows_state
from cloud_conductor.state.accounting import to_us
from cloud_conductor.state.proofs import Proof
from cloud_conductor.windows.proof import unlike

log = logging.getLogger("conductor")

CLOSED = ("COMPLETE", "POSTED", "LOCKED")
DATES_PER_PASS = 16
_SALE = ["source", "merchant_id", "sale_id"]


@dataclass(frozen=True)
class ProveDeps:
    """worker, books: the two state databases. lake: of this thread alone."""

    worker: Engine
    books: Engine
    lake: Lake
    clock: Clock


class Due(msgspec.Struct, frozen=True):
    """A date to prove: the stores that closed it, and the newest fact that a close of them saw."""

    business_date: str
    stores: tuple[str, ...]
    facts_seq: int
    before: Proof | None


def prove(deps: ProveDeps) -> list[Proof]:
    """Prove dates that were closed, or closed again, since their last proof; gives those proven.

    So is a date whose windows changed since, one that was not alike, once more was taken, and one
    that was behind, once windows and facts have come equally far.
    """
    found = []
    with deps.worker.begin() as connection:
        proofs.note_changes(connection)
    for one in due(deps)[:DATES_PER_PASS]:
        proof = _prove(deps, one)
        with deps.worker.begin() as connection:
            proofs.put_proof(connection, proof)
        found.append(proof)
        level = logging.WARNING if proof.state == "unlike" else logging.INFO
        fields = {"business_date": proof.business_date, "state": proof.state}
        log.log(level, "windows.proven", extra={"fields": fields})
    return found


def due(deps: ProveDeps) -> list[Due]:
    """Dates to prove now, the newest first."""
    with deps.books.connect() as connection:
        days = books.day_states(connection)
    with deps.worker.connect() as connection:
        known = {one.business_date: one for one in proofs.proofs(connection)}
    taken = _taken(deps)
    is_level = len({*taken}) == 1
    found = []
    for day, stores in sorted(days.items(), reverse=True):
        closed = {store: seq for store, (state, seq) in stores.items() if state in CLOSED}
        if not closed:
            continue
        before, facts_seq = known.get(day), max(closed.values())
        if before is not None and (before.facts_seq, before.stores) == (facts_seq, len(closed)):
            caught_up = before.state == "behind" and is_level
            has_news = before.state != "alike" and before.taken_seq != max(taken)
            if not (caught_up or has_news):
                continue
        found.append(Due(day, tuple(sorted(closed)), facts_seq, before))
    return found


def _prove(deps: ProveDeps, one: Due) -> Proof:
    start = _taken(deps)
    with deps.worker.connect() as connection:
        totals = live.totals(connection, one.business_date, stores=one.stores)
        late = live.late(connection, one.business_date, stores=one.stores)
    lines = _sold(deps.lake, date.fromisoformat(one.business_date), one.stores)
    end = _taken(deps)
    differences = tuple(unlike(totals, late, lines))
    state: proofs.State = "alike"
    if differences:
        is_settled = len({*start, *end}) == 1 or (
            one.before is not None
            and one.before.differences == differences
            and min(start) >= one.before.taken_seq
        )
        state = "unlike" if is_settled and min(start) >= one.facts_seq else "behind"
    return Proof(
        business_date=one.business_date,
        state=state,
        facts_seq=one.facts_seq,
        taken_seq=max(end),
        stores=len(one.stores),
        net_minor=pc.sum(lines["net_minor"]).as_py() or 0,
        differences=differences,
        proven_us=to_us(deps.clock.now()),
    )


def _taken(deps: ProveDeps) -> tuple[int, int]:
    """How far in the log windows and facts have come."""
    return (
        windows_state.cursor(deps.worker, PARTITION),
        conform_state.cursor(deps.worker, PARTITION),
    )


def _sold(lake: Lake, business_date: date, stores: tuple[str, ...]) -> pa.Table:
    """Enriched lines that count as sold (R-17.3), of closed sales of these stores."""
    found: Mapping[str, pa.Table] = conform.facts(
        lake, business_date, tables=("sales", "sale_lines")
    )
    sales, lines = found["sales"], found["sale_lines"]
    sales = sales.filter(pc.equal(sales["state"], "closed")).select(_SALE)
    lines = lines.filter(pc.and_(lines["is_sale"], pc.is_in(lines["store"], pa.array(stores))))
    wanted = lines.select([*_SALE, "store", "department", "net_minor", "is_sale"])
    return wanted.join(sales, keys=_SALE, join_type="left semi")
