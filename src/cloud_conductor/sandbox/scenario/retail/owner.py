"""What the owner of a seeded chain says of it, which no vendor does: accounts, names at the till."""

from collections.abc import Iterable, Mapping

from cloud_conductor.sandbox.scenario.retail.places import Place

RECEIPTS = "(?P<register>[A-Z0-9]+)-(?P<number>[0-9]+)"
"""How receipt numbers read."""
DEPARTMENTS = ("apparel", "home", "grocery", "cafe", "other")
ACCOUNTS: Mapping[str, str] = {
    "bank": "090",
    "clearing.square": "110",
    "undeposited_cash": "115",
    "cash_float": "118",
    "ar.house": "860",
    "vendor_receivable": "860",
    "dispute_receivable": "860",
    "chargeback_loss": "440",
    "uncollected_offline": "860",
    "inventory.*": "140",
    "cogs.*": "310",
    "merchant_fees.square": "420",
    "cash_over_short": "425",
    "cash_custody_diff": "426",
    "petty_expense.*": "430",
    "cash_rounding": "435",
    "service_revenue.*": "210",
    "discounts.*": "220",
    "discounts.comp": "220",
    "discounts.employee": "220",
    "tips_payable": "830",
    "gift_card_liability": "840",
    "store_credit_liability": "841",
    "customer_deposits": "842",
    "donations_payable": "850",
    "due_to_customers": "855",
    "returns.uncategorised": "234",
    "returns.service": "234",
}
"""Role -> account of the simulated ledger, departments and taxes left out."""
MEANINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "lines": {
        "deposit": ("Layaway deposit*",),
        "donation": ("Donation*",),
        "account_payment": ("Account payment*",),
    },
    "discounts": {
        "vendor": ("Vendor coupon*",),
        "comp": ("Comp:*",),
        "employee": ("Employee meal",),
    },
    "tenders": {
        "house_account": ("House account",),
        "store_credit": ("Store credit",),
        "deposit": ("Layaway deposit",),
        "vendor_coupon": ("Vendor coupon",),
    },
    "paid_outs": {"drop": ("Safe drop*",), "float": ("Float lowered*",)},
    "paid_ins": {"float": ("Float raised*",)},
}
"""What a name at the till is -> what it means -> patterns of the names."""


def mapping(places: Iterable[Place]) -> dict[str, str]:
    """Role -> account, with departments and the authorities of the places' taxes."""
    roles = dict(ACCOUNTS)
    for number, name in enumerate(DEPARTMENTS):
        roles |= {f"sales.{name}": f"20{number}", f"returns.{name}": f"23{number}"}
    taxes = (tax for place in places for tax in place.taxes)
    return roles | {f"tax_payable.{name}": "823" for tax in taxes for name in tax.split}


def meanings() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """MEANINGS as rows: (lines, discounts, tenders, paid_outs or paid_ins; meaning; patterns)."""
    return tuple(
        (what, meaning, names)
        for what, found in MEANINGS.items()
        for meaning, names in found.items()
    )
