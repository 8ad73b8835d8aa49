"""The general ledger: what each document posts, the numbered journals, GET /Journals."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloud_conductor.sandbox.xero.accounts import TAX_NAMES
from cloud_conductor.sandbox.xero.books import (
    ZERO,
    BankTransaction,
    Books,
    LedgerJournal,
    ManualJournal,
    Posting,
)
from cloud_conductor.sandbox.xero.lines import gross_of, net_of
from cloud_conductor.sandbox.xero.tracking import show_tags
from cloud_conductor.sandbox.xero.wire import Ask, ms_date, ms_instant, query_invalid

JOURNALS_MAX = 100


def postings_of(books: Books, document: ManualJournal | BankTransaction) -> list[Posting]:
    """Balanced legs of a document in force; none of a draft, voided or deleted one."""
    if document.status not in {"POSTED", "AUTHORISED"}:
        return []
    kind = document.line_amount_types
    bank = document if isinstance(document, BankTransaction) else None
    sign = -1 if bank is not None and bank.type == "RECEIVE" else 1
    legs = [
        Posting(
            account_id=line.account_id,
            net=sign * net_of(line, kind),
            tax=sign * line.tax_amount,
            tax_type=line.tax_type,
            description=line.description,
            tracking=line.tracking,
        )
        for line in document.lines
    ]
    tax = sum((leg.tax for leg in legs), ZERO)
    tax_account = books.account_of_system("GST")
    if tax and tax_account is not None:
        legs.append(Posting(account_id=tax_account.account_id, net=tax))
    if bank is not None:
        total = sum((gross_of(line, kind) for line in document.lines), ZERO)
        legs.insert(0, Posting(account_id=bank.bank_account_id, net=-sign * total))
    assert sum((leg.net for leg in legs), ZERO) == 0, f"{document} posts an unbalanced journal"
    return legs


def record(
    books: Books,
    document: ManualJournal | BankTransaction,
    before: LedgerJournal | None,
    now: datetime,
) -> None:
    """Enter a written document into the ledger.

    before: what it posted until now; reversed if that changed. Nothing is ever edited here.
    """
    legs = postings_of(books, document)
    if before is not None:
        if before.postings == legs and before.date == document.date:
            return
        undo = [
            Posting(
                account_id=leg.account_id,
                net=-leg.net,
                tax=-leg.tax,
                tax_type=leg.tax_type,
                description=leg.description,
                tracking=leg.tracking,
            )
            for leg in before.postings
        ]
        _append(books, document, before.date, undo, now)
    if legs:
        _append(books, document, document.date, legs, now)


def standing(books: Books, document_id: str) -> LedgerJournal | None:
    """What a document posted last, if it stands (was not reversed)."""
    mine = [journal for journal in books.ledger if journal.source_id == document_id]
    return mine[-1] if len(mine) % 2 else None


def _append(
    books: Books,
    document: ManualJournal | BankTransaction,
    day: Any,
    legs: list[Posting],
    now: datetime,
) -> None:
    if isinstance(document, ManualJournal):
        source_id, kind, reference = document.journal_id, "MANJOURNAL", document.narration
    else:
        source_id, reference = document.transaction_id, document.reference
        kind = "CASHREC" if document.type == "RECEIVE" else "CASHPAID"
    books.ledger.append(
        LedgerJournal(
            number=len(books.ledger) + 1,
            journal_id=books.guid(),
            date=day,
            created_at=now,
            source_id=source_id,
            source_type=kind,
            reference=reference,
            postings=legs,
        )
    )


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Journals: up to 100 after the journal number `offset`, oldest first."""
    try:
        offset = int(ask.query.get("offset", "0"))
    except ValueError:
        raise query_invalid("offset is a whole number") from None
    after = books.ledger[max(offset, 0) : max(offset, 0) + JOURNALS_MAX]
    return {"Journals": [_show(books, journal) for journal in after]}


def _show(books: Books, journal: LedgerJournal) -> dict[str, Any]:
    return {
        "JournalID": journal.journal_id,
        "JournalDate": ms_date(journal.date),
        "JournalNumber": journal.number,
        "CreatedDateUTC": ms_instant(journal.created_at),
        "Reference": journal.reference,
        "SourceID": journal.source_id,
        "SourceType": journal.source_type,
        "JournalLines": [_show_leg(books, journal, at) for at in range(len(journal.postings))],
    }


def _show_leg(books: Books, journal: LedgerJournal, at: int) -> dict[str, Any]:
    leg = journal.postings[at]
    account = books.accounts[leg.account_id]
    shown = {
        "JournalLineID": f"{journal.journal_id[:-4]}{at:04x}",
        "AccountID": account.account_id,
        "AccountCode": account.code,
        "AccountType": account.type,
        "AccountName": account.name,
        "Description": leg.description,
        "NetAmount": leg.net,
        "GrossAmount": leg.net + leg.tax,
        "TaxAmount": leg.tax,
        "TrackingCategories": show_tags(books, leg.tracking),
    }
    if leg.tax_type:
        shown |= {"TaxType": leg.tax_type, "TaxName": TAX_NAMES[leg.tax_type]}
    return shown
