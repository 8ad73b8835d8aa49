"""Payments: cash, external, card nonces and gift cards; capture, cancel, fees; PayOrder."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from cloud_conductor.sandbox.square import balance, drawers, gift_cards, orders, paging, pricing
from cloud_conductor.sandbox.square.errors import SquareError, declined, invalid
from cloud_conductor.sandbox.square.money import NICKEL_CURRENCIES, amount_of, money, nickel
from cloud_conductor.sandbox.square.settlement import complete_if_settled
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

COPIED = (
    "reference_id",
    "customer_id",
    "team_member_id",
    "note",
    "buyer_email_address",
    "device_details",
)


def create(state: State, ask: Ask) -> Json:
    """POST /v2/payments.

    source_id: CASH, EXTERNAL, a card nonce (`cnon:*`) or a gift card (`gftc:*`). An order may be
    paid in parts (real Square wants delayed capture plus PayOrder for that; both work here).
    Beyond the public API: `offline_payment_details.client_created_at` is accepted, since offline
    payments are otherwise only made by Square's own point of sale (R-2.5).
    The processing fee comes in a second event, as with the real one.
    """
    body = ask.body
    location = _location(state, body)
    currency = location["currency"]
    if not body.get("source_id"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "source_id")
    if not body.get("idempotency_key"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "idempotency_key")
    amount = amount_of(body.get("amount_money"), currency, "amount_money")
    tip = amount_of(body.get("tip_money") or {}, currency, "tip_money")
    if amount < 0 or tip < 0 or amount + tip == 0:
        raise invalid("VALUE_TOO_LOW", "amount_money must be greater than 0.", "amount_money")
    named = _named_order(state, body, location, amount)
    payment = _payment(state, body, location, amount, tip)
    if str(body["source_id"]).startswith("cnon:") and "declined" in str(body["source_id"]):
        raise _declined(state, payment, named)
    _take(state, payment, body)
    if body["source_id"] == "CASH" and named:
        orders.round_for_cash(state, named, amount)
    order = named or orders.custom(state, location, amount, currency)
    payment["order_id"] = order["id"]
    state.table("payments")[payment["id"]] = payment
    order.setdefault("tenders", []).append(_tender(payment))
    pricing.total(order, currency)
    _stamp(state, payment)
    _emit(state, payment, "created")
    shown = dict(payment)
    if body.get("autocomplete", True):
        _settle(state, payment)
    complete_if_settled(state, order)
    orders.touch(state, order)
    return {"payment": shown}


def _declined(state: State, payment: Json, order: Json | None) -> SquareError:
    """Refuse a card; the try to pay an order is kept as a FAILED payment, which an event tells."""
    if order is not None:
        _write_card(state, payment, brand="VISA", last_4="0002")
        payment["status"] = payment["card_details"]["status"] = "FAILED"
        payment["order_id"] = order["id"]
        state.table("payments")[payment["id"]] = payment
        _stamp(state, payment)
        _emit(state, payment, "created")
    return declined("CARD_DECLINED", "Authorization error: 'CARD_DECLINED'")


def _location(state: State, body: Json) -> Json:
    """Place of a payment: its own, its order's, or the main location."""
    if body.get("location_id"):
        return state.get("locations", body["location_id"])
    if body.get("order_id"):
        return state.get("locations", state.get("orders", body["order_id"])["location_id"])
    return next(iter(state.table("locations").values()))


def _named_order(state: State, body: Json, location: Json, amount: int) -> Json | None:
    """Order a payment names, if any; refuses overpayment, to the nearest coin in cash."""
    if not body.get("order_id"):
        return None
    order = state.get("orders", body["order_id"])
    if order["location_id"] != location["id"]:
        raise invalid("LOCATION_MISMATCH", "The order is of another location.", "location_id")
    if order["state"] != "OPEN":
        raise invalid("BAD_REQUEST", f"Order is {order['state']} and can not be paid.", "order_id")
    due = order["net_amount_due_money"]["amount"]
    coins = body["source_id"] == "CASH" and location["currency"] in NICKEL_CURRENCIES
    if amount > max(due, nickel(due) if coins else due):
        raise invalid("PAYMENT_AMOUNT_MISMATCH", f"Only {due} is due.", "amount_money")
    return order


