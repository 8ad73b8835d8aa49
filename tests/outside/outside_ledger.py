"""The simulated organisation's dump as signed lines per store, day and account. None of the product's code."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from outside_kept import DifferenceError

Amounts = dict[tuple[str, str, str], int]  # (store, ISO date, account code) -> signed minor units

# The chart of accounts the simulated organisation starts with: what each role of the truth means in it.
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
LIVE = ("POSTED", "AUTHORISED")


@dataclass(frozen=True)
class Document:
    """One live ledger document: its posting key, day, and signed lines (debit > 0)."""

    document_id: str
    key: str | None
    day: str
    lines: tuple[tuple[str, str, int], ...]  # (store, account code, signed minor)


def minor(amount: Any) -> int:
    """Cents of a ledger amount; raises DifferenceError for a fraction of a cent."""
    cents = Decimal(str(amount)) * 100
    if cents != int(cents):
        raise DifferenceError(f"ledger amount {amount} is not a whole number of cents")
    return int(cents)


def ledger_day(text: str) -> str:
    """ISO date of either form the vendor writes: 2026-11-22... or /Date(ms+0000)/."""
    stamp = re.fullmatch(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/", text)
    if stamp is None:
        return text[:10]
    return datetime.fromtimestamp(int(stamp[1]) / 1000, UTC).date().isoformat()


def documents(xero: Mapping[str, Any]) -> list[Document]:
    """Give every live manual journal and bank transaction of the organisation's dump."""
    codes = {row.get("AccountID"): row.get("Code") for row in xero["accounts"]}
    out = []
    for row in xero["manual_journals"]:
        if row["Status"] in LIVE:
            lines = [_line(line, codes, 1) for line in row["JournalLines"]]
            out.append(_document(row, "ManualJournalID", row["Narration"], lines))
    for row in xero["bank_transactions"]:
        if row["Status"] in LIVE:
            sign = 1 if row["Type"].startswith("RECEIVE") else -1
            lines = [_line(line, codes, -sign) for line in row["LineItems"]]
            account = row["BankAccount"]
            bank = account.get("Code") or codes[account["AccountID"]]
            total = -sum(line[2] for line in lines)
            lines.append((lines[0][0], bank, total))
            out.append(_document(row, "BankTransactionID", row.get("Reference") or "", lines))
    return out


def _document(
    row: Mapping[str, Any], id_name: str, text: str, lines: list[tuple[str, str, int]]
) -> Document:
    key = KEY.search(text)
    day = ledger_day(row.get("DateString") or row["Date"])
    return Document(row[id_name], key[1] if key else None, day, tuple(lines))


def _line(line: Mapping[str, Any], codes: Mapping[Any, Any], sign: int) -> tuple[str, str, int]:
    tracked = {row["Name"]: row["Option"] for row in line.get("Tracking") or ()}
    code = line.get("AccountCode") or codes[line.get("AccountID")]
    return tracked.get("Store", ""), code, sign * minor(line["LineAmount"])


def totals(rows: Iterable[Document]) -> Amounts:
    """Sum the documents per store, day and account, zero sums left out."""
    out: Amounts = defaultdict(int)
    for row in rows:
        for store, code, amount in row.lines:
            out[store, row.day, code] += amount
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
