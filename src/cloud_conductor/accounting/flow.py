"""The door to everything that acts in this room: drafts, approval, posting, breaks, the audit chain."""

from datetime import date

import msgspec

from cloud_conductor.accounting.deps import BooksDeps
from cloud_conductor.accounting.flow_breaks import (
    accept_break,
    approve_break,
    assign_break,
    decline_break,
    match_breaks,
    record_all,
    record_levels,
)
from cloud_conductor.accounting.flow_drafts import (
    DraftResult,
    Withheld,
    approve,
    approve_by_policy,
    decline,
    draft_day,
    draft_entries,
    redraft,
    withheld_of,
)
from cloud_conductor.accounting.flow_posting import (
    BatchResult,
    ReadBack,
    make_batches,
    pause_s,
    post_all,
    post_batch,
    post_batches,
    read_back,
)
from cloud_conductor.accounting.flow_repost import repost
from cloud_conductor.domain import audit
from cloud_conductor.domain.audit import Flaw
from cloud_conductor.ports.ledger import LedgerDocument
from cloud_conductor.state import accounting as books

__all__ = [
    "BatchResult", "BooksDeps", "DraftResult", "Duplicate", "ReadBack", "Withheld",
    "accept_break", "approve", "approve_break", "approve_by_policy", "assign_break", "decline",
    "decline_break", "draft_day", "draft_entries", "make_batches", "match_breaks", "pause_s",
    "post_all", "post_batch", "post_batches", "read_back", "record_all",
    "record_levels", "redraft", "repost", "sweep_duplicates", "verify_audit", "withheld_of",
]  # fmt: skip


class Duplicate(msgspec.Struct, frozen=True):
    """One key on several documents in force (D04). extra: every one but the first written."""

    posting_key: str
    first: LedgerDocument
    extra: tuple[LedgerDocument, ...]


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


def verify_audit(deps: BooksDeps) -> Flaw | None:
    """The first flaw in the audit chain, or None (INV-30)."""
    with deps.engine.connect() as connection:
        seq, last = books.audit_head(connection)
        links = (audit.Link(row.seq, row.record, row.hash) for row in books.audit_rows(connection))
        return audit.verify(links, seq, last)
