"""The intake: verify the vendor's signature, one durable append, 200. Raw ASGI (decisions 4, 5).

    POST /hooks/{source}   200 stored or duplicate, no body | 401 | 404 | 413 | 503 + Retry-After
    GET  /healthz          200 while the log takes events
    GET  /statusz          counters since start, JSON

Nothing is parsed before its signature is verified. A correctly signed body that cannot be read is
stored all the same (kind `malformed`, event id `sha256:<hex>`): it is the vendor's word, and the
conform room puts it into quarantine.
"""

import asyncio
import hashlib
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

import msgspec
import uvicorn

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.domain.errors import Transient
from cloud_conductor.domain.events import Appended, NewEvent
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.pos import PosVerifier
from cloud_conductor.serve.protocol import (
    CLOSE,
    EMPTY_BODY,
    EMPTY_START,
    FAILED,
    TAKEN,
    QuickProtocol,
    Reply,
)
from cloud_conductor.serve.valve import IN_HAND_MAX, Valve
from cloud_conductor.wiring import collector

log = logging.getLogger("conductor")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX = 1_048_576
DROPPED_BYTES_MAX = 16 * 1_048_576
HOOKS = "/hooks/"
HOOKS_RAW = HOOKS.encode()
OWN = (HOOKS, "/healthz", "/statusz")
STOP_TIMEOUT_S = 10
SWITCH_S = 0.001
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Door(msgspec.Struct, frozen=True):
    """One source that may knock. keys: the signature keys that are valid now, newest first.

    url: the subscription's notification URL, byte for byte.
    """

    verifier: PosVerifier
    keys: tuple[bytes, ...]
    url: str


class Counters(msgspec.Struct):
    """What came in since this process started. received = new events; none of the others are."""

    received: int = 0
    duplicates: int = 0
    malformed: int = 0
    rejected_signature: int = 0
    too_large: int = 0
    unknown_source: int = 0
    shed: int = 0


# Beyond what is durable within a tenth of a second: said before anything is read or worked out.
BUSY = Reply(
    503,
    b'{"code":"CC-100","message":"more webhooks than can be made durable in time"}',
    ((b"retry-after", b"1"),),
)


class _TooLarge(Exception):
    """The body passes the limit. It was read to its end and dropped, or not at all."""


class _Gone(Exception):
    """The client went away before its body was complete."""


