"""More senders than the intake can serve: each sends, waits for the answer, and heeds Retry-After."""

import asyncio
import base64
import hmac
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server, tune_process

URL = "https://cc.example.com/hooks/square"
KEY = b"overload-key"
RAMP_S = 1.0  # senders come one after the other, as they do


def serve(told: Connection, path: str) -> None:
    """Child process: the shipped intake on a log of its own, until SIGTERM. Tells its port."""
    tune_process()
    writer = GroupCommitWriter(SqliteLog(Path(path)))
    app = Gateway({"square": Door(SquareVerifier(), (KEY,), URL)}, writer, SystemClock())
    server = gateway_server(app, "127.0.0.1", 0)
    server.on_started = told.send
    server.run()


@dataclass
class Waits:
    """taken_s, shed_s: from the first byte sent to the last one read. taken: acknowledged ids."""

    taken_s: list[float] = field(default_factory=list)
    shed_s: list[float] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    broken: int = 0

    def facts(self) -> dict[str, object]:
        return {
            "taken": len(self.taken_s),
            "shed": len(self.shed_s),
            "broken": self.broken,
            "taken_ms_p50": _ms(self.taken_s, 50),
            "taken_ms_p99": _ms(self.taken_s, 99),
            "shed_ms_p99": _ms(self.shed_s, 99),
            "answer_ms_p99": _ms(self.taken_s + self.shed_s, 99),
        }


def request(event_id: str) -> bytes:
    body = (
        b'{"merchant_id":"M","type":"order.updated","event_id":"%b","data":{"id":"O1"}}'
        % event_id.encode()
    )
    signed = base64.b64encode(hmac.digest(KEY, URL.encode() + body, "sha256"))
    return (
        b"POST /hooks/square HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"x-square-hmacsha256-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
        % (signed, len(body), body)
    )


class Sender(asyncio.Protocol):
    """One connection, from callbacks: a heavier one would measure its own queue."""

    def __init__(self, until: float, waits: Waits) -> None:
        self._until = until
        self._waits = waits
        self._loop = asyncio.get_running_loop()
        self._event_id = ""
        self._began = 0.0
        self._answer = b""
        self.done: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.send()

    def send(self) -> None:
        if self._transport.is_closing() or time.perf_counter() >= self._until:
            self._end()
            return
        self._event_id = os.urandom(12).hex()
        sent = request(self._event_id)
        self._began = time.perf_counter()
        self._transport.write(sent)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(_value(head, b"content-length")):
            return
        took_s = time.perf_counter() - self._began
        self._answer = b""
        if head.startswith(b"HTTP/1.1 200"):
            self._waits.taken_s.append(took_s)
            self._waits.taken.add(self._event_id)
            self.send()
        elif head.startswith(b"HTTP/1.1 503"):
            self._waits.shed_s.append(took_s)
            self._loop.call_later(float(_value(head, b"retry-after")), self.send)
        else:
            self._waits.broken += 1
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.done.done():
            self._waits.broken += 1
            self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def press(port: int, *, senders: int, seconds: float, waits: Waits) -> None:
    """All senders at once for so long."""
    until = time.perf_counter() + RAMP_S + seconds
    await asyncio.gather(*(_send(port, until, waits) for _ in range(senders)))


async def _send(port: int, until: float, waits: Waits) -> None:
    await asyncio.sleep(random.uniform(0, RAMP_S))
    loop = asyncio.get_running_loop()
    try:
        _, sender = await loop.create_connection(lambda: Sender(until, waits), "127.0.0.1", port)
    except OSError:
        waits.broken += 1
        return
    await sender.done


def _value(head: bytes, name: bytes) -> bytes:
    """A header of an answer; our own names are in lower case."""
    return head.partition(name + b": ")[2].partition(b"\r\n")[0]


def _ms(found_s: list[float], percent: int) -> float:
    if len(found_s) < 2:
        return 0.0
    return round(statistics.quantiles(found_s, n=100)[percent - 1] * 1000, 1)
