"""A seeded plan of faults that a simulator injects into its own answers and webhooks.

Requests, before anything happens: `slow`, `rate_limited` (429 with Retry-After), `error_500_before`,
`expire_token` (401; an OAuth token is dead from then on), `cursor_reset` (the vendor has forgotten
the cursor: 400), `page_shift` (an object of the pages not read yet changes between two pages),
`small_pages` (a list gives three rows at a time, however many were asked for).
After it happened: `lose_reply` (the connection closes without an answer), `error_500_after`,
`slow_reply` (the answer comes late), `slow_body` (piece by piece), `cut` (half an answer, then the
line is dead), `clock_skew` (the Date header is off by `seconds`, which may be negative).
Webhooks: `duplicate`, `delay`, `reorder`, `drop`, `forge` (a bad signature beside the good one),
`stale` (an older version of the object once more after the newer one, as a new event).
`drift` changes what objects look like: see `drift.Drift`.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any

from cloud_conductor.sandbox.drift import Drift, rules_of

BEFORE = (
    "slow",
    "rate_limited",
    "error_500_before",
    "expire_token",
    "cursor_reset",
    "page_shift",
    "small_pages",
)
AFTER = ("lose_reply", "error_500_after", "slow_reply", "slow_body", "cut", "clock_skew")
REQUEST_FAULTS = BEFORE + AFTER
WRITES = ("POST", "PUT", "PATCH", "DELETE")
AFTER_WRITES = ("lose_reply", "error_500_after")
WEBHOOK_FAULTS = ("duplicate", "delay", "reorder", "drop", "forge", "stale")
FAULTS = REQUEST_FAULTS + WEBHOOK_FAULTS


@dataclass(slots=True)
class Fault:
    """When one kind of fault strikes.

    probability: chance per opportunity, 0..1. next: strike the coming `next` opportunities.
    path: only paths (for webhooks: event types) beginning so. methods: only these HTTP methods
    (empty = all; for faults that matter only after a write, all writes).
    seconds: length of `slow`, `slow_reply`, `slow_body` and `delay`, real seconds; Retry-After of
    `rate_limited`; how far `clock_skew` is off.
    """

    probability: float = 0.0
    next: int = 0
    path: str = ""
    methods: tuple[str, ...] = ()
    seconds: float = 1.0

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is an opportunity for this fault."""
        return path.startswith(self.path) and (not self.methods or method in self.methods)


class FaultPlan:
    """What goes wrong, when; the same seed and the same opportunities give the same faults."""

    def __init__(self, seed: int = 0) -> None:
        """Start with no faults."""
        self._seed = seed
        self._planned: dict[str, Fault] = {}
        self._dice: dict[str, random.Random] = {}
        self.drifts: tuple[Drift, ...] = ()
        self.struck: dict[str, int] = {}

    def plan(self, wanted: dict[str, Any]) -> None:
        """Add faults: `{kind: probability | {"probability"| "next", "path", "methods", "seconds"}}`.

        `drift` takes a list of rules and replaces those before. Raises ValueError for an unknown
        kind or field; then nothing is planned.
        """
        planned: dict[str, Fault] = {}
        drifts = self.drifts
        for kind, value in wanted.items():
            if kind == "drift":
                drifts = rules_of(value)
            else:
                planned[kind] = _fault(kind, value)
        self.drifts = drifts
        for kind, fault in planned.items():
            self._planned[kind] = fault
            self._dice[kind] = random.Random(f"{self._seed}:{kind}")

    def clear(self) -> None:
        """Plan nothing from here on; the counts of what struck stay."""
        self._planned.clear()
        self.drifts = ()

    def draw(self, kind: str, method: str = "POST", path: str = "") -> Fault | None:
        """Give the fault if it strikes this opportunity (and count it), else None."""
        fault = self._planned.get(kind)
        if fault is None or not fault.fits(method, path):
            return None
        if fault.next > 0:
            fault.next -= 1
        elif not fault.probability or self._dice[kind].random() >= fault.probability:
            return None
        self.struck[kind] = self.struck.get(kind, 0) + 1
        return fault

    def drifted(self, body: bytes, path: str) -> bytes:
        """Give the JSON body as the changed vendor sends it; path: of the request, or event type."""
        for rule in self.drifts:
            if path.startswith(rule.path):
                body, changes = rule.applied(body)
                if changes:
                    self.struck["drift"] = self.struck.get("drift", 0) + changes
        return body

    def describe(self) -> dict[str, Any]:
        """Tell what is planned and how often each kind struck, as JSON."""
        planned: dict[str, Any] = {kind: asdict(fault) for kind, fault in self._planned.items()}
        if self.drifts:
            planned["drift"] = [asdict(rule) for rule in self.drifts]
        return {"planned": planned, "struck": dict(self.struck)}


def _fault(kind: str, value: Any) -> Fault:
    if kind not in FAULTS:
        msg = f"unknown fault {kind!r}; known: {', '.join((*FAULTS, 'drift'))}"
        raise ValueError(msg)
    fields: dict[str, Any] = (
        dict(value) if isinstance(value, dict) else {"probability": float(value)}
    )
    fields["methods"] = tuple(fields.get("methods", WRITES if kind in AFTER_WRITES else ()))
    try:
        return Fault(**fields)
    except TypeError as problem:
        msg = f"fault {kind!r}: {problem}"
        raise ValueError(msg) from problem