def _payment(state: State, body: Json, location: Json, amount: int, tip: int) -> Json:
    currency, now = location["currency"], state.now()
    payment: Json = {
        "id": state.new_id("payments"),
        "created_at": now,
        "updated_at": now,
        "amount_money": money(amount, currency),
        "tip_money": money(tip, currency),
        "total_money": money(amount + tip, currency),
        "approved_money": money(amount + tip, currency),
        "status": "COMPLETED" if body.get("autocomplete", True) else "APPROVED",
        "location_id": location["id"],
        "receipt_number": state.secret("receipts")[:4],
        "application_details": {"square_product": "ECOMMERCE_API"},
    }
    if not tip:
        del payment["tip_money"]
    payment |= {name: body[name] for name in COPIED if body.get(name)}
    offline = body.get("offline_payment_details")
    if offline:
        made = paging.instant_text(offline.get("client_created_at"), "offline_payment_details")
        payment["is_offline_payment"] = True
        payment["offline_payment_details"] = {"client_created_at": made}
    return payment


def _take(state: State, payment: Json, body: Json) -> None:
    """Take the money by the instrument; writes the payment's source details."""
    source, total = body["source_id"], payment["total_money"]
    if source == "CASH":
        _take_cash(state, payment, body)
    elif source == "EXTERNAL":
        details = body.get("external_details")
        if not details:
            raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "external_details")
        payment["source_type"], payment["external_details"] = "EXTERNAL", details
    elif source in state.table("gift_cards") or source.startswith("gftc:"):
        gift_cards.redeem(state, source, total["amount"], payment)
        _write_card(state, payment, brand="SQUARE_GIFT_CARD", last_4=source[-4:])
    elif source.startswith("cnon:"):
        brand, last_4 = ("VISA", "1111") if "visa" in source else ("MASTERCARD", "9029")
        _write_card(state, payment, brand=brand, last_4=last_4)
    else:
        raise invalid("INVALID_VALUE", f"No card nonce {source}.", "source_id")


def _take_cash(state: State, payment: Json, body: Json) -> None:
    """Cash: what the buyer gave, what went back; the drawer notes it if a shift is open."""
    currency, total = payment["total_money"]["currency"], payment["total_money"]["amount"]
    details = body.get("cash_details")
    if not details:
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "cash_details")
    given = amount_of(details.get("buyer_supplied_money"), currency, "cash_details")
    if given < total:
        raise invalid("VALUE_TOO_LOW", "Less cash than the total.", "cash_details")
    payment["source_type"] = "CASH"
    payment["cash_details"] = {
        "buyer_supplied_money": money(given, currency),
        "change_back_money": money(given - total, currency),
    }
    drawers.note_cash(state, payment, "CASH_TENDER_PAYMENT", total)


def _write_card(state: State, payment: Json, *, brand: str, last_4: str) -> None:
    payment["source_type"] = "CARD"
    payment["card_details"] = {
        "status": "CAPTURED" if payment["status"] == "COMPLETED" else "AUTHORIZED",
        "card": {
            "card_brand": brand,
            "last_4": last_4,
            "exp_month": 11,
            "exp_year": 2030,
            "fingerprint": f"sq-1-{hashlib.sha256(f'{brand}{last_4}'.encode()).hexdigest()[:40]}",
        },
        "entry_method": "KEYED",
        "cvv_status": "CVV_ACCEPTED",
        "avs_status": "AVS_ACCEPTED",
        "card_payment_timeline": {"authorized_at": state.now()},
    }
    if brand == "SQUARE_GIFT_CARD":
        del (
            payment["card_details"]["card"]["exp_month"],
            payment["card_details"]["card"]["exp_year"],
        )


def is_processed(payment: Json) -> bool:
    """Whether Square processes a payment: it costs a fee and goes into a payout."""
    card = payment.get("card_details", {}).get("card", {})
    own = card.get("card_brand") == "SQUARE_GIFT_CARD"
    return bool(payment["source_type"] == "CARD" and not own)


def _tender(payment: Json) -> Json:
    """Order's view of a payment; its amount includes the tip, as Square's does."""
    kinds = {"CASH": "CASH", "EXTERNAL": "OTHER", "CARD": "CARD"}
    kind = kinds[payment["source_type"]]
    tender: Json = {
        "id": payment["id"],
        "location_id": payment["location_id"],
        "transaction_id": payment["order_id"],
        "created_at": payment["created_at"],
        "amount_money": payment["total_money"],
        "type": kind,
        "payment_id": payment["id"],
    }
    if "tip_money" in payment:
        tender["tip_money"] = payment["tip_money"]
    if kind == "CARD":
        details = payment["card_details"]
        if not is_processed(payment):
            tender["type"] = "SQUARE_GIFT_CARD"
        tender["card_details"] = {
            "status": details["status"],
            "card": details["card"],
            "entry_method": details["entry_method"],
        }
    if kind == "CASH":
        cash = payment["cash_details"]
        tender["cash_details"] = {
            "buyer_tendered_money": cash["buyer_supplied_money"],
            "change_back_money": cash["change_back_money"],
        }
    return tender


