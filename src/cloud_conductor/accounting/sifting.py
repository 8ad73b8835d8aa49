"""L6 at the scale of a year: documents that are as posted are counted, not kept.

A ledger is read window by window. A document that is in force, carries one of our keys and holds
exactly what we posted under it is settled by its hash; what is left, and whatever could be confused
with it, is for `level_ledger` to look at one by one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cloud_conductor.accounting import posting
from cloud_conductor.accounting.level_ledger import LedgerSide
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.ports.ledger import LedgerDocument, LedgerLine
from cloud_conductor.state.accounting import EntryHead

Content = tuple[date, tuple[tuple[str, int], ...]]
"""Date and sums per account: what makes two documents alike."""


@dataclass
class Sieve:
    """What was read so far. heads: our entries in the ledger, by posting key.

    settled: key -> (external id, updated at) of its only document so far, which is as posted. odd:
    every other document. moved: account -> sum of all documents in force.
    """

    heads: Mapping[str, EntryHead]
    settled: dict[str, tuple[str, str]] = field(default_factory=dict)
    odd: list[LedgerDocument] = field(default_factory=list)
    moved: Counter[str] = field(default_factory=Counter)

    def take(self, documents: Iterable[LedgerDocument]) -> None:
        """Read on."""
        moved = self.moved
        for document in documents:
            if document.status == "posted":
                for line in document.lines:
                    moved[line.account_code] += line.amount_minor
            head = self.heads.get(document.key) if document.key else None
            if (
                head is not None
                and document.status == "posted"
                and document.key not in self.settled
                and posting.document_hash(document, head.currency) == head.content_hash
            ):
                self.settled[document.key] = (document.external_id, document.updated_at)
            else:
                self.odd.append(document)

    def doubtful(self) -> set[str]:
        """Keys to be looked at: without a document as posted, or with further ones."""
        keys = self.heads.keys() - self.settled.keys()
        return keys | {one.key for one in self.odd if one.key in self.heads}

    def foreign_dates(self) -> set[date]:
        """Dates of documents in force under nobody's key: they may be copies of ours."""
        return {one.ledger_date for one in self.odd if _is_foreign(one, self.heads)}

    def copied(self, entries: Mapping[str, JournalEntry]) -> set[str]:
        """Keys of those entries that a document under nobody's key is like."""
        alike = {
            _content(
                one.ledger_date, ((line.account_code, line.amount_minor) for line in one.lines)
            )
            for one in self.odd
            if _is_foreign(one, self.heads)
        }
        return {key for key, entry in entries.items() if content_of(entry) in alike}

    def side(self, entries: Mapping[str, JournalEntry], **told: Any) -> LedgerSide:
        """The ledger's side of L6 for these entries; all others are settled. told: see LedgerSide."""
        documents = self.documents(entries)
        moved = Counter(self.moved)
        for document in documents:
            for line in document.lines if document.status == "posted" else ():
                moved[line.account_code] -= line.amount_minor
        return LedgerSide(
            documents=documents,
            settled=len(self.settled.keys() - entries.keys()),
            settled_moved=moved,
            stores=frozenset(one.store for one in self.heads.values()),
            **told,
        )

    def documents(self, entries: Mapping[str, JournalEntry]) -> list[LedgerDocument]:
        """Documents that have to do with these entries, and all that are nobody's."""
        held = [(key, entry) for key, entry in entries.items() if key in self.settled]
        return [*self.odd, *(self._as_posted(key, entry) for key, entry in held)]

    def _as_posted(self, key: str, entry: JournalEntry) -> LedgerDocument:
        external_id, updated_at = self.settled[key]
        return LedgerDocument(
            external_id=external_id,
            document_type=self.heads[key].document_type,
            key=key,
            ledger_date=entry.ledger_date,
            status="posted",
            lines=tuple(LedgerLine(line.account_code, line.amount_minor) for line in entry.lines),
            narration="",
            updated_at=updated_at,
        )


def content_of(entry: JournalEntry) -> Content:
    """What a copy of the entry would have in common with it."""
    return _content(
        entry.ledger_date, ((one.account_code, one.amount_minor) for one in entry.lines)
    )


def _content(on: date, legs: Iterable[tuple[str, int]]) -> Content:
    sums: Counter[str] = Counter()
    for account, amount in legs:
        sums[account] += amount
    return on, tuple(sorted((account, amount) for account, amount in sums.items() if amount))


def _is_foreign(document: LedgerDocument, ours: Collection[str]) -> bool:
    return document.status == "posted" and document.key not in ours
