"""Planted contract violations: an order served wrong from a moment on, on purpose."""

from __future__ import annotations

from typing import Any

import msgspec

from cloud_conductor.sandbox.square.errors import invalid
from cloud_conductor.sandbox.square.state import State

Json = dict[str, Any]


def add(state: State, order: Json, pointer: Any, value: Any) -> None:
    """Serve `order` with `value` at `pointer` from now on; refuses a pointer to nothing."""
    planted = {"pointer": pointer, "value": value}
    replace(order, [planted])
    state.table("corruptions").setdefault(order["id"], []).append(planted)


def version_shift(state: State, order_id: str) -> int:
    """How many versions ahead of the truth an order is shown."""
    return len(state.table("corruptions").get(order_id, ()))


def shown(state: State, order: Json) -> Json:
    """Give the order as the API shows it."""
    planted = state.table("corruptions").get(order["id"])
    if not planted:
        return order
    seen = replace(order, planted)
    seen["version"] = order["version"] + len(planted)
    return seen


def replace(order: Json, planted: list[Json]) -> Json:
    """Copy an order with values replaced at JSON pointers (RFC 6901); refuses unknown pointers."""
    seen: Json = msgspec.json.decode(msgspec.json.encode(order))
    for one in planted:
        *parents, last = [
            step.replace("~1", "/").replace("~0", "~")
            for step in str(one["pointer"]).split("/")[1:]
        ] or [""]
        here: Any = seen
        try:
            for step in parents:
                here = here[int(step)] if isinstance(here, list) else here[step]
            if isinstance(here, list):
                here[int(last)] = one["value"]
            else:
                here[last] = one["value"]
        except (KeyError, IndexError, ValueError, TypeError):
            raise invalid(
                "INVALID_VALUE", f"No {one['pointer']} in the order.", "pointer"
            ) from None
    return seen