class Gateway:
    """The ASGI application. `doors` may be replaced while it runs (a key was rotated)."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        writer: GroupCommitWriter,
        clock: Clock,
        *,
        body_bytes_max: int = BODY_BYTES_MAX,
        in_hand_max: int = IN_HAND_MAX,
        rest: AsgiApp | None = None,
    ) -> None:
        self.doors = doors
        self.counters = Counters()
        self._writer = writer
        self._clock = clock
        self._body_bytes_max = body_bytes_max
        self._valve = Valve(in_hand_max)
        self._rest = rest

    @property
    def in_hand(self) -> int:
        """Webhooks that are being made durable now."""
        return self._valve.in_hand

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            try:
                if scope["method"] == "POST" and scope["path"].startswith(HOOKS):
                    reply = await self._hook(scope, receive)
                elif self._rest is not None and not scope["path"].startswith(OWN):
                    await self._rest(scope, receive, send)
                    return
                else:
                    reply = self._other(scope)
            except _Gone:
                return
            if reply is TAKEN:
                await send(EMPTY_START)
                await send(EMPTY_BODY)
            else:
                await _say(reply, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._writer.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self._writer.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _other(self, scope: Scope) -> Reply:
        """What is answered to everything but a POST to a hook."""
        path, method = scope["path"], scope["method"]
        if path.startswith(HOOKS):
            return _refusal(405, "method_not_allowed", "webhooks are sent by POST")
        if method == "GET" and path == "/healthz":
            return Reply(200, b'{"status":"ok"}')
        if method == "GET" and path == "/statusz":
            return Reply(200, msgspec.json.encode(self.counters))
        return _refusal(404, "not_found", "there is nothing here")

    def source_of(self, path: bytes) -> str | None:
        """The source that knocks at `path` (protocol.TakesWebhooks)."""
        if not path.startswith(HOOKS_RAW):
            return None
        source = path[len(HOOKS_RAW) :].decode("latin-1")
        return source if source in self.doors else None

    def take(
        self,
        source: str,
        headers: Mapping[bytes, bytes],
        body: bytes,
        told: Callable[[Reply], None],
    ) -> Reply | None:
        """One whole webhook. None: `told` is called once it is durable; otherwise its answer now."""
        door = self.doors.get(source)
        if door is None:
            return self._unknown()
        if not self._valve.is_open:
            self.counters.shed += 1
            return BUSY
        if len(body) > self._body_bytes_max:
            return self._too_large()
        return self._keep(source, door, headers, body, told)

    async def _hook(self, scope: Scope, receive: Receive) -> Reply:
        """One webhook that may come in parts. What can be refused unread is refused unread."""
        source = scope["path"][len(HOOKS) :]
        door = self.doors.get(source)
        if door is None:
            return self._unknown()
        if not self._valve.is_open:
            self.counters.shed += 1
            return BUSY
        headers = dict(scope["headers"])
        if not _is_sane(headers):
            return self._too_large()
        message = await receive()
        body = message.get("body", b"")
        if message.get("more_body", True) or len(body) > self._body_bytes_max:
            try:
                body = await _read(message, receive, self._body_bytes_max)
            except _TooLarge:
                return self._too_large()
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        reply = self._keep(source, door, headers, body, partial(_tell, answer))
        return reply or await answer

    def _keep(
        self,
        source: str,
        door: Door,
        headers: Mapping[bytes, bytes],
        body: bytes,
        told: Callable[[Reply], None],
    ) -> Reply | None:
        """Verify one webhook and hand it to the log; the answer as `take` gives it."""
        if not _is_signed(door, headers, body):
            self.counters.rejected_signature += 1
            return _refusal(401, "CC-203", "the signature is not ours")
        event = self._event(source, door, headers, body)
        began = perf_counter()

        def written(outcome: Appended | Exception) -> None:
            now = perf_counter()
            self._valve.leave(now - began, now)
            told(self._answer(event, outcome))

        try:
            self._writer.put(event, written)
        except Transient as error:
            return self._come_back(error)
        self._valve.in_hand += 1
        return None

    def _answer(self, event: NewEvent, outcome: Appended | Exception) -> Reply:
        """What a sender is told of its webhook, with which it is counted."""
        if isinstance(outcome, Transient):
            return self._come_back(outcome)
        if isinstance(outcome, Exception):
            log.error("webhook.failed", exc_info=outcome)
            return FAILED
        if outcome.duplicate:
            self.counters.duplicates += 1
            return TAKEN
        self.counters.received += 1
        if event.kind == "malformed":
            self.counters.malformed += 1
        return TAKEN

    def _come_back(self, error: Transient) -> Reply:
        """The log cannot take it now."""
        self.counters.shed += 1
        wait_s = max(1, round(error.retry_after_s or 1.0))
        return _refusal(503, error.code, error.message, (b"retry-after", str(wait_s).encode()))

    def _unknown(self) -> Reply:
        self.counters.unknown_source += 1
        return _refusal(404, "unknown_source", "no such source in conductor.toml")

    def _too_large(self) -> Reply:
        self.counters.too_large += 1
        told = f"a webhook has at most {self._body_bytes_max} bytes"
        return _refusal(413, "too_large", told, CLOSE)

    def _event(
        self, source: str, door: Door, headers: Mapping[bytes, bytes], body: bytes
    ) -> NewEvent:
        envelope = door.verifier.envelope(body)
        kept: dict[str, str] = {}
        for name, text in _names(door.verifier.HEADERS_KEPT):
            value = headers.get(name)
            if value is not None:
                kept[text] = value.decode("latin-1")
        return NewEvent(
            source=source,
            channel="webhook",
            kind=envelope.kind,
            event_id=envelope.event_id or f"sha256:{hashlib.sha256(body).hexdigest()}",
            merchant_id=envelope.merchant_id,
            received_us=(self._clock.now() - EPOCH) // MICROSECOND,
            body=body,
            headers=msgspec.json.encode(kept).decode(),
            url=door.url,
        )


class GatewayServer(uvicorn.Server):
    """A gateway on a bound socket. `run()` blocks until SIGTERM, SIGINT or `stop()`.

    Stopping finishes the requests in hand and writes what was accepted. `on_started` is called
    with the port once requests are taken.
    """

    on_started: Callable[[int], None] | None = None
    on_stopping: Callable[[], Awaitable[None]] | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.on_stopping is not None:  # ends what would never end by itself: live streams
            await self.on_stopping()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_started is not None:
            self.on_started(self.port)

    @property
    def port(self) -> int:
        """Port in use (the one given by the system when 0 was asked for); 0 before the start."""
        return self.servers[0].sockets[0].getsockname()[1] if self.started else 0

    def stop(self) -> None:
        self.should_exit = True


def tune_process() -> None:
    """Tune the process that is a door, after start-up.

    A thread that works out what a screen shows gives the interpreter back to the loop five times
    sooner than it would by itself (bench_live).
    """
    collector.spare(collector.REQUESTS)
    sys.setswitchinterval(SWITCH_S)


def gateway_server(
    app: AsgiApp, host: str, port: int, *, http: type[asyncio.Protocol] = QuickProtocol
) -> GatewayServer:
    """A uvicorn server (uvloop, httptools) for the gateway. The caller decides what may be bound.

    http: uvicorn's protocol class; the stock one is for comparison (bench_intake).
    """
    return GatewayServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=http,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,  # the subscription's URL is configured, never read from a request
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
    )


@lru_cache(maxsize=64)
def _names(kept: tuple[bytes, ...]) -> tuple[tuple[bytes, str], ...]:
    """Names of headers as they come, and as they are kept."""
    return tuple((name, name.decode("latin-1")) for name in kept)


def _is_signed(door: Door, headers: Mapping[bytes, bytes], body: bytes) -> bool:
    """Signed with one of the keys that are valid now."""
    verify = door.verifier.verify
    for key in door.keys:  # noqa: SIM110  # a generator costs more than the loop
        if verify(headers, body, key=key, url=door.url):
            return True
    return False


def _is_sane(headers: Mapping[bytes, bytes]) -> bool:
    """The declared length, if any, is one that is read to its end."""
    declared = headers.get(b"content-length", b"0")
    return declared.isdigit() and int(declared) <= DROPPED_BYTES_MAX


async def _read(message: Message, receive: Receive, bytes_max: int) -> bytes:
    """The whole body that `message` begins. Raises _TooLarge past `bytes_max`, _Gone when cut off.

    An oversized body is received and dropped up to DROPPED_BYTES_MAX, so that its sender gets to
    read the 413 instead of a reset connection.
    """
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        if message["type"] == "http.disconnect":
            raise _Gone
        part: bytes = message.get("body", b"")
        size_bytes += len(part)
        if size_bytes <= bytes_max:
            parts.append(part)
        if size_bytes > DROPPED_BYTES_MAX or not message.get("more_body", False):
            break
        message = await receive()
    if size_bytes > bytes_max:
        raise _TooLarge
    return b"".join(parts)


async def _say(reply: Reply, send: Send) -> None:
    headers = reply.all_headers
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _tell(answer: "asyncio.Future[Reply]", reply: Reply) -> None:
    if not answer.done():  # the client has gone away; its event is in the log all the same
        answer.set_result(reply)


def _refusal(status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status, msgspec.json.encode({"code": code, "message": message}), headers)
