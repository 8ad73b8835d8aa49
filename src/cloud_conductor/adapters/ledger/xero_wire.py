"""Xero's JSON: what we send and read, with exact decimals (Accounting API 2.0, Finance API).

JSON numbers are decoded to Decimal and encoded from Decimal; no float is ever made.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import msgspec

from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.domain.money import major, minor_exponent
from cloud_conductor.ports.ledger import Account, BankLine, LedgerDocument, LedgerLine, Posting

CONTACT = "POS settlement"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_KEY = re.compile(r"key=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_CODE = re.compile(r"\(([^()]+)\)\s*$")
LedgerStatus = Literal["posted", "draft", "void"]
_STATUS: dict[str, LedgerStatus] = {
    "POSTED": "posted",
    "AUTHORISED": "posted",
    "DRAFT": "draft",
}
_encoder = msgspec.json.Encoder()


class _Wire(msgspec.Struct, frozen=True, rename="pascal", kw_only=True):
    pass


class Message(_Wire, frozen=True):
    message: str = ""


class Line(_Wire, frozen=True):
    account_code: str = ""
    line_amount: Decimal = Decimal(0)


class Written(_Wire, frozen=True):
    """What the answer to a write says of one document; its lines are as we sent them."""

    manual_journal_id: str = msgspec.field(name="ManualJournalID", default="")
    bank_transaction_id: str = msgspec.field(name="BankTransactionID", default="")
    narration: str = ""
    reference: str = ""
    status_attribute_string: str = ""
    validation_errors: list["Message"] = []

    @property
    def external_id(self) -> str:
        return self.manual_journal_id or self.bank_transaction_id

    @property
    def text(self) -> str:
        """Where our key stands."""
        return self.narration or self.reference


class WrittenDocuments(_Wire, frozen=True):
    manual_journals: list[Written] = []
    bank_transactions: list[Written] = []


class ManualJournal(_Wire, frozen=True):
    """What every journal has is required: a look-up that cannot see our key must not find nothing.

    Or an entry that is there already would be sent again (INV-18).
    """

    manual_journal_id: str = msgspec.field(name="ManualJournalID")
    narration: str
    date: str
    status: str
    journal_lines: list[Line]
    updated_date_utc: str = msgspec.field(name="UpdatedDateUTC", default="")
    status_attribute_string: str = ""
    validation_errors: list[Message] = []

    @property
    def external_id(self) -> str:
        return self.manual_journal_id


class BankAccount(_Wire, frozen=True):
    code: str = ""


class BankTransaction(_Wire, frozen=True):
    """Its reference, where our key is, may be missing: others' transactions need none."""

    bank_transaction_id: str = msgspec.field(name="BankTransactionID")
    type: str
    date: str
    status: str
    reference: str = ""
    bank_account: BankAccount = BankAccount()
    line_items: list[Line] = []
    total: Decimal = Decimal(0)
    updated_date_utc: str = msgspec.field(name="UpdatedDateUTC", default="")
    status_attribute_string: str = ""
    validation_errors: list[Message] = []

    @property
    def external_id(self) -> str:
        return self.bank_transaction_id


class Paging(msgspec.Struct, frozen=True, rename="camel"):
    page: int = 1
    page_count: int = 1
    item_count: int | None = None


class Journals(_Wire, frozen=True):
    manual_journals: list[ManualJournal] = []
    pagination: Paging | None = msgspec.field(name="pagination", default=None)


class Transactions(_Wire, frozen=True):
    bank_transactions: list[BankTransaction] = []
    pagination: Paging | None = msgspec.field(name="pagination", default=None)


class Connection(msgspec.Struct, frozen=True, rename="camel"):
    tenant_id: str
    tenant_name: str = ""


class Organisation(_Wire, frozen=True):
    name: str = ""
    base_currency: str = ""
    period_lock_date: str = ""
    end_of_year_lock_date: str = ""


class Organisations(_Wire, frozen=True):
    organisations: list[Organisation]


class AccountWire(_Wire, frozen=True):
    account_id: str = msgspec.field(name="AccountID")
    name: str
    type: str
    code: str = ""
    status: str = "ACTIVE"
    system_account: str = ""


class Accounts(_Wire, frozen=True):
    accounts: list[AccountWire]