def capture(state: State, payment: Json) -> None:
    """Complete an approved payment; refuses any other."""
    if payment["status"] != "APPROVED":
        raise invalid("BAD_REQUEST", f"Payment is {payment['status']}.")
    payment["status"] = "COMPLETED"
    if payment["source_type"] == "CARD":
        payment["card_details"]["status"] = "CAPTURED"
        order = state.get("orders", payment["order_id"])
        for tender in order["tenders"]:
            if tender["payment_id"] == payment["id"]:
                tender["card_details"]["status"] = "CAPTURED"
    touch(state, payment)
    _settle(state, payment)


def _settle(state: State, payment: Json) -> None:
    """Charge the fee of a captured payment and put it into the balance; a second event tells."""
    if payment["source_type"] == "CARD":
        payment["card_details"]["card_payment_timeline"]["captured_at"] = state.now()
    if is_processed(payment):
        fee = balance.charge(state, payment)
        payment["processing_fee"] = [
            {"effective_at": state.now(), "type": "INITIAL", "amount_money": fee}
        ]
        touch(state, payment)


def complete(state: State, ask: Ask) -> Json:
    """POST /v2/payments/{id}/complete."""
    payment = state.get("payments", ask.params["id"])
    capture(state, payment)
    order = state.get("orders", payment["order_id"])
    complete_if_settled(state, order)
    orders.touch(state, order)
    return {"payment": payment}


def update(state: State, ask: Ask) -> Json:
    """PUT /v2/payments/{id}: the tip of an approved payment, as Square allows before capture."""
    payment = state.get("payments", ask.params["id"])
    if payment["status"] != "APPROVED":
        raise invalid("BAD_REQUEST", f"Payment is {payment['status']}.")
    currency = payment["amount_money"]["currency"]
    tip = amount_of((ask.body.get("payment") or {}).get("tip_money"), currency, "tip_money")
    payment["tip_money"] = money(tip, currency)
    payment["total_money"] = money(payment["amount_money"]["amount"] + tip, currency)
    order = state.get("orders", payment["order_id"])
    order["tenders"] = [
        _tender(payment) if one["payment_id"] == payment["id"] else one for one in order["tenders"]
    ]
    pricing.total(order, currency)
    touch(state, payment)
    orders.touch(state, order)
    return {"payment": payment}


def duplicate(state: State, ask: Ask) -> Json:
    """POST /sandbox/payments/{id}/duplicate: sandbox only.

    The card is charged once more for the same order, as a till does that lost the first answer
    (R-9.17): the order then names two captured payments.
    """
    first = state.get("payments", ask.params["id"])
    if first["status"] != "COMPLETED" or not is_processed(first):
        raise invalid("BAD_REQUEST", "Only a captured card payment is charged twice.")
    now = state.now()
    second = msgspec.json.decode(msgspec.json.encode(first))
    second |= {"id": state.new_id("payments"), "created_at": now, "updated_at": now}
    for name in ("processing_fee", "refunded_money", "refund_ids"):
        second.pop(name, None)
    state.table("payments")[second["id"]] = second
    order = state.get("orders", first["order_id"])
    order["tenders"].append(_tender(second))
    pricing.total(order, second["total_money"]["currency"])
    _stamp(state, second)
    _emit(state, second, "created")
    _settle(state, second)
    orders.touch(state, order)
    return {"payment": second}


def fail(state: State, ask: Ask) -> Json:
    """POST /sandbox/payments/{id}/fail: sandbox only.

    The issuer declines an offline payment that was not captured yet; its order stays as it is
    (R-2.6).
    """
    payment = state.get("payments", ask.params["id"])
    if payment["status"] not in {"APPROVED", "PENDING"}:
        raise invalid("BAD_REQUEST", f"Payment is {payment['status']}.")
    payment["status"] = payment["card_details"]["status"] = "FAILED"
    touch(state, payment)
    return {"payment": payment}


