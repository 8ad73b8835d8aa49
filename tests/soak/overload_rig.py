"""More senders than the intake can serve: each sends, waits for the answer, and heeds Retry-After."""

import asyncio
import base64
import hmac
import json
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server, spare_the_collector

URL = "https://cc.example.com/hooks/square"
KEY = b"overload-key"
RAMP_S = 1.0  # senders come one after the other, as they do


def serve(told: Connection, path: str) -> None:
    """Child process: the shipped intake on a log of its own, until SIGTERM. Tells its port."""
    spare_the_collector()
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
        }


def request(event_id: str) -> bytes:
    body = json.dumps(
        {"merchant_id": "M", "type": "order.updated", "event_id": event_id, "data": {"id": "O1"}}
    ).encode()
    signed = base64.b64encode(hmac.digest(KEY, URL.encode() + body, "sha256"))
    return (
        b"POST /hooks/square HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"x-square-hmacsha256-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
        % (signed, len(body), body)
    )


async def press(port: int, *, senders: int, seconds: float, waits: Waits) -> None:
    """All senders at once for so long."""
    until = time.perf_counter() + RAMP_S + seconds
    await asyncio.gather(*(_send(port, until, waits) for _ in range(senders)))


async def _send(port: int, until: float, waits: Waits) -> None:
    await asyncio.sleep(random.uniform(0, RAMP_S))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (began := time.perf_counter()) < until:
            event_id = os.urandom(12).hex()
            writer.write(request(event_id))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            took_s = time.perf_counter() - began
            if head.startswith(b"http/1.1 200"):
                waits.taken_s.append(took_s)
                waits.taken.add(event_id)
            else:
                assert head.startswith(b"http/1.1 503"), head
                waits.shed_s.append(took_s)
                await asyncio.sleep(float(head.split(b"retry-after:")[1].split(b"\r\n")[0]))
    except (OSError, asyncio.IncompleteReadError):
        waits.broken += 1
    finally:
        writer.close()


def _ms(found_s: list[float], percent: int) -> float:
    if len(found_s) < 2:
        return 0.0
    return round(statistics.quantiles(found_s, n=100)[percent - 1] * 1000, 1)
