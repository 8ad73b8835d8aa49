"""An accounting system: post documents exactly once, read them back."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, Protocol

import msgspec

from cloud_conductor.domain.journal import JournalEntry

DocumentType = Literal["journal", "bank_receipt", "bank_spend"]
Outcome = Literal["posted", "rejected", "unknown"]


class LedgerCapabilities(msgspec.Struct, frozen=True):
    documents_per_call_max: int
    journals_on_bank_accounts: bool
    idempotency_window_s: int
    bank_lines: bool


class Posting(msgspec.Struct, frozen=True):
    """An entry and its deterministic key, as sent. Frozen when the intent was written."""

    key: str
    entry: JournalEntry
    document_type: DocumentType


class PostingOutcome(msgspec.Struct, frozen=True):
    key: str
    outcome: Outcome
    external_id: str = ""
    message: str = ""


class LedgerLine(msgspec.Struct, frozen=True):
    account_code: str
    amount_minor: int


class LedgerDocument(msgspec.Struct, frozen=True):
    """A document as the ledger holds it. key is empty for documents that are not ours (FOREIGN)."""

    external_id: str
    document_type: str
    key: str
    ledger_date: date
    status: Literal["posted", "draft", "void"]
    lines: tuple[LedgerLine, ...]
    narration: str
    updated_at: str = ""
    url: str = ""


class BankLine(msgspec.Struct, frozen=True):
    line_id: str
    account_code: str
    posted_date: date
    amount_minor: int
    reference: str
    payee: str = ""


class Account(msgspec.Struct, frozen=True):
    code: str
    name: str
    kind: str
    is_active: bool
    is_bank: bool
    is_system: bool


class LedgerAdapter(Protocol):
    """One organisation of one ledger. Never retries by itself: the flow owns retries."""

    capabilities: LedgerCapabilities

    def organisation(self) -> str:
        """A stable id of the organisation; part of every posting key (R-13.6)."""
        ...

    def document_type(self, entry: JournalEntry) -> DocumentType:
        """The document this ledger accepts for an entry (R-6.7)."""
        ...

    def prepare(self, stores: Sequence[str]) -> None:
        """Make sure the ledger knows the stores its documents will name; idempotent."""
        ...

    def post(self, postings: Sequence[Posting]) -> list[PostingOutcome]:
        """One call, one document type, at most documents_per_call_max.

        An outcome per document, in order. Raises OutcomeUnknown when a reply was lost,
        RateLimited or VendorUnavailable when surely nothing was written.
        """
        ...

    def find(self, postings: Sequence[Posting]) -> Mapping[str, LedgerDocument]:
        """Documents already there for these keys: the look-up before any re-send (R-13.6)."""
        ...

    def documents(self, start: date, end: date) -> list[LedgerDocument]:
        """Every document dated in [start, end), ours and foreign, void ones included."""
        ...

    def trial_balance(self, on: date) -> Mapping[str, int]:
        """Account code -> signed balance in minor units (debit > 0) at the end of a day."""
        ...

    def lock_date(self) -> date | None:
        """Documents dated on or before are refused (R-13.5)."""
        ...

    def accounts(self) -> list[Account]: ...

    def bank_lines(self, account_code: str, start: date, end: date) -> list[BankLine] | None:
        """Statement lines in [start, end); None when not connected."""
        ...
