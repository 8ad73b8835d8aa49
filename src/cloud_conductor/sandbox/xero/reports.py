"""Reports in Xero's rows and cells: trial balance, bank summary, profit and loss.

Computed from the documents in force, not from the numbered journals, so that the two can be
compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cloud_conductor.sandbox.xero.accounts import CLASS_OF_TYPE
from cloud_conductor.sandbox.xero.books import ZERO, Account, Books, Posting
from cloud_conductor.sandbox.xero.ledger import postings_of
from cloud_conductor.sandbox.xero.wire import Ask, ms_instant, parse_date, query_invalid

_SECTIONS = (
    ("Revenue", "REVENUE"),
    ("Expenses", "EXPENSE"),
    ("Assets", "ASSET"),
    ("Liabilities", "LIABILITY"),
    ("Equity", "EQUITY"),
)
_PROFIT_CLASSES = {"REVENUE", "EXPENSE"}

Balances = dict[str, Decimal]


def balances(books: Books, last: date, *firsts: date) -> list[Balances]:
    """Signed movement per account id up to and with `last`, since each of `firsts`; debit > 0.

    One pass over the documents for all of them; date.min = since the books were opened.
    """
    moved: list[Balances] = [{} for _ in firsts]
    for day, legs in _documents(books):
        if day > last:
            continue
        for first, sums in zip(firsts, moved, strict=True):
            for leg in legs if day >= first else ():
                sums[leg.account_id] = sums.get(leg.account_id, ZERO) + leg.net
    return moved


def trial_balance(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Reports/TrialBalance: the month's movement and the balance at `date` (default today).

    Revenue and expense accounts show the financial year to date; what earlier years earned is in
    retained earnings.
    """
    at = _day(ask, "date", ask.now.date())
    starts = (at.replace(day=1), _year_start(books, at), date.min)
    month, year, ever = balances(books, at, *starts)
    totals = _year_to_date(books, year, ever)
    rows: list[dict[str, Any]] = [
        _row("Header", ["Account", "Debit", "Credit", "YTD Debit", "YTD Credit"])
    ]
    columns = [ZERO] * 4
    for title, kind in _SECTIONS:
        section: list[dict[str, Any]] = []
        for account in _accounts(books, kind):
            if account.account_id not in totals and account.account_id not in month:
                continue
            moved = month.get(account.account_id, ZERO)
            total = totals.get(account.account_id, ZERO)
            sides = (*_sides(moved, total, kind), *_sides(total, total, kind))
            amounts = [Decimal(side) if side else ZERO for side in sides]
            columns = [column + side for column, side in zip(columns, amounts, strict=True)]
            name = f"{account.name} ({account.code})"
            section.append(_row("Row", [name, *sides], {"account": account.account_id}))
        if section:
            rows.append({"RowType": "Section", "Title": title, "Rows": section})
    sums = _row("SummaryRow", ["Total", *(f"{column:.2f}" for column in columns)])
    rows.append({"RowType": "Section", "Title": "", "Rows": [sums]})
    return _report(books, ask, "Trial Balance", f"As at {_spoken(at)}", rows)


