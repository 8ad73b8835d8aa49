"""Loyalty: programs, accounts, points, and rewards that become discounts of an order (R-9.4)."""

from __future__ import annotations

from typing import Any

from cloud_conductor.sandbox.square import catalog, orders, paging
from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]


def create_program(state: State, ask: Ask) -> Json:
    """POST /sandbox/loyalty/programs {reward_tiers: [{name, points, discount}]}; sandbox only.

    Square's sellers make programs in their dashboard. `discount` is a catalog `discount_data`
    (`amount_money` or `percentage`); it becomes a DISCOUNT and a PRICING_RULE of the catalog.
    """
    now = state.now()
    tiers = []
    for wanted in ask.body.get("reward_tiers", []):
        tier_id = state.new_id("reward_tiers")
        rule = catalog.make_reward_rule(state, wanted["name"], wanted["discount"])
        tiers.append(
            {
                "id": tier_id,
                "points": wanted["points"],
                "name": wanted["name"],
                "created_at": now,
                "pricing_rule_reference": {
                    "object_id": rule["id"],
                    "catalog_version": rule["version"],
                },
            }
        )
        state.table("reward_discounts")[tier_id] = rule["pricing_rule_data"]["discount_id"]
    program: Json = {
        "id": state.new_id("loyalty_programs"),
        "status": "ACTIVE",
        "reward_tiers": tiers,
        "terminology": {"one": "Point", "other": "Points"},
        "location_ids": list(state.table("locations")),
        "created_at": now,
        "updated_at": now,
        "accrual_rules": [],
    }
    state.table("loyalty_programs")[program["id"]] = program
    return {"program": program}


def programs(state: State, ask: Ask) -> Json:
    """GET /v2/loyalty/programs."""
    assert ask.params == {}
    return paging.answer("programs", list(state.table("loyalty_programs").values()), None)


def program(state: State, ask: Ask) -> Json:
    """GET /v2/loyalty/programs/{id}; `main` names the one program."""
    wanted = ask.params["id"]
    if wanted == "main":
        wanted = next(iter(state.table("loyalty_programs")), wanted)
    return {"program": state.get("loyalty_programs", wanted)}


def create_account(state: State, ask: Ask) -> Json:
    """POST /v2/loyalty/accounts."""
    wanted = ask.body.get("loyalty_account") or {}
    state.get("loyalty_programs", str(wanted.get("program_id")))
    phone = (wanted.get("mapping") or {}).get("phone_number")
    if not phone:
        raise invalid("MISSING_REQUIRED_PARAMETER", "A phone number is needed.", "mapping")
    now = state.now()
    account = {
        "id": state.new_id("loyalty_accounts"),
        "program_id": wanted["program_id"],
        "balance": 0,
        "lifetime_points": 0,
        "customer_id": wanted.get("customer_id", state.new_id("customers")),
        "enrolled_at": now,
        "created_at": now,
        "updated_at": now,
        "mapping": {
            "id": state.new_id("loyalty_mappings"),
            "created_at": now,
            "phone_number": phone,
        },
    }
    state.table("loyalty_accounts")[account["id"]] = account
    return {"loyalty_account": account}


def account(state: State, ask: Ask) -> Json:
    """GET /v2/loyalty/accounts/{id}."""
    return {"loyalty_account": state.get("loyalty_accounts", ask.params["id"])}


def accumulate(state: State, ask: Ask) -> Json:
    """POST /v2/loyalty/accounts/{id}/accumulate: points as given."""
    wanted = ask.body.get("accumulate_points") or {}
    found = state.get("loyalty_accounts", ask.params["id"])
    details = {"loyalty_program_id": found["program_id"], "points": wanted.get("points", 0)}
    if wanted.get("order_id"):
        details["order_id"] = wanted["order_id"]
    _move(found, details["points"], state)
    place = ask.body.get("location_id")
    event = _event(state, found, "ACCUMULATE_POINTS", {"accumulate_points": details}, place)
    return {"events": [event]}


def adjust(state: State, ask: Ask) -> Json:
    """POST /v2/loyalty/accounts/{id}/adjust."""
    wanted = ask.body.get("adjust_points") or {}
    found = state.get("loyalty_accounts", ask.params["id"])
    points = wanted.get("points")
    if not isinstance(points, int) or not points:
        raise invalid("INVALID_VALUE", "Points must be a whole number but 0.", "points")
    _move(found, points, state)
    details = {"loyalty_program_id": found["program_id"], "points": points}
    if wanted.get("reason"):
        details["reason"] = wanted["reason"]
    return {"event": _event(state, found, "ADJUST_POINTS", {"adjust_points": details}, None)}


def _move(found: Json, points: int, state: State) -> None:
    if found["balance"] + points < 0:
        raise invalid("VALUE_TOO_LOW", "Not enough points.", "points")
    found["balance"] += points
    found["lifetime_points"] += max(0, points)
    found["updated_at"] = state.now()


def _event(state: State, found: Json, kind: str, details: Json, location_id: str | None) -> Json:
    event = {
        "id": state.new_id("loyalty_events"),
        "type": kind,
        "created_at": state.now(),
        "loyalty_account_id": found["id"],
        **({"location_id": location_id} if location_id else {}),
        "source": "LOYALTY_API",
        **details,
    }
    state.table("loyalty_events")[event["id"]] = event
    data = {"type": "loyalty_event", "id": event["id"], "object": {"loyalty_event": event}}
    state.emit("loyalty.event.created", data)
    return event


