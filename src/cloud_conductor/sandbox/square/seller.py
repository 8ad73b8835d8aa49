"""A simulated Square seller: one entry, `Seller.call`, for the HTTP server and for scenarios."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from cloud_conductor.sandbox.clock import SandboxClock, format_instant, parse_instant
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.square import (
    catalog,
    disputes,
    drawers,
    events,
    gift_cards,
    inventory,
    loyalty,
    oauth,
    orders,
    paging,
    payments,
    payouts,
    people,
    refunds,
)
from cloud_conductor.sandbox.square.errors import SquareError, invalid
from cloud_conductor.sandbox.square.state import Ask, Settings, State

Json = dict[str, Any]
Handler = Callable[[State, Ask], Json]

ROOMS = (
    catalog,
    disputes,
    drawers,
    events,
    gift_cards,
    inventory,
    loyalty,
    oauth,
    orders,
    payments,
    payouts,
    people,
    refunds,
)
DUMPED = {  # name in the dump: table
    "merchants": "merchants",
    "locations": "locations",
    "catalog": "catalog",
    "customers": "customers",
    "orders": "orders",
    "payments": "payments",
    "refunds": "refunds",
    "payouts": "payouts",
    "cash_drawer_shifts": "drawer_shifts",
    "disputes": "disputes",
    "gift_cards": "gift_cards",
    "gift_card_activities": "gift_card_activities",
    "loyalty_programs": "loyalty_programs",
    "loyalty_accounts": "loyalty_accounts",
    "loyalty_rewards": "loyalty_rewards",
    "loyalty_events": "loyalty_events",
    "inventory_counts": "inventory_counts",
    "inventory_changes": "inventory_changes",
    "balance_entries": "balance_entries",
    "subscriptions": "subscriptions",
}


class Router:
    """Finds the handler of a method and path; `{name}` segments become parameters."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Handler] = {}
        self._shaped: dict[tuple[str, int], list[tuple[list[str], Handler]]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Know one more route."""
        if "{" not in path:
            self._exact[method, path] = handler
            return
        parts = path.split("/")
        self._shaped.setdefault((method, len(parts)), []).append((parts, handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """Handler and parameters, or None."""
        handler = self._exact.get((method, path))
        if handler is not None:
            return handler, {}
        given = path.split("/")
        for parts, shaped in self._shaped.get((method, len(given)), ()):
            params = {}
            for part, value in zip(parts, given, strict=True):
                if part.startswith("{") and value:
                    params[part[1:-1]] = value
                elif part != value:
                    break
            else:
                return shaped, params
        return None

    def knows(self, path: str) -> bool:
        """Whether any method is served at a path."""
        return any(self.find(method, path) for method in ("GET", "POST", "PUT", "DELETE"))


class Seller:
    """A Square seller with its locations, catalog, sales and webhooks.

    Calls may come from several threads (a scenario plays while the server answers); each is whole.
    clock: what the seller takes for now (default: frozen at this moment until set).
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: SandboxClock | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        kept = settings or Settings()
        self.state = State(kept, clock or SandboxClock(scale=0), faults or FaultPlan(kept.seed))
        people.found(self.state)
        self._turn = threading.RLock()
        self._router = Router()
        for room in ROOMS:
            for method, path, handler in room.ROUTES:
                self._router.add(method, path, handler)
        self._router.add("POST", "/sandbox/clock", set_clock)
        self._router.add("GET", "/sandbox/clock", read_clock)
        self._router.add("GET", "/sandbox/dump", dump)
        self._router.add("GET", "/sandbox/deliveries", deliveries)

    @property
    def revision(self) -> int:
        """Number that changes whenever `snapshot()` would."""
        return self.state.revision

    def snapshot(self) -> bytes:
        """Give everything a restart needs."""
        with self._turn:
            return self.state.snapshot()

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` saw."""
        with self._turn:
            self.state.restore(data)

    def set_clock(self, instant: datetime) -> None:
        """Set the seller's clock (what POST /sandbox/clock does)."""
        self.state.clock.set(instant)

    def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: dict[str, str] | None = None,
    ) -> Json:
        """Answer one API call with exactly Square's JSON; the answer is the caller's own copy.

        path may carry a query (`/v2/payments?limit=5`). Raises SquareError.
        """
        answer: Json = msgspec.json.decode(self.call_raw(method, path, body, query))
        return answer

    def call_raw(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        """Answer one API call with the bytes of its JSON. Raises SquareError.

        A write with an idempotency key that was used before answers as before; with another body
        it is refused.
        """
        path, _, inline = path.partition("?")
        found = self._router.find(method, path)
        if found is None:
            raise self._unknown(method, path)
        handler, params = found
        ask = Ask(params, body or {}, {**dict(parse_qsl(inline)), **(query or {})})
        with self._turn:
            if method == "GET":
                return msgspec.json.encode(handler(self.state, ask))
            self.state.revision += 1
            key = ask.body.get("idempotency_key")
            if not key:
                return msgspec.json.encode(_guarded(handler, self.state, ask))
            return self._once(f"{method} {path} {key}", handler, ask)

    def shift(self, path: str, cursor: str) -> None:
        """Change the first object that a reader with this cursor has not seen: its page moves.

        Knows the lists that are read by `updated_at`; others stay as they are.
        """
        kind, change = {
            "/v2/orders/search": ("orders", orders.touch),
            "/v2/payments": ("payments", payments.touch),
        }.get(path, ("", None))
        if change is None:
            return
        with self._turn:
            seen = paging.decode_cursor(cursor)
            rows = self.state.table(kind).values()
            unread = [one for one in rows if (one["updated_at"], one["id"]) > seen]
            if unread:
                change(self.state, min(unread, key=lambda one: (one["updated_at"], one["id"])))
                self.state.revision += 1

    def _once(self, name: str, handler: Handler, ask: Ask) -> bytes:
        """Answer a write once per key; refusals are not remembered."""
        seen = self.state.table("idempotency")
        digest = hashlib.sha256(msgspec.json.encode(ask.body, order="sorted")).hexdigest()
        if name in seen:
            kept_digest, kept_answer = seen[name]
            if kept_digest != digest:
                raise invalid(
                    "IDEMPOTENCY_KEY_REUSED",
                    "Different request parameters used for the same idempotency_key.",
                    "idempotency_key",
                )
            return str(kept_answer).encode()
        answer = msgspec.json.encode(_guarded(handler, self.state, ask))
        seen[name] = [digest, answer.decode()]
        return answer

    def _unknown(self, method: str, path: str) -> SquareError:
        if self._router.knows(path):
            detail = f"{method} is not served at {path}."
            return SquareError(405, "INVALID_REQUEST_ERROR", "METHOD_NOT_ALLOWED", detail)
        return SquareError(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", f"No resource {path}.")


def _guarded(handler: Handler, state: State, ask: Ask) -> Json:
    """Run a handler; a request of the wrong shape is the client's fault, not ours."""
    try:
        return handler(state, ask)
    except KeyError as missing:
        raise invalid(
            "MISSING_REQUIRED_PARAMETER", "Field must be set.", str(missing.args[0])
        ) from missing
    except (TypeError, AttributeError) as wrong:
        raise invalid("INVALID_VALUE", f"A field has the wrong type: {wrong}.") from wrong


def set_clock(state: State, ask: Ask) -> Json:
    """POST /sandbox/clock {now?, scale?}; sandbox only."""
    scale = ask.body.get("scale")
    try:
        instant = parse_instant(ask.body["now"]) if "now" in ask.body else state.instant()
        state.clock.set(instant, scale=None if scale is None else float(scale))
    except (TypeError, ValueError) as problem:
        raise invalid("INVALID_VALUE", str(problem)) from problem
    return read_clock(state, ask)


def read_clock(state: State, ask: Ask) -> Json:
    """GET /sandbox/clock; sandbox only."""
    assert ask.params == {}
    return {"now": format_instant(state.instant()), "scale": state.clock.scale}


def dump(state: State, ask: Ask) -> Json:
    """GET /sandbox/dump: all objects keyed by type, and every delivery attempt; sandbox only.

    Orders are as the seller holds them; what POST /sandbox/corrupt planted is under `corruptions`.
    """
    assert ask.params == {}
    objects: Json = {name: list(state.table(kind).values()) for name, kind in DUMPED.items()}
    return {
        "schema": "sandbox.square/v1",
        "now": format_instant(state.instant()),
        **objects,
        "cash_drawer_events": dict(state.table("drawer_events")),
        "payout_entries": [one for one in objects["balance_entries"] if one["payout_id"]],
        "corruptions": dict(state.table("corruptions")),
        "events": [msgspec.Raw(body.encode()) for _, body in state.events],
        "deliveries": state.attempts,
    }


def deliveries(state: State, ask: Ask) -> Json:
    """GET /sandbox/deliveries: how webhook deliveries stand; sandbox only.

    acknowledged, failed, dropped count deliveries; attempts counts every try, duplicates and
    forgeries included.
    """
    assert ask.params == {}
    counts = state.table("delivery_counts")
    return {
        "pending": len(state.pending),
        "acknowledged": counts.get("acknowledged", 0),
        "failed": counts.get("failed", 0),
        "dropped": counts.get("dropped", 0),
        "attempts": len(state.attempts),
        "events": len(state.events),
    }
