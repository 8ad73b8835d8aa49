"""uvicorn's HTTP protocol with the costs taken out that a webhook need not have.

A server that answers 200 to nothing spends 25 us of CPU a request, two thirds of them in uvicorn.
A keep-alive timer set and cancelled for each request and an answer checked header by header, the
same each time, are 11 us; a webhook that comes whole is handed to the application as its headers
and its body, without scope, event, task and coroutines, for another 12 (bench_intake). Everything
else, and every webhook that is unusual in any way, goes through uvicorn's own code. What is
answered is the same byte for byte (tests/contract/test_two_doors).
"""

import logging
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

log = logging.getLogger("conductor")

EMPTY_START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],
}
"""Send this very object, then EMPTY_BODY, and the answer is written as it stands."""

EMPTY_BODY: dict[str, Any] = {"type": "http.response.body", "body": b""}
EMPTY_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. headers: beside those that say what the body is."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        return [JSON, (b"content-length", b"%d" % len(self.body)), *self.headers]


# Nothing anybody foresaw.
FAILED = Reply(500, b'{"code":"CC-000","message":"it failed"}')

# An empty 200 is all a vendor reads, and one packet instead of two.
TAKEN = Reply(200, b"")


@runtime_checkable
class TakesWebhooks(Protocol):
    """An application that can be handed a whole webhook beside its ASGI door."""

    def source_of(self, path: bytes) -> str | None:
        """The source whose webhooks come to this path, as it stands in the request line."""
        ...

    def take(
        self,
        source: str,
        headers: Mapping[bytes, bytes],
        body: bytes,
        told: Callable[[Reply], None],
    ) -> Reply | None:
        """What is answered at once; None when `told` is called with the answer, once, later."""
        ...


class QuickProtocol(HttpToolsProtocol):
    """Give it to uvicorn as `http`. One keep-alive timer a connection, which looks at the clock."""

    _quick_timer: TimerHandle | None = None
    _answered_at = 0.0
    _hooks: TakesWebhooks | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        is_plain = not self.access_log and not self.server_state.default_headers
        if is_plain and not self.root_path and isinstance(self.app, TakesWebhooks):
            self._hooks = self.app

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._quick_timer is not None:
            self._quick_timer.cancel()
            self._quick_timer = None

    def on_message_begin(self) -> None:
        if self._hooks is None:
            super().on_message_begin()
            return
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        hooks = self._hooks
        if hooks is not None:
            webhook = self._webhook(hooks)
            if webhook is not None:
                self.cycle = webhook  # type: ignore[assignment]  # as much of one as uvicorn needs
                return
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers  # the list that is in the scope
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        webhook: Any = self.cycle
        if isinstance(webhook, _Webhook):
            webhook.body = webhook.body + body if webhook.body else body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        webhook: Any = self.cycle
        if not isinstance(webhook, _Webhook):
            super().on_message_complete()
            return
        try:
            reply = webhook.hooks.take(webhook.source, webhook.headers, webhook.body, webhook.tell)
        except Exception:  # top of a request: the log has the traceback, the vendor comes again
            log.exception("webhook.failed")
            reply = FAILED
        if reply is not None:
            webhook.tell(reply)

    def on_response_complete(self) -> None:
        """As uvicorn's, but for the timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._answered_at = self.loop.time()
        if self._quick_timer is None:
            self._quick_timer = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _webhook(self, hooks: TakesWebhooks) -> "_Webhook | None":
        """The webhook that begins, if nothing about it or its connection is unusual."""
        before: Any = self.cycle  # None on a new connection
        if (before is not None and not before.response_complete) or self.flow.write_paused:
            return None
        source = hooks.source_of(self.url)
        if source is None or self.parser.get_method() != b"POST" or self.expect_100_continue:
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > HIGH_WATER_LIMIT or self.parser.should_upgrade():
            return None
        is_kept = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        return _Webhook(self, hooks, source, headers, keep_alive=is_kept)

    def _look(self) -> None:
        """Close a connection on which nothing was asked since the last answer, in time."""
        self._quick_timer = None
        if not self.cycle.response_complete:
            return  # its answer sets the timer again
        idle_s = self.loop.time() - self._answered_at
        if idle_s >= self.timeout_keep_alive:
            self.timeout_keep_alive_handler()
        else:
            self._quick_timer = self.loop.call_later(self.timeout_keep_alive - idle_s, self._look)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, _Quick(cycle, app))


class _Nobody:
    """In the place of an event that nobody waits for."""

    def set(self) -> None: ...


class _Webhook:
    """A webhook from its headers to its answer; for uvicorn, the connection's cycle."""

    __slots__ = (
        "_connection",
        "body",
        "disconnected",
        "headers",
        "hooks",
        "keep_alive",
        "response_complete",
        "source",
    )
    message_event: ClassVar = _Nobody()

    def __init__(
        self,
        connection: QuickProtocol,
        hooks: TakesWebhooks,
        source: str,
        headers: Mapping[bytes, bytes],
        *,
        keep_alive: bool,
    ) -> None:
        self._connection = connection
        self.hooks = hooks
        self.source = source
        self.headers = headers
        self.body = b""
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    def tell(self, reply: Reply) -> None:
        """Answer, and let the connection go on. A client that has gone is told nothing."""
        connection = self._connection
        self.response_complete = True
        if not connection.transport.is_closing():
            if reply is TAKEN and self.keep_alive:
                connection.transport.write(EMPTY_ANSWER)
            else:
                is_last = CLOSE in reply.headers or not self.keep_alive
                connection.transport.write(_written(reply, is_last=is_last))
                if is_last:
                    connection.transport.close()
        connection.on_response_complete()


@lru_cache(maxsize=256)
def _written(reply: Reply, *, is_last: bool) -> bytes:
    """A reply as uvicorn would write it."""
    headers = [(b"content-length", b"0")] if reply is TAKEN else reply.all_headers
    if is_last and CLOSE not in headers:
        headers.append(CLOSE)
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[reply.status], *lines, b"\r\n", reply.body])


class _Quick:
    """An application between uvicorn and the real one: passes on what is not the usual case."""

    __slots__ = ("_app", "_as_it_stands", "_cycle")

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._cycle = cycle
        self._app = app
        self._as_it_stands = False

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        del receive, send
        return self._app(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        cycle = self._cycle
        if (
            cycle.more_body
            or cycle.disconnected
            or cycle.response_complete
            or cycle.waiting_for_100_continue
            or not cycle.message_event.is_set()
        ):
            return await cycle.receive()
        cycle.message_event.clear()
        body, cycle.body = bytes(cycle.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Any) -> None:
        cycle = self._cycle
        if message is EMPTY_START and cycle.keep_alive and not _is_odd(cycle):
            self._as_it_stands = True
            cycle.response_started = True
            cycle.waiting_for_100_continue = False
        elif message is EMPTY_BODY and self._as_it_stands:
            self._as_it_stands = False
            cycle.transport.write(EMPTY_ANSWER)
            cycle.response_complete = True
            cycle.message_event.set()
            cycle.on_response()
        else:
            await cycle.send(message)


def _is_odd(cycle: RequestResponseCycle) -> bool:
    """Something uvicorn itself must look after."""
    return (
        cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or cycle.access_log
        or bool(cycle.default_headers)
    )
