"""Bank transactions: money received and spent, the document that may touch a bank account."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from cloud_conductor.sandbox.xero import contacts, ledger, where
from cloud_conductor.sandbox.xero.batch import Prepared, write
from cloud_conductor.sandbox.xero.books import ZERO, BankTransaction, Books, Version
from cloud_conductor.sandbox.xero.lines import (
    CENT,
    gross_of,
    read_line_amount_types,
    read_lines,
    read_number,
    show_line,
)
from cloud_conductor.sandbox.xero.wire import (
    Ask,
    date_string,
    ms_date,
    ms_instant,
    not_found,
    parse_date,
)

REFERENCE_MAX = 255
TYPES = ("RECEIVE", "SPEND")
FIELDS: where.Fields = {
    "BankTransactionID": lambda t: t.transaction_id,
    "Type": lambda t: t.type,
    "Date": lambda t: t.date,
    "Status": lambda t: t.status,
    "Reference": lambda t: t.reference or None,
    "Total": lambda t: total_of(t),  # noqa: PLW0108 - defined below
    "IsReconciled": lambda t: t.is_reconciled,
    "BankAccount.AccountID": lambda t: t.bank_account_id,
    "Contact.ContactID": lambda t: t.contact_id,
    "Url": lambda t: t.url or None,
    "UpdatedDateUTC": lambda t: t.updated_at,
}


def total_of(transaction: BankTransaction) -> Decimal:
    """What went through the bank, tax included; not signed."""
    kind = transaction.line_amount_types
    return sum((gross_of(line, kind) for line in transaction.lines), ZERO)


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /BankTransactions. As Xero's, a call without `page` leaves the lines out."""
    everything = books.bank_transactions.values()
    found = where.kept("bank_transactions", everything, ask, FIELDS, "UpdatedDateUTC")
    page, told = where.paged(found, ask)
    shown = [show(books, transaction, lines=told is not None) for transaction in page]
    return {"pagination": told, "BankTransactions": shown} if told else {"BankTransactions": shown}


