"""Goods given back: amounts of a return derived from the order that sold them (R-1.7, R-10.3)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec

from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import decimal_of, money, part_of
from cloud_conductor.sandbox.square.state import State

Json = dict[str, Any]

COPIED = ("name", "catalog_object_id", "catalog_version", "variation_name", "item_type", "note")


def price_returns(
    state: State, order: Json, currency: str, without_receipt: Callable[[Json], Json]
) -> None:
    """Write every amount of `order["returns"]` and its `return_amounts`.

    Each return names a completed source order; each of its lines a source line and a quantity not
    returned yet. Amounts are the source line's own, cumulatively apportioned to the units given
    back, so that any number of partial returns sums to the whole line. A return without a source
    is priced as a sale of today: `without_receipt` gives that sale (R-9.11, R-10.3).
    """
    totals = dict.fromkeys(
        ("total_money", "tax_money", "discount_money", "tip_money", "service_charge_money"), 0
    )
    for entry in order["returns"]:
        if "return_amounts" in entry:  # priced before: a later change of the order leaves it
            _add_amounts(totals, entry)
            continue
        entry.setdefault("uid", state.new_id("uid"))
        if entry.get("source_order_id"):
            source = state.get("orders", entry["source_order_id"])
            returned = returned_so_far(state, source["id"])
        else:
            source, returned = without_receipt(entry), {}
        if source["state"] != "COMPLETED":
            raise invalid("ORDER_UNPAID_NOT_RETURNABLE", "The source order is not paid.", "returns")
        for line in entry.get("return_line_items", []):
            _price_line(state, line, source, returned, currency)
        for charge in entry.get("return_service_charges", []):
            _price_charge(state, charge, source, currency)
        _sum_up(entry, source, currency)
        _add_amounts(totals, entry)
    order["return_amounts"] = {name: money(amount, currency) for name, amount in totals.items()}


def requested(wanted: list[Json]) -> list[Json]:
    """Keep of requested returns only what a client decides; amounts are never taken from it."""
    kept = []
    for entry in wanted:
        lines = [
            {name: line.get(name) for name in ("source_line_item_uid", "quantity")}
            for line in entry.get("return_line_items", [])
        ]
        charges = [
            {"source_service_charge_uid": charge.get("source_service_charge_uid")}
            for charge in entry.get("return_service_charges", [])
        ]
        one: Json = {"source_order_id": entry.get("source_order_id"), "return_line_items": lines}
        if not entry.get("source_order_id"):
            one = {name: entry[name] for name in ("return_line_items", "return_taxes")}
        kept.append({**one, "return_service_charges": charges} if charges else one)
    return kept


def _add_amounts(totals: dict[str, int], entry: Json) -> None:
    for name in totals:
        totals[name] += entry["return_amounts"][name]["amount"]


def returned_so_far(state: State, source_order_id: str) -> dict[str, Fraction]:
    """Units given back of each line of an order, by source line uid, over all living returns."""
    units: dict[str, Fraction] = {}
    for order_id in state.table("returns_of").get(source_order_id, []):
        order = state.table("orders")[order_id]
        if order["state"] == "CANCELED":
            continue
        for entry in order["returns"]:
            if entry["source_order_id"] == source_order_id:
                for line in entry.get("return_line_items", []):
                    uid = line["source_line_item_uid"]
                    units[uid] = units.get(uid, Fraction(0)) + Fraction(line["quantity"])
    return units


def _price_line(
    state: State, line: Json, source: Json, returned: dict[str, Fraction], currency: str
) -> None:
    uid = line.get("source_line_item_uid")
    sold = next((one for one in source.get("line_items", []) if one["uid"] == uid), None)
    if sold is None:
        raise invalid("NOT_FOUND", f"No line {uid} in order {source['id']}.", "returns")
    whole = Fraction(sold["quantity"])
    now = decimal_of(line.get("quantity"), "returns.return_line_items.quantity")
    before = returned.get(sold["uid"], Fraction(0))
    if now <= 0 or before + now > whole:
        raise invalid(
            "INVALID_VALUE", f"Only {whole - before} of {uid} can be returned.", "returns"
        )
    returned[sold["uid"]] = before + now

    def share(value: Json) -> Json:
        return money(part_of(value["amount"], before=before, now=now, whole=whole), currency)

    line.setdefault("uid", state.new_id("uid"))
    if not source["id"]:
        del line["source_line_item_uid"]
    line.update({name: sold[name] for name in COPIED if name in sold})
    line["base_price_money"] = dict(sold["base_price_money"])
    line["variation_total_price_money"] = share(sold["variation_total_price_money"])
    line["gross_return_money"] = share(sold["gross_sales_money"])
    for kind in ("taxes", "discounts"):
        applied = [
            {
                **one,
                "uid": f"{one['uid']}-{line['uid']}",
                "applied_money": share(one["applied_money"]),
            }
            for one in sold.get(f"applied_{kind}", [])
        ]
        if applied:
            line[f"applied_{kind}"] = applied
    tax = _total(line.get("applied_taxes", []))
    discount = _total(line.get("applied_discounts", []))
    inside = _inclusive(line, source)
    gross = line["gross_return_money"]["amount"]
    deducted = inside if _has_deducted_gross(sold) else 0
    line["total_tax_money"] = money(tax, currency)
    line["total_discount_money"] = money(discount, currency)
    line["total_service_charge_money"] = money(0, currency)
    line["total_money"] = money(gross + deducted - discount + tax - inside, currency)


def _inclusive(line: Json, source: Json) -> int:
    """Part of a line's tax that was inside its price."""
    kinds = {tax["uid"]: tax["type"] for tax in source.get("taxes", [])}
    return _total(
        [one for one in line.get("applied_taxes", []) if kinds[one["tax_uid"]] == "INCLUSIVE"]
    )


