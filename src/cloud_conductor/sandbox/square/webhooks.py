"""The dispatcher: signs events and posts them to their subscriptions, with retries and faults.

Square signs base64(HMAC-SHA256(signature key, notification url + raw body)) in the header
`x-square-hmacsha256-signature`, retries on anything but 2xx within 10 s with doubling pauses, and
gives up in the end. Pauses are scaled here: the first is `retry_seconds` (Square: a minute).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cloud_conductor.sandbox.square.state import Delivery, State

Json = dict[str, Any]

WORKERS = 32
ATTEMPTS_MAX = 12
PAUSE_SECONDS_MAX = 30.0
TIMEOUT_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.01
HEADERS_BYTES_MAX = 65_536


def sign(key: str, notification_url: str, body: bytes) -> str:
    """Signature of a webhook as Square makes it."""
    mac = hmac.new(key.encode(), notification_url.encode() + body, hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


class Wire:
    """One keep-alive HTTP/1.1 connection to one address at a time."""

    def __init__(self) -> None:
        self._address: tuple[str, str, int] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Post a body and give the answer's status.

        Raises OSError or asyncio.IncompleteReadError when no whole answer came. A kept connection
        that the other side closed meanwhile is opened again once.
        """
        fresh = await self._open(url)
        try:
            return await self._exchange(url, headers, body)
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            if fresh:
                raise
        await self._open(url)
        return await self._exchange(url, headers, body)

    async def _open(self, url: str) -> bool:
        """Connect unless connected to that address; gives whether it connected."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        address = (parts.scheme, parts.hostname or "", parts.port or (443 if tls else 80))
        if self._address == address and self._writer is not None:
            return False
        await self.close()
        self._reader, self._writer = await asyncio.open_connection(
            address[1], address[2], ssl=tls or None, limit=HEADERS_BYTES_MAX
        )
        self._address = address
        return True

    async def _exchange(self, url: str, headers: dict[str, str], body: bytes) -> int:
        assert self._reader is not None
        assert self._writer is not None
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        length = _header(head, b"content-length")
        if length is not None:
            await self._reader.readexactly(int(length))
        if (length is None and status != 204) or _header(head, b"connection") == b"close":
            await self.close()
        return status

    async def close(self) -> None:
        """Hang up."""
        writer, self._writer, self._address = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _header(head: bytes, name: bytes) -> bytes | None:
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


@dataclass(slots=True)
class Dispatcher:
    """Delivers a seller's events for as long as `run` runs; oldest first, 32 at a time."""

    state: State
    retry_seconds: float = 0.5
    workers: int = WORKERS
    _queue: asyncio.Queue[Delivery] = field(default_factory=asyncio.Queue)
    _bodies: dict[str, str] = field(default_factory=dict)

    def wake(self) -> None:
        """Take up what was emitted since the last time."""
        while self.state.fresh:
            delivery = self.state.fresh.popleft()
            if self._strike("reorder", delivery) and self.state.fresh:
                self.state.fresh.insert(min(5, len(self.state.fresh)), delivery)
                delivery = self.state.fresh.popleft()
            self._queue.put_nowait(delivery)

    async def run(self) -> None:
        """Deliver until cancelled; what is pending then stays pending."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work())
            while True:  # events of scenarios in this process come without a request
                self.wake()
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _work(self) -> None:
        wire = Wire()
        try:
            while True:
                await self._deliver(wire, await self._queue.get())
        finally:
            await wire.close()

    def _strike(self, kind: str, delivery: Delivery) -> bool:
        return self.state.faults.draw(kind, "POST", delivery.type) is not None

    async def _deliver(self, wire: Wire, delivery: Delivery) -> None:
        """Try one delivery once, and decide what follows."""
        subscription = self.state.table("subscriptions").get(delivery.subscription_id)
        if subscription is None or not subscription["enabled"]:
            self._end(delivery, "dropped")
            return
        if delivery.attempts == 0:
            if self._strike("drop", delivery):
                self._note(delivery, None, "drop")
                self._end(delivery, "dropped")
                return
            if delay := self.state.faults.draw("delay", "POST", delivery.type):
                delivery.attempts = -1
                self._later(delay.seconds, delivery)
                return
            if self._strike("forge", delivery):
                await self._send(wire, subscription, delivery, fault="forge")
        delivery.attempts = max(0, delivery.attempts) + 1
        status = await self._send(wire, subscription, delivery)
        if status is not None and 200 <= status < 300:
            self._end(delivery, "acknowledged")
            if self._strike("duplicate", delivery):
                await self._send(wire, subscription, delivery, fault="duplicate")
            await self._remind(wire, subscription, delivery)
        elif delivery.attempts >= ATTEMPTS_MAX:
            self._end(delivery, "failed")
        else:
            pause = self.retry_seconds * 2.0 ** (delivery.attempts - 1)
            self._later(min(pause, PAUSE_SECONDS_MAX), delivery)

    async def _remind(self, wire: Wire, subscription: Json, delivery: Delivery) -> None:
        """Tell of the object's version before this one again, as an event of its own (`stale`)."""
        event = msgspec.json.decode(delivery.body)
        name = str(event["data"].get("id", ""))
        older = self._bodies.get(name)
        self._bodies[name] = delivery.body
        if older is None or not self._strike("stale", delivery):
            return
        event_id = self.state.new_id("events")
        body = msgspec.json.encode(msgspec.json.decode(older) | {"event_id": event_id}).decode()
        late = replace(delivery, event_id=event_id, body=body)
        await self._send(wire, subscription, late, fault="stale")

    def _later(self, seconds: float, delivery: Delivery) -> None:
        asyncio.get_running_loop().call_later(seconds, self._queue.put_nowait, delivery)

    def _end(self, delivery: Delivery, outcome: str) -> None:
        if self.state.pending.pop(delivery.key, None) is not None:
            counts = self.state.table("delivery_counts")
            counts[outcome] = counts.get(outcome, 0) + 1
            self.state.revision += 1

    async def _send(
        self, wire: Wire, subscription: Json, delivery: Delivery, *, fault: str | None = None
    ) -> int | None:
        """Post one signed event; gives the status, or None if no answer came in time."""
        url = subscription["notification_url"]
        body = self.state.faults.drifted(delivery.body.encode(), delivery.type)
        key = "forged" if fault == "forge" else subscription["signature_key"]
        headers = {
            "content-type": "application/json",
            "user-agent": "Square Connect v2 (sandbox)",
            "x-square-hmacsha256-signature": sign(key, url, body),
            "square-environment": "Sandbox",
            "square-initial-delivery-timestamp": delivery.created_at,
        }
        if delivery.attempts > 1:
            headers["square-retry-number"] = str(delivery.attempts - 1)
            headers["square-retry-reason"] = "http_error"
        status: int | None = None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await wire.post(url, headers, body)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            await wire.close()
        self._note(delivery, status, fault)
        return status

    def _note(self, delivery: Delivery, status: int | None, fault: str | None) -> None:
        """Write an attempt down for the dump."""
        entry = {
            "event_id": delivery.event_id,
            "subscription_id": delivery.subscription_id,
            "type": delivery.type,
            "body_sha256": hashlib.sha256(delivery.body.encode()).hexdigest(),
            "attempt": max(0, delivery.attempts),
            "status": status,
            "at": self.state.now(),
        }
        self.state.attempts.append({**entry, "fault": fault} if fault else entry)
        self.state.revision += 1
