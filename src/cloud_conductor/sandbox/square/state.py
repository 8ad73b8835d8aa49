"""What a simulated seller holds: objects as Square's JSON, events, deliveries, counters."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from cloud_conductor.sandbox.clock import SandboxClock, format_instant, parse_instant
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.square.errors import not_found

Json = dict[str, Any]

DIGITS = 10
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_SHAPES = {  # kind: (prefix, length of the rest, alphabet size): as Square's own ids look
    "merchants": ("ML", 11, 36),
    "locations": ("L", 12, 36),
    "catalog": ("", 24, 36),
    "orders": ("", 30, 62),
    "payments": ("", 27, 62),
    "refunds": ("", 43, 62),
    "customers": ("", 26, 36),
    "gift_cards": ("gftc:", 32, 16),
    "gift_card_activities": ("gcact_", 32, 16),
    "payouts": ("po_", 36, 0),
    "payout_entries": ("poe_", 22, 62),
    "subscriptions": ("wbhk_", 32, 16),
    "uid": ("", 22, 62),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One routed request: path parameters, body and query as given."""

    params: dict[str, str]
    body: Json
    query: dict[str, str]


@dataclass(slots=True)
class Delivery:
    """One event on its way to one subscription."""

    event_id: str
    subscription_id: str
    body: str
    type: str
    created_at: str
    attempts: int = 0

    @property
    def key(self) -> str:
        """What makes it one delivery."""
        return f"{self.event_id}/{self.subscription_id}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What never changes while a seller lives. Fees: rate of the charged total, plus a fixed part."""

    seed: int = 0
    fee_rate: Fraction = Fraction(26, 1000)
    fee_fixed: int = 10
    country: str = "US"
    currency: str = "USD"
    business_name: str = "Corner Shop (sandbox)"


@dataclass(slots=True)
class State:
    """Everything of one seller. `tables[kind][id]` is the object as the API shows it.

    events: (location id or "", body as sent), oldest first.
    pending: deliveries neither acknowledged nor given up. fresh: those of them nobody has picked
    up yet (all of them after a restart).
    """

    settings: Settings
    clock: SandboxClock
    faults: FaultPlan
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    attempts: list[Json] = field(default_factory=list)
    pending: dict[str, Delivery] = field(default_factory=dict)
    fresh: deque[Delivery] = field(default_factory=deque)
    revision: int = 0

    def table(self, kind: str) -> dict[str, Any]:
        """All objects of a kind by id, oldest first."""
        return self.tables.setdefault(kind, {})

    def get(self, kind: str, object_id: str) -> Json:
        """One object; refuses with 404."""
        found = self.table(kind).get(object_id)
        if found is None:
            raise not_found(kind.removesuffix("s").replace("_", " ").capitalize(), object_id)
        assert isinstance(found, dict)
        return found

    def new_id(self, kind: str) -> str:
        """Next id of a kind: the same for the same seed and history."""
        number = self.counters[kind] = self.counters.get(kind, 0) + 1
        digest = hashlib.sha256(f"{self.settings.seed}:{kind}:{number}".encode()).digest()
        prefix, length, base = ID_SHAPES.get(kind, ("", 36, 0))
        if not base:
            return prefix + str(uuid.UUID(bytes=digest[:16], version=4))
        value = int.from_bytes(digest + digest, "big")
        letters: list[str] = []
        while len(letters) < length:  # ten digits at a time: small numbers divide faster
            value, part = divmod(value, base**DIGITS)
            for _ in range(min(DIGITS, length - len(letters))):
                part, at = divmod(part, base)
                letters.append(ALPHABET[at].lower() if base == 16 else ALPHABET[at])
        return prefix + "".join(letters)

    def secret(self, kind: str) -> str:
        """Next secret of a kind (signature keys, tokens): deterministic, worth nothing."""
        number = self.counters[kind] = self.counters.get(kind, 0) + 1
        digest = hashlib.sha256(f"secret:{self.settings.seed}:{kind}:{number}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")

    def now(self) -> str:
        """Present sandbox instant as text."""
        return format_instant(self.clock.now())

    def later(self, previous: str | None) -> str:
        """Present instant, but at least a millisecond after `previous`.

        Square's `updated_at` orders the versions of an object; so does this one when the clock
        stands still.
        """
        now = self.now()
        if previous is None or now > previous:
            return now
        return format_instant(parse_instant(previous) + timedelta(milliseconds=1))

    def instant(self) -> datetime:
        """Present sandbox instant, aware UTC."""
        return self.clock.now()

    @property
    def merchant_id(self) -> str:
        """Id of the one merchant."""
        return next(iter(self.table("merchants")))

    def emit(self, kind: str, data: Json, *, location_id: str | None = None) -> None:
        """Write down one webhook event and queue it for every subscription that wants it.

        data: the event's `data` member; encoded at once, so later changes do not reach it.
        location_id: where it happened; only payout, dispute and location events say so in their body.
        """
        event: Json = {
            "merchant_id": self.merchant_id,
            **({"location_id": location_id} if location_id and _tells_place(kind) else {}),
            "type": kind,
            "event_id": self.new_id("events"),
            "created_at": self.now(),
            "data": data,
        }
        body = msgspec.json.encode(event).decode()
        self.events.append((location_id or "", body))
        for subscription in self.table("subscriptions").values():
            types = subscription["event_types"]
            if subscription["enabled"] and ("*" in types or kind in types):
                delivery = Delivery(
                    event["event_id"], subscription["id"], body, kind, event["created_at"]
                )
                self.pending[delivery.key] = delivery
                self.fresh.append(delivery)

    def snapshot(self) -> bytes:
        """Encode everything a restart needs."""
        return msgspec.json.encode(
            {
                "clock": {"now": self.now(), "scale": self.clock.scale},
                "tables": self.tables,
                "counters": self.counters,
                "events": self.events,
                "attempts": self.attempts,
                "pending": list(self.pending.values()),
            }
        )

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` saw."""
        kept = msgspec.json.decode(data)
        self.clock.set(parse_instant(kept["clock"]["now"]), scale=kept["clock"]["scale"])
        self.tables, self.counters = kept["tables"], kept["counters"]
        self.events = msgspec.convert(kept["events"], list[tuple[str, str]])
        self.attempts = kept["attempts"]
        self.fresh = deque(msgspec.convert(kept["pending"], list[Delivery]))
        self.pending = {delivery.key: delivery for delivery in self.fresh}
        self.revision += 1


def _tells_place(kind: str) -> bool:
    return kind.startswith(("payout.", "location.", "dispute."))
