"""The bank's own side: statement lines a scenario loads, and the Finance API that shows them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cloud_conductor.sandbox.xero.books import ZERO, Account, Books, StatementLine
from cloud_conductor.sandbox.xero.lines import read_number
from cloud_conductor.sandbox.xero.wire import Ask, XeroError, parse_date, post_data_invalid

RANGE_DAYS_MAX = 366


def load(books: Books, rows: Any, now: datetime) -> list[str]:
    """Import bank lines as one statement; gives their ids. Sandbox only: real ones come by bank feed.

    rows: `[{"bank_account_code", "date", "amount" (money in > 0), "payee", "reference"}]`.
    Raises XeroError 400 if any row is wrong; then none is imported.
    """
    if not isinstance(rows, list) or not rows:
        raise post_data_invalid("a list of bank lines is needed")
    lines: list[StatementLine] = []
    statement_id = books.guid()
    for row in rows:
        if not isinstance(row, dict):
            raise post_data_invalid(f"not a bank line: {row}")
        problems: list[str] = []
        account = books.account_by_code(str(row.get("bank_account_code")))
        amount = read_number(row.get("amount"), "amount", problems)
        if account is None or account.type != "BANK" or amount is None:
            raise post_data_invalid(f"not a bank line: {row}")
        try:
            day = parse_date(row.get("date"))
        except ValueError:
            raise post_data_invalid(f"not a bank line, the date is wrong: {row}") from None
        line = StatementLine(
            line_id=books.guid(),
            statement_id=statement_id,
            bank_account_id=account.account_id,
            date=day,
            amount=amount,
            imported_at=now,
            payee=str(row.get("payee") or ""),
            reference=str(row.get("reference") or ""),
        )
        lines.append(line)
    books.statement_lines |= {line.line_id: line for line in lines}
    return [line.line_id for line in lines]


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /BankStatementsPlus/statements of the Finance API: statements with lines in the range."""
    wanted = ask.query.get("BankAccountID", "").lower()
    account = books.accounts.get(wanted)
    if account is None or account.type != "BANK":
        raise _bad_request("BankAccountID is not a bank account of the organisation")
    try:
        first, last = parse_date(ask.query.get("FromDate")), parse_date(ask.query.get("ToDate"))
    except ValueError:
        raise _bad_request("FromDate and ToDate are needed as yyyy-MM-dd") from None
    if not first <= last or (last - first).days > RANGE_DAYS_MAX:
        raise _bad_request("The range of the query must be 12 months at most")
    mine = [line for line in books.statement_lines.values() if line.bank_account_id == wanted]
    ids = dict.fromkeys(line.statement_id for line in mine if first <= line.date <= last)
    return {
        "bankAccountId": account.account_id,
        "bankAccountName": account.name,
        "bankAccountCurrencyCode": books.currency,
        "statements": [_show(mine, one, account, first, last) for one in ids],
    }


def _show(
    lines: list[StatementLine], statement_id: str, account: Account, first: date, last: date
) -> dict[str, Any]:
    whole = [line for line in lines if line.statement_id == statement_id]
    earlier = sum((one.amount for one in lines[: lines.index(whole[0])]), ZERO)
    closing = earlier + sum((line.amount for line in whole), ZERO)
    assert all(line.bank_account_id == account.account_id for line in whole)
    return {
        "statementId": statement_id,
        "startDate": min(line.date for line in whole).isoformat(),
        "endDate": max(line.date for line in whole).isoformat(),
        "importedDateTimeUtc": whole[0].imported_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "importSource": "STMTIMPORTSRC/CSV",
        "startBalance": Decimal("0.0"),
        "endBalance": Decimal("0.0"),
        "indicativeStartBalance": earlier,
        "indicativeEndBalance": closing,
        "statementLines": [_show_line(line) for line in whole if first <= line.date <= last],
    }


def _show_line(line: StatementLine) -> dict[str, Any]:
    return {
        "statementLineId": line.line_id,
        "postedDate": line.date.isoformat(),
        "payee": line.payee,
        "reference": line.reference,
        "notes": "",
        "chequeNo": "",
        "amount": line.amount,
        "transactionDate": line.date.isoformat(),
        "type": "Credit" if line.amount >= 0 else "Debit",
        "isReconciled": False,
        "isDuplicate": False,
        "isDeleted": False,
        "payments": [],
        "bankTransactions": [],
    }


def _bad_request(detail: str) -> XeroError:
    body = {"type": "invalid-request", "title": "InvalidRequest", "status": 400, "detail": detail}
    return XeroError(400, body)
