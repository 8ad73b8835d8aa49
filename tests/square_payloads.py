"""Square objects made by hand, with the arithmetic of Square's "Order price adjustments"."""

from typing import Any

Json = dict[str, Any]
NOON = "2026-11-21T17:00:00.000Z"  # 12:00 in New York
TAX = {"uid": "t1", "name": "NYC sales tax", "type": "ADDITIVE", "percentage": "8.875"}


def money(amount: int, currency: str = "USD") -> Json:
    return {"amount": amount, "currency": currency}


def line(uid: str, gross: int, *, discount: int = 0, tax: int = 0, **more: Any) -> Json:
    """A line of one unit, its discount d1 and its tax t1, exclusive."""
    found: Json = {
        "uid": uid,
        "name": f"thing {uid}",
        "quantity": "1",
        "item_type": "ITEM",
        "catalog_object_id": f"V{uid}",
        "base_price_money": money(gross),
        "gross_sales_money": money(gross),
        "total_tax_money": money(tax),
        "total_discount_money": money(discount),
        "total_money": money(gross - discount + tax),
    }
    if tax:
        found["applied_taxes"] = [{"uid": f"a{uid}", "tax_uid": "t1", "applied_money": money(tax)}]
    if discount:
        cut = {"uid": f"c{uid}", "discount_uid": "d1", "applied_money": money(discount)}
        found["applied_discounts"] = [cut]
    return found | more


def returned(uid: str, gross: int, *, discount: int = 0, tax: int = 0, **more: Any) -> Json:
    """A return line: the same, under Square's name for its gross."""
    found = line(uid, gross, discount=discount, tax=tax)
    found["gross_return_money"] = found.pop("gross_sales_money")
    return found | {"source_line_item_uid": uid} | more


def order(*lines: Json, name: str = "O1", version: int = 1, tip: int = 0, **more: Any) -> Json:
    """A completed order paid by card, with totals that agree."""
    returns = more.get("returns", [])
    sold = sum(one["total_money"]["amount"] for one in lines)
    sold += sum(one["total_money"]["amount"] for one in more.get("service_charges", []))
    sold += more.get("rounding_adjustment", {}).get("amount_money", money(0))["amount"]
    back = sum(
        one["total_money"]["amount"] for entry in returns for one in entry["return_line_items"]
    )
    due = sold + tip - back
    tender = {
        "id": f"P{name}",
        "payment_id": f"P{name}",
        "type": "CARD",
        "amount_money": money(due),
        "tip_money": money(tip),
        "card_details": {"card": {"card_brand": "VISA"}},
    }
    found: Json = {
        "id": name,
        "location_id": "L1",
        "state": "COMPLETED",
        "version": version,
        "created_at": NOON,
        "updated_at": NOON,
        "closed_at": NOON,
        "line_items": list(lines),
        "taxes": [TAX],
        "discounts": [{"uid": "d1", "name": "Ten off", "type": "FIXED_PERCENTAGE"}],
        "total_money": money(sold + tip),
        "total_tip_money": money(tip),
        "net_amounts": {"total_money": money(due), "tip_money": money(tip)},
    }
    if due > 0:
        found["tenders"] = [tender]
    return found | more


def payment(name: str = "PO1", amount: int = 1000, **more: Any) -> Json:
    return {
        "id": name,
        "location_id": "L1",
        "status": "COMPLETED",
        "source_type": "CARD",
        "created_at": NOON,
        "updated_at": NOON,
        "order_id": "O1",
        "amount_money": money(amount),
        "card_details": {"card": {"card_brand": "VISA"}},
    } | more


def offline(order_id: str, client_time: str, **more: Any) -> Json:
    """A payment taken while the till had no network (R-2.5)."""
    details = {"client_created_at": client_time}
    name = f"P{order_id}"
    return payment(name, order_id=order_id, offline_payment_details=details, **more)


def payout(name: str = "po_1", amount: int = 900, created_at: str = NOON) -> Json:
    return {
        "id": name,
        "location_id": "L1",
        "status": "SENT",
        "created_at": created_at,
        "updated_at": created_at,
        "amount_money": money(amount),
        "arrival_date": "2026-11-24",
    }


def payout_entry(name: str = "poe_1", payout_id: str = "po_1", amount: int = 900) -> Json:
    return {
        "id": name,
        "payout_id": payout_id,
        "type": "CHARGE",
        "effective_at": "2026-11-20T17:00:00.000Z",
        "gross_amount_money": money(amount + 29),
        "fee_amount_money": money(29),
        "net_amount_money": money(amount),
        "type_charge_details": {"payment_id": "PO1"},
    }


def dispute(name: str = "D1", amount: int = 1000, **more: Any) -> Json:
    """Just opened; `reported_at` is a date at midnight UTC, as Square has it."""
    return {
        "id": name,
        "location_id": "L1",
        "state": "EVIDENCE_REQUIRED",
        "reason": "NO_KNOWLEDGE",
        "amount_money": money(amount),
        "disputed_payment": {"payment_id": "PO1"},
        "created_at": NOON,
        "updated_at": NOON,
        "reported_at": "2026-11-21T00:00:00.000Z",
        "due_at": "2026-12-05T00:00:00.000Z",
        "version": 1,
    } | more


def shift(name: str = "S1", **more: Any) -> Json:
    return {
        "id": name,
        "location_id": "L1",
        "state": "CLOSED",
        "opened_at": "2026-11-21T14:00:00Z",
        "closed_at": "2026-11-22T07:00:00Z",
        "opened_cash_money": money(20_000),
        "cash_payment_money": money(5_657),
        "cash_refunds_money": money(0),
        "cash_paid_in_money": money(0),
        "cash_paid_out_money": money(1_200),
        "expected_cash_money": money(24_457),
        "closed_cash_money": money(24_407),
    } | more


def hook(kind: str, noun: str, found: Json) -> Json:
    """A webhook around an object."""
    return {
        "merchant_id": "M1",
        "type": kind,
        "event_id": f"e-{found['id']}",
        "created_at": NOON,
        "data": {"type": noun, "id": found["id"], "object": {noun: found}},
    }


def item(
    variation: str, *, cost: str, updated_at: str = "2026-01-01T00:00:00Z", **more: Any
) -> Json:
    """A catalog item of category C1 with one variation and its unit cost."""
    return {
        "type": "ITEM",
        "id": f"I{variation}",
        "updated_at": updated_at,
        "item_data": {
            "name": "Thing",
            "reporting_category": {"id": "C1"},
            "variations": [
                {
                    "id": variation,
                    "updated_at": updated_at,
                    "item_variation_data": {
                        "sku": f"SKU-{variation}",
                        "price_money": money(1000),
                    },
                    "custom_attribute_values": {"unit_cost": {"number_value": cost}},
                }
            ],
        },
    } | more


def category(name: str, *, updated_at: str = "2026-01-01T00:00:00Z", key: str = "C1") -> Json:
    data = {"name": name}
    return {"type": "CATEGORY", "id": key, "updated_at": updated_at, "category_data": data}
