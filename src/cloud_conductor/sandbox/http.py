"""How a simulator is served: one handler on uvicorn, with faults and a state file.

A simulator gives `handle(request) -> answer`; everything else (reading the body, the fault plan,
`/sandbox/faults`, the state file, start and stop) is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.faults import FaultPlan

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Background = Callable[[], Coroutine[Any, Any, None]]

START_SECONDS_MAX = 20.0
SAVE_EVERY_SECONDS = 1.0
PIECES = 8  # of a body that drips


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, whole. Header names are lower case; repeated query names keep the last."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body as JSON (None when empty); raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Self:
        """Make an answer that carries `value` as JSON."""
        return cls(status, msgspec.json.encode(value), headers or {})


Handler = Callable[[Request], Awaitable[Answer]]
FaultAnswer = Callable[[int, str, dict[str, str]], Answer]


class Persistent(Protocol):
    """What a state file keeps: `revision` changes whenever `snapshot()` would."""

    @property
    def revision(self) -> int:
        """Number of the present state."""
        ...

    def snapshot(self) -> bytes:
        """Everything needed to go on after a restart."""
        ...

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` saw."""
        ...


class StateFile:
    """Keeps a simulator's state in one file, replaced atomically (write aside, fsync, rename)."""

    def __init__(self, path: Path, holder: Persistent) -> None:
        """Load the file into `holder` if it exists."""
        self._path, self._holder = path, holder
        if path.exists():
            holder.restore(path.read_bytes())
        self._saved: int | None = holder.revision if path.exists() else None

    def save(self) -> None:
        """Write the file if anything changed since the last save."""
        revision = self._holder.revision
        if revision == self._saved:
            return
        aside = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        aside.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(self._holder.snapshot())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)
        self._saved = revision

    async def keep(self) -> None:
        """Save once a second until cancelled; a big state rests ten times as long as it took."""
        pause_s = SAVE_EVERY_SECONDS
        while True:
            await asyncio.sleep(pause_s)
            started = time.monotonic()
            self.save()
            pause_s = max(SAVE_EVERY_SECONDS, 10 * (time.monotonic() - started))


def plain_fault_answer(status: int, message: str, headers: dict[str, str]) -> Answer:
    """Give the answer of a planned fault where the vendor has no error shape of its own."""
    return Answer.json({"message": message}, status, headers)


@dataclass(frozen=True, slots=True)
class Simulator:
    """An ASGI application around one handler.

    background: coroutines that run as long as the server does (webhook dispatch).
    Paths under `/sandbox/` are never struck by a fault. clock: what the Date header tells, as a
    vendor's own clock does; the machine's without it.
    """

    handle: Handler
    faults: FaultPlan
    state: StateFile | None = None
    background: Sequence[Background] = ()
    fault_answer: FaultAnswer = plain_fault_answer
    clock: SandboxClock | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = await _read(scope, receive)
        if request.path == "/sandbox/faults":
            await _write(send, self._faults(request))
        elif request.path.startswith("/sandbox/"):
            await _write(send, await self.handle(request))
        else:
            await self._serve(request, scope, send)

    async def _serve(self, request: Request, scope: Scope, send: Send) -> None:
        """Answer one vendor request, struck by whatever the plan draws for it."""
        method, path, draw = request.method, request.path, self.faults.draw
        if slow := draw("slow", method, path):
            await asyncio.sleep(slow.seconds)
        if limited := draw("rate_limited", method, path):
            wait = {"retry-after": f"{round(limited.seconds)}"}
            await _write(send, self.fault_answer(429, "too many requests", wait))
            return
        if draw("error_500_before", method, path):
            await _write(send, self.fault_answer(500, "planned fault, nothing happened", {}))
            return
        answer = self._dated(await self.handle(request), request)
        if late := draw("slow_reply", method, path):
            await asyncio.sleep(late.seconds)
        hang_up = scope["extensions"]["sandbox.hang_up"]
        if draw("lose_reply", method, path):
            await hang_up()
            return
        if draw("error_500_after", method, path):
            answer = self.fault_answer(500, "planned fault, it happened", {})
        if draw("cut", method, path):
            await _write_part(send, answer)
            await hang_up()
        elif dripping := draw("slow_body", method, path):
            await _write(send, answer, seconds=dripping.seconds)
        else:
            await _write(send, answer)

    def _dated(self, answer: Answer, request: Request) -> Answer:
        """With the vendor's Date, and as the vendor's schema is by now."""
        now = self.clock.now().timestamp() if self.clock else time.time()
        if skew := self.faults.draw("clock_skew", request.method, request.path):
            now += skew.seconds
        return replace(
            answer,
            body=self.faults.drifted(answer.body, request.path),
            headers={**answer.headers, "date": formatdate(now, usegmt=True)},
        )

    def _faults(self, request: Request) -> Answer:
        """`/sandbox/faults`: GET tells, POST adds, DELETE clears."""
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            try:
                self.faults.plan(request.json() or {})
            except (ValueError, msgspec.DecodeError) as problem:
                return Answer.json({"message": str(problem)}, 400)
        return Answer.json(self.faults.describe())

    async def _live(self, receive: Receive, send: Send) -> None:
        """Run the background work between lifespan start and stop; save the state at the end."""
        await receive()
        jobs = [*self.background, *([self.state.keep] if self.state else [])]
        tasks = [asyncio.create_task(job()) for job in jobs]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.state:
            self.state.save()
        await send({"type": "lifespan.shutdown.complete"})


