"""Order arithmetic as Square does it (Square: Order price adjustments; R-4.*).

Line gross = quantity x base price, half to even, plus modifiers. Discounts: on lines, then on the
order, percentages before amounts; order discounts are apportioned by largest remainder over lines
that are not gift cards. One tax = its rate on its whole base in the order, half to even, then
apportioned to the lines and taxable service charges of the base. Inclusive tax of a base P at rate
r: net = P / (1 + r) half to even, tax = P - net (R-4.3).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import (
    allocate,
    amount_of,
    decimal_of,
    half_even,
    money,
)

Json = dict[str, Any]

INCLUSIVE_DEDUCTED = frozenset({"US", "CA", "JP"})
"""Countries where `gross_sales_money` has inclusive tax taken out; elsewhere it stays in."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What pricing must know beside the order. untaxed: uids of lines no order tax touches."""

    currency: str
    country: str = "US"
    untaxed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Taxable:
    """A line or service charge on its way through the taxes; all amounts minor units."""

    entry: Json
    net: int
    inclusive: int = 0
    taxes: dict[str, int] = field(default_factory=dict)

    @property
    def tax(self) -> int:
        """All taxes on it."""
        return sum(self.taxes.values())


def price(order: Json, rules: Rules) -> None:
    """Write every amount of a sale into `order` (lines, discounts, taxes, charges)."""
    lines = [_gross(line, rules.currency) for line in order.get("line_items", [])]
    _discount(order, lines, rules)
    charges = _charges(order, lines, rules.currency)
    _tax(order, lines, charges, rules)
    _write_lines(lines, rules)
    _write_charges(order, charges, lines, rules.currency)


def total(order: Json, currency: str) -> None:
    """Write the order's totals, net amounts and amount due from its parts and tenders.

    `net_amounts` = sale - return; due = net total - tenders + refunds made for its returns.
    """
    sale = {
        "tax_money": _sum(order.get("taxes", []), "applied_money"),
        "discount_money": _sum(order.get("discounts", []), "applied_money"),
        "tip_money": _sum(order.get("tenders", []), "tip_money"),
        "service_charge_money": _sum(order.get("service_charges", []), "applied_money"),
    }
    rounding = order.get("rounding_adjustment", {}).get("amount_money", {}).get("amount", 0)
    sale_total = (
        _sum(order.get("line_items", []), "total_money")
        + _sum(order.get("service_charges", []), "total_money")
        + sale["tip_money"]
        + rounding
    )
    back = order.get("return_amounts", {})
    order["total_money"] = money(sale_total, currency)
    for name, amount in sale.items():
        order[f"total_{name}"] = money(amount, currency)
    returned = {name: back.get(name, {}).get("amount", 0) for name in ("total_money", *sale)}
    order["net_amounts"] = {
        "total_money": money(sale_total - returned["total_money"], currency),
        **{name: money(amount - returned[name], currency) for name, amount in sale.items()},
    }
    paid = _sum(order.get("tenders", []), "amount_money")
    repaid = _sum(order.get("refunds", []), "amount_money")
    due = sale_total - returned["total_money"] - paid + repaid
    order["net_amount_due_money"] = money(due, currency)


def _sum(entries: list[Json], name: str) -> int:
    return sum(entry.get(name, {}).get("amount", 0) for entry in entries)


def _gross(line: Json, currency: str) -> Taxable:
    """Gross of one line; writes its variation and modifier totals."""
    quantity = decimal_of(line.get("quantity"), "order.line_items.quantity")
    if quantity <= 0:
        raise invalid("INVALID_VALUE", "Quantity must be positive.", "order.line_items.quantity")
    base = amount_of(line.get("base_price_money"), currency, "order.line_items.base_price_money")
    own = half_even(quantity * base)
    line["variation_total_price_money"] = money(own, currency)
    extra = 0
    for modifier in line.get("modifiers", []):
        each = amount_of(modifier.get("base_price_money"), currency, "modifiers.base_price_money")
        times = decimal_of(modifier.get("quantity", "1"), "modifiers.quantity")
        amount = half_even(quantity * times * each)
        modifier["total_price_money"] = money(amount, currency)
        extra += amount
    line["gross_sales_money"] = money(own + extra, currency)
    return Taxable(line, own + extra)


