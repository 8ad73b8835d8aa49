"""What every ledger adapter must do (ports.ledger.LedgerAdapter), and a ledger in memory that does.

Subclass `LedgerContract` in a test file and give it a fixture `books`: a `LedgerBooks`, that is an
adapter on an empty organisation and the means to make it misbehave or to act as its accountant.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Protocol

import msgspec
import pytest

from cloud_conductor.domain.errors import OutcomeUnknown, RateLimited, VendorUnavailable
from cloud_conductor.domain.journal import (
    EntryKind,
    JournalEntry,
    JournalLine,
    content_hash,
    posting_key,
)
from cloud_conductor.ports.ledger import (
    Account,
    BankLine,
    DocumentType,
    LedgerAdapter,
    LedgerCapabilities,
    LedgerDocument,
    LedgerLine,
    Posting,
    PostingOutcome,
)

DAY = date(2026, 11, 21)
CODES = {"clearing.square": "110", "sales.apparel": "200", "sales.home": "201", "bank": "090",
         "undeposited_cash": "115"}  # fmt: skip
"""Accounts the contract posts to; the organisation under test must have them active."""


class LedgerBooks(Protocol):
    """An adapter under test and its surroundings."""

    ledger: LedgerAdapter

    def lose_reply(self) -> None:
        """The next write happens, its answer is lost."""
        ...

    def refuse_calls(self) -> None:
        """The next write is answered with 429 and nothing happens."""
        ...

    def archive(self, code: str) -> None: ...

    def lock(self, through: date) -> None: ...

    def void(self, external_id: str) -> None: ...


def make_entry(
    kind: EntryKind = "SALES", *, day: date = DAY, store: str = "NYC01", amount_minor: int = 10_000,
    role: str = "sales.apparel", version: int = 1, source_id: str = "",
) -> JournalEntry:  # fmt: skip
    """A balanced entry of two legs; DEPOSIT and PAYOUT touch the bank."""
    into, out_of = {
        "DEPOSIT": ("bank", "undeposited_cash"),
        "PAYOUT": ("bank", "clearing.square"),
    }.get(kind, ("clearing.square", role))
    return JournalEntry(
        kind=kind,
        entity="main",
        store=store,
        currency="USD",
        business_date=day,
        ledger_date=day,
        source_id=source_id or day.isoformat(),
        lines=(
            JournalLine(into, CODES[into], amount_minor),
            JournalLine(out_of, CODES[out_of], -amount_minor),
        ),
        version=version,
        mapping_version="1",
    )


def make_posting(ledger: LedgerAdapter, entry: JournalEntry) -> Posting:
    """An entry with its key, as the outbox would freeze it."""
    key = posting_key(ledger.organisation(), entry)
    return Posting(key, entry, ledger.document_type(entry))


class LedgerContract:
    """The promises of the port, one test each."""

    def test_a_posted_entry_is_found_by_its_key_with_the_same_content(
        self, books: LedgerBooks
    ) -> None:
        posting = make_posting(books.ledger, make_entry())
        (outcome,) = books.ledger.post([posting])
        document = books.ledger.find([posting])[posting.key]
        assert outcome.outcome == "posted"
        assert document.external_id == outcome.external_id
        assert document.status == "posted"
        assert _hash(document) == posting.entry.content_hash

    @pytest.mark.parametrize(("kind", "amount_minor"), [("DEPOSIT", 4_407), ("PAYOUT", -1_234)])
    def test_an_entry_with_a_bank_leg_keeps_all_its_legs(
        self, books: LedgerBooks, kind: EntryKind, amount_minor: int
    ) -> None:
        posting = make_posting(books.ledger, make_entry(kind, amount_minor=amount_minor))
        (outcome,) = books.ledger.post([posting])
        document = books.ledger.find([posting])[posting.key]
        assert outcome.outcome == "posted"
        assert _hash(document) == posting.entry.content_hash

    def test_what_was_never_posted_is_not_found(self, books: LedgerBooks) -> None:
        assert not books.ledger.find([make_posting(books.ledger, make_entry())])

    def test_one_refused_document_does_not_stop_the_others(self, books: LedgerBooks) -> None:
        books.archive(CODES["sales.home"])
        entries = [make_entry(store=f"S{n}") for n in range(3)]
        entries[1] = make_entry(store="S1", role="sales.home")
        outcomes = books.ledger.post([make_posting(books.ledger, entry) for entry in entries])
        assert [one.outcome for one in outcomes] == ["posted", "rejected", "posted"]
        assert outcomes[1].message
        assert len(books.ledger.documents(DAY, DAY + timedelta(days=1))) == 2

    def test_a_lost_reply_is_unknown_and_the_document_is_found(self, books: LedgerBooks) -> None:
        posting = make_posting(books.ledger, make_entry())
        books.lose_reply()
        with pytest.raises(OutcomeUnknown):
            books.ledger.post([posting])
        assert set(books.ledger.find([posting])) == {posting.key}

    def test_a_refused_call_wrote_nothing(self, books: LedgerBooks) -> None:
        posting = make_posting(books.ledger, make_entry())
        books.refuse_calls()
        with pytest.raises((RateLimited, VendorUnavailable)):
            books.ledger.post([posting])
        assert not books.ledger.find([posting])

    def test_documents_lists_the_half_open_range_voided_ones_included(
        self, books: LedgerBooks
    ) -> None:
        days = [DAY + timedelta(days=n) for n in range(3)]
        postings = [make_posting(books.ledger, make_entry(day=day)) for day in days]
        outcomes = books.ledger.post(postings)
        books.void(outcomes[1].external_id)
        listed = {one.key: one.status for one in books.ledger.documents(days[0], days[2])}
        assert listed == {postings[0].key: "posted", postings[1].key: "void"}

    def test_the_trial_balance_is_the_sum_of_documents_in_force(self, books: LedgerBooks) -> None:
        first = make_posting(books.ledger, make_entry(amount_minor=10_001))
        voided = make_posting(books.ledger, make_entry(store="S2"))
        later = make_posting(books.ledger, make_entry(day=DAY + timedelta(days=1)))
        _, gone, _ = books.ledger.post([first, voided, later])
        books.void(gone.external_id)
        balance = books.ledger.trial_balance(DAY)
        assert balance[CODES["clearing.square"]] == 10_001
        assert balance[CODES["sales.apparel"]] == -10_001

    def test_a_locked_period_is_told_and_refuses(self, books: LedgerBooks) -> None:
        books.lock(DAY)
        (outcome,) = books.ledger.post([make_posting(books.ledger, make_entry())])
        assert books.ledger.lock_date() == DAY
        assert outcome.outcome == "rejected"

    def test_the_accounts_say_which_are_banks_and_which_are_archived(
        self, books: LedgerBooks
    ) -> None:
        books.archive(CODES["sales.home"])
        accounts = {account.code: account for account in books.ledger.accounts()}
        assert accounts[CODES["bank"]].is_bank
        assert not accounts[CODES["sales.home"]].is_active
        assert accounts[CODES["sales.apparel"]].is_active

    def test_the_organisation_has_one_stable_name(self, books: LedgerBooks) -> None:
        assert books.ledger.organisation() == books.ledger.organisation() != ""


def _hash(document: LedgerDocument) -> str:
    legs = [(line.account_code, line.amount_minor) for line in document.lines]
    return content_hash(document.ledger_date, "USD", legs)


class MemoryLedger:
    """A ledger in memory: keeps the contract, has no idempotency keys, and can be made to fail.

    written: documents in order of arrival. lose_replies and refusals: how many of the next calls.
    """

    def __init__(self, organisation: str = "memory") -> None:
        self._organisation = organisation
        self.capabilities = LedgerCapabilities(50, True, 0, bank_lines=False)
        self.written: list[LedgerDocument] = []
        self.calls: list[list[str]] = []
        self.lose_replies = 0
        self.refusals = 0
        self.locked: date | None = None
        self.archived: set[str] = set()

    def organisation(self) -> str:
        return self._organisation

    def document_type(self, entry: JournalEntry) -> DocumentType:
        bank = sum(line.amount_minor for line in entry.lines if line.role == "bank")
        if bank == 0:
            return "journal"
        return "bank_receipt" if bank > 0 else "bank_spend"

    def post(self, postings: Sequence[Posting]) -> list[PostingOutcome]:
        assert len({posting.document_type for posting in postings}) == 1, "one type per call"
        if self.refusals:
            self.refusals -= 1
            raise RateLimited("the ledger is busy", retry_after_s=0.01)
        self.calls.append([posting.key for posting in postings])
        outcomes = [self._write(posting) for posting in postings]
        if self.lose_replies:
            self.lose_replies -= 1
            raise OutcomeUnknown("the reply was lost")
        return outcomes

    def find(self, postings: Sequence[Posting]) -> Mapping[str, LedgerDocument]:
        keys = {posting.key for posting in postings}
        return {one.key: one for one in self.written if one.key in keys}

    def documents(self, start: date, end: date) -> list[LedgerDocument]:
        return [one for one in self.written if start <= one.ledger_date < end]

    def trial_balance(self, on: date) -> Mapping[str, int]:
        balance: dict[str, int] = {}
        for document in self.written:
            if document.status == "posted" and document.ledger_date <= on:
                for line in document.lines:
                    present = balance.get(line.account_code, 0)
                    balance[line.account_code] = present + line.amount_minor
        return balance

    def lock_date(self) -> date | None:
        return self.locked

    def accounts(self) -> list[Account]:
        return [
            Account(code, role, "", code not in self.archived, role == "bank", is_system=False)
            for role, code in CODES.items()
        ]

    def bank_lines(self, account_code: str, start: date, end: date) -> list[BankLine] | None:
        del account_code, start, end
        return None

    def change(self, external_id: str, **fields: object) -> None:
        """What a person does in the ledger: edit, re-date or void a document."""
        for place, document in enumerate(self.written):
            if document.external_id == external_id:
                self.written[place] = msgspec.structs.replace(document, **fields)

    def _write(self, posting: Posting) -> PostingOutcome:
        entry = posting.entry
        closed = {line.account_code for line in entry.lines} & self.archived
        if closed:
            message = f"account {min(closed)} is archived"
            return PostingOutcome(posting.key, "rejected", message=message)
        if self.locked is not None and entry.ledger_date <= self.locked:
            return PostingOutcome(posting.key, "rejected", message="the period is locked")
        document = LedgerDocument(
            external_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{len(self.written)}")),
            document_type=posting.document_type,
            key=posting.key,
            ledger_date=entry.ledger_date,
            status="posted",
            lines=tuple(LedgerLine(line.account_code, line.amount_minor) for line in entry.lines),
            narration=f"key={posting.key}",
            updated_at=f"{len(self.written):09d}",
        )
        self.written.append(document)
        return PostingOutcome(posting.key, "posted", document.external_id)
