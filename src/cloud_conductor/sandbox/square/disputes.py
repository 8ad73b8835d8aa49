"""Disputes: money of a card payment held back while its holder contests it (R-7.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cloud_conductor.sandbox.clock import format_instant
from cloud_conductor.sandbox.square import balance, paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.money import amount_of
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

OUTCOMES = ("WON", "LOST")
DECIDED = (*OUTCOMES, "ACCEPTED")
PAGE_ROWS = 50
DUE_WITHIN = timedelta(days=14)


def open_one(state: State, ask: Ask) -> Json:
    """POST /sandbox/disputes {payment_id, amount_money?}; sandbox only: issuers open disputes.

    The amount leaves the balance at once (payout entry OPEN_DISPUTE) until the dispute is won.
    """
    payment = state.get("payments", str(ask.body.get("payment_id")))
    total = payment["total_money"]
    amount = amount_of(ask.body.get("amount_money") or total, total["currency"], "amount_money")
    if payment["status"] != "COMPLETED" or not 0 < amount <= total["amount"]:
        raise invalid("BAD_REQUEST", "Only a captured payment can be disputed, up to its total.")
    now = state.now()
    dispute_id = state.new_id("disputes")
    dispute = {
        "id": dispute_id,
        "dispute_id": dispute_id,
        "amount_money": {"amount": amount, "currency": total["currency"]},
        "reason": "NOT_AS_DESCRIBED",
        "state": "EVIDENCE_REQUIRED",
        "disputed_payment": {"payment_id": payment["id"]},
        "card_brand": payment["card_details"]["card"]["card_brand"],
        "brand_dispute_id": state.new_id("disputes"),
        "reported_at": f"{now[:10]}T00:00:00.000Z",
        "due_at": format_instant(state.instant() + DUE_WITHIN),
        "created_at": now,
        "updated_at": now,
        "location_id": payment["location_id"],
        "version": 1,
    }
    state.table("disputes")[dispute["id"]] = dispute
    balance.dispute(state, payment, "OPEN_DISPUTE", -amount, dispute["id"])
    _emit(state, dispute, "created")
    return {"dispute": dispute}


def resolve(state: State, ask: Ask) -> Json:
    """POST /sandbox/disputes/{id}/resolve {state: WON | LOST}; sandbox only.

    Won: the amount comes back with a later payout (payout entry DISPUTE). Lost: nothing moves.
    """
    dispute = state.get("disputes", ask.params["id"])
    outcome = str(ask.body.get("state"))
    if outcome not in OUTCOMES or dispute["state"] in DECIDED:
        raise invalid("BAD_REQUEST", f"The dispute is {dispute['state']}.", "state")
    if outcome == "WON":
        payment = state.get("payments", dispute["disputed_payment"]["payment_id"])
        amount = dispute["amount_money"]["amount"]
        balance.dispute(state, payment, "DISPUTE", amount, dispute["id"])
    _decide(state, dispute, outcome)
    return {"dispute": dispute}


def accept(state: State, ask: Ask) -> Json:
    """POST /v2/disputes/{id}/accept: the seller gives in; what is held back stays away."""
    dispute = state.get("disputes", ask.params["id"])
    if dispute["state"] in DECIDED:
        raise invalid("BAD_REQUEST", f"The dispute is {dispute['state']}.")
    _decide(state, dispute, "ACCEPTED")
    return {"dispute": dispute}


def _decide(state: State, dispute: Json, outcome: str) -> None:
    dispute["state"] = outcome
    dispute["version"] += 1
    dispute["updated_at"] = state.later(dispute["updated_at"])
    _emit(state, dispute, "state.updated")


def _emit(state: State, dispute: Json, verb: str) -> None:
    data = {"type": "dispute", "id": dispute["id"], "object": {"dispute": dispute}}
    state.emit(f"dispute.{verb}", data, location_id=dispute["location_id"])


def get(state: State, ask: Ask) -> Json:
    """GET /v2/disputes/{id}."""
    return {"dispute": state.get("disputes", ask.params["id"])}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/disputes: all of a location or of the seller, of a state or of all, oldest first.

    Square has no page size to ask for here; the fault `small_pages` has.
    """
    place, wanted = ask.query.get("location_id"), ask.query.get("states")
    rows = [
        one
        for one in state.table("disputes").values()
        if place in {None, one["location_id"]} and wanted in {None, one["state"]}
    ]
    given, cursor = paging.page(
        rows,
        key=lambda one: str(one["created_at"]),
        identity=lambda one: str(one["id"]),
        descending=False,
        limit=paging.limit_of(ask.query.get("limit"), default=PAGE_ROWS, largest=PAGE_ROWS),
        cursor=ask.query.get("cursor"),
    )
    return paging.answer("disputes", given, cursor)


ROUTES = (
    ("POST", "/sandbox/disputes", open_one),
    ("POST", "/sandbox/disputes/{id}/resolve", resolve),
    ("GET", "/v2/disputes", listing),
    ("GET", "/v2/disputes/{id}", get),
    ("POST", "/v2/disputes/{id}/accept", accept),
)
