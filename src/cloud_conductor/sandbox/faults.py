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
`drift` changes what objects look like: see `drift.Drift`. A simulator refuses the kinds that have
nothing to strike there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields
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
DRIFT = "drift"
METHODS = ("GET", *WRITES)
SECONDS_MAX = 10 * 366 * 86_400.0
NEXT_MAX = 1_000_000


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

    def __init__(self, seed: int = 0, *, kinds: Collection[str] = (*FAULTS, DRIFT)) -> None:
        """Start with no faults. kinds: those that can strike where this plan is asked."""
        self._seed = seed
        self._kinds = kinds
        self._planned: dict[str, Fault] = {}
        self._dice: dict[str, random.Random] = {}
        self.drifts: tuple[Drift, ...] = ()
        self.struck: dict[str, int] = {}

    def plan(self, wanted: Any) -> None:
        """Add faults: `{kind: probability | {"probability"| "next", "path", "methods", "seconds"}}`.

        `drift` takes a list of rules and replaces those before. Raises ValueError for a kind that
        is unknown or cannot strike here, and for a field that is unknown or has no such value; then
        nothing is planned.
        """
        if not isinstance(wanted, dict):
            msg = f"a plan of faults is an object of kinds, not {wanted!r}"
            raise ValueError(msg)  # noqa: TRY004 - one error for every bad plan
        planned: dict[str, Fault] = {}
        drifts = self.drifts
        for kind, value in wanted.items():
            self._check_kind(kind)
            if kind == DRIFT:
                drifts = rules_of(value)
            else:
                planned[kind] = _fault(kind, value)
        self.drifts = drifts
        for kind, fault in planned.items():
            self._planned[kind] = fault
            self._dice[kind] = random.Random(f"{self._seed}:{kind}")

    def _check_kind(self, kind: str) -> None:
        if kind in self._kinds:
            return
        known = ", ".join(self._kinds)
        if kind in {*FAULTS, DRIFT}:
            msg = f"fault {kind!r} has nothing to strike here; what can: {known}"
        else:
            msg = f"unknown fault {kind!r}; known: {known}"
        raise ValueError(msg)

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
    """The fault that `value` says: a probability, or an object of Fault's fields; ValueError."""
    given = dict(value) if isinstance(value, dict) else {"probability": value}
    if unknown := given.keys() - {one.name for one in fields(Fault)}:
        msg = f"fault {kind!r} has no {', '.join(sorted(map(str, unknown)))}"
        raise ValueError(msg)
    given.setdefault("methods", WRITES if kind in AFTER_WRITES else ())
    for name, (holds, what) in _SHAPES.items():
        if name in given and not holds(given[name]):
            msg = f"fault {kind!r}: {name} is {what}, not {given[name]!r}"
            raise ValueError(msg)
    if kind != "clock_skew" and given.get("seconds", 0) < 0:
        msg = f"fault {kind!r}: seconds are not negative"
        raise ValueError(msg)
    return Fault(**{**given, "methods": tuple(given["methods"])})


def _is_number(value: Any, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and low <= value <= high


_SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "probability": (lambda one: _is_number(one, 0, 1), "a number from 0 to 1"),
    "next": (
        lambda one: isinstance(one, int) and _is_number(one, 0, NEXT_MAX),
        f"a whole number from 0 to {NEXT_MAX}",
    ),
    "path": (lambda one: isinstance(one, str), "the beginning of a path"),
    "methods": (
        lambda one: isinstance(one, list | tuple) and all(name in METHODS for name in one),
        f"a list of {', '.join(METHODS)}",
    ),
    "seconds": (
        lambda one: _is_number(one, -SECONDS_MAX, SECONDS_MAX),
        "a number of at most ten years",
    ),
}
"""Field of a fault -> whether a value fits, and what would."""