def read_one(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /BankTransactions/{BankTransactionID}."""
    return {"BankTransactions": [show(books, _by_id(books, ask))]}


def write_many(books: Books, ask: Ask) -> dict[str, Any]:
    """PUT (create), POST (update or create) /BankTransactions, POST /BankTransactions/{id}."""
    path_id = ask.params.get("BankTransactionID")
    if path_id is not None:
        _by_id(books, ask)

    def prepare(body: dict[str, Any]) -> Prepared:
        wanted = path_id or (body.get("BankTransactionID") if ask.method == "POST" else None)
        return _prepare(books, ask, body, str(wanted).lower() if wanted else None)

    return write(ask, "BankTransactions", "BankTransactionID", prepare)


def show(books: Books, transaction: BankTransaction, *, lines: bool = True) -> dict[str, Any]:
    """The bank transaction as Xero shows it."""
    account = books.accounts[transaction.bank_account_id]
    tax = sum((line.tax_amount for line in transaction.lines), ZERO)
    total = total_of(transaction)
    shown: dict[str, Any] = {
        "BankTransactionID": transaction.transaction_id,
        "BankAccount": {
            "AccountID": account.account_id,
            "Code": account.code,
            "Name": account.name,
        },
        "Type": transaction.type,
        "Reference": transaction.reference,
        "IsReconciled": transaction.is_reconciled,
        "CurrencyRate": Decimal("1.0"),
        "HasAttachments": False,
        "Contact": contacts.show(books.contacts[transaction.contact_id]),
        "DateString": date_string(transaction.date),
        "Date": ms_date(transaction.date),
        "Status": transaction.status,
        "LineAmountTypes": transaction.line_amount_types,
        "LineItems": [],
        "SubTotal": total - tax,
        "TotalTax": tax,
        "Total": total,
        "UpdatedDateUTC": ms_instant(transaction.updated_at),
        "CurrencyCode": books.currency,
    }
    if transaction.url:
        shown["Url"] = transaction.url
    if lines:
        shown["LineItems"] = [
            {
                **show_line(books, line),
                "Quantity": line.quantity,
                "UnitAmount": line.unit_amount,
                "LineItemID": line.line_id,
            }
            for line in transaction.lines
        ]
    return shown


def _by_id(books: Books, ask: Ask) -> BankTransaction:
    transaction = books.bank_transactions.get(ask.params["BankTransactionID"].lower())
    if transaction is None:
        raise not_found()
    return transaction


def _prepare(books: Books, ask: Ask, body: dict[str, Any], wanted: str | None) -> Prepared:
    problems: list[str] = []
    present = books.bank_transactions.get(wanted) if wanted else None
    if wanted and present is None:
        problems.append(f"The bank transaction '{wanted}' does not exist")
    if present is not None and present.status != "AUTHORISED":
        problems.append(f"Bank transactions with a status of {present.status} cannot be modified")
        return Prepared(body, dict, problems)
    if present is not None and present.is_reconciled:
        problems.append("This bank transaction has been reconciled and cannot be edited.")
        return Prepared(body, dict, problems)
    after = _merged(books, ask, present, body, problems)
    days = {after.date} | ({present.date} if present else set())
    if refusal := next(filter(None, map(books.lock_refusal, sorted(days))), None):
        problems.append(refusal)
    if total_of(after) < 0:
        problems.append("The document total must not be negative")
    contact = body.get("Contact")
    name = str(contact.get("Name", "")) if isinstance(contact, dict) else ""
    return Prepared(body, lambda: _commit(books, ask, present, after, name), problems)


def _merged(
    books: Books,
    ask: Ask,
    present: BankTransaction | None,
    body: dict[str, Any],
    problems: list[str],
) -> BankTransaction:
    """The present transaction (or an empty one) with what the body says; the rest stays."""
    after = (
        msgspec.structs.replace(present)
        if present
        else BankTransaction(
            transaction_id="",
            order=0,
            type="",
            contact_id="",
            bank_account_id="",
            date=ask.now.date(),
            status="AUTHORISED",
            line_amount_types="Exclusive",
            lines=[],
            updated_at=ask.now,
            idempotency_key=ask.idempotency_key,
        )
    )
    _merge_head(after, body, problems, present)
    if present is None or "Contact" in body:
        after.contact_id = contacts.find(books, body.get("Contact"), problems) or ""
    if present is None or "BankAccount" in body:
        after.bank_account_id = _bank_account(books, body.get("BankAccount"), problems)
    if present is None or "LineItems" in body:
        unit_places = 4 if ask.query.get("unitdp") == "4" else 2
        after.lines = read_lines(
            books,
            body.get("LineItems") or [],
            after.line_amount_types,
            problems,
            lambda entry, wrong: _read_amounts(entry, wrong, unit_places),
        )
        if not body.get("LineItems"):
            problems.append("One or more line items must be specified")
    if body.get("CurrencyCode", books.currency) != books.currency:
        problems.append(f"The currency of the bank account is {books.currency}")
    return after


def _merge_head(
    after: BankTransaction,
    body: dict[str, Any],
    problems: list[str],
    present: BankTransaction | None,
) -> None:
    after.type = str(body.get("Type", after.type))
    if after.type not in TYPES or (present is not None and after.type != present.type):
        problems.append(f"The bank transaction type '{after.type}' is not valid")
    after.reference = str(body.get("Reference", after.reference) or "")
    if len(after.reference) > REFERENCE_MAX:
        problems.append(f"Reference may have {REFERENCE_MAX} characters at most")
    after.url = str(body.get("Url", after.url) or "")
    after.is_reconciled = bool(body.get("IsReconciled", after.is_reconciled))
    after.status = str(body.get("Status") or after.status)
    if after.status not in ({"AUTHORISED", "DELETED"} if present else {"AUTHORISED"}):
        problems.append(f"The status {after.status} is not valid for this document")
    kind = body.get("LineAmountTypes")
    after.line_amount_types = read_line_amount_types(kind, after.line_amount_types, problems)
    after.date = _read_date(body, after.date, problems)


def _read_date(body: dict[str, Any], present: date, problems: list[str]) -> date:
    try:
        return parse_date(body["Date"]) if body.get("Date") else present
    except ValueError:
        problems.append(f"Date '{body['Date']}' is not a valid date")
        return present


def _bank_account(books: Books, entry: Any, problems: list[str]) -> str:
    entry = entry if isinstance(entry, dict) else {}
    account = books.accounts.get(str(entry.get("AccountID", "")).lower())
    if account is None and entry.get("Code") is not None:
        account = books.account_by_code(str(entry["Code"]))
    if account is None or account.type != "BANK":
        problems.append("A valid bank account is required: BankAccount with Code or AccountID")
        return ""
    if account.status != "ACTIVE":
        problems.append(f"The bank account '{account.code}' has been archived.")
    return account.account_id


def _read_amounts(
    entry: dict[str, Any], problems: list[str], unit_places: int
) -> tuple[Decimal, Decimal, Decimal] | None:
    """Quantity, unit amount, line amount; the last is their product, rounded half up."""
    quantity = read_number(entry.get("Quantity", 1), "Quantity", problems, places=4)
    given = entry.get("LineAmount")
    amount = None if given is None else read_number(given, "LineAmount", problems)
    unit = entry.get("UnitAmount", given if quantity == 1 else None)
    unit_amount = read_number(unit, "UnitAmount", problems, places=unit_places)
    if not str(entry.get("Description") or "").strip():
        problems.append("Description is required on every line item")
    if quantity is None or unit_amount is None or (given is not None and amount is None):
        return None
    expected = (quantity * unit_amount).quantize(CENT, ROUND_HALF_UP)
    if amount is not None and amount != expected:
        problems.append(
            f"The line total {amount} does not match the expected line total {expected}"
        )
    return quantity, unit_amount, expected


def _commit(
    books: Books,
    ask: Ask,
    present: BankTransaction | None,
    after: BankTransaction,
    contact_name: str,
) -> dict[str, Any]:
    before = ledger.standing(books, present.transaction_id) if present else None
    if not after.contact_id:
        after.contact_id = contacts.named(books, contact_name, ask)
    if present is None:
        after.transaction_id = books.guid()
        after.order = books.next_order()
    for line in after.lines:
        line.line_id = line.line_id or books.guid()
    after.updated_at = ask.now
    version = Version(
        at=ask.now,
        status=after.status,
        date=after.date,
        text=after.reference,
        lines=after.lines,
    )
    after.versions = [*after.versions, version]
    books.bank_transactions[after.transaction_id] = after
    ledger.record(books, after, before, ask.now)
    return show(books, after)