def is_gift_card(line: Json) -> bool:
    """Whether a line sells a gift card: never discounted, never taxed (R-4.2, R-9.1)."""
    return bool(line.get("item_type") == "GIFT_CARD")


def _discount(order: Json, lines: list[Taxable], rules: Rules) -> None:
    """Apply every discount in Square's order; lowers `net`, writes `applied_discounts`."""
    discounts = order.get("discounts", [])
    named: dict[str, list[Taxable]] = defaultdict(list)
    for line in lines:
        for applied in line.entry.pop("applied_discounts", []):
            named[applied["discount_uid"]].append(line)
    for scope, by_percentage in (
        ("LINE_ITEM", True),
        ("LINE_ITEM", False),
        ("ORDER", True),
        ("ORDER", False),
    ):
        for discount in discounts:
            if discount["scope"] == scope and ("percentage" in discount) == by_percentage:
                chosen = named[discount["uid"]] if scope == "LINE_ITEM" else lines
                chosen = [line for line in chosen if not is_gift_card(line.entry)]
                _apply_discount(discount, chosen, rules.currency)


def _apply_discount(discount: Json, lines: list[Taxable], currency: str) -> None:
    """Take one discount off `lines`; a discount larger than its lines is clipped (R-4.1)."""
    if "percentage" in discount:
        rate = decimal_of(discount["percentage"], "order.discounts.percentage") / 100
        wanted = [half_even(line.net * rate) for line in lines]
        whole = half_even(sum(line.net for line in lines) * rate)
    else:
        amount = amount_of(discount.get("amount_money"), currency, "order.discounts.amount_money")
        wanted = [min(amount, line.net) for line in lines]
        whole = min(amount, sum(line.net for line in lines))
    if discount["scope"] == "ORDER":
        wanted = allocate(whole, [line.net for line in lines]) if lines else []
    for line, part in zip(lines, wanted, strict=True):
        line.net -= part
        line.entry.setdefault("applied_discounts", []).append(
            {
                "uid": f"{discount['uid']}-{line.entry['uid']}",
                "discount_uid": discount["uid"],
                "applied_money": money(part, currency),
            }
        )
    discount["applied_money"] = money(sum(wanted), currency)


def _charges(order: Json, lines: list[Taxable], currency: str) -> list[Taxable]:
    """Service charges of the subtotal phase, before tax."""
    subtotal = sum(line.net for line in lines if not is_gift_card(line.entry))
    charges = []
    for charge in order.get("service_charges", []):
        phase = charge.setdefault("calculation_phase", "SUBTOTAL_PHASE")
        if phase not in {"SUBTOTAL_PHASE", "TOTAL_PHASE"}:
            raise invalid("INVALID_ENUM_VALUE", f"{phase} is not simulated.", "service_charges")
        if phase == "SUBTOTAL_PHASE":
            charges.append(Taxable(charge, _charge_amount(charge, subtotal, currency)))
    return charges


def _charge_amount(charge: Json, base: int, currency: str) -> int:
    if "percentage" in charge:
        return half_even(base * decimal_of(charge["percentage"], "service_charges") / 100)
    return amount_of(charge.get("amount_money"), currency, "service_charges.amount_money")


def _tax(order: Json, lines: list[Taxable], charges: list[Taxable], rules: Rules) -> None:
    """Compute every tax on its order-wide base and apportion it; inclusive taxes first."""
    taxes = {tax["uid"]: tax for tax in order.get("taxes", [])}
    bases: dict[str, list[Taxable]] = {uid: [] for uid in taxes}
    for line in lines:
        for uid in _taxes_of(line.entry, taxes, exempt=line.entry["uid"] in rules.untaxed):
            bases[uid].append(line)
    for charge in charges:
        if charge.entry.get("taxable"):
            for uid in _taxes_of(charge.entry, taxes, exempt=False):
                bases[uid].append(charge)
    _take_inclusive(taxes, bases)
    for uid, tax in taxes.items():
        if tax["type"] == "ADDITIVE":
            base = bases[uid]
            nets = [part.net - part.inclusive for part in base]
            amount = half_even(sum(nets) * _rate(tax))
            for part, share in zip(base, allocate(amount, nets) if base else [], strict=True):
                part.taxes[uid] = share
        amounts = [part.taxes.get(uid, 0) for part in bases[uid]]
        tax["applied_money"] = money(sum(amounts), rules.currency)