def create_reward(state: State, ask: Ask) -> Json:
    """POST /v2/loyalty/rewards: takes the points; with an order, puts the discount on it."""
    wanted = ask.body.get("reward") or {}
    found = state.get("loyalty_accounts", str(wanted.get("loyalty_account_id")))
    tiers = state.get("loyalty_programs", found["program_id"])["reward_tiers"]
    tier = next((one for one in tiers if one["id"] == wanted.get("reward_tier_id")), None)
    if tier is None:
        raise invalid("UNSUPPORTED_LOYALTY_REWARD_TIER", "No such tier.", "reward_tier_id")
    order = state.get("orders", wanted["order_id"]) if wanted.get("order_id") else None
    if order is not None and order["state"] != "OPEN":
        raise invalid("BAD_REQUEST", f"Order is {order['state']}.", "order_id")
    _move(found, -tier["points"], state)
    now = state.now()
    reward = {
        "id": state.new_id("loyalty_rewards"),
        "status": "ISSUED",
        "loyalty_account_id": found["id"],
        "reward_tier_id": tier["id"],
        "points": tier["points"],
        "created_at": now,
        "updated_at": now,
    }
    state.table("loyalty_rewards")[reward["id"]] = reward
    details = {
        "loyalty_program_id": found["program_id"],
        "reward_id": reward["id"],
        "points": tier["points"],
    }
    place = order["location_id"] if order else None
    _event(state, found, "CREATE_REWARD", {"create_reward": details}, place)
    if order is not None:
        reward["order_id"] = order["id"]
        _discount(state, order, reward, tier)
    return {"reward": reward}


def _discount(state: State, order: Json, reward: Json, tier: Json) -> None:
    """Put a reward's discount on an open order, as a new version of it."""
    order.setdefault("rewards", []).append({"id": reward["id"], "reward_tier_id": tier["id"]})
    cut = {
        "catalog_object_id": state.table("reward_discounts")[tier["id"]],
        "scope": "ORDER",
        "reward_ids": [reward["id"]],
    }
    order.setdefault("discounts", []).append(cut)
    orders.reprice(state, order, state.get("locations", order["location_id"]))
    orders.touch(state, order)


def redeem(state: State, ask: Ask) -> Json:
    """POST /v2/loyalty/rewards/{id}/redeem."""
    reward = state.get("loyalty_rewards", ask.params["id"])
    event = _redeem(state, reward, ask.body.get("location_id"))
    return {"event": event}


def _redeem(state: State, reward: Json, location_id: str | None) -> Json:
    if reward["status"] != "ISSUED":
        raise invalid("BAD_REQUEST", f"The reward is {reward['status']}.")
    reward["status"] = "REDEEMED"
    reward["redeemed_at"] = reward["updated_at"] = state.now()
    found = state.get("loyalty_accounts", reward["loyalty_account_id"])
    details = {"loyalty_program_id": found["program_id"], "reward_id": reward["id"]}
    if "order_id" in reward:
        details["order_id"] = reward["order_id"]
    return _event(state, found, "REDEEM_REWARD", {"redeem_reward": details}, location_id)


def redeem_on_completion(state: State, order: Json) -> None:
    """Use up the rewards of an order that was just paid."""
    for entry in order.get("rewards", []):
        _redeem(state, state.get("loyalty_rewards", entry["id"]), order["location_id"])


def reward(state: State, ask: Ask) -> Json:
    """GET /v2/loyalty/rewards/{id}."""
    return {"reward": state.get("loyalty_rewards", ask.params["id"])}


def search_events(state: State, ask: Ask) -> Json:
    """POST /v2/loyalty/events/search: by account, type, location, order and creation time."""
    wanted = (ask.body.get("query") or {}).get("filter") or {}
    accounts = wanted.get("loyalty_account_filter", {}).get("loyalty_account_id")
    types = wanted.get("type_filter", {}).get("types") or []
    places = wanted.get("location_filter", {}).get("location_ids") or []
    span = wanted.get("date_time_filter", {}).get("created_at", {})
    begin, end = (paging.instant_text(span.get(f"{n}_at"), n) for n in ("start", "end"))
    rows = [
        event
        for event in state.table("loyalty_events").values()
        if accounts in {None, event["loyalty_account_id"]}
        and (not types or event["type"] in types)
        and (not places or event.get("location_id") in places)
        and paging.within(event["created_at"], begin, end)
    ]
    given, cursor = paging.page(
        rows,
        key=lambda event: event["created_at"],
        identity=lambda event: event["id"],
        descending=True,
        limit=paging.limit_of(ask.body.get("limit"), default=30, largest=30),
        cursor=ask.body.get("cursor"),
    )
    return paging.answer("events", given, cursor)


ROUTES = (
    ("POST", "/sandbox/loyalty/programs", create_program),
    ("GET", "/v2/loyalty/programs", programs),
    ("GET", "/v2/loyalty/programs/{id}", program),
    ("POST", "/v2/loyalty/accounts", create_account),
    ("GET", "/v2/loyalty/accounts/{id}", account),
    ("POST", "/v2/loyalty/accounts/{id}/accumulate", accumulate),
    ("POST", "/v2/loyalty/accounts/{id}/adjust", adjust),
    ("POST", "/v2/loyalty/events/search", search_events),
    ("POST", "/v2/loyalty/rewards", create_reward),
    ("GET", "/v2/loyalty/rewards/{id}", reward),
    ("POST", "/v2/loyalty/rewards/{id}/redeem", redeem),
)
