"""A seeded plan of faults that a simulator injects into its own answers and webhooks.

Requests: `lose_reply` (the write happens, the connection closes without an answer),
`error_500_before` (nothing happened), `error_500_after` (it happened, the answer says 500),
`rate_limited` (429 with Retry-After), `slow`.
Webhooks: `duplicate`, `delay`, `reorder`, `drop`, `forge` (a bad signature beside the good one).
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any

REQUEST_FAULTS = ("lose_reply", "error_500_before", "error_500_after", "rate_limited", "slow")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
AFTER_WRITES = ("lose_reply", "error_500_after")
WEBHOOK_FAULTS = ("duplicate", "delay", "reorder", "drop", "forge")
FAULTS = REQUEST_FAULTS + WEBHOOK_FAULTS


@dataclass(slots=True)
class Fault:
    """When one kind of fault strikes.

    probability: chance per opportunity, 0..1. next: strike the coming `next` opportunities.
    path: only paths (for webhooks: event types) beginning so. methods: only these HTTP methods
    (empty = all; for faults that matter only after a write, all writes).
    seconds: length of `slow` and `delay`, real seconds; Retry-After of `rate_limited`.
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
        self.struck: dict[str, int] = {}

    def plan(self, wanted: dict[str, Any]) -> None:
        """Add faults: `{kind: probability | {"probability"| "next", "path", "methods", "seconds"}}`.

        Raises ValueError for an unknown kind or field.
        """
        for kind, value in wanted.items():
            if kind not in FAULTS:
                msg = f"unknown fault {kind!r}; known: {', '.join(FAULTS)}"
                raise ValueError(msg)
            fields: dict[str, Any] = (
                dict(value) if isinstance(value, dict) else {"probability": float(value)}
            )
            usual = WRITES if kind in AFTER_WRITES else ()
            fields["methods"] = tuple(fields.get("methods", usual))
            try:
                self._planned[kind] = Fault(**fields)
            except TypeError as problem:
                msg = f"fault {kind!r}: {problem}"
                raise ValueError(msg) from problem
            self._dice[kind] = random.Random(f"{self._seed}:{kind}")

    def clear(self) -> None:
        """Plan nothing from here on; the counts of what struck stay."""
        self._planned.clear()

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

    def describe(self) -> dict[str, Any]:
        """Tell what is planned and how often each kind struck, as JSON."""
        planned = {kind: asdict(fault) for kind, fault in self._planned.items()}
        return {"planned": planned, "struck": dict(self.struck)}