def bank_summary(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Reports/BankSummary: opening, received, spent and closing of each bank account."""
    last = _day(ask, "toDate", ask.now.date())
    first = _day(ask, "fromDate", last.replace(day=1))
    (opening,) = balances(books, first - timedelta(days=1), date.min)
    received, spent = Balances(), Balances()
    for day, legs in _documents(books):
        for leg in legs if first <= day <= last else ():
            side = received if leg.net > 0 else spent
            side[leg.account_id] = side.get(leg.account_id, ZERO) + abs(leg.net)
    lines: list[dict[str, Any]] = []
    columns = [ZERO] * 4
    for account in (a for a in books.accounts.values() if a.type == "BANK"):
        key = account.account_id
        moved = [opening.get(key, ZERO), received.get(key, ZERO), spent.get(key, ZERO)]
        moved.append(moved[0] + moved[1] - moved[2])
        columns = [column + amount for column, amount in zip(columns, moved, strict=True)]
        texts = [f"{amount:.2f}" for amount in moved]
        lines.append(_row("Row", [account.name, *texts], {"accountID": key}))
    lines.append(_row("SummaryRow", ["Total", *(f"{column:.2f}" for column in columns)]))
    heads = ["Bank Accounts", "Opening Balance", "Cash Received", "Cash Spent", "Closing Balance"]
    rows = [_row("Header", heads), {"RowType": "Section", "Title": "", "Rows": lines}]
    return _report(books, ask, "Bank Summary", f"From {_spoken(first)} to {_spoken(last)}", rows)


def profit_and_loss(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Reports/ProfitAndLoss for `fromDate..toDate` (default: this month)."""
    last = _day(ask, "toDate", ask.now.date())
    first = _day(ask, "fromDate", last.replace(day=1))
    (moved,) = balances(books, last, first)
    rows = [_row("Header", ["", _spoken(last)])]

    def section(
        title: str, total_name: str, takes: Callable[[Account], bool], sign: int
    ) -> Decimal:
        taken = [a for a in _accounts(books, *_PROFIT_CLASSES) if takes(a)]
        amounts = {a.name: sign * moved[a.account_id] for a in taken if a.account_id in moved}
        ids = {a.name: a.account_id for a in taken}
        lines = [
            _row("Row", [name, f"{amount:.2f}"], {"account": ids[name]})
            for name, amount in amounts.items()
        ]
        total = sum(amounts.values(), ZERO)
        lines.append(_row("SummaryRow", [total_name, f"{total:.2f}"]))
        rows.append({"RowType": "Section", "Title": title, "Rows": lines})
        return total

    income = section("Income", "Total Income", lambda a: CLASS_OF_TYPE[a.type] == "REVENUE", -1)
    costs = section(
        "Less Cost of Sales", "Total Cost of Sales", lambda a: a.type == "DIRECTCOSTS", 1
    )
    gross = _row("Row", ["Gross Profit", f"{income - costs:.2f}"])
    rows.append({"RowType": "Section", "Title": "", "Rows": [gross]})
    expenses = section(
        "Less Operating Expenses",
        "Total Operating Expenses",
        lambda a: CLASS_OF_TYPE[a.type] == "EXPENSE" and a.type != "DIRECTCOSTS",
        1,
    )
    net = _row("Row", ["Net Profit", f"{income - costs - expenses:.2f}"])
    rows.append({"RowType": "Section", "Title": "", "Rows": [net]})
    title = f"{_spoken(first)} to {_spoken(last)}"
    return _report(books, ask, "Profit and Loss", title, rows)


def _documents(books: Books) -> Iterable[tuple[date, list[Posting]]]:
    for journal in books.journals.values():
        yield journal.date, postings_of(books, journal)
    for transaction in books.bank_transactions.values():
        yield transaction.date, postings_of(books, transaction)


def _year_to_date(books: Books, year: Balances, ever: Balances) -> Balances:
    """Balances of all time, with the profit of earlier financial years in retained earnings.

    year, ever: movement since the financial year began, and since the books were opened.
    """
    totals = dict(ever)
    retained = books.account_of_system("RETAINEDEARNINGS")
    for account in _accounts(books, *_PROFIT_CLASSES):
        key = account.account_id
        if key not in totals:
            continue
        earlier = totals[key] - year.get(key, ZERO)
        if earlier and retained is not None:
            totals[key] -= earlier
            total = totals.get(retained.account_id, ZERO)
            totals[retained.account_id] = total + earlier
    return totals


def _year_start(books: Books, at: date) -> date:
    """First day of the financial year that `at` is in; the year ends with `year_end_month`."""
    month = books.year_end_month % 12 + 1
    return date(at.year if at.month >= month else at.year - 1, month, 1)


def _accounts(books: Books, *classes: str) -> list[Account]:
    wanted = (a for a in books.accounts.values() if CLASS_OF_TYPE[a.type] in classes)
    return sorted(wanted, key=lambda account: account.code)


def _sides(amount: Decimal, total: Decimal, kind: str) -> tuple[str, str]:
    """Debit and credit cell; an amount of zero stands on the side of the balance, as in Xero."""
    debit = amount > 0
    if amount == 0:
        debit = total > 0 or (total == 0 and kind in {"ASSET", "EXPENSE"})
    text = f"{abs(amount):.2f}"
    return (text, "") if debit else ("", text)


def _row(kind: str, texts: list[str], named: dict[str, str] | None = None) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"Value": text} for text in texts]
    for cell in cells if named else ():
        cell["Attributes"] = [{"Value": value, "Id": name} for name, value in (named or {}).items()]
    return {"RowType": kind, "Cells": cells}


def _report(
    books: Books, ask: Ask, name: str, period: str, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    kind = "".join(word.capitalize() for word in name.split())
    report = {
        "ReportID": kind,
        "ReportName": name,
        "ReportType": kind,
        "ReportTitles": [name, books.name, period],
        "ReportDate": _spoken(ask.now.date()),
        "UpdatedDateUTC": ms_instant(ask.now),
        "Fields": [],
        "Rows": rows,
    }
    return {"Reports": [report]}


def _day(ask: Ask, name: str, default: date) -> date:
    text = ask.query.get(name)
    if not text:
        return default
    try:
        return parse_date(text)
    except ValueError:
        raise query_invalid(f"{name} is not a date: {text}") from None


def _spoken(day: date) -> str:
    """`24 April 2019`."""
    return f"{day.day} {day:%B %Y}"
