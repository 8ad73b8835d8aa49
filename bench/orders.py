"""Synthetic Square orders of the documented nesting, for the conform benches.

Five lines an order on average, each with a tax and a discount; ids, names and amounts vary, totals
agree. About 4.9 kB each.
"""

import json
import random
from typing import Any

LINES_PER_ORDER = (3, 4, 5, 6, 7)


def money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def line(at: int, number: int, dice: random.Random) -> dict[str, Any]:
    """One line with a tenth off and its tax."""
    price, quantity = dice.randrange(199, 4_999), dice.choice((1, 1, 1, 2, 3))
    gross = price * quantity
    cut, tax = gross // 10, round((gross - gross // 10) * 0.08875)
    return {
        "uid": f"l{at}-{number}",
        "catalog_object_id": f"W62UWFY35CWMYGVWK6T{at:05d}",
        "catalog_version": 1795179600000,
        "quantity": str(quantity),
        "name": f"Thing number {number % 97}",
        "variation_name": "Regular",
        "item_type": "ITEM",
        "base_price_money": money(price),
        "variation_total_price_money": money(gross),
        "gross_sales_money": money(gross),
        "total_tax_money": money(tax),
        "total_discount_money": money(cut),
        "total_money": money(gross - cut + tax),
        "total_service_charge_money": money(0),
        "applied_taxes": [{"uid": f"at{at}", "tax_uid": "tax", "applied_money": money(tax)}],
        "applied_discounts": [
            {"uid": f"ad{at}", "discount_uid": "cut", "applied_money": money(cut)}
        ],
    }


def tender(number: int, total: int, second: str) -> dict[str, Any]:
    return {
        "id": f"EnZdNAlWCmfh6Mt5FMNST1o7{number:06d}",
        "location_id": "L1",
        "transaction_id": f"CAISENgvlJ6jLWAzERDzjyHV{number:06d}",
        "created_at": f"{second}.100Z",
        "amount_money": money(total),
        "type": "CARD",
        "card_details": {
            "status": "CAPTURED",
            "card": {"card_brand": "VISA", "last_4": "1111"},
            "entry_method": "EMV",
        },
        "payment_id": f"EnZdNAlWCmfh6Mt5FMNST1o7{number:06d}",
    }


def adjustments(tax_total: int, cut_total: int) -> dict[str, Any]:
    """The order's one tax and one discount."""
    tax = {"uid": "tax", "name": "NYC sales tax", "type": "ADDITIVE", "percentage": "8.875"}
    cut = {"uid": "cut", "name": "Ten off", "type": "FIXED_PERCENTAGE", "percentage": "10"}
    return {
        "taxes": [tax | {"scope": "ORDER", "applied_money": money(tax_total)}],
        "discounts": [cut | {"scope": "ORDER", "applied_money": money(cut_total)}],
    }


def order(number: int, dice: random.Random) -> dict[str, Any]:
    """One completed order paid by card."""
    lines = [line(at, number, dice) for at in range(dice.choice(LINES_PER_ORDER))]
    total, tax_total, cut_total = (
        sum(one[f"total_{name}money"]["amount"] for one in lines)
        for name in ("", "tax_", "discount_")
    )
    amounts = {
        "total_money": money(total),
        "tax_money": money(tax_total),
        "discount_money": money(cut_total),
        "tip_money": money(0),
        "service_charge_money": money(0),
    }
    second = f"2026-11-21T{14 + number // 3600 % 12:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    return {
        "id": f"CAISENgvlJ6jLWAzERDzjyHV{number:06d}",
        "location_id": "L1",
        "source": {"name": "Square Point of Sale"},
        "line_items": lines,
        **adjustments(tax_total, cut_total),
        "net_amounts": amounts,
        "tenders": [tender(number, total, second)],
        "state": "COMPLETED",
        "version": 4,
        "created_at": f"{second}.000Z",
        "updated_at": f"{second}.900Z",
        "closed_at": f"{second}.800Z",
        "total_money": money(total),
        "total_tax_money": money(tax_total),
        "total_discount_money": money(cut_total),
        "total_tip_money": money(0),
        "total_service_charge_money": money(0),
        "return_amounts": {name: money(0) for name in amounts},
    }


def bodies(count: int, seed: int = 7) -> list[bytes]:
    """Orders as Square would send them."""
    dice = random.Random(seed)
    return [json.dumps(order(n, dice), separators=(",", ":")).encode() for n in range(count)]


def lines_in(found: list[bytes]) -> int:
    return sum(body.count(b'"base_price_money"') for body in found)
