"""Refunds: money back on a payment, tied to the return that caused it."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.square import (
    balance,
    drawers,
    gift_cards,
    orders,
    paging,
    payments,
    pricing,
    returns,
)
from cloud_conductor.sandbox.square.errors import SquareError, invalid
from cloud_conductor.sandbox.square.money import amount_of
from cloud_conductor.sandbox.square.settlement import complete_if_settled
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

COPIED = ("reason", "team_member_id")


def create(state: State, ask: Ask) -> Json:
    """POST /v2/refunds.

    Settles the open return order whose source is the payment's order and whose amount is this
    one; without such an order Square's own rule holds: a new completed return order with one
    custom amount. Card refunds are PENDING in the answer and COMPLETED in the next event.
    `destination_id` names a gift card for a refund onto it, EXTERNAL (with `external_details`) for
    money given back outside Square. `unlinked` refunds have no payment: see `_unlinked`.
    """
    body = ask.body
    if not body.get("idempotency_key"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "idempotency_key")
    if body.get("unlinked"):
        return _unlinked(state, body)
    payment = state.get("payments", str(body.get("payment_id") or ""))
    currency = payment["total_money"]["currency"]
    amount = amount_of(body.get("amount_money"), currency, "amount_money")
    _check(payment, amount)
    order = orders.open_return_for(state, payment, amount)
    if order is None:
        order = _bare_return(state, payment, amount, currency)
    target = str(body.get("destination_id") or "")
    is_card = payment["source_type"] == "CARD" or target in state.table("gift_cards")
    kind = "EXTERNAL" if target == "EXTERNAL" else "CARD" if is_card else payment["source_type"]
    refund = _refund(state, body, payment, kind)
    refund["order_id"] = order["id"]
    state.table("refunds")[refund["id"]] = refund
    order.setdefault("refunds", []).append(_order_view(refund))
    pricing.total(order, currency)
    _emit(state, refund, "created")
    shown = dict(refund)
    if target in state.table("gift_cards"):
        gift_cards.refund_onto(state, target, payment, amount)
    elif target != "EXTERNAL":
        _give(state, payment, refund, amount)
    _complete(state, refund)
    payments.note_refund(state, payment, refund)
    complete_if_settled(state, order)
    orders.touch(state, order)
    return {"refund": shown}


def _unlinked(state: State, body: Json) -> Json:
    """Give money back without a payment of ours (R-9.11): to CASH, EXTERNAL or a card nonce.

    `order_id` may name an open return order it settles; else the refund has no order at all.
    """
    location = state.get("locations", str(body.get("location_id")))
    currency, target = location["currency"], str(body.get("destination_id") or "")
    amount = amount_of(body.get("amount_money"), currency, "amount_money")
    kind = target if target in {"CASH", "EXTERNAL"} else "CARD"
    if amount <= 0 or not target:
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "destination_id")
    given: Json = {
        "id": None,
        "location_id": location["id"],
        "total_money": body["amount_money"],
        **{name: body[name] for name in ("device_details",) if body.get(name)},
    }
    refund = _refund(state, body, given, kind)
    order = state.get("orders", body["order_id"]) if body.get("order_id") else None
    if order is not None:
        refund["order_id"] = order["id"]
        order.setdefault("refunds", []).append(_order_view(refund))
        pricing.total(order, currency)
    state.table("refunds")[refund["id"]] = refund
    _emit(state, refund, "created")
    shown = dict(refund)
    if kind == "CARD":
        balance.refund(state, given, refund)
    elif kind == "CASH":
        drawers.note_cash(state, given, "CASH_TENDER_REFUND", amount)
    _complete(state, refund)
    if order is not None:
        complete_if_settled(state, order)
        orders.touch(state, order)
    return {"refund": shown}


def _complete(state: State, refund: Json) -> None:
    if refund["status"] == "PENDING":
        refund["status"] = "COMPLETED"
        refund["updated_at"] = state.later(refund["updated_at"])
        _emit(state, refund, "updated")


def _check(payment: Json, amount: int) -> None:
    if payment["status"] != "COMPLETED":
        raise invalid("REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", "Complete the payment first.")
    left = payment["total_money"]["amount"] - payment.get("refunded_money", {}).get("amount", 0)
    if not 0 < amount <= left:
        raise SquareError(
            400,
            "REFUND_ERROR",
            "REFUND_AMOUNT_INVALID",
            "The requested refund amount exceeds the amount available to refund.",
            "amount_money",
        )


def _bare_return(state: State, payment: Json, amount: int, currency: str) -> Json:
    """Return order that Square makes for a refund without goods."""
    entry = returns.custom_return(state, payment["order_id"], amount, currency)
    now = state.now()
    order: Json = {
        "id": state.new_id("orders"),
        "location_id": payment["location_id"],
        "state": "OPEN",
        "source": {"name": "Sandbox"},
        "returns": [entry],
        "return_amounts": entry["return_amounts"],
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    pricing.total(order, currency)
    state.table("orders")[order["id"]] = order
    orders.emit(state, order, "created")
    return order


def _refund(state: State, body: Json, payment: Json, kind: str) -> Json:
    """Write a refund to a CARD, CASH or EXTERNAL; `payment` without id: an unlinked one."""
    now, number = state.now(), state.new_id("refunds")
    refund: Json = {
        "id": f"{payment['id']}_{number}" if payment["id"] else number,
        "status": "PENDING" if kind == "CARD" else "COMPLETED",
        "location_id": payment["location_id"],
        "unlinked": not payment["id"],
        "destination_type": kind,
        "amount_money": dict(body["amount_money"]),
        "created_at": now,
        "updated_at": now,
    }
    if payment["id"]:
        refund["payment_id"] = payment["id"]
    target = str(body.get("destination_id") or "")
    if target in state.table("gift_cards"):
        card = {"card_brand": "SQUARE_GIFT_CARD", "last_4": target[-4:]}
        refund["destination_details"] = {"card_details": {"card": card}}
    if target == "EXTERNAL":
        refund["destination_details"] = {"external_details": body.get("external_details", {})}
    return refund | {name: body[name] for name in COPIED if body.get(name)}


def _order_view(refund: Json) -> Json:
    """Order's view of a refund."""
    return {
        "id": refund["id"],
        "location_id": refund["location_id"],
        "transaction_id": refund["order_id"],
        "tender_id": refund.get("payment_id"),
        "created_at": refund["created_at"],
        "reason": refund.get("reason", "Refund via API"),
        "amount_money": refund["amount_money"],
        "status": "APPROVED",
    }


