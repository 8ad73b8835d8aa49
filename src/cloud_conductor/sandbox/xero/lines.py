"""Lines of documents: read, checked against the chart, taxed. What is wrong is added to a list."""

from __future__ import annotations

import contextlib
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from cloud_conductor.sandbox.xero.accounts import TAX_NAMES
from cloud_conductor.sandbox.xero.books import ZERO, Account, Books, Line
from cloud_conductor.sandbox.xero.tracking import read_tags, show_tags

LINE_AMOUNT_TYPES = ("Exclusive", "Inclusive", "NoTax")
CENT = Decimal("0.01")
AMOUNT_MAX = Decimal(10) ** 13
# Per cent; one illustrative sales tax. Xero taxes each line by itself and rounds half up.
TAX_RATES = {"INPUT": Decimal("8.875"), "OUTPUT": Decimal("8.875")}
CONTROL_ACCOUNTS = {"DEBTORS": "Accounts Receivable", "CREDITORS": "Accounts Payable"}


def read_number(value: Any, name: str, problems: list[str], *, places: int = 2) -> Decimal | None:
    """Exact number of a JSON number or digits in a text, with at most `places` decimals."""
    number = Decimal("NaN")
    if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
        with contextlib.suppress(InvalidOperation):
            number = Decimal(value)
    if not number.is_finite() or abs(number) > AMOUNT_MAX:
        problems.append(f"{name} must be a number")
        return None
    fitted = number.quantize(Decimal(1).scaleb(-places))
    if fitted != number:
        problems.append(f"{name} may have {places} decimal places at most, not {number}")
        return None
    return fitted


def read_line_amount_types(value: Any, default: str, problems: list[str]) -> str:
    """Exclusive, Inclusive or NoTax."""
    kind = str(value or default)
    if kind not in LINE_AMOUNT_TYPES:
        problems.append(f"LineAmountTypes '{kind}' is not valid")
    return kind


def read_account(books: Books, entry: dict[str, Any], problems: list[str]) -> Account | None:
    """The account of a line: active, no bank account, no receivables or payables control account."""
    code, wanted = entry.get("AccountCode"), entry.get("AccountID")
    account = books.accounts.get(str(wanted).lower()) if wanted else None
    if account is None and code is not None:
        account = books.account_by_code(str(code))
    named = code if code is not None else wanted
    if account is None:
        problems.append(f"Account code '{named}' is not a valid code for this document.")
    elif account.status != "ACTIVE":
        problems.append(f"Account code '{account.code}' has been archived.")
    elif account.type == "BANK":
        problems.append(
            f"Account code '{account.code}' is a bank account, which is not valid on the lines of "
            "this document."
        )
    elif account.system_account in CONTROL_ACCOUNTS:
        control = CONTROL_ACCOUNTS[account.system_account]
        problems.append(
            f"Account code '{account.code}' is the system account {control}, which is not valid on "
            "the lines of this document."
        )
    else:
        return account
    return None


def read_tax(
    entry: dict[str, Any],
    account: Account,
    kind: str,
    amount: Decimal,
    problems: list[str],
) -> tuple[str, Decimal]:
    """Tax type and tax of a line. kind: LineAmountTypes. An explicit TaxAmount overrules the rate."""
    if kind == "NoTax":
        return "NONE", ZERO
    tax_type = str(entry.get("TaxType") or account.tax_type)
    if tax_type not in TAX_NAMES:
        problems.append(
            f"The TaxType code '{tax_type}' does not exist or cannot be used for this type of "
            "transaction."
        )
        return tax_type, ZERO
    if entry.get("TaxAmount") is not None:
        given = read_number(entry["TaxAmount"], "TaxAmount", problems)
        return tax_type, given if given is not None else ZERO
    rate = TAX_RATES.get(tax_type, ZERO)
    base = rate + 100 if kind == "Inclusive" else Decimal(100)
    return tax_type, (amount * rate / base).quantize(CENT, ROUND_HALF_UP)


def read_lines(
    books: Books, entries: Any, kind: str, problems: list[str], read_amounts: Any
) -> list[Line]:
    """Every line that can be read; ids are given when the document is written.

    read_amounts(entry, problems): quantity, unit amount and line amount, or None.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append("The lines of the document must be a list")
        return []
    lines: list[Line] = []
    for entry in entries:
        amounts = read_amounts(entry, problems)
        account = read_account(books, entry, problems)
        tags = read_tags(books, entry.get("Tracking") or [], problems)
        if amounts is None or account is None:
            continue
        quantity, unit_amount, amount = amounts
        tax_type, tax = read_tax(entry, account, kind, amount, problems)
        if tax and books.account_of_system("GST") is None:
            problems.append("The organisation has no sales tax account")
        lines.append(
            Line(
                line_id="",
                account_id=account.account_id,
                amount=amount,
                tax_amount=tax,
                tax_type=tax_type,
                description=str(entry.get("Description") or ""),
                tracking=tags,
                quantity=quantity,
                unit_amount=unit_amount,
            )
        )
    return lines


def show_line(books: Books, line: Line) -> dict[str, Any]:
    """What lines of every document have in common, as Xero shows them."""
    account = books.accounts[line.account_id]
    return {
        "Description": line.description,
        "TaxType": line.tax_type,
        "TaxAmount": line.tax_amount,
        "LineAmount": line.amount,
        "AccountCode": account.code,
        "AccountID": account.account_id,
        "Tracking": show_tags(books, line.tracking),
    }


def net_of(line: Line, kind: str) -> Decimal:
    """The line without tax."""
    return line.amount - line.tax_amount if kind == "Inclusive" else line.amount


def gross_of(line: Line, kind: str) -> Decimal:
    """The line with tax."""
    return line.amount + line.tax_amount if kind == "Exclusive" else line.amount
