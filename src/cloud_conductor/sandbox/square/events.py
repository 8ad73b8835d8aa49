"""Events kept for 28 days, and the webhook subscriptions that receive them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from cloud_conductor.sandbox.clock import format_instant
from cloud_conductor.sandbox.square import paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

API_VERSION = "2025-08-20"
KEPT = timedelta(days=28)
EVENT_TYPES = (
    "catalog.version.updated",
    "customer.created",
    "dispute.created",
    "dispute.state.updated",
    "gift_card.activity.created",
    "gift_card.created",
    "inventory.count.updated",
    "location.created",
    "location.updated",
    "loyalty.event.created",
    "oauth.authorization.revoked",
    "order.created",
    "order.updated",
    "payment.created",
    "payment.updated",
    "payout.paid",
    "payout.sent",
    "refund.created",
    "refund.updated",
)


def search(state: State, ask: Ask) -> Json:
    """POST /v2/events: the last 28 days by type, location and creation time, newest first."""
    query = ask.body.get("query") or {}
    wanted = query.get("filter") or {}
    types, places = wanted.get("event_types") or [], wanted.get("location_ids") or []
    merchants = wanted.get("merchant_ids") or []
    span = wanted.get("created_at") or {}
    begin, end = (paging.instant_text(span.get(f"{n}_at"), n) for n in ("start", "end"))
    oldest = format_instant(state.instant() - KEPT)
    numbered = {}
    rows = []
    for number, (place, body) in enumerate(state.events):
        event = msgspec.json.decode(body) | ({"location_id": place} if place else {})
        if (
            (not types or event["type"] in types)
            and (not places or event.get("location_id") in places)
            and (not merchants or event["merchant_id"] in merchants)
            and paging.within(event["created_at"], begin, end)
            and event["created_at"] >= oldest
        ):
            numbered[event["event_id"]] = f"{number:09d}"
            rows.append(event)
    given, cursor = paging.page(
        rows,
        key=lambda event: event["created_at"],
        identity=lambda event: numbered[event["event_id"]],
        descending=(query.get("sort") or {}).get("order", "DESC") == "DESC",
        limit=paging.limit_of(ask.body.get("limit"), default=100, largest=100),
        cursor=ask.body.get("cursor"),
    )
    metadata = [{"event_id": one["event_id"], "api_version": API_VERSION} for one in given]
    found = paging.answer("events", given, cursor)
    return {**found, "metadata": metadata} if metadata else found


def types(state: State, ask: Ask) -> Json:
    """GET /v2/webhooks/event-types."""
    assert state.merchant_id
    assert ask.params == {}
    metadata = [
        {"event_type": name, "api_version_introduced": API_VERSION, "release_status": "PUBLIC"}
        for name in EVENT_TYPES
    ]
    return {"event_types": list(EVENT_TYPES), "metadata": metadata}


def subscribe(state: State, ask: Ask) -> Json:
    """POST /v2/webhooks/subscriptions: answers the signature key.

    Beyond the public API: `*` among the event types means all, and plain http is accepted.
    """
    wanted = ask.body.get("subscription") or {}
    if not wanted.get("notification_url"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "notification_url")
    unknown = set(wanted.get("event_types") or []) - {*EVENT_TYPES, "*"}
    if unknown:
        raise invalid("INVALID_ENUM_VALUE", f"Unknown: {', '.join(sorted(unknown))}", "event_types")
    now = state.now()
    subscription = {
        "id": state.new_id("subscriptions"),
        "name": wanted.get("name", "Webhook"),
        "enabled": wanted.get("enabled", True),
        "event_types": wanted.get("event_types") or list(EVENT_TYPES),
        "notification_url": wanted["notification_url"],
        "api_version": wanted.get("api_version", API_VERSION),
        "signature_key": state.secret("signature_keys"),
        "created_at": now,
        "updated_at": now,
    }
    state.table("subscriptions")[subscription["id"]] = subscription
    return {"subscription": subscription}


def update(state: State, ask: Ask) -> Json:
    """PUT /v2/webhooks/subscriptions/{id}."""
    subscription = state.get("subscriptions", ask.params["id"])
    wanted = ask.body.get("subscription") or {}
    names = ("name", "enabled", "event_types", "notification_url")
    subscription.update({name: wanted[name] for name in names if name in wanted})
    subscription["updated_at"] = state.later(subscription["updated_at"])
    return {"subscription": _public(subscription)}


def _public(subscription: Json) -> Json:
    """Subscription without its key: Square tells it only when it is made (or rolled)."""
    return {name: value for name, value in subscription.items() if name != "signature_key"}


def listing(state: State, ask: Ask) -> Json:
    """GET /v2/webhooks/subscriptions: enabled ones, all with include_disabled=true."""
    everything = ask.query.get("include_disabled", "false").lower() == "true"
    rows = [
        _public(one)
        for one in state.table("subscriptions").values()
        if one["enabled"] or everything
    ]
    return paging.answer("subscriptions", rows, None)


def get(state: State, ask: Ask) -> Json:
    """GET /v2/webhooks/subscriptions/{id}: with its key, as Square's reference shows it."""
    return {"subscription": state.get("subscriptions", ask.params["id"])}


def delete(state: State, ask: Ask) -> Json:
    """DELETE /v2/webhooks/subscriptions/{id}; what waits for it is dropped."""
    gone = state.get("subscriptions", ask.params["id"])["id"]
    del state.table("subscriptions")[gone]
    return {}


def roll_key(state: State, ask: Ask) -> Json:
    """POST /v2/webhooks/subscriptions/{id}/signature-key: a new key."""
    subscription = state.get("subscriptions", ask.params["id"])
    subscription["signature_key"] = state.secret("signature_keys")
    return {"signature_key": subscription["signature_key"]}


ROUTES = (
    ("POST", "/v2/events", search),
    ("GET", "/v2/webhooks/event-types", types),
    ("POST", "/v2/webhooks/subscriptions", subscribe),
    ("GET", "/v2/webhooks/subscriptions", listing),
    ("GET", "/v2/webhooks/subscriptions/{id}", get),
    ("PUT", "/v2/webhooks/subscriptions/{id}", update),
    ("DELETE", "/v2/webhooks/subscriptions/{id}", delete),
    ("POST", "/v2/webhooks/subscriptions/{id}/signature-key", roll_key),
)