def cancel(state: State, ask: Ask) -> Json:
    """POST /v2/payments/{id}/cancel: void an approved payment; its tender leaves the order."""
    payment = state.get("payments", ask.params["id"])
    if payment["status"] != "APPROVED":
        raise invalid("BAD_REQUEST", f"Payment is {payment['status']}.")
    payment["status"] = "CANCELED"
    if payment["source_type"] == "CARD":
        payment["card_details"]["status"] = "VOIDED"
        payment["card_details"]["card_payment_timeline"]["voided_at"] = state.now()
    if payment["source_type"] == "CASH":
        amount = payment["total_money"]["amount"]
        drawers.note_cash(state, payment, "CASH_TENDER_CANCELLED_PAYMENT", amount)
    gift_cards.give_back(state, payment, payment["total_money"]["amount"])
    order = state.get("orders", payment["order_id"])
    order["tenders"] = [one for one in order["tenders"] if one["payment_id"] != payment["id"]]
    pricing.total(order, payment["total_money"]["currency"])
    touch(state, payment)
    orders.touch(state, order)
    return {"payment": payment}


def pay_order(state: State, ask: Ask) -> Json:
    """POST /v2/orders/{id}/pay: capture approved payments (or none, if nothing is due)."""
    order = state.get("orders", ask.params["id"])
    chosen = [state.get("payments", one) for one in ask.body.get("payment_ids") or []]
    if order["state"] != "OPEN":
        raise invalid("BAD_REQUEST", f"Order is {order['state']}.")
    foreign = any(payment["order_id"] != order["id"] for payment in chosen)
    if order["net_amount_due_money"]["amount"] != 0 or foreign:
        raise invalid("PAYMENT_AMOUNT_MISMATCH", "The payments do not add up to the order's total.")
    for payment in chosen:
        capture(state, payment)
    complete_if_settled(state, order)
    orders.touch(state, order)
    return {"order": order}


def _stamp(state: State, payment: Json) -> None:
    """Give the present version of a payment its token."""
    count = state.counters["payment_versions"] = state.counters.get("payment_versions", 0) + 1
    text = f"{state.settings.seed}:{payment['id']}:{count}"
    payment["version_token"] = hashlib.sha256(text.encode()).hexdigest()[:33]


def touch(state: State, payment: Json) -> None:
    """Make a new version of a payment and say so."""
    payment["updated_at"] = state.later(payment["updated_at"])
    _stamp(state, payment)
    _emit(state, payment, "updated")


def note_refund(state: State, payment: Json, refund: Json) -> None:
    """Write a refund into its payment."""
    back = payment.get("refunded_money", {}).get("amount", 0) + refund["amount_money"]["amount"]
    payment["refunded_money"] = money(back, refund["amount_money"]["currency"])
    payment.setdefault("refund_ids", []).append(refund["id"])
    touch(state, payment)


def _emit(state: State, payment: Json, verb: str) -> None:
    data = {"type": "payment", "id": payment["id"], "object": {"payment": payment}}
    state.emit(f"payment.{verb}", data, location_id=payment["location_id"])


def get(state: State, ask: Ask) -> Json:
    """GET /v2/payments/{id}."""
    return {"payment": state.get("payments", ask.params["id"])}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/payments: by creation or update time; one location, the main one by default."""
    query = ask.query
    place = query.get("location_id") or next(iter(state.table("locations")), "")
    begin, end = (paging.instant_text(query.get(f"{n}_time"), n) for n in ("begin", "end"))
    since, until = (
        paging.instant_text(query.get(f"updated_at_{n}_time"), n) for n in ("begin", "end")
    )
    field = "updated_at" if query.get("sort_field") == "UPDATED_AT" else "created_at"
    rows = [
        payment
        for payment in state.table("payments").values()
        if payment["location_id"] == place
        and paging.within(payment["created_at"], begin, end)
        and paging.within(payment["updated_at"], since, until)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda payment: payment[field],
        identity=lambda payment: payment["id"],
        descending=query.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(query.get("limit"), default=100, largest=100),
        cursor=query.get("cursor"),
    )
    return paging.answer("payments", given, cursor)


ROUTES = (
    ("POST", "/v2/payments", create),
    ("GET", "/v2/payments", listing),
    ("GET", "/v2/payments/{id}", get),
    ("PUT", "/v2/payments/{id}", update),
    ("POST", "/sandbox/payments/{id}/duplicate", duplicate),
    ("POST", "/sandbox/payments/{id}/fail", fail),
    ("POST", "/v2/payments/{id}/complete", complete),
    ("POST", "/v2/payments/{id}/cancel", cancel),
    ("POST", "/v2/orders/{id}/pay", pay_order),
)
