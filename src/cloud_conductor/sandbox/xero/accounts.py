"""The chart of accounts: the default one of a retailer, and GET/PUT/POST /Accounts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cloud_conductor.sandbox.xero import where
from cloud_conductor.sandbox.xero.batch import items_of
from cloud_conductor.sandbox.xero.books import Account, Books
from cloud_conductor.sandbox.xero.wire import Ask, ms_instant, not_found, validation_exception

CLASS_OF_TYPE = {
    "BANK": "ASSET", "CURRENT": "ASSET", "FIXED": "ASSET", "INVENTORY": "ASSET",
    "NONCURRENT": "ASSET", "PREPAYMENT": "ASSET",
    "CURRLIAB": "LIABILITY", "LIABILITY": "LIABILITY", "TERMLIAB": "LIABILITY", "PAYG": "LIABILITY",
    "EQUITY": "EQUITY",
    "REVENUE": "REVENUE", "SALES": "REVENUE", "OTHERINCOME": "REVENUE",
    "DIRECTCOSTS": "EXPENSE", "EXPENSE": "EXPENSE", "OVERHEADS": "EXPENSE",
    "DEPRECIATN": "EXPENSE",
}  # fmt: skip
TAX_NAMES = {
    "NONE": "Tax Exempt",
    "EXEMPTINPUT": "Tax on Purchases (exempt)",
    "EXEMPTOUTPUT": "Tax on Sales (exempt)",
    "INPUT": "Tax on Purchases",
    "OUTPUT": "Tax on Sales",
}
CODE_MAX = 10
NAME_MAX = 150

# code, name, type[, system account]: a retailer's chart. 825 is where the ledger itself books tax
# of documents that leave the tax to it; the product's own tax lines go to 820..823.
DEFAULT_CHART: tuple[tuple[str, ...], ...] = (
    ("090", "Business Bank", "BANK"),
    ("110", "Card clearing - Square", "CURRENT"),
    ("115", "Undeposited cash", "CURRENT"),
    ("118", "Cash float", "CURRENT"),
    ("140", "Inventory", "CURRENT"),
    ("200", "Sales - Apparel", "REVENUE"),
    ("201", "Sales - Home", "REVENUE"),
    ("202", "Sales - Grocery", "REVENUE"),
    ("203", "Sales - Cafe", "REVENUE"),
    ("204", "Sales - Other", "REVENUE"),
    ("210", "Service revenue", "REVENUE"),
    ("220", "Discounts given", "REVENUE"),
    ("230", "Returns - Apparel", "REVENUE"),
    ("231", "Returns - Home", "REVENUE"),
    ("232", "Returns - Grocery", "REVENUE"),
    ("233", "Returns - Cafe", "REVENUE"),
    ("234", "Returns - Other", "REVENUE"),
    ("310", "Cost of goods sold", "DIRECTCOSTS"),
    ("420", "Merchant fees", "EXPENSE"),
    ("425", "Cash over/short", "EXPENSE"),
    ("426", "Cash in transit differences", "EXPENSE"),
    ("430", "Petty expenses", "EXPENSE"),
    ("435", "Cash rounding", "EXPENSE"),
    ("440", "Chargeback losses", "EXPENSE"),
    ("610", "Accounts Receivable", "CURRENT", "DEBTORS"),
    ("800", "Accounts Payable", "CURRLIAB", "CREDITORS"),
    ("820", "Sales tax payable - STATE", "CURRLIAB"),
    ("821", "Sales tax payable - CITY", "CURRLIAB"),
    ("822", "Sales tax payable - DISTRICT", "CURRLIAB"),
    ("823", "Sales tax payable - other", "CURRLIAB"),
    ("825", "Sales Tax", "CURRLIAB", "GST"),
    ("830", "Tips payable", "CURRLIAB"),
    ("840", "Gift card liability", "CURRLIAB"),
    ("841", "Store credit liability", "CURRLIAB"),
    ("842", "Customer deposits", "CURRLIAB"),
    ("850", "Donations payable", "CURRLIAB"),
    ("855", "Due to customers", "CURRLIAB"),
    ("860", "Disputes receivable", "CURRENT"),
    ("960", "Retained Earnings", "EQUITY", "RETAINEDEARNINGS"),
)

FIELDS: where.Fields = {
    "AccountID": lambda a: a.account_id,
    "Code": lambda a: a.code,
    "Name": lambda a: a.name,
    "Type": lambda a: a.type,
    "Status": lambda a: a.status,
    "Class": lambda a: CLASS_OF_TYPE[a.type],
    "SystemAccount": lambda a: a.system_account or None,
    "UpdatedDateUTC": lambda a: a.updated_at,
}


def open_chart(books: Books, rows: Iterable[tuple[str, ...]], now: datetime) -> None:
    """Give new books their chart; rows of (code, name, type[, system account]).

    Raises ValueError for an unknown type or a code used twice.
    """
    for code, name, kind, *system in rows:
        if kind not in CLASS_OF_TYPE:
            raise ValueError(f"account {code}: unknown type {kind}")
        if books.account_by_code(code):
            raise ValueError(f"account {code}: the code is used twice")
        account = Account(
            account_id=books.guid(),
            code=code,
            name=name,
            type=kind,
            updated_at=now,
            system_account=system[0] if system else "",
            bank_account_number=f"000000{code}" if kind == "BANK" else "",
        )
        books.accounts[account.account_id] = account


def show(account: Account, currency: str) -> dict[str, Any]:
    """The account as Xero shows it."""
    shown: dict[str, Any] = {
        "AccountID": account.account_id,
        "Code": account.code,
        "Name": account.name,
        "Status": account.status,
        "Type": account.type,
        "TaxType": account.tax_type,
        "Class": CLASS_OF_TYPE[account.type],
        "EnablePaymentsToAccount": account.enable_payments,
        "ShowInExpenseClaims": account.show_in_expense_claims,
        "HasAttachments": False,
        "UpdatedDateUTC": ms_instant(account.updated_at),
    }
    if account.description:
        shown["Description"] = account.description
    if account.system_account:
        shown["SystemAccount"] = account.system_account
    if account.type == "BANK":
        shown["BankAccountNumber"] = account.bank_account_number
        shown["BankAccountType"] = "BANK"
        shown["CurrencyCode"] = currency
    return shown


def read_many(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Accounts."""
    found = where.select(books.accounts.values(), ask, FIELDS, "UpdatedDateUTC")
    return {"Accounts": [show(account, books.currency) for account in found]}


