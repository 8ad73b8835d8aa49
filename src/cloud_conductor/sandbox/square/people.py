"""The merchant, its locations and its customers."""

from __future__ import annotations

import zoneinfo
from typing import Any

from cloud_conductor.sandbox.square import paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

FOUNDED = "2016-01-04T14:00:00.000Z"
"""When every simulated seller joined Square: before any scenario."""

PLACE = (
    "name",
    "address",
    "timezone",
    "status",
    "language_code",
    "phone_number",
    "business_name",
    "description",
    "country",
    "currency",
)
PERSON = (
    "given_name",
    "family_name",
    "company_name",
    "nickname",
    "email_address",
    "phone_number",
    "address",
    "reference_id",
    "note",
    "birthday",
)


def found(state: State) -> None:
    """Make the merchant of a fresh seller."""
    settings = state.settings
    merchant_id = state.new_id("merchants")
    state.table("merchants")[merchant_id] = {
        "id": merchant_id,
        "business_name": settings.business_name,
        "country": settings.country,
        "language_code": "en-US",
        "currency": settings.currency,
        "status": "ACTIVE",
        "created_at": FOUNDED,
    }


def merchants(state: State, ask: Ask) -> Json:
    """GET /v2/merchants: the one merchant."""
    assert ask.params == {}
    return {"merchant": list(state.table("merchants").values())}


def merchant(state: State, ask: Ask) -> Json:
    """GET /v2/merchants/{id}; `me` is the one merchant."""
    wanted = ask.params["id"]
    return {"merchant": state.get("merchants", state.merchant_id if wanted == "me" else wanted)}


def create_location(state: State, ask: Ask) -> Json:
    """POST /v2/locations.

    Beyond the public API: `country` and `currency` may be given (a real location inherits them).
    """
    wanted = ask.body.get("location") or {}
    if not wanted.get("name"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Field must be set.", "location.name")
    if any(place["name"] == wanted["name"] for place in state.table("locations").values()):
        raise invalid("INVALID_VALUE", "A location of that name exists.", "location.name")
    location = {
        "id": state.new_id("locations"),
        "name": wanted["name"],
        "timezone": "America/New_York",
        "capabilities": ["CREDIT_CARD_PROCESSING"],
        "status": "ACTIVE",
        "created_at": state.now(),
        "merchant_id": state.merchant_id,
        "country": state.settings.country,
        "language_code": "en-US",
        "currency": state.settings.currency,
        "type": "PHYSICAL",
    }
    _change(location, wanted)
    first = not state.table("locations")
    state.table("locations")[location["id"]] = location
    if first:
        state.table("merchants")[state.merchant_id]["main_location_id"] = location["id"]
    state.emit(
        "location.created", {"type": "location", "id": location["id"]}, location_id=location["id"]
    )
    return {"location": location}


def _change(location: Json, wanted: Json) -> None:
    zone = str(wanted.get("timezone", location["timezone"]))
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise invalid("INVALID_VALUE", f"No time zone {zone}.", "location.timezone") from None
    location.update({name: wanted[name] for name in PLACE if name in wanted})


def update_location(state: State, ask: Ask) -> Json:
    """PUT /v2/locations/{id}."""
    location = state.get("locations", ask.params["id"])
    _change(location, ask.body.get("location") or {})
    state.emit(
        "location.updated", {"type": "location", "id": location["id"]}, location_id=location["id"]
    )
    return {"location": location}


def locations(state: State, ask: Ask) -> Json:
    """GET /v2/locations."""
    assert ask.params == {}
    return paging.answer("locations", list(state.table("locations").values()), None)


def location(state: State, ask: Ask) -> Json:
    """GET /v2/locations/{id}; `main` is the first."""
    wanted = ask.params["id"]
    if wanted == "main":
        wanted = next(iter(state.table("locations")), wanted)
    return {"location": state.get("locations", wanted)}


def create_customer(state: State, ask: Ask) -> Json:
    """POST /v2/customers: needs at least one name, an email address or a phone number."""
    kept = {name: ask.body[name] for name in PERSON if ask.body.get(name)}
    if not {"given_name", "family_name", "company_name", "email_address", "phone_number"} & set(
        kept
    ):
        raise invalid("MISSING_REQUIRED_PARAMETER", "Name, email or phone is needed.")
    now = state.now()
    person = {
        "id": state.new_id("customers"),
        "created_at": now,
        "updated_at": now,
        **kept,
        "preferences": {"email_unsubscribed": False},
        "creation_source": "THIRD_PARTY",
        "version": 0,
    }
    state.table("customers")[person["id"]] = person
    data = {"type": "customer", "id": person["id"], "object": {"customer": person}}
    state.emit("customer.created", data)
    return {"customer": person}


def customer(state: State, ask: Ask) -> Json:
    """GET /v2/customers/{id}."""
    return {"customer": state.get("customers", ask.params["id"])}


def _customers(rows: list[Json], body: Json, field: str) -> Json:
    given, cursor = paging.page(
        rows,
        key=lambda person: person[field],
        identity=lambda person: person["id"],
        descending=False,
        limit=paging.limit_of(body.get("limit"), default=100, largest=100),
        cursor=body.get("cursor"),
    )
    return paging.answer("customers", given, cursor)


def customers(state: State, ask: Ask) -> Json:
    """GET /v2/customers."""
    return _customers(list(state.table("customers").values()), ask.query, "created_at")


def search_customers(state: State, ask: Ask) -> Json:
    """POST /v2/customers/search: by update time and exact email, phone or reference."""
    wanted = (ask.body.get("query") or {}).get("filter") or {}
    span = wanted.get("updated_at") or {}
    begin, end = (paging.instant_text(span.get(f"{n}_at"), n) for n in ("start", "end"))
    rows = [
        person
        for person in state.table("customers").values()
        if paging.within(person["updated_at"], begin, end)
        and all(
            (wanted.get(name) or {}).get("exact") in {None, person.get(name)}
            for name in ("email_address", "phone_number", "reference_id")
        )
    ]
    return _customers(rows, ask.body, "updated_at")


ROUTES = (
    ("GET", "/v2/merchants", merchants),
    ("GET", "/v2/merchants/{id}", merchant),
    ("POST", "/v2/locations", create_location),
    ("GET", "/v2/locations", locations),
    ("GET", "/v2/locations/{id}", location),
    ("PUT", "/v2/locations/{id}", update_location),
    ("POST", "/v2/customers", create_customer),
    ("GET", "/v2/customers", customers),
    ("GET", "/v2/customers/{id}", customer),
    ("POST", "/v2/customers/search", search_customers),
)
