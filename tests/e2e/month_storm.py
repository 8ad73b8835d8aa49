"""Webhooks as they come: twice, late, out of order, older ones after newer, forged, or not at all.

Bodies are the simulated seller's own events, really signed, handed to the real intake in this
process; what is lost, a sweep must bring (L1).
"""

import asyncio
import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.pos.square.webhooks import SIGNATURE_HEADER, SquareVerifier, signature
from cloud_conductor.sandbox.square import Seller
from cloud_conductor.serve.gateway import Door, Gateway
from cloud_conductor.wiring.house import House

KEY = b"a key of the subscription"
URL = "https://conductor.example/hooks/square"
AT_ONCE = 200
LOST, TWICE, STALE, FORGED, LATE = 0.05, 0.10, 0.03, 0.03, 0.05
REORDERED_WITHIN = 40
SHED, TRIES_MAX = 503, 50
"""What the intake answers while it has its hands full; the seller delivers again."""


@dataclass
class Storm:
    """The postman of one seller. sent: ids of events that were delivered, by how often.

    shed: deliveries that the intake had no room for and took when they came again.
    """

    seller: Seller
    rng: random.Random
    told: int = 0
    late: list[bytes] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    forged: int = 0
    shed: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    def blow(self, house: House) -> None:
        """Deliver what happened since the last time to the house's intake."""
        fresh = self.seller.state.events[self.told :]
        self.told += len(fresh)
        parcels = self._parcels([self._as_sent(body.encode()) for _, body in fresh])
        asyncio.run(self._deliver(house, parcels))

    def _as_sent(self, body: bytes) -> bytes:
        """As the seller's schema is by now."""
        faults = self.seller.state.faults
        return faults.drifted(body, msgspec.json.decode(body)["type"]) if faults.drifts else body

    def _parcels(self, bodies: list[bytes]) -> list[tuple[bytes, bool]]:
        """(body, whether it is forged) in the order they arrive."""
        out: list[tuple[float, bytes, bool]] = [(-1, body, False) for body in self.late]
        self.late = []
        older: dict[str, bytes] = {}
        for at, body in enumerate(bodies):
            event = msgspec.json.decode(body)
            name = str(event["data"].get("id", ""))
            dice = self.rng.random()
            place = at + self.rng.uniform(0, REORDERED_WITHIN)
            if dice < LOST:
                self.lost += 1
                continue
            if dice < LOST + LATE:
                self.late.append(body)
                continue
            out.append((place, body, False))
            if self.rng.random() < TWICE:
                out.append((place + self.rng.uniform(0, 300), body, False))
            if self.rng.random() < FORGED:
                out.append((place, body, True))
            if name in older and self.rng.random() < STALE:
                again = {**msgspec.json.decode(older[name]), "event_id": self._new_id()}
                out.append((place + 1, msgspec.json.encode(again), False))
            older[name] = body
        return [(body, is_forged) for _, body, is_forged in sorted(out, key=lambda one: one[0])]

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    async def _deliver(self, house: House, parcels: list[tuple[bytes, bool]]) -> None:
        writer = GroupCommitWriter(house.log)
        door = Door(SquareVerifier(), (KEY,), URL)
        gateway = Gateway({"square": door}, writer, house.clock)
        writer.start()
        for start in range(0, len(parcels), AT_ONCE):
            some = parcels[start : start + AT_ONCE]
            for _ in range(TRIES_MAX):
                statuses = await asyncio.gather(*(_post(gateway, *one) for one in some))
                self.answers.update(one for one in statuses if one != SHED)
                again = zip(some, statuses, strict=True)
                some = [one for one, status in again if status == SHED]
                if not some:
                    break
                self.shed += len(some)
            assert not some, "the intake takes what it sheds when it is told again"
        await asyncio.to_thread(writer.close)
        for body, is_forged in parcels:
            if is_forged:
                self.forged += 1
            else:
                self.sent[msgspec.json.decode(body)["event_id"]] += 1


async def _post(gateway: Gateway, body: bytes, is_forged: bool) -> int:
    """Status of one delivery, spoken as a server speaks to the application."""
    key = b"another key" if is_forged else KEY
    headers = [
        (SIGNATURE_HEADER, signature(body, key=key, url=URL)),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": "/hooks/square", "headers": headers}
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    await gateway(scope, receive, send)
    return int(said[0]["status"])
