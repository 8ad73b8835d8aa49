"""Which approved entries go to the ledger together, and in which order (R-13.8)."""

from collections import deque
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


def batches(waiting: Sequence[Waiting], size_max: int) -> list[list[Waiting]]:
    """All of them in batches that fit in one call, in the order in which they must be posted.

    A batch has one document type. It takes entries in order of (business date, kind, store). An
    entry of another type that stays behind holds back later days of its store, so each store posts
    in business-date order (R-13.8).
    """
    assert 0 < size_max <= BATCH_DOCUMENTS_MAX, "a call takes 1 to 50 documents"
    left = deque(sorted(waiting, key=lambda one: one.order))
    stores = len({one.store for one in waiting})
    result = []
    while left:
        result.append(_take(left, size_max, stores))
    return result


def _take(left: deque[Waiting], size_max: int, stores: int) -> list[Waiting]:
    """Take the next batch out of what is left, which is in order and stays so.

    stores: how many there are; once every one is held back, what follows need not be looked at.
    """
    chosen: list[Waiting] = []
    passed: list[Waiting] = []
    held_after: dict[str, date] = {}
    while left and len(chosen) < size_max:
        if len(held_after) == stores and left[0].business_date > max(held_after.values()):
            break
        entry = left.popleft()
        if chosen and entry.document_type != chosen[0].document_type:
            held_after.setdefault(entry.store, entry.business_date)
            passed.append(entry)
        elif entry.business_date <= held_after.get(entry.store, entry.business_date):
            chosen.append(entry)
        else:
            passed.append(entry)
    left.extendleft(reversed(passed))
    return chosen


def batch_id(organisation: str, seq: int) -> str:
    """Name of a batch; names sort in posting order, ties in a queue's clock do no harm."""
    return f"post-{organisation[:8].lower()}-{seq:012d}"