def read_one(books: Books, ask: Ask) -> dict[str, Any]:
    """GET /Accounts/{AccountID}; Xero takes the id only."""
    return {"Accounts": [show(_by_id(books, ask), books.currency)]}


def create(books: Books, ask: Ask) -> dict[str, Any]:
    """PUT /Accounts: one new account."""
    body = items_of(ask.body, "Accounts")[0]
    account = Account(
        account_id="",
        code=str(body.get("Code") or ""),
        name=str(body.get("Name") or ""),
        type=str(body.get("Type") or ""),
        updated_at=ask.now,
        description=str(body.get("Description") or ""),
        tax_type=str(body.get("TaxType") or "NONE"),
        bank_account_number=str(body.get("BankAccountNumber") or ""),
        enable_payments=body.get("EnablePaymentsToAccount") is True,
        show_in_expense_claims=body.get("ShowInExpenseClaims") is True,
    )
    _check(books, account, body)
    account.account_id = books.guid()
    books.accounts[account.account_id] = account
    return {"Accounts": [show(account, books.currency)]}


def update(books: Books, ask: Ask) -> dict[str, Any]:
    """POST /Accounts/{AccountID}: rename, recode, archive (`Status` ARCHIVED) or bring back."""
    account, body = _by_id(books, ask), items_of(ask.body, "Accounts")[0]
    changed = Account(**{name: getattr(account, name) for name in account.__struct_fields__})
    changed.code = str(body.get("Code") or account.code)
    changed.name = str(body.get("Name") or account.name)
    changed.description = str(body.get("Description", account.description))
    changed.tax_type = str(body.get("TaxType") or account.tax_type)
    changed.enable_payments = bool(body.get("EnablePaymentsToAccount", account.enable_payments))
    changed.status = str(body.get("Status") or account.status)
    changed.updated_at = ask.now
    if str(body.get("Type") or account.type) != account.type:
        raise _refused(body, ["The type of an existing account cannot be changed"])
    if changed.status != account.status and account.system_account:
        raise _refused(body, ["You may not update the status of system accounts."])
    _check(books, changed, body)
    books.accounts[account.account_id] = changed
    return {"Accounts": [show(changed, books.currency)]}


def _by_id(books: Books, ask: Ask) -> Account:
    account = books.accounts.get(ask.params["AccountID"].lower())
    if account is None:
        raise not_found()
    return account


def _check(books: Books, account: Account, body: dict[str, Any]) -> None:
    """Raise XeroError 400 with every rule the account breaks."""
    others = [a for a in books.accounts.values() if a.account_id != account.account_id]
    problems: list[str] = []
    if account.type not in CLASS_OF_TYPE:
        problems.append(f"The account type '{account.type}' is not valid")
    if not account.name or len(account.name) > NAME_MAX:
        problems.append(f"The account name must have 1 to {NAME_MAX} characters")
    if not account.code and account.type != "BANK":
        problems.append("The account code is required")
    if len(account.code) > CODE_MAX:
        problems.append(f"The account code may have {CODE_MAX} characters at most")
    if account.code and any(a.code == account.code for a in others):
        problems.append("Please enter a unique Code.")
    if any(a.name.casefold() == account.name.casefold() for a in others):
        problems.append("Please enter a unique Name.")
    if account.type == "BANK" and not account.bank_account_number:
        problems.append("BankAccountNumber is required for an account of type BANK")
    if account.tax_type not in TAX_NAMES:
        problems.append(f"The TaxType code '{account.tax_type}' does not exist")
    if account.status not in {"ACTIVE", "ARCHIVED"}:
        problems.append(f"The account status '{account.status}' is not valid")
    if problems:
        raise _refused(body, problems)


def _refused(body: dict[str, Any], problems: list[str]) -> Exception:
    errors = [{"Message": message} for message in problems]
    return validation_exception([{**body, "ValidationErrors": errors}])
