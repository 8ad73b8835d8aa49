"""Posting exactly once (R-13.6), and the door to everything else that acts in this room.

Exactly once is: an intent committed before the call, a deterministic key inside the document, a
look-up by that key before any re-send, and a read-back after. The vendor's own idempotency window
only narrows the gap between call and look-up; nothing rests on it.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Literal

import msgspec

from cloud_conductor.accounting import outbox, posting
from cloud_conductor.accounting.deps import BooksDeps, record_acts, say
from cloud_conductor.accounting.flow_breaks import (
    accept_break,
    assign_break,
    record_all,
    record_levels,
)
from cloud_conductor.accounting.flow_drafts import (
    DraftResult,
    Withheld,
    approve,
    approve_by_policy,
    draft_day,
    draft_entries,
    problem_of,
    redraft,
    withheld_of,
)
from cloud_conductor.domain import audit
from cloud_conductor.domain.audit import Act, Flaw
from cloud_conductor.domain.errors import OutcomeUnknown, Permanent, Transient
from cloud_conductor.ports.ledger import LedgerDocument, PostingOutcome
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BatchRow, EntryRow, Writer
from cloud_conductor.state.tables.accounting import BATCH

__all__ = [
    "BatchResult", "BooksDeps", "DraftResult", "Duplicate", "ReadBack", "Withheld",
    "accept_break", "approve", "approve_by_policy", "assign_break", "draft_day", "draft_entries",
    "make_batches", "post_all", "post_batch", "read_back", "record_all", "record_levels", "redraft",
    "sweep_duplicates", "verify_audit", "withheld_of",
]  # fmt: skip

TRIES_MAX = 1_000
"""How often one run comes back to the same batch before it gives up and says so."""
RETRY_S = 1.0
RETRY_S_MAX = 300.0


class BatchResult(msgspec.Struct, frozen=True):
    """How far a batch is. wait: come back after retry_after_s; refused: a person must act."""

    batch_id: str
    state: Literal["done", "wait", "refused"]
    retry_after_s: float = 0.0
    message: str = ""


class ReadBack(msgspec.Struct, frozen=True):
    """Posting keys by what the ledger answered (R-13.6.4)."""

    verified: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Duplicate(msgspec.Struct, frozen=True):
    """One key on several documents in force (D04). extra: every one but the first written."""

    posting_key: str
    first: LedgerDocument
    extra: tuple[LedgerDocument, ...]


def make_batches(deps: BooksDeps) -> list[BatchRow]:
    """Freeze approved entries into batches, in posting order (R-13.8). Gives the new ones.

    An approved entry dated in a period that was locked meanwhile is blocked (INV-19): its date is
    never moved silently (R-13.5).
    """
    organisation = deps.ledger.organisation()
    with deps.engine.connect() as connection:
        if not books.entries(connection, states=("approved",), organisation=organisation):
            return []
    locked = deps.ledger.lock_date()
    size = min(deps.ledger.capabilities.documents_per_call_max, outbox.BATCH_DOCUMENTS_MAX)
    made: list[BatchRow] = []
    with books.writing(deps.engine) as writer:
        approved = books.entries(writer.connection, states=("approved",), organisation=organisation)
        ready = [row for row in approved if not _block(deps, writer, row, locked)]
        for batch in outbox.batches([_waiting(row) for row in ready], size):
            writer.batch_seq += 1
            row = BatchRow(
                batch_id=outbox.batch_id(organisation, writer.batch_seq),
                seq=writer.batch_seq,
                organisation=organisation,
                document_type=batch[0].document_type,
                posting_keys=msgspec.json.encode([one.posting_key for one in batch]).decode(),
                state="open",
                created_us=deps.now_us,
            )
            writer.insert(BATCH, [row])
            for key in row.keys:
                writer.update_entry(key, state="pending", batch_id=row.batch_id)
            made.append(row)
    return made


def post_batch(deps: BooksDeps, batch_id: str) -> BatchResult:
    """Post what is left of a batch; safe to run again after any crash, at any border.

    Whatever may have been sent before is looked up first, and only what the ledger does not hold
    is sent (INV-18). Outcomes are recorded per document: one refusal does not stop the others.
    """
    rows = _left(deps, batch_id)
    suspects = [row for row in rows if row.attempts]
    landing_s = max(
        (posting.settle_left_s(row.last_sent_us, deps.now_us, deps.settle_s) for row in suspects),
        default=0.0,
    )
    if landing_s > 0:
        return BatchResult(batch_id, "wait", landing_s, "a call sent just now may be landing")
    try:
        found = _look_up(deps, suspects) if suspects else set()
        left = [row for row in rows if row.posting_key not in found]
        if left:
            _send(deps, left)
    except OutcomeUnknown as error:
        return BatchResult(batch_id, "wait", max(deps.settle_s, RETRY_S), str(error))
    except Transient as error:
        return BatchResult(batch_id, "wait", error.retry_after_s or RETRY_S, str(error))
    except Permanent as error:
        with books.writing(deps.engine) as writer:
            writer.update_batch(batch_id, error=str(error))
        return BatchResult(batch_id, "refused", RETRY_S_MAX, str(error))
    if _left(deps, batch_id):
        return BatchResult(batch_id, "wait", deps.settle_s, "some outcomes are unknown")
    with books.writing(deps.engine) as writer:
        writer.update_batch(batch_id, state="done", closed_us=deps.now_us, error="")
    return BatchResult(batch_id, "done")


def read_back(deps: BooksDeps, keys: Sequence[str]) -> ReadBack:
    """Compare posted documents with what was meant and keep the hash of what is there (D12)."""
    with deps.engine.connect() as connection:
        rows = books.entries(connection, keys=keys, states=("posted",))
    found = deps.ledger.find([row.posting for row in rows]) if rows else {}
    verified: list[str] = []
    differing: list[str] = []
    acts: list[Act] = []
    deps.checkpoint("before_readback_record")
    with books.writing(deps.engine) as writer:
        for row in rows:
            if (document := found.get(row.posting_key)) is None:
                continue
            read = posting.document_hash(document, row.currency)
            verdict = posting.judge(document, row.entry)
            (verified if verdict.state == "posted" else differing).append(row.posting_key)
            if (read, verdict.message) != (row.readback_hash, row.error):
                writer.update_entry(row.posting_key, readback_hash=read, error=verdict.message)
                hashes = (row.content_hash, read)
                acts.append(
                    Act("ledger", "entry.read_back", row.posting_key, verdict.message, *hashes)
                )
        record_acts(deps, writer, acts)
    deps.checkpoint("after_readback")
    missing = tuple(row.posting_key for row in rows if row.posting_key not in found)
    say("journal.read_back", verified=len(verified), differing=len(differing), missing=len(missing))
    return ReadBack(tuple(verified), tuple(differing), missing)


def sweep_duplicates(deps: BooksDeps, start: date, end: date) -> list[Duplicate]:
    """Documents in [start, end) that carry a key another one carries too (R-13.6.5, D04).

    Reads the ledger alone, not the outbox: it also finds what a restored backup posted again.
    """
    by_key: dict[str, list[LedgerDocument]] = {}
    for document in deps.ledger.documents(start, end):
        if document.key and document.status == "posted":
            by_key.setdefault(document.key, []).append(document)
    return [
        Duplicate(key, ordered[0], tuple(ordered[1:]))
        for key, documents in sorted(by_key.items())
        if len(documents) > 1
        for ordered in [sorted(documents, key=lambda one: (one.updated_at, one.external_id))]
    ]


def post_all(
    deps: BooksDeps, max_batches: int, sleep: Callable[[float], None]
) -> list[BatchResult]:
    """Post open batches in order, in this process, and read them back: for one-shot commands.

    Stops at a batch that is refused or not done after TRIES_MAX tries; the later ones must wait.
    """
    make_batches(deps)
    with deps.engine.connect() as connection:
        todo = books.open_batches(connection, deps.ledger.organisation())[:max_batches]
    results: list[BatchResult] = []
    for batch in todo:
        result = post_batch(deps, batch.batch_id)
        tries = 1
        while result.state == "wait" and tries < TRIES_MAX:
            sleep(pause_s(result, tries))
            result = post_batch(deps, batch.batch_id)
            tries += 1
        results.append(result)
        if result.state != "done":
            break
        read_back(deps, batch.keys)
    return results


def pause_s(result: BatchResult, tries: int) -> float:
    """Seconds before try number `tries` + 1: what the ledger asked for, or longer each time."""
    return max(result.retry_after_s, min(RETRY_S_MAX, 0.05 * 2.0 ** min(tries, 13)))


def verify_audit(deps: BooksDeps) -> Flaw | None:
    """The first flaw in the audit chain, or None (INV-30)."""
    with deps.engine.connect() as connection:
        seq, last = books.audit_head(connection)
        links = (audit.Link(row.seq, row.record, row.hash) for row in books.audit_rows(connection))
        return audit.verify(links, seq, last)


def _left(deps: BooksDeps, batch_id: str) -> list[EntryRow]:
    """Entries of a batch without an outcome, in posting order."""
    with deps.engine.connect() as connection:
        batch = books.batch(connection, batch_id)
        assert batch is not None, f"no batch {batch_id}"
        rows = books.entries(connection, batch_id=batch_id, states=("pending", "sending"))
    rank = {key: place for place, key in enumerate(batch.keys)}
    return sorted(rows, key=lambda row: rank[row.posting_key])


def _look_up(deps: BooksDeps, suspects: Sequence[EntryRow]) -> set[str]:
    """Record what the ledger already holds of these; gives their keys."""
    found = deps.ledger.find([row.posting for row in suspects])
    with books.writing(deps.engine) as writer:
        for row in suspects:
            if (document := found.get(row.posting_key)) is None:
                continue
            verdict = posting.judge(document, row.entry)
            _settle(deps, writer, row, verdict.state, document.external_id, verdict.message)
    deps.checkpoint("after_look_up")
    return set(found)


def _send(deps: BooksDeps, rows: Sequence[EntryRow]) -> None:
    """One call for all rows: intent, call, outcomes; each in its own commit."""
    deps.checkpoint("before_sending_commit")
    now_us = deps.now_us
    with books.writing(deps.engine) as writer:
        for row in rows:
            posting.check_move(row.state, "sending")
            writer.update_entry(
                row.posting_key,
                state="sending",
                attempts=row.attempts + 1,
                first_sent_us=row.first_sent_us or now_us,
                last_sent_us=now_us,
            )
    deps.checkpoint("after_sending_commit")
    try:
        outcomes = deps.ledger.post([row.posting for row in rows])
    except OutcomeUnknown:
        raise
    except (Transient, Permanent):
        _unsend(deps, rows)
        raise
    deps.checkpoint("after_call")
    assert [one.key for one in outcomes] == [row.posting_key for row in rows], "outcomes in order"
    deps.checkpoint("before_record")
    _record(deps, rows, outcomes)
    deps.checkpoint("after_record")


def _unsend(deps: BooksDeps, rows: Sequence[EntryRow]) -> None:
    """Surely nothing was written: as before the call, so the next try needs no look-up for it."""
    with books.writing(deps.engine) as writer:
        for row in rows:
            writer.update_entry(
                row.posting_key,
                state="sending" if row.attempts else "pending",
                attempts=row.attempts,
                first_sent_us=row.first_sent_us,
                last_sent_us=row.last_sent_us,
            )


def _record(deps: BooksDeps, rows: Sequence[EntryRow], outcomes: Iterable[PostingOutcome]) -> None:
    counts = {"posted": 0, "rejected": 0, "unknown": 0}
    with books.writing(deps.engine) as writer:
        for row, outcome in zip(rows, outcomes, strict=True):
            counts[outcome.outcome] += 1
            if outcome.outcome != "unknown":
                _settle(deps, writer, row, outcome.outcome, outcome.external_id, outcome.message)
    say("journal.posted", batch_id=rows[0].batch_id, **counts)


def _settle(
    deps: BooksDeps,
    writer: Writer,
    row: EntryRow,
    state: Literal["posted", "rejected", "dead"],
    external_id: str,
    message: str,
) -> None:
    """An entry's outcome and its audit record, in the caller's transaction."""
    writer.update_entry(
        row.posting_key,
        state=state,
        external_id=external_id,
        error=message,
        posted_at_us=deps.now_us if state == "posted" else None,
    )
    act = Act("ledger", f"entry.{state}", row.posting_key, message, "", row.content_hash)
    record_acts(deps, writer, [act])


def _block(deps: BooksDeps, writer: Writer, row: EntryRow, locked: date | None) -> bool:
    """Block an approved entry that may not go any more; True if it was."""
    problem = problem_of(row.entry, locked)
    if problem:
        posting.check_move(row.state, "blocked")
        writer.update_entry(row.posting_key, state="blocked", approved_by="", error=problem)
        record_acts(deps, writer, [Act("policy", "entry.blocked", row.posting_key, problem)])
    return bool(problem)


def _waiting(row: EntryRow) -> outbox.Waiting:
    return outbox.Waiting(
        posting_key=row.posting_key,
        seq=row.seq,
        document_type=row.document_type,
        store=row.store,
        business_date=date.fromisoformat(row.business_date),
        kind=row.kind,
        version=row.version,
    )
