"""What the organisation holds, told to a judge who knows nothing of our code (`xero.json`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloud_conductor.sandbox.xero import contacts
from cloud_conductor.sandbox.xero.accounts import CLASS_OF_TYPE
from cloud_conductor.sandbox.xero.bank import total_of
from cloud_conductor.sandbox.xero.books import BankTransaction, Books, Line, ManualJournal
from cloud_conductor.sandbox.xero.tracking import show, show_tags

SCHEMA = "sandbox.xero/v1"


def dump(books: Books) -> dict[str, Any]:
    """Schema `sandbox.xero/v1`: days as ISO, amounts as exact numbers, documents oldest first.

    `order` counts manual journals and bank transactions together, in the order they came to be.
    `calls.writes` has every write that reached the books, also those whose answer was lost;
    `replayed` ones changed nothing.
    """
    return {
        "schema": SCHEMA,
        "organisation": {
            "id": books.organisation_id,
            "name": books.name,
            "currency": books.currency,
            "period_lock_date": books.period_lock,
            "end_of_year_lock_date": books.year_lock,
        },
        "accounts": [
            {
                "id": account.account_id,
                "code": account.code,
                "name": account.name,
                "type": account.type,
                "class": CLASS_OF_TYPE[account.type],
                "status": account.status,
                "system_account": account.system_account,
            }
            for account in books.accounts.values()
        ],
        "tracking_categories": [show(category) for category in books.tracking.values()],
        "contacts": [contacts.show(contact) for contact in books.contacts.values()],
        "manual_journals": [_journal(books, journal) for journal in books.journals.values()],
        "bank_transactions": [_transaction(books, one) for one in books.bank_transactions.values()],
        "bank_statement_lines": [
            {
                "id": line.line_id,
                "bank_account_code": books.accounts[line.bank_account_id].code,
                "date": line.date,
                "amount": line.amount,
                "payee": line.payee,
                "reference": line.reference,
            }
            for line in books.statement_lines.values()
        ],
        "calls": {"counts": books.call_counts, "writes": books.calls},
    }


def _journal(books: Books, journal: ManualJournal) -> dict[str, Any]:
    return {
        "id": journal.journal_id,
        "narration": journal.narration,
        "url": journal.url,
        "line_amount_types": journal.line_amount_types,
        **_document(books, journal),
    }


def _transaction(books: Books, transaction: BankTransaction) -> dict[str, Any]:
    return {
        "id": transaction.transaction_id,
        "type": transaction.type,
        "reference": transaction.reference,
        "url": transaction.url,
        "contact": books.contacts[transaction.contact_id].name,
        "bank_account_code": books.accounts[transaction.bank_account_id].code,
        "total": total_of(transaction),
        "line_amount_types": transaction.line_amount_types,
        **_document(books, transaction),
    }


def _document(books: Books, document: ManualJournal | BankTransaction) -> dict[str, Any]:
    return {
        "order": document.order,
        "date": document.date,
        "status": document.status,
        "idempotency_key": document.idempotency_key,
        "updated_at": document.updated_at,
        "lines": _lines(books, document.lines),
        "versions": [
            {
                "at": version.at,
                "status": version.status,
                "date": version.date,
                "text": version.text,
                "lines": _lines(books, version.lines),
            }
            for version in document.versions
        ],
    }


def _lines(books: Books, lines: Iterable[Line]) -> list[dict[str, Any]]:
    return [
        {
            "account_code": books.accounts[line.account_id].code,
            "amount": line.amount,
            "tax_amount": line.tax_amount,
            "tax_type": line.tax_type,
            "description": line.description,
            "tracking": {tag["Name"]: tag["Option"] for tag in show_tags(books, line.tracking)},
        }
        for line in lines
    ]