async def _read(scope: Scope, receive: Receive) -> Request:
    """Read the whole request of an HTTP scope."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        headers={
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        },
        body=b"".join(parts),
    )


async def _write(send: Send, answer: Answer, *, seconds: float = 0.0) -> None:
    """Send one whole answer, its body in PIECES over `seconds` if asked."""
    await send(_head(answer))
    size = max(1, -(-len(answer.body) // PIECES))
    rest = answer.body
    while seconds and len(rest) > size:
        await send({"type": "http.response.body", "body": rest[:size], "more_body": True})
        rest = rest[size:]
        await asyncio.sleep(seconds / PIECES)
    await send({"type": "http.response.body", "body": rest})


async def _write_part(send: Send, answer: Answer) -> None:
    """Send the head and the first half of the body."""
    await send(_head(answer))
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


def _head(answer: Answer) -> dict[str, Any]:
    headers = {"content-type": "application/json", **answer.headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(answer.body)).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": raw}


class _HangUpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, plus a way for the application to drop the line without a word."""

    def on_message_begin(self) -> None:
        """Offer `sandbox.hang_up` among the scope's extensions."""
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.hang_up": self._hang_up}  # type: ignore[dict-item]

    async def _hang_up(self) -> None:
        """Close the connection and wait until uvicorn has seen it closed."""
        self.transport.abort()
        while not self.cycle.disconnected:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that runs in a background thread of this process."""

    url: str
    _server: uvicorn.Server
    _thread: threading.Thread
    _socket: socket.socket

    def stop(self) -> None:
        """Stop it, its background work and its thread; its state file is written."""
        self._server.should_exit = True
        self._thread.join(START_SECONDS_MAX)
        self._socket.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()


def bind(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """Open a listening socket; port 0 = any free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def url_of(listener: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=_HangUpProtocol,
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def start(app: ASGIApp, *, port: int = 0) -> Running:
    """Serve `app` on loopback in a background thread; returns when it accepts requests.

    Raises TimeoutError after START_SECONDS_MAX.
    """
    listener = bind(port)
    server = _server(app)
    thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
    thread.start()
    tick = threading.Event()
    for _ in range(int(START_SECONDS_MAX / 0.005)):
        if server.started:
            return Running(url_of(listener), server, thread, listener)
        if not thread.is_alive():
            break
        tick.wait(0.005)
    listener.close()
    msg = "the simulator did not start"
    raise TimeoutError(msg)


def serve(app: ASGIApp, *, port: int = 0, announce: bool = True, notes: Sequence[str] = ()) -> None:
    """Serve `app` on loopback until SIGINT or SIGTERM.

    Prints `listening URL` once if asked, then the notes, a line each.
    """
    with contextlib.closing(bind(port)) as listener:
        if announce:
            print(f"listening {url_of(listener)}", *notes, sep="\n", flush=True)  # noqa: T201
        _server(app).run([listener])
