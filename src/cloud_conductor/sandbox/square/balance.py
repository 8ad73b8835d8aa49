"""The seller's balance at Square: charges, fees and refunds waiting for a payout."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.square.money import half_even, money
from cloud_conductor.sandbox.square.state import State

Json = dict[str, Any]


def charge(state: State, payment: Json) -> Json:
    """Put a captured card payment into the balance; gives the fee as Money.

    Fee = rate x charged total (tip included) + fixed part, rounded once, half to even (R-1.5).
    """
    total = payment["total_money"]["amount"]
    fee = half_even(state.settings.fee_rate * total + state.settings.fee_fixed)
    _add(state, payment, "CHARGE", total, fee, {"payment_id": payment["id"]})
    return money(fee, payment["total_money"]["currency"])


def refund(state: State, payment: Json, refunded: Json) -> None:
    """Take a card refund out of the balance; the fee of the charge is kept, the refund has none."""
    names = {"payment_id": payment["id"], "refund_id": refunded["id"]}
    _add(state, payment, "REFUND", -refunded["amount_money"]["amount"], 0, names)


def dispute(state: State, payment: Json, kind: str, amount: int, dispute_id: str) -> None:
    """Hold an amount back while it is disputed (OPEN_DISPUTE), or release it (DISPUTE)."""
    names = {"payment_id": payment["id"], "dispute_id": dispute_id}
    _add(state, payment, kind, amount, 0, names)


def instant_fee(state: State, location: Json, amount: int) -> int:
    """Charge a payout at once: 1.5 % of what goes out, half to even, in an entry of its own."""
    fee = half_even(Fraction(15, 1000) * amount)
    zero = money(0, location["currency"])
    payment = {"location_id": location["id"], "total_money": zero}
    _add(state, payment, "DEPOSIT_FEE", 0, fee, {})
    return fee


def returned(state: State, location: Json, amount: int) -> None:
    """Put back what the bank did not take of a payout."""
    zero = money(0, location["currency"])
    payment = {"location_id": location["id"], "total_money": zero}
    _add(state, payment, "RETURNED_PAYOUT", amount, 0, {})


def _add(
    state: State, payment: Json, kind: str, gross: int, fee: int, details: dict[str, str]
) -> None:
    entries = state.table("balance_entries")
    currency = payment["total_money"]["currency"]
    entry_id = state.new_id("payout_entries")
    entries[entry_id] = {
        "id": entry_id,
        "location_id": payment["location_id"],
        "payout_id": None,
        "effective_at": state.now(),
        "type": kind,
        "gross_amount_money": money(gross, currency),
        "fee_amount_money": money(fee, currency),
        "net_amount_money": money(gross - fee, currency),
        **({f"type_{kind.lower()}_details": details} if kind != "RETURNED_PAYOUT" else {}),
    }


def unpaid(state: State, location_id: str) -> list[Json]:
    """Entries of a location that no payout has taken, oldest first."""
    return [
        entry
        for entry in state.table("balance_entries").values()
        if entry["location_id"] == location_id and entry["payout_id"] is None
    ]
