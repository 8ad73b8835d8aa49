"""When an order is settled: nothing due, every payment captured, rewards used up."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.square import inventory, loyalty
from cloud_conductor.sandbox.square.state import State

Json = dict[str, Any]


def complete_if_settled(state: State, order: Json) -> None:
    """Close an open order with nothing due and every payment captured, or taken offline."""
    settled = order["net_amount_due_money"]["amount"] == 0
    payments = [state.get("payments", tender["payment_id"]) for tender in order.get("tenders", [])]
    captured = all(
        one["status"] == "COMPLETED" or one.get("is_offline_payment") for one in payments
    )
    if order["state"] == "OPEN" and settled and captured:
        order["state"] = "COMPLETED"
        order["closed_at"] = state.now()
        loyalty.redeem_on_completion(state, order)
        inventory.move_sold(state, order)
