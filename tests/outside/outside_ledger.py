"""The simulated organisation's dump as signed lines per store, day and account."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from outside_kept import DifferenceError

Amounts = dict[tuple[str, str, str], int]  # (store, ISO date, account code) -> signed minor units

# What each role of the truth is in the chart of accounts the simulated organisation starts with.
ACCOUNTS = {
    "bank": "090",
    "clearing.square": "110",
    "undeposited_cash": "115",
    "inventory": "140",
    "sales.apparel": "200",
    "sales.home": "201",
    "sales.grocery": "202",
    "sales.cafe": "203",
    "sales.other": "204",
    "service_revenue": "210",
    "discounts": "220",
    "returns.apparel": "230",
    "returns.home": "231",
    "returns.grocery": "232",
    "returns.cafe": "233",
    "returns.other": "234",
    "cogs": "310",
    "merchant_fees.square": "420",
    "cash_over_short": "425",
    "petty_expense": "430",
    "tax_payable.STATE": "820",
    "tax_payable.CITY": "821",
    "tax_payable.DISTRICT": "822",
    "tips_payable": "830",
    "gift_card_liability": "840",
}
KEY = re.compile(r"key=([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
MARK = re.compile(r"CC (\S+) (\d{4}-\d\d-\d\d) ([A-Z]+) v\d+ key=")
DEPOSIT_DAYS_MAX = 7  # a bag reaches the bank within five banking days
LIVE = ("POSTED", "AUTHORISED")


@dataclass(frozen=True)
class Document:
    """One live ledger document: its posting key, day, and signed lines (debit > 0)."""

    document_id: str
    status: str
    key: str | None
    text: str
    day: str  # ISO date
    lines: tuple[tuple[str, str, int], ...]  # (store, account code, signed minor)


def minor(amount: Any) -> int:
    """Cents of a ledger amount; raises DifferenceError for a fraction of a cent."""
    cents = Decimal(str(amount)) * 100
    if cents != int(cents):
        raise DifferenceError(f"ledger amount {amount} is not a whole number of cents")
    return int(cents)


def documents(xero: Mapping[str, Any]) -> list[Document]:
    """Give every live manual journal and bank transaction of the organisation's dump."""
    out = []
    for row in xero["manual_journals"]:
        lines = [_line(line, 1) for line in row["lines"]]
        out.append(_document(row, row["narration"], lines))
    for row in xero["bank_transactions"]:
        # Money received is a debit of the bank; the document's lines are the other side.
        sign = 1 if row["type"].startswith("RECEIVE") else -1
        lines = [_line(line, -sign) for line in row["lines"]]
        bank = sign * minor(row["total"])
        if bank != -sum(amount for _, _, amount in lines):
            raise DifferenceError(f"bank transaction {row['id']}: total is not that of its lines")
        lines.append((lines[0][0], row["bank_account_code"], bank))
        text = " ".join([row["reference"] or "", *(line["description"] for line in row["lines"])])
        out.append(_document(row, text, lines))
    return [document for document in out if document.status in LIVE]


def _document(row: Mapping[str, Any], text: str, lines: list[tuple[str, str, int]]) -> Document:
    """The store of a line is its tracking option, else the one the text names."""
    key, mark = KEY.search(text), MARK.search(text)
    named = mark[1] if mark else ""
    return Document(
        row["id"],
        row["status"],
        key[1] if key else None,
        text,
        row["date"],
        tuple((store or named, code, amount) for store, code, amount in lines),
    )


def _line(line: Mapping[str, Any], sign: int) -> tuple[str, str, int]:
    store = line["tracking"].get("Store", "")
    return store, line["account_code"], sign * minor(line["amount"])


def counted_on(row: Document) -> str:
    """Day a document counts for: its own, but a cash deposit's is the trading day it says.

    The bag is dated when the bank has it; a date outside the window stands as it is.
    """
    said = MARK.search(row.text)
    if said is None or said[3] != "DEPOSIT":
        return row.day
    late = date.fromisoformat(row.day) - date.fromisoformat(said[2])
    return said[2] if 0 <= late.days <= DEPOSIT_DAYS_MAX else row.day


def totals(rows: Iterable[Document]) -> Amounts:
    """Sum the documents per store, day they count for and account, zero sums left out."""
    out: Amounts = defaultdict(int)
    for row in rows:
        for store, code, amount in row.lines:
            out[store, counted_on(row), code] += amount
    return {key: amount for key, amount in out.items() if amount}


def meant_totals(truth: Mapping[str, Any]) -> Amounts:
    """Sum the truth's entries per store, day and account, less what a planted finding keeps out."""
    out: Amounts = defaultdict(int)
    for sign, rows in ((1, truth["store_days"]), (-1, truth["planted"])):
        for row in rows:
            for entry in row.get("entries", ()):
                for role, amount in entry["lines"].items():
                    code = ACCOUNTS[role.partition(":")[0]]
                    out[row["store"], row["business_date"], code] += sign * int(amount)
    return {key: amount for key, amount in out.items() if amount}
