"""What an organisation holds, as plain records: the whole state, saved and loaded as JSON.

Amounts are Decimal with two places. A posting is signed: debit > 0, credit < 0.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal

import msgspec

_SPACE = uuid.UUID("6f1d7f0e-7a63-5a39-9d0c-7f3f0c6b2c11")
ZERO = Decimal("0.00")


class Account(msgspec.Struct, kw_only=True):
    """One row of the chart of accounts. system_account: DEBTORS, CREDITORS, GST, ... or empty."""

    account_id: str
    code: str
    name: str
    type: str
    updated_at: datetime
    status: str = "ACTIVE"
    description: str = ""
    tax_type: str = "NONE"
    system_account: str = ""
    bank_account_number: str = ""
    enable_payments: bool = False
    show_in_expense_claims: bool = False


class TrackingOption(msgspec.Struct, kw_only=True):
    option_id: str
    name: str
    status: str = "ACTIVE"


class TrackingCategory(msgspec.Struct, kw_only=True):
    category_id: str
    name: str
    status: str = "ACTIVE"
    options: list[TrackingOption] = []


class Contact(msgspec.Struct, kw_only=True):
    contact_id: str
    name: str
    updated_at: datetime
    status: str = "ACTIVE"
    email: str = ""
    number: str = ""


class Tag(msgspec.Struct, frozen=True):
    """One tracking entry of a line."""

    category_id: str
    option_id: str


class Line(msgspec.Struct, kw_only=True):
    """A line of a journal (amount signed) or of a bank transaction (quantity x unit_amount)."""

    line_id: str
    account_id: str
    amount: Decimal
    tax_amount: Decimal = ZERO
    tax_type: str = "NONE"
    description: str = ""
    tracking: list[Tag] = []
    quantity: Decimal = Decimal(1)
    unit_amount: Decimal = ZERO


class Version(msgspec.Struct, kw_only=True):
    """What a document was after one write."""

    at: datetime
    status: str
    date: date
    text: str
    lines: list[Line]


class ManualJournal(msgspec.Struct, kw_only=True):
    journal_id: str
    order: int
    narration: str
    date: date
    status: str
    line_amount_types: str
    lines: list[Line]
    updated_at: datetime
    url: str = ""
    cash_basis: bool = True
    idempotency_key: str | None = None
    versions: list[Version] = []


class BankTransaction(msgspec.Struct, kw_only=True):
    transaction_id: str
    order: int
    type: str
    contact_id: str
    bank_account_id: str
    date: date
    status: str
    line_amount_types: str
    lines: list[Line]
    updated_at: datetime
    reference: str = ""
    url: str = ""
    is_reconciled: bool = False
    idempotency_key: str | None = None
    versions: list[Version] = []


class StatementLine(msgspec.Struct, kw_only=True):
    """One line of the bank's own statement. amount: signed, money in > 0."""

    line_id: str
    statement_id: str
    bank_account_id: str
    date: date
    amount: Decimal
    imported_at: datetime
    payee: str = ""
    reference: str = ""


class Posting(msgspec.Struct, kw_only=True):
    """One leg in the general ledger; net excludes tax. debit > 0, credit < 0."""

    account_id: str
    net: Decimal
    tax: Decimal = ZERO
    tax_type: str = ""
    description: str = ""
    tracking: list[Tag] = []


class LedgerJournal(msgspec.Struct, kw_only=True):
    """One numbered, never-changed entry of the general ledger; an edit is a reversal and a new one."""

    number: int
    journal_id: str
    date: date
    created_at: datetime
    source_id: str
    source_type: str
    reference: str
    postings: list[Posting]


class StoredAnswer(msgspec.Struct, kw_only=True):
    """What a call with an idempotency key was answered. at_s: vendor seconds (see pace)."""

    at_s: float
    fingerprint: str
    status: int
    body: bytes


class Call(msgspec.Struct, kw_only=True):
    """One write that reached the books, in order of arrival."""

    seq: int
    at: datetime
    method: str
    path: str
    status: int
    idempotency_key: str | None = None
    replayed: bool = False
    documents: list[str] = []


class Books(msgspec.Struct, kw_only=True):
    """One organisation. Dictionaries are keyed by id and keep the order of creation."""

    seed: int
    name: str
    currency: str
    country: str
    organisation_id: str
    created_at: datetime
    year_end_month: int = 12
    period_lock: date | None = None
    year_lock: date | None = None
    accounts: dict[str, Account] = {}
    tracking: dict[str, TrackingCategory] = {}
    contacts: dict[str, Contact] = {}
    journals: dict[str, ManualJournal] = {}
    bank_transactions: dict[str, BankTransaction] = {}
    statement_lines: dict[str, StatementLine] = {}
    ledger: list[LedgerJournal] = []
    answers: dict[str, StoredAnswer] = {}
    calls: list[Call] = []
    call_counts: dict[str, int] = {}
    guids: int = 0
    documents: int = 0

    def guid(self) -> str:
        """The next id; the same seed and the same calls give the same ids."""
        self.guids += 1
        return str(uuid.uuid5(_SPACE, f"{self.seed}:{self.guids}"))

    def next_order(self) -> int:
        """Order of creation over all documents, from 1."""
        self.documents += 1
        return self.documents

    def account_by_code(self, code: str) -> Account | None:
        """The account with that code, archived ones included; deleted ones have no code any more."""
        return next((a for a in self.accounts.values() if a.code == code), None)

    def account_of_system(self, system_account: str) -> Account | None:
        """The account with that part in the system, such as DEBTORS or GST."""
        named = (a for a in self.accounts.values() if a.system_account == system_account)
        return next(named, None)

    def contact_by_name(self, name: str) -> Contact | None:
        """The contact with that name, whatever the case."""
        wanted = name.casefold()
        return next((c for c in self.contacts.values() if c.name.casefold() == wanted), None)

    def lock_refusal(self, day: date) -> str | None:
        """Why a document dated `day` may not be written (R-13.5), or None."""
        if self.year_lock is not None and day <= self.year_lock:
            return "The document date cannot be before the end of year lock date"
        if self.period_lock is not None and day <= self.period_lock:
            return "The document date cannot be before the period lock date"
        return None
