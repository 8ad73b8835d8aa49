"""Payouts: the balance on its way to the bank, with its entries."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from cloud_conductor.sandbox.square import balance, paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import money
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]


def send(state: State, ask: Ask) -> Json:
    """POST /sandbox/payouts: sandbox only; Square makes payouts by its own schedule.

    {location_id, until?, entry_ids?, arrival_date?, paid?, instant?}: pays the location's unpaid
    balance entries effective before `until` (default now), or just the named ones; an instant one
    pays all that is there and costs a fee of its own. Emits payout.sent, and payout.paid too
    unless `paid` is false (then POST /sandbox/payouts/{id}/paid does).
    """
    body = ask.body
    location = state.get("locations", str(body.get("location_id")))
    until = paging.instant_text(body.get("until"), "until")
    if body.get("instant"):
        waiting = sum(
            e["net_amount_money"]["amount"] for e in balance.unpaid(state, location["id"])
        )
        balance.instant_fee(state, location, max(waiting, 0))
    chosen = [
        entry
        for entry in balance.unpaid(state, location["id"])
        if (until is None or entry["effective_at"] < until)
        and ("entry_ids" not in body or entry["id"] in body["entry_ids"])
    ]
    if not chosen:
        raise invalid("BAD_REQUEST", "There is nothing to pay out.")
    net = sum(entry["net_amount_money"]["amount"] for entry in chosen)
    now = state.now()
    today = state.instant().astimezone(ZoneInfo(location["timezone"])).date()
    payout = {
        "id": state.new_id("payouts"),
        "status": "SENT",
        "location_id": location["id"],
        "created_at": now,
        "updated_at": now,
        "amount_money": money(net, location["currency"]),
        "destination": {"type": "BANK_ACCOUNT", "id": f"bact:{location['id']}"},
        "version": 1,
        "type": "SIMPLE" if body.get("instant") else "BATCH",
        "payout_fee": [],
        "arrival_date": body.get("arrival_date", today.isoformat()),
        "end_to_end_id": state.secret("end_to_end_ids"),
    }
    for entry in chosen:
        entry["payout_id"] = payout["id"]
    state.table("payouts")[payout["id"]] = payout
    _emit(state, payout, "sent")
    if body.get("paid", True):
        _mark_paid(state, payout)
    return {"payout": payout, "entries": [_entry(entry) for entry in chosen]}


def arrive(state: State, ask: Ask) -> Json:
    """POST /sandbox/payouts/{id}/paid: sandbox only; the bank has it."""
    payout = state.get("payouts", ask.params["id"])
    _mark_paid(state, payout)
    return {"payout": payout}


def fail(state: State, ask: Ask) -> Json:
    """POST /sandbox/payouts/{id}/fail: sandbox only; the bank sends it back to the balance."""
    payout = state.get("payouts", ask.params["id"])
    if payout["status"] == "FAILED":
        raise invalid("BAD_REQUEST", "It has failed already.")
    payout["status"] = "FAILED"
    payout["version"] += 1
    payout["updated_at"] = state.now()
    location = state.get("locations", payout["location_id"])
    balance.returned(state, location, payout["amount_money"]["amount"])
    _emit(state, payout, "failed")
    return {"payout": payout}


def _mark_paid(state: State, payout: Json) -> None:
    payout["status"] = "PAID"
    payout["version"] += 1
    payout["updated_at"] = state.later(payout["updated_at"])
    _emit(state, payout, "paid")


def _emit(state: State, payout: Json, verb: str) -> None:
    data = {"type": "payout", "id": payout["id"], "object": {"payout": payout}}
    state.emit(f"payout.{verb}", data, location_id=payout["location_id"])


def _entry(entry: Json) -> Json:
    """Payout entry as the API shows it."""
    return {name: value for name, value in entry.items() if name != "location_id"}


def get(state: State, ask: Ask) -> Json:
    """GET /v2/payouts/{id}."""
    return {"payout": state.get("payouts", ask.params["id"])}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/payouts: by creation time; one location, the main one by default."""
    query = ask.query
    place = query.get("location_id") or next(iter(state.table("locations")), "")
    begin, end = (paging.instant_text(query.get(f"{n}_time"), n) for n in ("begin", "end"))
    rows = [
        payout
        for payout in state.table("payouts").values()
        if payout["location_id"] == place
        and query.get("status") in {None, payout["status"]}
        and paging.within(payout["created_at"], begin, end)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda payout: payout["created_at"],
        identity=lambda payout: payout["id"],
        descending=query.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(query.get("limit"), default=100, largest=100),
        cursor=query.get("cursor"),
    )
    return paging.answer("payouts", given, cursor)


def entries(state: State, ask: Ask) -> Json:
    """GET /v2/payouts/{id}/payout-entries."""
    payout, query = state.get("payouts", ask.params["id"]), ask.query
    rows = [
        _entry(entry)
        for entry in state.table("balance_entries").values()
        if entry["payout_id"] == payout["id"]
    ]
    given, cursor = paging.page(
        rows,
        key=lambda entry: entry["effective_at"],
        identity=lambda entry: entry["id"],
        descending=query.get("sort_order", "DESC") == "DESC",
        limit=paging.limit_of(query.get("limit"), default=100, largest=100),
        cursor=query.get("cursor"),
    )
    return paging.answer("payout_entries", given, cursor)


ROUTES = (
    ("POST", "/sandbox/payouts", send),
    ("POST", "/sandbox/payouts/{id}/paid", arrive),
    ("POST", "/sandbox/payouts/{id}/fail", fail),
    ("GET", "/v2/payouts", listing),
    ("GET", "/v2/payouts/{id}", get),
    ("GET", "/v2/payouts/{id}/payout-entries", entries),
)
