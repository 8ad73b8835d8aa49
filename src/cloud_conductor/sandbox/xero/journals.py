"""Manual journals: what Xero accepts, refuses, shows and lets be changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from cloud_conductor.sandbox.xero import ledger, where
from cloud_conductor.sandbox.xero.batch import Prepared, write
from cloud_conductor.sandbox.xero.books import ZERO, Books, Line, ManualJournal, Version
from cloud_conductor.sandbox.xero.lines import (
    gross_of,
    read_line_amount_types,
    read_lines,
    read_number,
    show_line,
)
from cloud_conductor.sandbox.xero.wire import Ask, ms_date, ms_instant, not_found, parse_date

NARRATION_MAX = 4000
LINES_MIN = 2
STRANGERS = "Somebody else's draft"
# From each status: what a write may make of it.
NEXT_STATUS = {
    None: {"DRAFT", "POSTED"},
    "DRAFT": {"DRAFT", "POSTED", "DELETED"},
    "POSTED": {"POSTED", "VOIDED"},
    "VOIDED": set[str](),
    "DELETED": set[str](),
}
FIELDS: where.Fields = {
    "ManualJournalID": lambda j: j.journal_id,
    "Date": lambda j: j.date,
    "Status": lambda j: j.status,
    "Narration": lambda j: j.narration,
    "Url": lambda j: j.url or None,
    "UpdatedDateUTC": lambda j: j.updated_at,
}


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /ManualJournals. As Xero's, a call without `page` leaves the lines out."""
    found = where.kept("journals", books.journals.values(), ask, FIELDS, "UpdatedDateUTC")
    page, told = where.paged(found, ask)
    shown = [show(books, journal, lines=told is not None) for journal in page]
    return {"pagination": told, "ManualJournals": shown} if told else {"ManualJournals": shown}


