"""Cash drawer shifts and their events."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.square import paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import amount_of, money
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

HAND_MADE = ("PAID_IN", "PAID_OUT", "NO_SALE")
SUMMED_AS = {  # event type: (shift total it adds to, sign there, sign in expected cash)
    "CASH_TENDER_PAYMENT": ("cash_payment_money", 1, 1),
    "CASH_TENDER_CANCELLED_PAYMENT": ("cash_payment_money", -1, -1),
    "CASH_TENDER_REFUND": ("cash_refunds_money", -1, -1),
    "PAID_IN": ("cash_paid_in_money", 1, 1),
    "PAID_OUT": ("cash_paid_out_money", 1, -1),
}
SUMMARY = (
    "id",
    "state",
    "opened_at",
    "ended_at",
    "closed_at",
    "description",
    "opened_cash_money",
    "expected_cash_money",
    "closed_cash_money",
    "created_at",
    "updated_at",
    "location_id",
)


def open_shift(state: State, ask: Ask) -> Json:
    """POST /sandbox/cash-drawers/shifts {location_id, opened_cash_money, description?, device?}.

    Sandbox only: Square opens shifts at its own point of sale.
    """
    body = ask.body
    location = state.get("locations", str(body.get("location_id")))
    currency = location["currency"]
    device = body.get("device", {"name": "Register 1"})
    if _open_at(state, location["id"], device.get("id", "")):
        raise invalid("CONFLICT", "A shift is already open at this register.")
    float_ = amount_of(body.get("opened_cash_money"), currency, "opened_cash_money")
    now = state.now()
    shift = {
        "id": state.new_id("drawer_shifts").upper(),
        "state": "OPEN",
        "opened_at": now,
        "description": body.get("description", ""),
        "opened_cash_money": money(float_, currency),
        "cash_payment_money": money(0, currency),
        "cash_refunds_money": money(0, currency),
        "cash_paid_in_money": money(0, currency),
        "cash_paid_out_money": money(0, currency),
        "expected_cash_money": money(float_, currency),
        "device": device,
        "created_at": now,
        "updated_at": now,
        "location_id": location["id"],
        "team_member_ids": [],
    }
    state.table("drawer_shifts")[shift["id"]] = shift
    state.table("drawer_events")[shift["id"]] = []
    return {"cash_drawer_shift": shift}


def add_event(state: State, ask: Ask) -> Json:
    """POST /sandbox/cash-drawers/shifts/{id}/events {event_type, event_money?, description?}.

    Sandbox only. PAID_OUT, PAID_IN, NO_SALE; cash payments and refunds note themselves.
    """
    shift = state.get("drawer_shifts", ask.params["id"])
    kind = ask.body.get("event_type")
    if kind not in HAND_MADE:
        raise invalid("INVALID_ENUM_VALUE", f"One of {', '.join(HAND_MADE)}.", "event_type")
    if shift["state"] != "OPEN":
        raise invalid("BAD_REQUEST", f"The shift is {shift['state']}.")
    currency = shift["opened_cash_money"]["currency"]
    amount = amount_of(ask.body.get("event_money") or {}, currency, "event_money")
    return {"cash_drawer_shift_event": _note(state, shift, kind, amount, ask.body)}


def end_shift(state: State, ask: Ask) -> Json:
    """POST /sandbox/cash-drawers/shifts/{id}/end; sandbox only: the drawer waits to be counted."""
    shift = state.get("drawer_shifts", ask.params["id"])
    if shift["state"] != "OPEN":
        raise invalid("BAD_REQUEST", f"The shift is {shift['state']}.")
    shift["state"] = "ENDED"
    shift["ended_at"] = shift["updated_at"] = state.now()
    return {"cash_drawer_shift": shift}


def close_shift(state: State, ask: Ask) -> Json:
    """POST /sandbox/cash-drawers/shifts/{id}/close {closed_cash_money}; sandbox only."""
    shift = state.get("drawer_shifts", ask.params["id"])
    if shift["state"] not in {"OPEN", "ENDED"}:
        raise invalid("BAD_REQUEST", f"The shift is {shift['state']}.")
    currency = shift["opened_cash_money"]["currency"]
    counted = amount_of(ask.body.get("closed_cash_money"), currency, "closed_cash_money")
    shift["state"] = "CLOSED"
    shift["closed_at"] = shift["updated_at"] = state.now()
    shift.setdefault("ended_at", shift["closed_at"])
    shift["closed_cash_money"] = money(counted, currency)
    return {"cash_drawer_shift": shift}


def note_cash(state: State, payment: Json, kind: str, amount: int) -> None:
    """Note a cash movement in the open shift of the payment's register, if there is one.

    A payment that names no register is taken at the one that has no id.
    """
    device = payment.get("device_details", {}).get("device_id", "")
    shift = _open_at(state, payment["location_id"], device)
    if shift is not None:
        _note(state, shift, kind, amount, {})


def _open_at(state: State, location_id: str, device_id: str) -> Json | None:
    for shift in reversed(state.table("drawer_shifts").values()):
        if shift["location_id"] == location_id and shift["device"].get("id", "") == device_id:
            return shift if shift["state"] == "OPEN" else None
    return None


def _note(state: State, shift: Json, kind: str, amount: int, body: Json) -> Json:
    currency = shift["opened_cash_money"]["currency"]
    event = {
        "id": state.new_id("drawer_events").upper(),
        "event_type": kind,
        "event_money": money(amount, currency),
        "created_at": state.now(),
        "description": body.get("description", ""),
    }
    state.table("drawer_events")[shift["id"]].append(event)
    if kind in SUMMED_AS:
        name, sign, expected_sign = SUMMED_AS[kind]
        shift[name]["amount"] += sign * amount
        shift["expected_cash_money"]["amount"] += expected_sign * amount
    shift["updated_at"] = state.now()
    return event


def _of_location(state: State, ask: Ask) -> Json:
    place = ask.query.get("location_id")
    if not place:
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "location_id")
    return state.get("locations", place)


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/cash-drawers/shifts: summaries of one location by opening time."""
    place, query = _of_location(state, ask), ask.query
    begin, end = (paging.instant_text(query.get(f"{n}_time"), n) for n in ("begin", "end"))
    rows = [
        shift
        for shift in state.table("drawer_shifts").values()
        if shift["location_id"] == place["id"] and paging.within(shift["opened_at"], begin, end)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda shift: shift["opened_at"],
        identity=lambda shift: shift["id"],
        descending=query.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(query.get("limit"), default=100, largest=1000),
        cursor=query.get("cursor"),
    )
    summaries = [{name: shift[name] for name in SUMMARY if name in shift} for shift in given]
    return paging.answer("cash_drawer_shifts", summaries, cursor)