def _has_deducted_gross(sold: Json) -> bool:
    """Whether the source line's gross has its inclusive tax taken out (by country)."""
    full = sold["variation_total_price_money"]["amount"]
    full += _total(sold.get("modifiers", []), "total_price_money")
    return bool(sold["gross_sales_money"]["amount"] != full)


def _price_charge(state: State, charge: Json, source: Json, currency: str) -> None:
    uid = charge.get("source_service_charge_uid")
    sold = next((one for one in source.get("service_charges", []) if one["uid"] == uid), None)
    if sold is None:
        raise invalid("NOT_FOUND", f"No service charge {uid}.", "returns.return_service_charges")
    kept = {name: value for name, value in sold.items() if name not in {"uid", "type", "metadata"}}
    charge.update(msgspec.json.decode(msgspec.json.encode(kept)))
    charge.setdefault("uid", state.new_id("uid"))
    charge["total_tax_money"] = money(_total(sold.get("applied_taxes", [])), currency)


def _total(entries: list[Json], name: str = "applied_money") -> int:
    return sum(entry.get(name, {}).get("amount", 0) for entry in entries)


def _sum_up(entry: Json, source: Json, currency: str) -> None:
    """Write a return's taxes, discounts and amounts from its lines and charges."""
    lines, charges = entry.get("return_line_items", []), entry.get("return_service_charges", [])
    entry["return_taxes"] = [
        _carried("tax", tax, entry, [*lines, *charges], currency) for tax in source.get("taxes", [])
    ]
    entry["return_discounts"] = [
        _carried("discount", cut, entry, lines, currency) for cut in source.get("discounts", [])
    ]
    amounts = {
        "total_money": _total(lines, "total_money") + _total(charges, "total_money"),
        "tax_money": _total(lines, "total_tax_money") + _total(charges, "total_tax_money"),
        "discount_money": _total(lines, "total_discount_money"),
        "tip_money": 0,
        "service_charge_money": _total(charges),
    }
    entry["return_amounts"] = {name: money(amount, currency) for name, amount in amounts.items()}
    for name in ("return_taxes", "return_discounts"):
        if not entry[name]:
            del entry[name]


def _carried(kind: str, sold: Json, entry: Json, parts: list[Json], currency: str) -> Json:
    """Carry a tax or discount of the source order into the return, with what the parts hold of it.

    The parts' references are turned from the source's uid to the return's own.
    """
    uid = f"{sold['uid']}-{entry['uid']}"
    amount = 0
    for part in parts:
        for applied in part.get(f"applied_{kind}es" if kind == "tax" else "applied_discounts", []):
            if applied[f"{kind}_uid"] == sold["uid"]:
                applied[f"{kind}_uid"] = uid
                amount += applied["applied_money"]["amount"]
    names = ("catalog_object_id", "name", "type", "percentage", "amount_money", "scope")
    copied = {name: sold[name] for name in names if name in sold}
    return {
        "uid": uid,
        f"source_{kind}_uid": sold["uid"],
        **copied,
        "applied_money": money(amount, currency),
    }


def custom_return(state: State, source_order_id: str | None, amount: int, currency: str) -> Json:
    """Build the one-line return that Square makes when money goes back without goods."""
    value = money(amount, currency)
    zero = money(0, currency)
    line = {
        "uid": state.new_id("uid"),
        "name": "Custom Amount",
        "quantity": "1",
        "item_type": "CUSTOM_AMOUNT",
        "base_price_money": value,
        "variation_total_price_money": value,
        "gross_return_money": value,
        "total_tax_money": zero,
        "total_discount_money": zero,
        "total_service_charge_money": zero,
        "total_money": value,
    }
    amounts = {
        "total_money": value,
        **dict.fromkeys(("tax_money", "discount_money", "tip_money", "service_charge_money"), zero),
    }
    return {
        "uid": state.new_id("uid"),
        **({"source_order_id": source_order_id} if source_order_id else {}),
        "return_line_items": [line],
        "return_amounts": amounts,
    }
