"""Gift cards and their activities; the balance is always the sum of the activities (INV-10)."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.square import paging
from cloud_conductor.sandbox.square.errors import declined, invalid
from cloud_conductor.sandbox.square.money import amount_of, money
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

DETAILS = {  # activity type a client may create: (details field, sign of its amount)
    "ACTIVATE": ("activate_activity_details", 1),
    "LOAD": ("load_activity_details", 1),
    "REDEEM": ("redeem_activity_details", -1),
    "ADJUST_INCREMENT": ("adjust_increment_activity_details", 1),
    "ADJUST_DECREMENT": ("adjust_decrement_activity_details", -1),
}


def create(state: State, ask: Ask) -> Json:
    """POST /v2/gift-cards: a card waits for its ACTIVATE activity."""
    location = state.get("locations", str(ask.body.get("location_id")))
    wanted = ask.body.get("gift_card") or {}
    if wanted.get("type") not in {"DIGITAL", "PHYSICAL"}:
        raise invalid("INVALID_ENUM_VALUE", "DIGITAL or PHYSICAL.", "gift_card.type")
    number = state.counters["gans"] = state.counters.get("gans", 0) + 1
    card = {
        "id": state.new_id("gift_cards"),
        "type": wanted["type"],
        "gan_source": "SQUARE",
        "state": "PENDING",
        "balance_money": money(0, location["currency"]),
        "gan": wanted.get("gan", f"7783{state.settings.seed % 10000:04d}{number:08d}"),
        "created_at": state.now(),
    }
    state.table("gift_cards")[card["id"]] = card
    state.emit(
        "gift_card.created",
        {"type": "gift_card", "id": card["id"], "object": {"gift_card": card}},
    )
    return {"gift_card": card}


def act(state: State, ask: Ask) -> Json:
    """POST /v2/gift-cards/activities.

    ACTIVATE and LOAD take their amount from a paid order's gift card line, if one is named.
    """
    wanted = ask.body.get("gift_card_activity") or {}
    kind = wanted.get("type")
    if kind not in DETAILS:
        raise invalid("INVALID_ENUM_VALUE", f"{kind} can not be created.", "type")
    state.get("locations", str(wanted.get("location_id")))
    card = _card(state, wanted)
    field, sign = DETAILS[kind]
    details = dict(wanted.get(field) or {})
    currency = card["balance_money"]["currency"]
    if (kind == "ACTIVATE") != (card["state"] == "PENDING"):
        raise invalid("BAD_REQUEST", f"The gift card is {card['state']}.")
    if details.get("order_id"):
        details["amount_money"] = _sold(state, details)
    amount = amount_of(details.get("amount_money"), currency, field)
    if sign < 0 and amount > card["balance_money"]["amount"]:
        raise declined("INSUFFICIENT_FUNDS", "The gift card has not enough balance.")
    if kind == "REDEEM":
        details["status"] = "COMPLETED"
    activity = _add(state, card, kind, sign * amount, wanted["location_id"], {field: details})
    return {"gift_card_activity": activity}


def _card(state: State, wanted: Json) -> Json:
    """Card of an activity, by id or by account number."""
    if wanted.get("gift_card_id"):
        return state.get("gift_cards", wanted["gift_card_id"])
    for card in state.table("gift_cards").values():
        if card["gan"] == wanted.get("gift_card_gan"):
            found: Json = card
            return found
    raise invalid("NOT_FOUND", "No such gift card.", "gift_card_id")


def _sold(state: State, details: Json) -> Json:
    """Amount of the gift card line that was paid for; refuses anything else, and a second use."""
    order = state.get("orders", details["order_id"])
    uid = details.get("line_item_uid")
    line = next((one for one in order.get("line_items", []) if one["uid"] == uid), None)
    if line is None or line["item_type"] != "GIFT_CARD" or order["state"] != "COMPLETED":
        raise invalid("INVALID_VALUE", "Not a paid gift card line.", "line_item_uid")
    used = state.table("gift_card_lines")
    if f"{order['id']}/{uid}" in used:
        raise invalid("INVALID_VALUE", "That gift card line was used already.", "line_item_uid")
    used[f"{order['id']}/{uid}"] = True
    total: Json = line["total_money"]
    return total


def _add(state: State, card: Json, kind: str, change: int, location_id: str, details: Json) -> Json:
    """Write one activity and the balance after it."""
    currency = card["balance_money"]["currency"]
    balance = money(card["balance_money"]["amount"] + change, currency)
    card["balance_money"] = balance
    if kind == "ACTIVATE":
        card["state"] = "ACTIVE"
    activity = {
        "id": state.new_id("gift_card_activities"),
        "type": kind,
        "location_id": location_id,
        "created_at": state.now(),
        "gift_card_id": card["id"],
        "gift_card_gan": card["gan"],
        "gift_card_balance_money": balance,
        **details,
    }
    state.table("gift_card_activities")[activity["id"]] = activity
    data = {
        "type": "gift_card_activity",
        "id": activity["id"],
        "object": {"gift_card_activity": activity},
    }
    state.emit("gift_card.activity.created", data, location_id=location_id)
    return activity


def redeem(state: State, gift_card_id: str, amount: int, payment: Json) -> None:
    """Take `amount` off a card for a payment; refuses if the card has less."""
    card = state.get("gift_cards", gift_card_id)
    if card["state"] != "ACTIVE" or card["balance_money"]["amount"] < amount:
        raise declined("INSUFFICIENT_FUNDS", "The gift card has not enough balance.")
    currency = card["balance_money"]["currency"]
    details = {
        "amount_money": money(amount, currency),
        "payment_id": payment["id"],
        "status": "COMPLETED",
    }
    activity = _add(
        state, card, "REDEEM", -amount, payment["location_id"], {"redeem_activity_details": details}
    )
    state.table("redeemed_by")[payment["id"]] = activity["id"]


def give_back(state: State, payment: Json, amount: int) -> None:
    """Put money of a refunded or cancelled gift card payment back on its card."""
    activity_id = state.table("redeemed_by").get(payment["id"])
    if activity_id is None:
        return
    card = state.get("gift_cards", state.table("gift_card_activities")[activity_id]["gift_card_id"])
    details = {
        "redeem_activity_id": activity_id,
        "amount_money": money(amount, card["balance_money"]["currency"]),
        "payment_id": payment["id"],
    }
    _add(
        state, card, "REFUND", amount, payment["location_id"], {"refund_activity_details": details}
    )


def refund_onto(state: State, gift_card_id: str, payment: Json, amount: int) -> None:
    """Load a refund of another means of payment onto a card (R-9.12)."""
    card = state.get("gift_cards", gift_card_id)
    if card["state"] != "ACTIVE":
        raise invalid("BAD_REQUEST", f"The gift card is {card['state']}.", "destination_id")
    details = {
        "amount_money": money(amount, card["balance_money"]["currency"]),
        "payment_id": payment["id"],
    }
    _add(
        state, card, "REFUND", amount, payment["location_id"], {"refund_activity_details": details}
    )


def get(state: State, ask: Ask) -> Json:
    """GET /v2/gift-cards/{id}."""
    return {"gift_card": state.get("gift_cards", ask.params["id"])}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/gift-cards."""
    query = ask.query
    rows = [
        card
        for card in state.table("gift_cards").values()
        if query.get("type") in {None, card["type"]} and query.get("state") in {None, card["state"]}
    ]
    given, cursor = paging.page(
        rows,
        key=lambda card: card["created_at"],
        identity=lambda card: card["id"],
        descending=False,
        limit=paging.limit_of(query.get("limit"), default=30, largest=200),
        cursor=query.get("cursor"),
    )
    return paging.answer("gift_cards", given, cursor)


def activities(state: State, ask: Ask) -> Json:
    """GET /v2/gift-cards/activities: by card, type, location and creation time."""
    query = ask.query
    begin, end = (paging.instant_text(query.get(f"{n}_time"), n) for n in ("begin", "end"))
    rows = [
        activity
        for activity in state.table("gift_card_activities").values()
        if all(
            query.get(name) in {None, activity[name]}
            for name in ("gift_card_id", "type", "location_id")
        )
        and paging.within(activity["created_at"], begin, end)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda activity: activity["created_at"],
        identity=lambda activity: activity["id"],
        descending=query.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(query.get("limit"), default=50, largest=100),
        cursor=query.get("cursor"),
    )
    return paging.answer("gift_card_activities", given, cursor)


ROUTES = (
    ("POST", "/v2/gift-cards", create),
    ("GET", "/v2/gift-cards", listing),
    ("POST", "/v2/gift-cards/activities", act),
    ("GET", "/v2/gift-cards/activities", activities),
    ("GET", "/v2/gift-cards/{id}", get),
)
