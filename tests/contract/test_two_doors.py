"""A webhook taken without a task of its own is answered and kept as uvicorn's own way would.

The same bytes go to two intakes that differ in the protocol class only, cut anywhere.
"""

import asyncio
import base64
import hmac
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.domain.events import Appended, NewEvent
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server
from cloud_conductor.serve.protocol import QuickProtocol

URL = "https://cc.example.com/hooks/square"
KEY = b"sq_key"
BODY_BYTES_MAX = 70_000
DEADLINE_S = 20.0
Make = Callable[[int], bytes]


class Held(SqliteLog):
    """A log of one step that waits for the word: what was asked is all asked before an answer."""

    word = threading.Event()

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        assert self.word.wait(DEADLINE_S)
        return super().append(events)

    def stage(self, events: Sequence[NewEvent]) -> None:
        del events


class Line(asyncio.Transport):
    """A client's connection as the server sees it; `sent` is what the server wrote."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        super().__init__()
        self.sent = b""
        self._closed = False
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._closed:
            self.sent += data

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self._closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@dataclass
class Intake:
    """An intake on a log of its own, spoken to without sockets."""

    folder: Path
    http: type[HttpToolsProtocol]

    def open(self) -> None:
        self.log = Held(self.folder / f"{self.http.__name__}.sqlite")
        self.writer = GroupCommitWriter(self.log)
        self.writer.start()
        doors = {"square": Door(SquareVerifier(), (KEY,), URL)}
        self.app = Gateway(doors, self.writer, SystemClock(), body_bytes_max=BODY_BYTES_MAX)
        self.config = gateway_server(self.app, "127.0.0.1", 0, http=self.http).config
        self.config.load()
        self.state = ServerState()

    def connect(self) -> tuple[HttpToolsProtocol, Line]:
        protocol = self.http(self.config, self.state, {})
        return protocol, Line(protocol)

    async def hear(self, parts: list[bytes]) -> bytes:
        """Everything that is answered to these parts on one connection."""
        protocol, line = self.connect()
        self.log.word.clear()
        for part in parts:
            if not line.is_closing():
                protocol.data_received(part)
            await asyncio.sleep(0)
        self.log.word.set()
        deadline = time.monotonic() + DEADLINE_S
        while not line.is_closing() and (protocol.pipeline or _is_in_hand(protocol)):
            assert time.monotonic() < deadline, "the deadline has passed"
            await asyncio.sleep(0)
        line.close()
        await asyncio.sleep(0)
        return line.sent

    def kept(self) -> list[tuple[Any, ...]]:
        return [
            (one.event_id, one.kind, one.merchant_id, one.body, one.headers, one.url)
            for one in self.log.read("0", 0, 100_000)
        ]


def _is_in_hand(protocol: HttpToolsProtocol) -> bool:
    cycle: Any = protocol.cycle  # None before the first request
    return cycle is not None and not cycle.response_complete


def sign(body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(KEY, URL.encode() + body, "sha256"))


def notice(number: int, padding: int = 0) -> bytes:
    told = {"merchant_id": "ML1", "type": "order.updated", "event_id": f"ev-{number}"}
    return json.dumps(told | {"data": "x" * padding}).encode()


def post(
    body: bytes,
    *headers: bytes,
    path: bytes = b"/hooks/square",
    version: bytes = b"1.1",
    signed: bytes | None = None,
    length: bool = True,
) -> bytes:
    lines = [
        b"POST %b HTTP/%b" % (path, version),
        b"Host: cc.example.com",
        b"x-square-hmacsha256-signature: " + (signed or sign(body)),
        *headers,
    ]
    if length:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def chunked(number: int) -> bytes:
    body = notice(number)
    parts = [body[:20], body[20:]]
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    head = post(body, b"transfer-encoding: chunked", length=False)
    return head[: len(head) - len(body)] + sent


GOES_ON: dict[str, Make] = {
    "new": lambda n: post(notice(n)),
    "known": lambda _: post(notice(-1)),
    "headers kept": lambda n: post(
        notice(n), b"Content-Type:  application/json ", b"Square-Retry-Number: 2", b"x-y:"
    ),
    "header twice": lambda n: post(notice(n), b"square-version: 1", b"square-version: 2"),
    "unreadable": lambda n: post(b"{not json %d" % n),
    "empty": lambda _: post(b""),
    "no length": lambda _: post(b"", length=False),
    "forged": lambda n: post(notice(n), signed=b"x"),
    "unsigned": lambda n: post(notice(n)).replace(b"x-square-hmac", b"x-other-hmac"),
    "unknown source": lambda n: post(notice(n), path=b"/hooks/clover"),
    "query": lambda n: post(notice(n), path=b"/hooks/square?x=1"),
    "quoted path": lambda n: post(notice(n), path=b"/hooks/squ%61re"),
    "whole address": lambda n: post(notice(n), path=b"http://cc.example.com/hooks/square"),
    "get": lambda _: b"GET /hooks/square HTTP/1.1\r\nhost: x\r\n\r\n",
    "health": lambda _: b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "chunked": chunked,
    "waits for 100": lambda n: post(notice(n), b"Expect: 100-continue"),
    "kept alive": lambda n: post(notice(n), b"Connection: Keep-Alive"),
    "large": lambda n: post(notice(n, 66_000)),
}
LAST: dict[str, Make] = {
    "last": lambda n: post(notice(n), b"Connection: close"),
    "old version": lambda n: post(notice(n), version=b"1.0"),
    "upgrade": lambda n: post(notice(n), b"Connection: Upgrade", b"Upgrade: h2c"),
    "too large": lambda n: post(notice(n, 71_000)),
}
BROKEN: dict[str, Make] = {  # the connection ends, and what is in hand on it is not told
    "not http": lambda _: b"POST /hooks/square\x00 HTTP/1.1\r\n\r\n",
    "two lengths": lambda n: post(notice(n), b"content-length: 3"),
}
REQUESTS = GOES_ON | LAST | BROKEN


@pytest.fixture(scope="module")
def doors(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[asyncio.AbstractEventLoop, Intake, Intake]]:
    folder = tmp_path_factory.mktemp("doors")
    loop = asyncio.new_event_loop()
    ours, theirs = Intake(folder, QuickProtocol), Intake(folder, HttpToolsProtocol)

    async def start() -> None:
        ours.open()
        theirs.open()

    async def stop() -> None:
        for one in (ours, theirs):
            await asyncio.to_thread(one.writer.close)

    loop.run_until_complete(start())
    yield loop, ours, theirs
    loop.run_until_complete(stop())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    ours.log.close()
    theirs.log.close()


_numbers = itertools.count()


@settings(max_examples=150)
@given(
    makes=st.lists(st.sampled_from(list(GOES_ON.values())), max_size=4),
    last=st.sampled_from(list((GOES_ON | LAST).values())),
    shares=st.sets(st.integers(1, 999), max_size=4),
)
def test_both_doors_answer_and_keep_the_same(
    doors: tuple[asyncio.AbstractEventLoop, Intake, Intake],
    makes: list[Make],
    last: Make,
    shares: set[int],
) -> None:
    loop, ours, theirs = doors
    whole = b"".join(make(next(_numbers)) for make in [*makes, last])
    cuts = [0, *(len(whole) * share // 1_000 for share in sorted(shares)), len(whole)]
    parts = [whole[start:end] for start, end in itertools.pairwise(cuts) if start < end]
    answers = loop.run_until_complete(ours.hear(parts))
    assert answers == loop.run_until_complete(theirs.hear(parts))
    assert ours.app.counters == theirs.app.counters
    assert ours.state.total_requests == theirs.state.total_requests


@pytest.mark.parametrize("name", REQUESTS)
def test_each_kind_of_request_alone_and_then_a_new_one(
    doors: tuple[asyncio.AbstractEventLoop, Intake, Intake], name: str
) -> None:
    loop, ours, theirs = doors
    number = next(_numbers)
    parts = [REQUESTS[name](number), REQUESTS["new"](next(_numbers))]
    assert loop.run_until_complete(ours.hear(parts)) == loop.run_until_complete(theirs.hear(parts))
    assert ours.kept() == theirs.kept()
    assert ours.app.counters == theirs.app.counters


def test_a_webhook_whose_sender_has_gone_is_kept_and_nothing_is_written(
    doors: tuple[asyncio.AbstractEventLoop, Intake, Intake],
) -> None:
    loop, ours, theirs = doors
    webhook = post(notice(next(_numbers)))

    async def drop(intake: Intake) -> bytes:
        received = intake.app.counters.received
        protocol, line = intake.connect()
        protocol.data_received(webhook)
        await asyncio.sleep(0)  # a task of its own reads the body now
        line.close()
        deadline = time.monotonic() + DEADLINE_S
        while intake.app.counters.received == received:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        return line.sent

    assert loop.run_until_complete(drop(ours)) == loop.run_until_complete(drop(theirs)) == b""
    assert ours.kept() == theirs.kept()


@pytest.mark.parametrize("http", [QuickProtocol, HttpToolsProtocol])
def test_a_webhook_in_hand_is_answered_before_the_server_stops(
    tmp_path: Path, http: type[HttpToolsProtocol]
) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    app = Gateway(
        {"square": Door(SquareVerifier(), (KEY,), URL)}, GroupCommitWriter(log), SystemClock()
    )
    server = gateway_server(app, "127.0.0.1", 0, http=http)
    started = threading.Event()
    server.on_started = lambda _: started.set()
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(DEADLINE_S)
    webhook = post(notice(1))
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as line:
        line.sendall(post(notice(0)))
        first = line.recv(1_000)
        line.sendall(webhook[:-5])  # begun, not whole, when the server is told to stop
        connections: set[Any] = server.server_state.connections
        _until(lambda: any(_is_in_hand(one) for one in connections))
        server.stop()
        _until(lambda: all(not one.cycle.keep_alive for one in connections))
        line.sendall(webhook[-5:])
        answer = b""
        while part := line.recv(1_000):
            answer += part
    thread.join(DEADLINE_S)
    assert first == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert [one.event_id for one in log.read("0", 0)] == ["ev-0", "ev-1"]
    log.close()


def _until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "the deadline has passed"
        time.sleep(0.002)
