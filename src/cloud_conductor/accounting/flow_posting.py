"""Posting exactly once (R-13.6): intent, call, outcome, read-back, and the waits in between.

Exactly once is: an intent committed before the call, a deterministic key inside the document, a
look-up by that key before any re-send, and a read-back after. The vendor's own idempotency window
only narrows the gap between call and look-up; nothing rests on it.

Several calls may share one commit of their intents and one of their outcomes: a crash in between
leaves all of them to be looked up, none to be sent blindly.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from cloud_conductor.accounting import outbox, posting
from cloud_conductor.accounting.deps import BooksDeps, record_acts, say
from cloud_conductor.accounting.flow_drafts import lock_problem
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import ConductorError, OutcomeUnknown, Permanent, Transient
from cloud_conductor.ports.ledger import PostingOutcome
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BatchRow, EntryHead, EntryRow, Writer
from cloud_conductor.state.tables.accounting import BATCH

TRIES_MAX = 1_000
"""How often one run comes back to the same batch before it gives up and says so."""
RETRY_S = 1.0
RETRY_S_MAX = 300.0
CALLS_PER_COMMIT = 20
"""Calls whose intents share a commit: after a crash that many are looked up again."""
KEYS_PER_READ_BACK = 5_000


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


class _Parcel(NamedTuple):
    """A batch and its entries without an outcome, in posting order."""

    batch_id: str
    rows: list[EntryRow]


class _Sent(NamedTuple):
    """What became of the calls of one commit. unsent: surely not written. stop: why it ended."""

    outcomes: list[tuple[EntryRow, PostingOutcome]]
    unsent: list[EntryRow]
    stop: ConductorError | None = None


def make_batches(deps: BooksDeps) -> list[BatchRow]:
    """Freeze approved entries into batches, in posting order (R-13.8). Gives the new ones.

    An approved entry dated in a period that was locked meanwhile is blocked (INV-19): its date is
    never moved silently (R-13.5).
    """
    organisation = deps.ledger.organisation()
    with deps.engine.connect() as connection:
        if not books.has_entries(connection, "approved", organisation):
            return []
    locked = deps.ledger.lock_date()
    size = min(deps.ledger.capabilities.documents_per_call_max, outbox.BATCH_DOCUMENTS_MAX)
    made: list[BatchRow] = []
    moved: list[tuple[str, str, str]] = []
    with books.writing(deps.engine) as writer:
        approved = books.heads(writer.connection, states=("approved",), organisation=organisation)
        ready = _without_blocked(deps, writer, approved, locked)
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
            made.append(row)
            moved += [(one.posting_key, "pending", row.batch_id) for one in batch]
        writer.insert(BATCH, made)
        writer.update_entries(("state", "batch_id"), moved)
    return made


def post_batch(deps: BooksDeps, batch_id: str) -> BatchResult:
    """Post what is left of a batch; safe to run again after any crash, at any border.

    Whatever may have been sent before is looked up first, and only what the ledger does not hold
    is sent (INV-18). Outcomes are recorded per document: one refusal does not stop the others.
    """
    return post_batches(deps, [batch_id])[0]


def post_batches(deps: BooksDeps, batch_ids: Sequence[str]) -> list[BatchResult]:
    """`post_batch` of several, in order, with one commit before their calls and one after.

    Gives a result for each that was tried: the first that is not done ends the run. A batch that
    may have been sent before is tried alone.
    """
    parcels = _left(deps, batch_ids)
    suspects = [row for parcel in parcels for row in parcel.rows if row.attempts]
    if suspects and len(batch_ids) > 1:
        return post_batches(deps, batch_ids[:1])
    landing_s = max(
        (posting.settle_left_s(row.last_sent_us, deps.now_us, deps.settle_s) for row in suspects),
        default=0.0,
    )
    if landing_s > 0:
        return [BatchResult(batch_ids[0], "wait", landing_s, "a call sent just now may be landing")]
    try:
        if suspects:
            found = _look_up(deps, suspects)
            parcels = [
                _Parcel(name, [row for row in rows if row.posting_key not in found])
                for name, rows in parcels
            ]
        return _results(deps, parcels, _send(deps, parcels))
    except ConductorError as error:
        return [_unfinished(deps, batch_ids[0], error)]


def read_back(deps: BooksDeps, keys: Sequence[str]) -> ReadBack:
    """Compare posted documents with what was meant and keep the hash of what is there (D12)."""
    with deps.engine.connect() as connection:
        rows = books.entries(connection, keys=keys, states=("posted",))
    found = deps.ledger.find([row.posting for row in rows]) if rows else {}
    verified: list[str] = []
    differing: list[str] = []
    read: list[tuple[str, str, str]] = []
    acts: list[Act] = []
    deps.checkpoint("before_readback_record")
    for row in rows:
        if (document := found.get(row.posting_key)) is None:
            continue
        verdict = posting.judge(document, row.name, row.currency, row.content_hash)
        (verified if verdict.state == "posted" else differing).append(row.posting_key)
        if (verdict.hash, verdict.message) != (row.readback_hash, row.error):
            read.append((row.posting_key, verdict.hash, verdict.message))
            hashes = (row.content_hash, verdict.hash)
            acts.append(Act("ledger", "entry.read_back", row.posting_key, verdict.message, *hashes))
    with books.writing(deps.engine) as writer:
        writer.update_entries(("readback_hash", "error"), read)
        record_acts(deps, writer, acts)
    deps.checkpoint("after_readback")
    missing = tuple(row.posting_key for row in rows if row.posting_key not in found)
    say("journal.read_back", verified=len(verified), differing=len(differing), missing=len(missing))
    return ReadBack(tuple(verified), tuple(differing), missing)


def post_all(
    deps: BooksDeps, max_batches: int, sleep: Callable[[float], None]
) -> list[BatchResult]:
    """Post open batches in order, in this process, and read them back: for one-shot commands.

    Stops at a batch that is refused or not done after TRIES_MAX tries; the later ones must wait.
    What an earlier run posted and did not live to read back is read back with the rest.
    """
    make_batches(deps)
    organisation = deps.ledger.organisation()
    with deps.engine.connect() as connection:
        todo = books.open_batches(connection, organisation)[:max_batches]
        unread = books.unread_keys(connection, organisation) if todo else []
    results: list[BatchResult] = []
    tries = 1
    while len(results) < len(todo):
        some = todo[len(results) : len(results) + CALLS_PER_COMMIT]
        found = post_batches(deps, [row.batch_id for row in some])
        for row, result in zip(some, found, strict=False):
            if result.state == "done":
                results.append(result)
                unread += row.keys
        if len(unread) >= KEYS_PER_READ_BACK:
            read_back(deps, unread)
            unread = []
        last = found[-1]
        tries = tries + 1 if last.state == "wait" and len(found) == 1 else 1
        if last.state == "wait" and tries < TRIES_MAX:
            sleep(pause_s(last, tries))
        elif last.state != "done":
            results.append(last)
            break
    if unread:
        read_back(deps, unread)
    return results


def pause_s(result: BatchResult, tries: int) -> float:
    """Seconds before try number `tries` + 1: what the ledger asked for, or longer each time."""
    return max(result.retry_after_s, min(RETRY_S_MAX, 0.05 * 2.0 ** min(tries, 13)))


def _left(deps: BooksDeps, batch_ids: Sequence[str]) -> list[_Parcel]:
    """Entries of batches without an outcome, in posting order."""
    parcels = []
    with deps.engine.connect() as connection:
        rows = books.entries_of_batches(connection, batch_ids, ("pending", "sending"))
        for batch_id in batch_ids:
            batch = books.batch(connection, batch_id)
            assert batch is not None, f"no batch {batch_id}"
            rank = {key: place for place, key in enumerate(batch.keys)}
            own = sorted(rows.get(batch_id, ()), key=lambda row: rank[row.posting_key])
            parcels.append(_Parcel(batch_id, own))
    return parcels


def _look_up(deps: BooksDeps, suspects: Sequence[EntryRow]) -> set[str]:
    """Record what the ledger already holds of these; gives their keys."""
    found = deps.ledger.find([row.posting for row in suspects])
    settled: list[tuple[EntryRow, posting.EntryState, str, str]] = []
    for row in suspects:
        if (document := found.get(row.posting_key)) is not None:
            verdict = posting.judge(document, row.name, row.currency, row.content_hash)
            settled.append((row, verdict.state, document.external_id, verdict.message))
    with books.writing(deps.engine) as writer:
        _settle(deps, writer, settled)
    deps.checkpoint("after_look_up")
    return set(found)


def _send(deps: BooksDeps, parcels: Sequence[_Parcel]) -> _Sent:
    """A call for each batch: intents, calls, outcomes; each in its own commit."""
    rows = [row for parcel in parcels for row in parcel.rows]
    if rows:
        _intend(deps, rows)
    sent = _call(deps, parcels)
    told = _told(sent)
    done = [parcel.batch_id for parcel in parcels if _is_done(parcel, told)]
    deps.checkpoint("before_record")
    if sent.outcomes or sent.unsent or done:
        _record(deps, sent, done)
    deps.checkpoint("after_record")
    return sent


def _intend(deps: BooksDeps, rows: Sequence[EntryRow]) -> None:
    """Write down, before any call, that these may be on their way."""
    deps.checkpoint("before_sending_commit")
    now_us = deps.now_us
    for row in rows:
        posting.check_move(row.state, "sending")
    with books.writing(deps.engine) as writer:
        writer.update_entries(
            ("state", "attempts", "first_sent_us", "last_sent_us"),
            [
                (row.posting_key, "sending", row.attempts + 1, row.first_sent_us or now_us, now_us)
                for row in rows
            ],
        )
    deps.checkpoint("after_sending_commit")


def _call(deps: BooksDeps, parcels: Sequence[_Parcel]) -> _Sent:
    """Call until something goes wrong. A lost reply leaves its batch unknown, the later unsent."""
    sent = _Sent([], [])
    for at, parcel in enumerate(parcels):
        if not parcel.rows:
            continue
        later = [row for one in parcels[at + 1 :] for row in one.rows]
        try:
            outcomes = deps.ledger.post([row.posting for row in parcel.rows])
        except OutcomeUnknown as error:
            return sent._replace(unsent=later, stop=error)
        except (Transient, Permanent) as error:
            return sent._replace(unsent=[*parcel.rows, *later], stop=error)
        deps.checkpoint("after_call")
        keys = [row.posting_key for row in parcel.rows]
        assert [one.key for one in outcomes] == keys, "outcomes in order"
        sent.outcomes.extend(zip(parcel.rows, outcomes, strict=True))
        if any(one.outcome == "unknown" for one in outcomes):
            return sent._replace(unsent=later)
    return sent


def _told(sent: _Sent) -> set[str]:
    """Posting keys with an outcome."""
    return {row.posting_key for row, one in sent.outcomes if one.outcome != "unknown"}


def _is_done(parcel: _Parcel, told: Collection[str]) -> bool:
    """Every entry of the batch has an outcome, now or from before."""
    return all(row.posting_key in told for row in parcel.rows)


def _record(deps: BooksDeps, sent: _Sent, done: Sequence[str]) -> None:
    """Outcomes, finished batches, and what was not sent after all, as it was before the call.

    So the next try needs no look-up for what surely was not written.
    """
    with books.writing(deps.engine) as writer:
        _settle(
            deps,
            writer,
            [
                (row, one.outcome, one.external_id, one.message)
                for row, one in sent.outcomes
                if one.outcome != "unknown"
            ],
        )
        writer.update_entries(
            ("state", "attempts", "first_sent_us", "last_sent_us"),
            [
                (
                    row.posting_key,
                    "sending" if row.attempts else "pending",
                    row.attempts,
                    row.first_sent_us,
                    row.last_sent_us,
                )
                for row in sent.unsent
            ],
        )
        for batch_id in done:
            writer.update_batch(batch_id, state="done", closed_us=deps.now_us, error="")
    if sent.outcomes:
        counts = {"posted": 0, "rejected": 0, "unknown": 0}
        for _, one in sent.outcomes:
            counts[one.outcome] += 1
        say("journal.posted", batches=len(done), **counts)


def _settle(
    deps: BooksDeps,
    writer: Writer,
    settled: Iterable[tuple[EntryRow, posting.EntryState, str, str]],
) -> None:
    """Entries' (state, external id, message) and their audit records, in the caller's transaction."""
    values: list[tuple[str, str, str, str, int | None]] = []
    acts: list[Act] = []
    for row, state, external_id, message in settled:
        at_us = deps.now_us if state == "posted" else None
        values.append((row.posting_key, state, external_id, message, at_us))
        acts.append(Act("ledger", f"entry.{state}", row.posting_key, message, "", row.content_hash))
    writer.update_entries(("state", "external_id", "error", "posted_at_us"), values)
    record_acts(deps, writer, acts)


def _results(deps: BooksDeps, parcels: Sequence[_Parcel], sent: _Sent) -> list[BatchResult]:
    """A result for each batch up to the first that is not done."""
    results: list[BatchResult] = []
    told = _told(sent)
    for parcel in parcels:
        if _is_done(parcel, told):
            results.append(BatchResult(parcel.batch_id, "done"))
        elif sent.stop is not None:
            return [*results, _unfinished(deps, parcel.batch_id, sent.stop)]
        else:
            message = "some outcomes are unknown"
            return [*results, BatchResult(parcel.batch_id, "wait", deps.settle_s, message)]
    return results


def _unfinished(deps: BooksDeps, batch_id: str, error: ConductorError) -> BatchResult:
    """How to go on after a call or look-up that failed. Raises what is neither of the three."""
    if isinstance(error, OutcomeUnknown):
        return BatchResult(batch_id, "wait", max(deps.settle_s, RETRY_S), str(error))
    if isinstance(error, Transient):
        return BatchResult(batch_id, "wait", error.retry_after_s or RETRY_S, str(error))
    if not isinstance(error, Permanent):
        raise error
    with books.writing(deps.engine) as writer:
        writer.update_batch(batch_id, error=str(error))
    return BatchResult(batch_id, "refused", RETRY_S_MAX, str(error))


def _without_blocked(
    deps: BooksDeps, writer: Writer, rows: Sequence[EntryHead], locked: date | None
) -> list[EntryHead]:
    """Block what may not go any more; gives the others."""
    ready: list[EntryHead] = []
    blocked: list[tuple[str, str, str, str]] = []
    for row in rows:
        problem = lock_problem(date.fromisoformat(row.ledger_date), locked)
        if not problem:
            ready.append(row)
            continue
        posting.check_move(row.state, "blocked")
        blocked.append((row.posting_key, "blocked", "", problem))
    writer.update_entries(("state", "approved_by", "error"), blocked)
    acts = [Act("policy", "entry.blocked", key, problem) for key, _, _, problem in blocked]
    record_acts(deps, writer, acts)
    return ready


def _waiting(row: EntryHead) -> outbox.Waiting:
    return outbox.Waiting(
        posting_key=row.posting_key,
        seq=row.seq,
        document_type=row.document_type,
        store=row.store,
        business_date=date.fromisoformat(row.business_date),
        kind=row.kind,
        version=row.version,
    )