def get(state: State, ask: Ask) -> Json:
    """GET /v2/cash-drawers/shifts/{id}."""
    _of_location(state, ask)
    return {"cash_drawer_shift": state.get("drawer_shifts", ask.params["id"])}


def events(state: State, ask: Ask) -> Json:
    """GET /v2/cash-drawers/shifts/{id}/events, oldest first."""
    _of_location(state, ask)
    shift = state.get("drawer_shifts", ask.params["id"])
    numbered = {
        e["id"]: f"{i:09d}" for i, e in enumerate(state.table("drawer_events")[shift["id"]])
    }
    given, cursor = paging.page(
        state.table("drawer_events")[shift["id"]],
        key=lambda event: numbered[event["id"]],
        identity=lambda event: event["id"],
        descending=False,
        limit=paging.limit_of(ask.query.get("limit"), default=100, largest=1000),
        cursor=ask.query.get("cursor"),
    )
    return paging.answer("cash_drawer_shift_events", given, cursor)


ROUTES = (
    ("POST", "/sandbox/cash-drawers/shifts", open_shift),
    ("POST", "/sandbox/cash-drawers/shifts/{id}/events", add_event),
    ("POST", "/sandbox/cash-drawers/shifts/{id}/end", end_shift),
    ("POST", "/sandbox/cash-drawers/shifts/{id}/close", close_shift),
    ("GET", "/v2/cash-drawers/shifts", listing),
    ("GET", "/v2/cash-drawers/shifts/{id}", get),
    ("GET", "/v2/cash-drawers/shifts/{id}/events", events),
)