class Option(_Wire, frozen=True):
    name: str
    status: str = "ACTIVE"


class TrackingCategory(_Wire, frozen=True):
    tracking_category_id: str = msgspec.field(name="TrackingCategoryID")
    name: str
    options: list[Option] = []


class TrackingCategories(_Wire, frozen=True):
    tracking_categories: list[TrackingCategory]


class Cell(_Wire, frozen=True):
    value: str = ""


class Row(_Wire, frozen=True):
    row_type: str = ""
    rows: list["Row"] = []
    cells: list[Cell] = []


class Report(_Wire, frozen=True):
    rows: list[Row] = []


class Reports(_Wire, frozen=True):
    reports: list[Report]


class StatementLine(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    statement_line_id: str
    posted_date: str
    amount: Decimal
    type: str = ""
    payee: str | None = None
    reference: str | None = None
    is_deleted: bool = False
    is_duplicate: bool = False


class Statement(msgspec.Struct, frozen=True, rename="camel"):
    statement_lines: list[StatementLine] = []


class Statements(msgspec.Struct, frozen=True, rename="camel"):
    statements: list[Statement] = []


@lru_cache(maxsize=4096)
def read_date(text: str) -> date:
    """Day of `/Date(1763769600000+0000)/` or of ISO text; ValueError otherwise."""
    if found := _MS_DATE.fullmatch(text):
        return (_EPOCH + timedelta(milliseconds=int(found[1]))).date()
    return date.fromisoformat(text[:10])


@lru_cache(maxsize=4096)
def read_instant(text: str) -> str:
    """ISO text of a `/Date()/`, so that instants sort; other text as it is."""
    if found := _MS_DATE.fullmatch(text):
        return (_EPOCH + timedelta(milliseconds=int(found[1]))).isoformat()
    return text


def narration_of(posting: Posting) -> str:
    """`CC <store> <business_date> <KIND> v<version> key=<uuid>`: our mark on a document."""
    entry = posting.entry
    return f"CC {entry.store} {entry.business_date} {entry.kind} v{entry.version} key={posting.key}"


def is_bank(role: str) -> bool:
    """Whether a leg is on a bank account, which Xero refuses in manual journals (R-6.7)."""
    return role.partition(".")[0] == "bank"


def journals_body(postings: Iterable[Posting], tracking: str) -> bytes:
    """Body of PUT /ManualJournals: debits positive, credits negative, no tax."""
    documents = [
        {
            "Narration": narration_of(posting),
            "Date": posting.entry.ledger_date.isoformat(),
            "LineAmountTypes": "NoTax",
            "Status": "POSTED",
            "JournalLines": [
                {
                    "LineAmount": _amount(line.amount_minor, posting.entry.currency),
                    "AccountCode": line.account_code,
                    "Description": line.description or line.role,
                    **where,
                }
                for line in posting.entry.lines
            ],
        }
        for posting in postings
        for where in (_tracking(tracking, posting.entry.store),)
    ]
    return _encoder.encode({"ManualJournals": documents})


def transactions_body(postings: Iterable[Posting], tracking: str) -> bytes:
    """Body of PUT /BankTransactions: the bank leg is the document, the other legs its lines."""
    return _encoder.encode(
        {"BankTransactions": [_transaction(posting, tracking) for posting in postings]}
    )


def _transaction(posting: Posting, tracking: str) -> dict[str, object]:
    entry, text = posting.entry, narration_of(posting)
    received = posting.document_type == "bank_receipt"
    sign = -1 if received else 1
    return {
        "Type": "RECEIVE" if received else "SPEND",
        "Contact": {"Name": CONTACT},
        "BankAccount": {"Code": bank_code(entry)},
        "Date": entry.ledger_date.isoformat(),
        "Reference": f"key={posting.key}",
        "LineAmountTypes": "NoTax",
        "Status": "AUTHORISED",
        "LineItems": [
            {
                "Description": f"{line.description or line.role}: {text}",
                "Quantity": 1,
                "UnitAmount": _amount(sign * line.amount_minor, entry.currency),
                "AccountCode": line.account_code,
                **_tracking(tracking, entry.store),
            }
            for line in entry.lines
            if not is_bank(line.role)
        ],
    }


def bank_code(entry: JournalEntry) -> str:
    """The one bank account an entry touches; ValueError for none or several."""
    codes = {line.account_code for line in entry.lines if is_bank(line.role)}
    if len(codes) != 1:
        raise ValueError(f"{entry.kind} {entry.source_id} touches {len(codes)} bank accounts")
    return codes.pop()


def read_journal(wire: ManualJournal, currency: str) -> LedgerDocument:
    return LedgerDocument(
        external_id=wire.manual_journal_id,
        document_type="journal",
        key=key_in(wire.narration),
        ledger_date=read_date(wire.date),
        status=_status(wire.status),
        lines=tuple(
            LedgerLine(line.account_code, read_minor(line.line_amount, currency))
            for line in wire.journal_lines
        ),
        narration=wire.narration,
        updated_at=read_instant(wire.updated_date_utc),
    )


def read_transaction(wire: BankTransaction, currency: str) -> LedgerDocument:
    """Legs as a journal would have them: the bank's own leg is added, signs are debit > 0."""
    received = wire.type.startswith("RECEIVE")
    sign = -1 if received else 1
    lines = [
        LedgerLine(line.account_code, sign * read_minor(line.line_amount, currency))
        for line in wire.line_items
    ]
    bank = LedgerLine(wire.bank_account.code, -sign * read_minor(wire.total, currency))
    return LedgerDocument(
        external_id=wire.bank_transaction_id,
        document_type="bank_receipt" if received else "bank_spend",
        key=key_in(wire.reference),
        ledger_date=read_date(wire.date),
        status=_status(wire.status),
        lines=(bank, *lines),
        narration=wire.reference,
        updated_at=read_instant(wire.updated_date_utc),
    )


def read_account(wire: AccountWire) -> Account:
    return Account(
        code=wire.code,
        name=wire.name,
        kind=wire.type,
        is_active=wire.status == "ACTIVE",
        is_bank=wire.type == "BANK",
        is_system=bool(wire.system_account),
    )


def read_bank_line(wire: StatementLine, account_code: str, currency: str) -> BankLine:
    """A statement line; money in > 0 (the bank calls it a credit)."""
    amount = read_minor(wire.amount, currency)
    if wire.type:
        amount = -abs(amount) if wire.type.lower() == "debit" else abs(amount)
    return BankLine(
        line_id=wire.statement_line_id,
        account_code=account_code,
        posted_date=read_date(wire.posted_date),
        amount_minor=amount,
        reference=wire.reference or "",
        payee=wire.payee or "",
    )


def read_trial_balance(reports: Reports, currency: str) -> Mapping[str, int]:
    """Account code -> balance from the year-to-date columns; the name ends with `(code)`."""
    balances: dict[str, int] = {}
    for report in reports.reports:
        for row in _leaves(report.rows):
            cells = [cell.value for cell in row.cells]
            if row.row_type == "Row" and len(cells) >= 5 and (code := _CODE.search(cells[0])):
                debit, credit = (Decimal(text.replace(",", "") or "0") for text in cells[3:5])
                balances[code[1]] = read_minor(debit - credit, currency)
    return balances


def read_minor(amount: Decimal, currency: str) -> int:
    """Minor units of an amount that must be exact; ValueError when digits would be lost."""
    scaled = amount.scaleb(minor_exponent(currency))
    minor = int(scaled)
    if minor != scaled:
        raise ValueError(f"{amount} {currency} has more digits than the currency")
    return minor


def key_in(text: str) -> str:
    """Our posting key in a narration or reference; empty for a document that is not ours."""
    found = _KEY.search(text)
    return found[1] if found else ""


def _leaves(rows: Iterable[Row]) -> Iterable[Row]:
    for row in rows:
        yield row
        yield from _leaves(row.rows)


def _status(text: str) -> LedgerStatus:
    return _STATUS.get(text, "void")


def _amount(minor: int, currency: str) -> msgspec.Raw:
    """The amount as a JSON number, digit for digit."""
    return msgspec.Raw(major(minor, currency).encode())


def _tracking(category: str, store: str) -> dict[str, object]:
    return {"Tracking": [{"Name": category, "Option": store}]} if category else {}
