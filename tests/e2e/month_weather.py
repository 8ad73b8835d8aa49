"""What a month's vendors do beside the dice: a change of schema, a clock that is off, a moved zone.

Each has its time: the change of schema strikes at one stop and is over at the next, where what it
broke is mended as a person would; the zone is another from one stop on.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from cloud_conductor.conform import flow as conform
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines import close
from cloud_conductor.sandbox.square import Seller
from cloud_conductor.state import conform as state
from cloud_conductor.state import watching
from cloud_conductor.wiring.house import House

SOURCE = "square"
NEVER = -2
DAY, MONTH = timedelta(days=1), timedelta(days=30)
EVERY = 6
SKEW_HOURS = (-26, -3, 3, 26)
ELSEWHERE = "Pacific/Kiritimati"
QUANTITY = "/**/line_items/*/quantity"
AMOUNT = "/**/payment/amount_money/amount"
LISTED_AMOUNT = "/payments/*/amount_money/amount"

Rules = list[dict[str, Any]]
Wrong = list[str]
Again = Callable[[Callable[[], Any]], Any]
"""Runs something until it works, as a scheduler does."""


@dataclass(frozen=True)
class Change:
    """A change of schema. codes: of the findings it must leave, none when it does no harm.

    is_released: mended by releasing corrected bodies; else by reading again when it is over.
    """

    rules: Rules
    codes: frozenset[str] = frozenset()
    is_released: bool = False


CHANGES: Mapping[str, Change] = {
    "new field": Change(
        [
            {"pointer": "/**/line_items/*/colour", "change": "add", "value": {"deep": [1, None]}},
            {"pointer": "/payments/*/loyalty_tier", "change": "add", "value": "gold"},
            {"pointer": "/**/payment/loyalty_tier", "change": "add", "value": "gold"},
        ]
    ),
    "renamed field": Change(
        [{"pointer": QUANTITY, "change": "rename", "value": "qty", "path": "/v2/orders"}],
        frozenset({"contract"}),
    ),
    "type change": Change(
        [
            {"pointer": LISTED_AMOUNT, "change": "retype", "path": "/v2/payments"},
            {"pointer": AMOUNT, "change": "retype", "path": "payment."},
        ],
        frozenset({"contract"}),
    ),
    "enum value": Change(
        [
            {
                "pointer": "/**/tenders/*/type",
                "change": "value",
                "value": "SHELLS",
                "path": "/v2/orders",
            }
        ],
        frozenset({"unknown_tender"}),
        is_released=True,
    ),
}


@dataclass
class Weather:
    """What a month is dealt by its number. broken: events that the change put into quarantine.

    A season of one stop has no change of schema: nothing could be mended in it.
    """

    seller: Seller
    number: int
    stops: list[datetime]
    name: str = ""
    drifts_at: int = 0
    skew_hours: int = 0
    broken: int = 0

    def __post_init__(self) -> None:
        dice = random.Random(f"weather/{self.number}")
        self.name = dice.choice(list(CHANGES))
        self.drifts_at = dice.randrange(len(self.stops) - 1) if len(self.stops) > 1 else NEVER
        self.skew_hours = dice.choice(SKEW_HOURS)
        skew = {"probability": 0.5, "seconds": self.skew_hours * 3600, "path": "/v2/merchants"}
        self.seller.state.faults.plan({"clock_skew": skew})

    @property
    def change(self) -> Change:
        return CHANGES[self.name]

    @property
    def moves_at(self) -> int:
        """The stop at which a store's zone becomes another at the vendor."""
        return 0 if self.drifts_at else 1

    def before(self, stop: int, house: House, again: Again) -> None:
        """What is so from a stop on, before anything is read there."""
        if stop == self.drifts_at:
            every = EVERY if self.change.codes else 1
            rules = [{**rule, "every": every} for rule in self.change.rules]
            self.seller.state.faults.plan({"drift": rules})
        elif stop == self.drifts_at + 1:
            self.seller.state.faults.plan({"drift": []})
            self._mend(house, again)
        if stop == self.moves_at:
            place = next(iter(self.seller.state.table("locations")))
            zone = {"location": {"timezone": ELSEWHERE}}
            self.seller.call("PUT", f"/v2/locations/{place}", zone)

    def after(self, stop: int, house: House, compare: Callable[[], Any]) -> Wrong:
        """What the product must say of it by then, as far as it does not."""
        wrong: Wrong = []
        if stop == self.drifts_at:
            held = self._held(house)
            self.broken = len(held)
            if bool(held) != bool(self.change.codes):
                wrong.append(f"drift {self.name}: {len(held)} in quarantine")
            found = {one.key for one in compare().breaks if one.code == "D16"}
            ids = {one.object_id for one in held}
            strange = {key for key in found if not ids & set(self._about(key))}
            wrong += [f"drift {self.name}: D16 at {key} that is whole" for key in sorted(strange)]
        if stop == self.drifts_at + 1:
            wrong += [
                f"drift {self.name}: {one.event_id} is held still" for one in self._held(house)
            ]
        if stop == self.moves_at:
            said = [one.message for one in watching.notices(house.worker)]
            if not any(ELSEWHERE in message for message in said):
                wrong.append("the store's other time zone is not named")
        return wrong

    def _about(self, key: str) -> tuple[str, str]:
        """Ids of the object that a break is about, and of the order that it belongs to."""
        object_id = key.rpartition(":")[2]
        kept = self.seller.state.table
        known = kept("payments").get(object_id) or kept("refunds").get(object_id) or {}
        return object_id, str(known.get("order_id", ""))

    def _held(self, house: House) -> list[state.Quarantined]:
        return [one for one in state.quarantine(house.worker) if one.code in self.change.codes]

    def _mend(self, house: House, again: Again) -> None:
        """Release what is held with the body it should have had, or read the time again."""
        end = self.stops[self.drifts_at]
        start = self.stops[self.drifts_at - 1] if self.drifts_at else end - MONTH
        if not self.change.is_released:
            deps = house.ingest_deps
            again(lambda: ingest.run_span(deps, SOURCE, start - DAY, end + DAY))
            return
        for one in self._held(house):
            whole = self.seller.call("GET", f"/v2/orders/{one.object_id}")["order"]
            conform.release(
                house.conform_deps,
                [one],
                author="user:second-person",
                now=house.clock.now(),
                fixed_body=msgspec.json.encode(whole),
            )
        again(lambda: close.catch_up(house.close_deps))
