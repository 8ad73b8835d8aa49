"""Which approved entries go to the ledger together, and in which order (R-13.8)."""

from collections.abc import Sequence
from datetime import date

import msgspec

from cloud_conductor.domain.journal import KIND_ORDER, EntryKind
from cloud_conductor.ports.ledger import DocumentType

BATCH_DOCUMENTS_MAX = 50
"""Xero's practical ceiling per call (vendor page: Accounting API, batches)."""

_KIND_RANK = {kind: rank for rank, kind in enumerate(KIND_ORDER)}


class Waiting(msgspec.Struct, frozen=True):
    """An approved entry that no batch holds yet."""

    posting_key: str
    seq: int
    document_type: DocumentType
    store: str
    business_date: date
    kind: EntryKind
    version: int

    @property
    def order(self) -> tuple[date, int, str, int, int]:
        return (self.business_date, _KIND_RANK[self.kind], self.store, self.version, self.seq)


def next_batch(waiting: Sequence[Waiting], size_max: int) -> list[Waiting]:
    """The first entries of one organisation that fit in one call: one document type.

    Taken in order of (business date, kind, store). An entry of another type that stays behind
    holds back later days of its store, so each store posts in business-date order (R-13.8).
    Empty only when nothing waits.
    """
    chosen: list[Waiting] = []
    held_after: dict[str, date] = {}
    for entry in sorted(waiting, key=lambda one: one.order):
        if chosen and entry.document_type != chosen[0].document_type:
            held_after.setdefault(entry.store, entry.business_date)
        elif entry.business_date <= held_after.get(entry.store, entry.business_date):
            chosen.append(entry)
            if len(chosen) == size_max:
                break
    return chosen


def batches(waiting: Sequence[Waiting], size_max: int) -> list[list[Waiting]]:
    """All of them, in the order in which they must be posted, one after the other."""
    assert 0 < size_max <= BATCH_DOCUMENTS_MAX, "a call takes 1 to 50 documents"
    left, result = list(waiting), []
    while left:
        batch = next_batch(left, size_max)
        taken = {entry.posting_key for entry in batch}
        left = [entry for entry in left if entry.posting_key not in taken]
        result.append(batch)
    return result


def batch_id(organisation: str, seq: int) -> str:
    """Name of a batch; names sort in posting order, ties in a queue's clock do no harm."""
    return f"post-{organisation[:8].lower()}-{seq:012d}"
