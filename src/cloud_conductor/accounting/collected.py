"""What an entry or a ledger document says was collected: the measure of a store-day (R-14.5).

Collected is the tender side of a SALES entry: what the POS's order totals add up to (R-6.1). Other
kinds of entries move money on, they collect none.
"""

from collections.abc import Iterable
from functools import lru_cache

from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.ports.ledger import LedgerDocument

_MONEY_ROOTS = ("clearing", "undeposited_cash", "ar", "uncollected_offline")
_LIABILITY_ROOTS = (
    "gift_card_liability", "store_credit_liability", "customer_deposits", "vendor_receivable",
)  # fmt: skip
_TENDERED = ("redeemed", "refunded", "used", "tendered")
_SETTLED = "settled"
"""Movement of a house account that is paid: its money came under another means (R-9.8)."""


def collected(entry: JournalEntry) -> int:
    """Sum of an entry's tender lines; 0 for kinds that are not sales."""
    if entry.kind != "SALES":
        return 0
    return sum(line.amount_minor for line in entry.lines if _is_tender(line.role, line.movement))


def collected_by(document: LedgerDocument, entry: JournalEntry) -> int:
    """The same of the document that stands for `entry` in the ledger.

    A document has accounts, no roles: what differs from the entry on its money accounts counts.
    """
    if entry.kind != "SALES":
        return 0
    money = {line.account_code for line in entry.lines if _is_money(line.role, line.movement)}
    posted = _on(((line.account_code, line.amount_minor) for line in entry.lines), money)
    held = _on(((line.account_code, line.amount_minor) for line in document.lines), money)
    return collected(entry) + held - posted


@lru_cache(maxsize=4096)
def _is_tender(role: str, movement: str) -> bool:
    if _is_money(role, movement):
        return True
    return role.partition(".")[0] in _LIABILITY_ROOTS and movement in _TENDERED


def _is_money(role: str, movement: str) -> bool:
    return role.partition(".")[0] in _MONEY_ROOTS and movement != _SETTLED


def _on(legs: Iterable[tuple[str, int]], accounts: set[str]) -> int:
    return sum(amount for account, amount in legs if account in accounts)
