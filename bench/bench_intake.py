"""Intake: signed webhooks a second, each durable before its 200, and how long a sender waits.

The limit. One webhook is about 700 B. One fdatasync here takes 0.2 ms on an idle disk, so one
connection can have at most about 5,000 durable answers a second and waits 0.2 ms at best. With many
connections one fdatasync carries a group, and the disk (hundreds of MB/s) is far away: what is left
is CPU per request. A server that reads the body and answers 200 to nothing is the ceiling measured
here; HMAC-SHA256 over 700 B and the envelope cost 5 us, the insert 5 us, the commit and its hand-over
to a thread and back 9 us.

Variants, round-robin in one run, with the load generator on the same cores:
  ours     the shipped gateway on uvicorn (uvloop, httptools, our QuickProtocol), group commit, the
           shipped SQLite log
  fastapi  the same handler on FastAPI and uvicorn as they come (uvloop, httptools): verify, parse,
           the same log and commit
  nothing  raw ASGI on uvicorn as it comes: read the body, answer 200, store nothing

Goals: at 128 connections ours >= 4x fastapi, p99 <= 30 ms. Ids are random (sequential ids flatter
an index by 3.6x) and every request is new.

    python bench/bench_intake.py [--rounds 5] [--seconds 1.5]
"""

import argparse
import asyncio
import base64
import gc
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import middle, percentile, ratio, report, round_robin

URL = "https://cc.example.com/hooks/square"
KEY = b"bench-key"
VARIANTS = ("ours", "fastapi", "nothing")
CONNECTIONS = (1, 128)
REQUESTS_PER_SECOND_MAX = 40_000
PADDING = "x" * 380
SHED_PAUSE_S = 0.05


def body() -> bytes:
    """A thin order event of the size Square sends, under a random id."""
    event_id = os.urandom(16).hex()
    return json.dumps(
        {
            "merchant_id": "MLSANDBOX0001",
            "type": "order.updated",
            "event_id": event_id,
            "created_at": "2026-11-21T15:00:00.000Z",
            "data": {
                "type": "order_updated",
                "id": event_id,
                "object": {"order_updated": {"order_id": event_id, "version": 2, "note": PADDING}},
            },
        }
    ).encode()


def request() -> bytes:
    sent = body()
    signed = base64.b64encode(hmac.digest(KEY, URL.encode() + sent, "sha256"))
    return (
        b"POST /hooks/square HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"x-square-hmacsha256-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
        % (signed, len(sent), sent)
    )


def app_ours(folder: Path) -> Any:
    from cloud_conductor.adapters.clock import SystemClock
    from cloud_conductor.adapters.log.group import GroupCommitWriter
    from cloud_conductor.adapters.log.sqlite import SqliteLog
    from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
    from cloud_conductor.serve.gateway import Door, Gateway, tune_process

    tune_process()  # as `conductor up` does in this process
    writer = GroupCommitWriter(SqliteLog(folder / "log.sqlite"))
    return Gateway({"square": Door(SquareVerifier(), (KEY,), URL)}, writer, SystemClock())


def app_fastapi(folder: Path) -> Any:
    from contextlib import asynccontextmanager

    from fastapi import FastAPI, HTTPException, Request
    from pydantic import BaseModel

    from cloud_conductor.adapters.log.group import GroupCommitWriter
    from cloud_conductor.adapters.log.sqlite import SqliteLog
    from cloud_conductor.domain.events import NewEvent

    class Notice(BaseModel):
        merchant_id: str
        type: str
        event_id: str

    writer = GroupCommitWriter(SqliteLog(folder / "log.sqlite"))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        writer.start()
        yield
        await asyncio.to_thread(writer.close)

    app = FastAPI(lifespan=lifespan)

    @app.post("/hooks/{source}")
    async def hook(source: str, request: Request) -> dict[str, Any]:
        sent = await request.body()
        signed = base64.b64encode(hmac.digest(KEY, URL.encode() + sent, "sha256"))
        given = request.headers.get("x-square-hmacsha256-signature", "")
        if not hmac.compare_digest(signed, given.encode()):
            raise HTTPException(401)
        notice = Notice.model_validate_json(sent)
        event = NewEvent(
            source=source,
            channel="webhook",
            kind=notice.type,
            event_id=notice.event_id,
            merchant_id=notice.merchant_id,
            received_us=time.time_ns() // 1_000,
            body=sent,
            headers=json.dumps({"x-square-hmacsha256-signature": given}),
            url=URL,
        )
        appended = await writer.submit(event)
        return {"seq": appended.seq, "duplicate": appended.duplicate}

    return app


def app_nothing(_: Path) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