def _taxes_of(entry: Json, taxes: dict[str, Json], *, exempt: bool) -> list[str]:
    """Uids of the taxes on one line or charge.

    An ORDER tax touches all but gift cards, exempt items and lines that block it; a LINE_ITEM tax
    only what names it.
    """
    if is_gift_card(entry):
        return []
    named = {applied["tax_uid"] for applied in entry.get("applied_taxes", [])}
    blocked = {
        block.get("tax_uid") or block.get("tax_catalog_object_id")
        for block in entry.get("pricing_blocklists", {}).get("blocked_taxes", [])
    }
    return [
        uid
        for uid, tax in taxes.items()
        if uid in named
        or (
            tax["scope"] == "ORDER"
            and not exempt
            and not {uid, tax.get("catalog_object_id")} & blocked
        )
    ]


def _rate(tax: Json) -> Fraction:
    return decimal_of(tax.get("percentage"), "order.taxes.percentage") / 100


def _take_inclusive(taxes: dict[str, Json], bases: dict[str, list[Taxable]]) -> None:
    """Find the tax inside prices, per set of inclusive taxes that lines share (R-4.3)."""
    groups: dict[tuple[str, ...], list[Taxable]] = defaultdict(list)
    members: dict[int, tuple[Taxable, list[str]]] = {}
    for uid, parts in bases.items():
        if taxes[uid]["type"] == "INCLUSIVE":
            for part in parts:
                members.setdefault(id(part), (part, []))[1].append(uid)
    for part, uids in members.values():
        groups[tuple(uids)].append(part)
    for shared, parts in groups.items():
        rates = [_rate(taxes[uid]) for uid in shared]
        nets = [part.net for part in parts]
        inside = sum(nets) - half_even(sum(nets) / (1 + sum(rates, Fraction(0))))
        for part, share in zip(parts, allocate(inside, nets), strict=True):
            part.inclusive = share
            part.taxes.update(zip(shared, allocate(share, rates), strict=True))


def _write_taxes(part: Taxable, currency: str) -> None:
    part.entry["applied_taxes"] = [
        {
            "uid": f"{uid}-{part.entry['uid']}",
            "tax_uid": uid,
            "applied_money": money(amount, currency),
        }
        for uid, amount in part.taxes.items()
    ]
    if not part.taxes:
        del part.entry["applied_taxes"]


def _write_lines(lines: list[Taxable], rules: Rules) -> None:
    for line in lines:
        entry, currency = line.entry, rules.currency
        _write_taxes(line, currency)
        gross = entry["gross_sales_money"]["amount"]
        entry["total_discount_money"] = money(gross - line.net, currency)
        entry["total_tax_money"] = money(line.tax, currency)
        entry["total_service_charge_money"] = money(0, currency)
        entry["total_money"] = money(line.net + line.tax - line.inclusive, currency)
        if rules.country in INCLUSIVE_DEDUCTED:
            entry["gross_sales_money"] = money(gross - line.inclusive, currency)


def _write_charges(
    order: Json, charges: list[Taxable], lines: list[Taxable], currency: str
) -> None:
    before = sum(part.net + part.tax - part.inclusive for part in [*lines, *charges])
    for charge in charges:
        _write_taxes(charge, currency)
        charge.entry["applied_money"] = money(charge.net, currency)
        charge.entry["total_tax_money"] = money(charge.tax, currency)
        charge.entry["total_money"] = money(charge.net + charge.tax - charge.inclusive, currency)
    for charge_entry in order.get("service_charges", []):
        if charge_entry["calculation_phase"] == "TOTAL_PHASE":
            amount = _charge_amount(charge_entry, before, currency)
            charge_entry["applied_money"] = money(amount, currency)
            charge_entry["total_tax_money"] = money(0, currency)
            charge_entry["total_money"] = money(amount, currency)
