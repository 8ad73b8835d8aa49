"""Break something: named mixes of faults over both simulators, each on or off.

A switch that is on stays on until somebody turns it off, or its crowd has gone home.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.till.crowd import Crowd


@dataclass(frozen=True, slots=True)
class Switch:
    """One thing to break. square, xero: what the two fault plans are told while it is on."""

    name: str
    title: str
    text: str
    square: dict[str, Any] = field(default_factory=dict)
    xero: dict[str, Any] = field(default_factory=dict)
    crowd: bool = False


SWITCHES = (
    Switch(
        "network",
        "Drop the network",
        "Every webhook is lost and half of all calls fail. What was missed is swept up afterwards.",
        square={"drop": 1.0, "error_500_before": 0.5},
        xero={"error_500_before": 0.5},
    ),
    Switch(
        "replies",
        "Lose replies",
        "The ledger does what it is told and the line dies before it answers. Nothing is posted twice.",
        xero={"lose_reply": {"probability": 0.7, "path": "/api.xro"}},
    ),
    Switch(
        "duplicates",
        "Send duplicates",
        "Every webhook comes twice. The second changes nothing.",
        square={"duplicate": 1.0},
    ),
    Switch(
        "disorder",
        "Shuffle the order",
        "Webhooks are late and overtake each other. The latest version wins all the same.",
        square={"reorder": 0.6, "delay": {"probability": 0.6, "seconds": 2.0}},
    ),
    Switch(
        "schema",
        "Change the schema",
        "The vendor renames a field of its orders. They wait in quarantine with their bytes.",
        square={
            "drift": [{"pointer": "/**/line_items/*/quantity", "change": "rename", "value": "qty"}]
        },
    ),
    Switch(
        "crowd",
        "Ten times Black Friday",
        "Sales ring up as fast as ten shops on their busiest day, for a minute.",
        crowd=True,
    ),
)


class Panel:
    """The switches and what they do to the two fault plans and the crowd."""

    def __init__(self, square: FaultPlan, xero: FaultPlan, crowd: Crowd) -> None:
        self._square, self._xero, self._crowd = square, xero, crowd
        self._on: set[str] = set()

    def describe(self) -> list[dict[str, Any]]:
        """Every switch: {"name", "title", "text", "on"}."""
        return [
            {"name": one.name, "title": one.title, "text": one.text, "on": self._is_on(one)}
            for one in SWITCHES
        ]

    def switch(self, name: str, *, on: bool) -> None:
        """Turn one on or off. Raises ValueError for a name the panel does not have."""
        known = {one.name: one for one in SWITCHES}
        if name not in known:
            msg = f"unknown switch {name!r}; known: {', '.join(known)}"
            raise ValueError(msg)
        chosen = known[name]
        if chosen.crowd:
            self._crowd.start() if on else self._crowd.stop()
            return
        (self._on.add if on else self._on.discard)(name)
        self._square.clear()
        self._xero.clear()
        for one in SWITCHES:
            if one.name in self._on:
                self._square.plan(one.square)
                self._xero.plan(one.xero)

    def _is_on(self, one: Switch) -> bool:
        return self._crowd.is_here if one.crowd else one.name in self._on
