"""The account map: which ledger account a role's amounts go to (R-6.2, R-6.9).

A rule is a role in full (`sales.apparel`) or a wildcard over a role's last part (`discounts.*`). The
exact rule wins, else the longest wildcard. There is no default account: a role without a rule is a
finding D10 that names the key and blocks its entry, nothing else.
"""

import hashlib
import unicodedata
from collections.abc import Mapping

import msgspec

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.findings import Finding

ROLES: Mapping[str, str] = {
    "clearing.{processor}": "money a processor owes us: charges less refunds, fees and payouts (R-7.1)",
    "undeposited_cash": "cash taken and not yet in the bank (§8)",
    "cash_float": "cash that stays in drawers, and the change fund it comes from (§8)",
    "bank": "the bank account payouts and deposit bags go to",
    "ar.house": "house accounts: what known customers owe (R-9.8)",
    "sales.{department}": "sales at gross, before discounts, without tax",
    "returns.{department}": "goods back at gross; contra-revenue (R-6.6)",
    "discounts.{kind}": "reductions the store pays for; contra-revenue (R-9.13)",
    "service_revenue.{name}": "service charges that are not gratuities (R-9.7)",
    "shipping_revenue": "delivery charged to the customer",
    "tax_payable.{jurisdiction}": "sales tax, as charged by the POS (R-4.4, R-10.1)",
    "tips_payable": "tips and gratuities owed to staff (R-9.6, R-9.7)",
    "gift_card_liability": "gift cards: sold, redeemed, refunded to, returned (R-9.1, R-9.2)",
    "store_credit_liability": "store credit issued and redeemed (R-9.5)",
    "customer_deposits": "deposits taken and used at pick-up (R-9.9)",
    "donations_payable": "donations at the till (R-9.15)",
    "due_to_customers": "charged twice, to be given back (R-9.17)",
    "vendor_receivable": "coupons a vendor pays for (R-9.14)",
    "uncollected_offline": "offline card sales declined later (R-2.6)",
    "merchant_fees.{processor}": "what a processor keeps",
    "dispute_receivable": "amounts in dispute at a processor (R-7.5)",
    "chargeback_loss": "disputes that were lost or accepted (R-7.5)",
    "payout_entry.{type}": "payout entries of other types: holds, loans, tax withheld (R-7.4)",
    "cash_over_short": "counted less expected cash, per shift (R-8.1)",
    "cash_custody_diff": "a drawer opened with more or less than was left in it (R-8.2)",
    "cash_rounding": "rounding of cash to the smallest coin (R-4.5)",
    "petty_expense.{reason}": "cash paid out of a drawer (R-8.5)",
    "cogs.{department}": "cost of goods sold less goods restocked",
    "inventory.{department}": "stock at cost",
}
"""Every role an entry can carry. docs/reference/roles.md lists the same."""

UNCATEGORISED = "uncategorised"
DIGEST_CHARS = 8
_LABELS = {
    "clearing": "Clearing",
    "discounts": "Discounts given",
    "cogs": "Cost of goods sold",
    "cash_custody_diff": "Cash in transit differences",
}
_ROOTS = {role.partition(".")[0]: "." in role for role in ROLES}


class Resolved(msgspec.Struct, frozen=True):
    """The rule that matched a role and its account."""

    rule: str
    account_code: str


class AccountMap(msgspec.Struct, frozen=True):
    """Rules of one mapping version. Make it with `of`, which refuses rules that cannot match."""

    rules: Mapping[str, str]
    version: str

    @classmethod
    def of(cls, mapping: Mapping[str, str], version: str) -> "AccountMap":
        """Checked copy. Raises ConfigError naming every rule that is not of the catalogue."""
        wrong = sorted(rule for rule, code in mapping.items() if not code or not _is_rule(rule))
        if wrong:
            raise ConfigError(
                f"[mapping] has rules no role can match or without an account: {', '.join(wrong)}",
                hint="see docs/reference/roles.md for the roles and how wildcards are written",
            )
        return cls(rules=dict(mapping), version=version)

    def resolve(self, role: str) -> Resolved | Finding:
        """The account of a role, or the gap as a finding D10 (R-6.2)."""
        for rule in _candidates(role):
            code = self.rules.get(rule)
            if code is not None:
                return Resolved(rule, code)
        return Finding(
            code="D10",
            pointer=f"/mapping/{role}",
            message=f"{role} has no ledger account: add it to [mapping] in conductor.toml (R-6.2)",
        )

    def accounts(self, *roots: str) -> frozenset[str]:
        """Account codes of all rules whose role begins with one of `roots`; of all without roots."""
        return frozenset(
            code
            for rule, code in self.rules.items()
            if not roots or rule.partition(".")[0] in roots
        )


def version_of(mapping: Mapping[str, str], name: str) -> str:
    """`<name>+<digest of the rules>`: an edited map is another version whatever it is called.

    So the first posting under edited rules is never approved by policy (R-15.4).
    """
    digest = hashlib.sha256(msgspec.json.encode(sorted(mapping.items()))).hexdigest()
    return f"{name}+{digest[:DIGEST_CHARS]}"


def slug(text: str | None, default: str = UNCATEGORISED) -> str:
    """The part of a role made from a name: `Café` -> `cafe`, `Window cleaner` -> `window_cleaner`."""
    plain = unicodedata.normalize("NFKD", text or "").encode("ascii", "ignore").decode().lower()
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    return "_".join(words) or default


def label(rule: str, movement: str = "") -> str:
    """A line's description: `sales.apparel` -> `Sales - apparel`, `discounts.*` -> `Discounts given`."""
    root, _, rest = rule.removesuffix(".*").partition(".")
    words = [_LABELS.get(root, root.replace("_", " ").capitalize())]
    words += [f"- {rest.replace('_', ' ')}"] if rest else []
    words += [f"({movement})"] if movement else []
    return " ".join(words)


def _candidates(role: str) -> list[str]:
    """Rules that can match a role, best first: itself, then wildcards from long to short."""
    parts = role.split(".")
    return [role, *(".".join(parts[:n]) + ".*" for n in range(len(parts) - 1, 0, -1))]


def _is_rule(rule: str) -> bool:
    root, dot, rest = rule.partition(".")
    if root not in _ROOTS or _ROOTS[root] != bool(dot):
        return False
    return not dot or rest == "*" or (bool(rest) and "*" not in rest.removesuffix(".*"))