def serve(variant: str, folder: str) -> None:
    """Child process: serve one variant and say its port."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from cloud_conductor.serve.gateway import gateway_server
    from cloud_conductor.serve.protocol import QuickProtocol

    made: dict[str, Callable[[Path], Any]] = {
        "ours": app_ours,
        "fastapi": app_fastapi,
        "nothing": app_nothing,
    }
    http = QuickProtocol if variant == "ours" else HttpToolsProtocol
    server = gateway_server(made[variant](Path(folder)), "127.0.0.1", 0, http=http)

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.port:  # noqa: ASYNC110  # uvicorn offers no event for it
            await asyncio.sleep(0.01)
        print(server.port, flush=True)
        await serving

    import uvloop

    uvloop.run(run())


class Sender(asyncio.Protocol):
    """One keep-alive connection: send, wait for the whole answer, send the next."""

    def __init__(
        self,
        requests: list[bytes],
        waits_s: list[float],
        shed: list[int],
        until: list[float],
    ) -> None:
        self._requests = requests
        self._waits_s = waits_s
        self._shed = shed
        self._until = until
        self._sent_at = 0.0
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self) -> None:
        now = time.perf_counter()
        if now >= self._until[0] or not self._requests:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = now
        self._transport.write(self._requests.pop())

    def data_received(self, data: bytes) -> None:
        """Head and body may come apart; a 503 is counted and sent again; another ends the bench."""
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return
        if self._answer.startswith(b"HTTP/1.1 503"):
            self._answer = b""
            self._shed.append(1)
            asyncio.get_running_loop().call_later(SHED_PAUSE_S, self.send)
            return
        if not self._answer.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._answer[:200].decode("latin-1")))
            return
        self._answer = b""
        self._waits_s.append(time.perf_counter() - self._sent_at)
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


def load(port: int, connections: int, seconds: float) -> None:
    """Child process: drive one server, print requests a second and waits."""
    requests = [request() for _ in range(int(REQUESTS_PER_SECOND_MAX * seconds))]
    gc.freeze()

    async def run() -> dict[str, float]:
        waits_s: list[float] = []
        shed: list[int] = []
        until = [0.0]
        loop = asyncio.get_running_loop()
        senders = []
        for _ in range(connections):
            _, sender = await loop.create_connection(
                lambda: Sender(requests, waits_s, shed, until), "127.0.0.1", port
            )
            senders.append(sender)
        start = time.perf_counter()
        until[0] = start + seconds
        for sender in senders:
            sender.send()
        await asyncio.gather(*(sender.done for sender in senders))
        took_s = time.perf_counter() - start
        return {
            "answers": len(waits_s),
            "rate": len(waits_s) / took_s,
            "shed": len(shed),
            "p50_ms": 1e3 * percentile(waits_s, 0.5),
            "p99_ms": 1e3 * percentile(waits_s, 0.99),
        }

    import uvloop

    print(json.dumps(uvloop.run(run())), flush=True)


def cpu_s(pid: int) -> float:
    """CPU time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child(*words: str) -> list[str]:
    return [sys.executable, __file__, *words]


def measure(rounds: int, seconds: float) -> int:
    ports: dict[str, int] = {}
    pids: dict[str, int] = {}
    waits: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        servers = []
        for name in VARIANTS:
            place = Path(folder) / name
            place.mkdir()
            started = subprocess.Popen(
                child("serve", name, str(place)), stdout=subprocess.PIPE, text=True
            )
            servers.append(started)
            pids[name] = started.pid
            assert started.stdout is not None
            ports[name] = int(started.stdout.readline())
        try:

            def drive(name: str, connections: int) -> float:
                before_s = cpu_s(pids[name])
                told = subprocess.run(
                    child("load", str(ports[name]), str(connections), str(seconds)),
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                found: dict[str, float] = json.loads(told.stdout)
                found["cpu_us"] = 1e6 * (cpu_s(pids[name]) - before_s) / found["answers"]
                waits.setdefault(f"{name} x{connections}", []).append(found)
                return found["rate"]

            variants = {
                f"{name} x{connections}": (lambda n=name, c=connections: drive(n, c))
                for connections in CONNECTIONS
                for name in VARIANTS
            }
            for run in variants.values():
                run()  # warm
            waits.clear()
            measured = round_robin(variants, rounds)
        finally:
            for one in servers:
                one.terminate()
                one.wait()
    return tell(measured, waits)


def tell(measured: list[dict[str, float]], waits: dict[str, list[dict[str, float]]]) -> int:
    figures: dict[str, Any] = {}
    for name in measured[0]:
        figures[f"{name}: requests/s"] = middle(measured, name)
        for key in ("p50_ms", "p99_ms", "cpu_us", "shed"):
            figures[f"{name}: {key}"] = middle(waits[name], key)
    for connections in CONNECTIONS:
        ours = f"ours x{connections}"
        for other in ("fastapi", "nothing"):
            figures[f"ours / {other}, {connections} connections"] = ratio(
                measured, ours, f"{other} x{connections}"
            )
        figures[f"server CPU fastapi / ours, {connections} connections"] = statistics.median(
            theirs["cpu_us"] / one["cpu_us"]
            for theirs, one in zip(waits[f"fastapi x{connections}"], waits[ours], strict=True)
        )
    goals = {
        "at 128 connections >= 4x FastAPI": figures["ours / fastapi, 128 connections"] >= 4,
        "at 128 connections p99 <= 30 ms": figures["ours x128: p99_ms"] <= 30,
    }
    return report("intake", figures, goals)


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["load"]:
        load(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    given = parser.parse_args()
    try:
        import fastapi  # noqa: F401
    except ImportError:
        print("FastAPI is not installed; run: uv sync --group bench", file=sys.stderr)
        return 3
    return measure(given.rounds, given.seconds)


if __name__ == "__main__":
    sys.exit(main())
