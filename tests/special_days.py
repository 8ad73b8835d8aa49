"""A small day made into entries, and its lines and findings. Shared by the tests of §7 to §9."""

from typing import Any

from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import DayEntries, EntryFinding, day_entries
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import Basket, small_tables

ACCOUNTS = AccountMap.of(
    {
        "clearing.*": "110",
        "undeposited_cash": "115",
        "cash_float": "118",
        "ar.house": "610",
        "bank": "090",
        "sales.*": "200",
        "returns.*": "230",
        "discounts.*": "220",
        "discounts.comp": "221",
        "service_revenue.*": "210",
        "shipping_revenue": "211",
        "tax_payable.*": "820",
        "tips_payable": "830",
        "gift_card_liability": "840",
        "store_credit_liability": "841",
        "customer_deposits": "842",
        "donations_payable": "850",
        "due_to_customers": "855",
        "vendor_receivable": "620",
        "uncollected_offline": "630",
        "merchant_fees.*": "420",
        "dispute_receivable": "860",
        "chargeback_loss": "440",
        "cash_over_short": "425",
        "cash_custody_diff": "426",
        "cash_rounding": "435",
        "petty_expense.*": "430",
        "cogs.*": "310",
        "inventory.*": "140",
    },
    "1",
)


def build(
    *baskets: Basket, accounts: AccountMap = ACCOUNTS, **more: list[dict[str, Any]]
) -> DayEntries:
    facts = DayFacts.of(golden.STORE, golden.DAY, small_tables(baskets, **more))
    return day_entries(facts, accounts)


def lines(found: DayEntries, kind: str = "SALES") -> dict[str, int]:
    (entry,) = [entry for entry in found.entries if entry.kind == kind]
    assert entry.is_balanced
    return {
        line.role + (f" {line.movement}" if line.movement else ""): line.amount_minor
        for line in entry.lines
    }


def finding(found: DayEntries, kind: str = "SALES") -> EntryFinding:
    (only,) = [finding for finding in found.findings if finding.kind == kind]
    return only