def read_one(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /ManualJournals/{ManualJournalID}."""
    return {"ManualJournals": [show(books, _by_id(books, ask))]}


def write_many(books: Books, ask: Ask) -> dict[str, Any]:
    """PUT (create) and POST (update or create) /ManualJournals, POST /ManualJournals/{id}."""
    path_id = ask.params.get("ManualJournalID")
    if path_id is not None:
        _by_id(books, ask)

    def prepare(body: dict[str, Any]) -> Prepared:
        wanted = path_id or (body.get("ManualJournalID") if ask.method == "POST" else None)
        return _prepare(books, ask, body, str(wanted).lower() if wanted else None)

    return write(ask, "ManualJournals", "ManualJournalID", prepare)


def shift(books: Books, ask: Ask) -> None:
    """Put a stranger's draft at the head of the asked list; if it is there, date it years before."""
    found = where.select(books.journals.values(), ask, FIELDS, "UpdatedDateUTC")
    if not found:
        return
    first = found[0]
    if first.narration == STRANGERS:
        first.date = first.date.replace(year=first.date.year - 10, day=1)
        first.updated_at = ask.now
        return
    draft = ManualJournal(
        journal_id=books.guid(),
        order=books.next_order(),
        narration=STRANGERS,
        date=min(one.date for one in found),
        status="DRAFT",
        line_amount_types="NoTax",
        lines=[],
        updated_at=ask.now,
    )
    books.journals = {draft.journal_id: draft, **books.journals}


def show(books: Books, journal: ManualJournal, *, lines: bool = True) -> dict[str, Any]:
    """The journal as Xero shows it."""
    shown: dict[str, Any] = {
        "Date": ms_date(journal.date),
        "Status": journal.status,
        "LineAmountTypes": journal.line_amount_types,
        "UpdatedDateUTC": ms_instant(journal.updated_at),
        "ManualJournalID": journal.journal_id,
        "Narration": journal.narration,
        "JournalLines": [],
        "ShowOnCashBasisReports": journal.cash_basis,
        "HasAttachments": False,
    }
    if journal.url:
        shown["Url"] = journal.url
    if lines:
        shown["JournalLines"] = [
            {**show_line(books, line), "IsBlank": False} for line in journal.lines
        ]
    return shown


def _by_id(books: Books, ask: Ask) -> ManualJournal:
    journal = books.journals.get(ask.params["ManualJournalID"].lower())
    if journal is None:
        raise not_found()
    return journal


def _prepare(books: Books, ask: Ask, body: dict[str, Any], wanted: str | None) -> Prepared:
    """The journal that `body` makes, or makes of the present one `wanted`."""
    problems: list[str] = []
    present = books.journals.get(wanted) if wanted else None
    if wanted and present is None:
        problems.append(f"The manual journal '{wanted}' does not exist")
    if present is not None and not NEXT_STATUS[present.status]:
        problems.append(f"Journals with a status of {present.status} cannot be modified")
        return Prepared(body, dict, problems)
    after = _merged(books, ask, present, body, problems)
    _check(books, present, after, problems)
    return Prepared(body, lambda: _commit(books, ask, present, after), problems)


def _merged(
    books: Books,
    ask: Ask,
    present: ManualJournal | None,
    body: dict[str, Any],
    problems: list[str],
) -> ManualJournal:
    """The present journal (or an empty one) with what the body says; what it leaves out stays."""
    after = (
        msgspec.structs.replace(present)
        if present
        else ManualJournal(
            journal_id="",
            order=0,
            narration="",
            date=ask.now.date(),
            status="DRAFT",
            line_amount_types="NoTax",
            lines=[],
            updated_at=ask.now,
            idempotency_key=ask.idempotency_key,
        )
    )
    after.narration = str(body.get("Narration", after.narration) or "")
    after.url = str(body.get("Url", after.url) or "")
    after.status = str(body.get("Status") or after.status)
    after.cash_basis = bool(body.get("ShowOnCashBasisReports", after.cash_basis))
    after.date = _read_date(body, after.date, problems)
    kind = body.get("LineAmountTypes")
    after.line_amount_types = read_line_amount_types(kind, after.line_amount_types, problems)
    if present is None or "JournalLines" in body:
        entries = body.get("JournalLines") or []
        after.lines = read_lines(books, entries, after.line_amount_types, problems, _read_amounts)
        if isinstance(entries, list) and len(entries) < LINES_MIN:
            problems.append(f"A manual journal must have at least {LINES_MIN} lines")
    if (
        body.get("CurrencyCode", books.currency) != books.currency
        or body.get("CurrencyRate", 1) != 1
    ):
        problems.append("Manual journals are in the base currency of the organisation only")
    return after


def _read_date(body: dict[str, Any], present: date, problems: list[str]) -> date:
    try:
        return parse_date(body["Date"]) if body.get("Date") else present
    except ValueError:
        problems.append(f"Date '{body['Date']}' is not a valid date")
        return present


def _read_amounts(
    entry: dict[str, Any], problems: list[str]
) -> tuple[Decimal, Decimal, Decimal] | None:
    amount = read_number(entry.get("LineAmount"), "LineAmount", problems)
    return None if amount is None else (Decimal(1), ZERO, amount)


def _check(
    books: Books, present: ManualJournal | None, after: ManualJournal, problems: list[str]
) -> None:
    """Add every rule that the journal as a whole breaks."""
    if not after.narration.strip() or len(after.narration) > NARRATION_MAX:
        problems.append(f"Narration must have 1 to {NARRATION_MAX} characters")
    status = present.status if present else None
    if after.status not in NEXT_STATUS[status]:
        problems.append(f"The status {after.status} is not valid for a journal that is {status}")
    days = {after.date} | ({present.date} if present else set())
    if refusal := next(filter(None, map(books.lock_refusal, sorted(days))), None):
        problems.append(refusal)
    if not problems and (gap := _imbalance(after.lines, after.line_amount_types)):
        problems.append(gap)


def _imbalance(lines: list[Line], kind: str) -> str | None:
    """Xero's words for lines that do not sum to zero (INV-01), or None."""
    amounts = [gross_of(line, kind) for line in lines]
    debits = sum((amount for amount in amounts if amount > 0), ZERO)
    credits_ = sum((amount for amount in amounts if amount < 0), ZERO)
    if debits + credits_ == 0:
        return None
    return f"The total debits ({debits}) must equal total credits ({credits_})"


def _commit(
    books: Books, ask: Ask, present: ManualJournal | None, after: ManualJournal
) -> dict[str, Any]:
    before = ledger.standing(books, present.journal_id) if present else None
    if present is None:
        after.journal_id = books.guid()
        after.order = books.next_order()
    for line in after.lines:
        line.line_id = line.line_id or books.guid()
    after.updated_at = ask.now
    version = Version(
        at=ask.now,
        status=after.status,
        date=after.date,
        text=after.narration,
        lines=after.lines,
    )
    after.versions = [*after.versions, version]
    books.journals[after.journal_id] = after
    ledger.record(books, after, before, ask.now)
    return show(books, after)