def _give(state: State, payment: Json, refund: Json, amount: int) -> None:
    """Give the money back the way it came."""
    if payments.is_processed(payment):
        balance.refund(state, payment, refund)
    elif payment["source_type"] == "CASH":
        drawers.note_cash(state, payment, "CASH_TENDER_REFUND", amount)
    else:
        gift_cards.give_back(state, payment, amount)


def _emit(state: State, refund: Json, verb: str) -> None:
    data = {"type": "refund", "id": refund["id"], "object": {"refund": refund}}
    state.emit(f"refund.{verb}", data, location_id=refund["location_id"])


def get(state: State, ask: Ask) -> Json:
    """GET /v2/refunds/{id}."""
    return {"refund": state.get("refunds", ask.params["id"])}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/refunds: by creation or update time, every location unless one is named."""
    query = ask.query
    begin, end = (paging.instant_text(query.get(f"{n}_time"), n) for n in ("begin", "end"))
    since, until = (
        paging.instant_text(query.get(f"updated_at_{n}_time"), n) for n in ("begin", "end")
    )
    field = "updated_at" if query.get("sort_field") == "UPDATED_AT" else "created_at"
    rows = [
        refund
        for refund in state.table("refunds").values()
        if query.get("location_id") in {None, refund["location_id"]}
        and query.get("status") in {None, refund["status"]}
        and paging.within(refund["created_at"], begin, end)
        and paging.within(refund["updated_at"], since, until)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda refund: refund[field],
        identity=lambda refund: refund["id"],
        descending=query.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(query.get("limit"), default=100, largest=100),
        cursor=query.get("cursor"),
    )
    return paging.answer("refunds", given, cursor)


ROUTES = (
    ("POST", "/v2/refunds", create),
    ("GET", "/v2/refunds", listing),
    ("GET", "/v2/refunds/{id}", get),
)
