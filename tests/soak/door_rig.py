"""Requests as bytes to the intake's two protocol classes, without sockets: what a server does.

QuickProtocol is what the product listens with; uvicorn's own hands the same bytes to the ASGI door.
"""

import asyncio
import random
import re
from collections.abc import Sequence
from typing import Any

import uvicorn
from mutation import flipped
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cloud_conductor.serve.protocol import QuickProtocol

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
TURNS = 8  # of the loop that a request which never ends is given for an answer
PARTS_MAX = 4


class _Counting(HttpToolsProtocol):
    """whole: requests that have come to their end on this connection."""

    whole = 0

    def on_message_complete(self) -> None:
        self.whole += 1
        super().on_message_complete()


class QuickDoor(_Counting, QuickProtocol):
    """What the product listens with."""


class UsualDoor(_Counting):
    """uvicorn's own."""


DOORS: tuple[type[_Counting], ...] = (QuickDoor, UsualDoor)


class Line(asyncio.Transport):
    """A client's connection as the server sees it."""

    def __init__(self, protocol: _Counting) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = asyncio.Event()
        self._sent = bytearray()
        self._closed = False
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._closed:
            self._sent += data
            self.written.set()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.written.set()
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self._closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def answers(self) -> list[int]:
        """Statuses of what was answered since the last request."""
        return [int(status) for status in STATUS.findall(self._sent)]

    async def ask(self, parts: Sequence[bytes]) -> list[int]:
        """Send a request in parts and wait for all that is answered to it.

        One that never ends is hung up on: it may be answered nothing.
        """
        self._sent.clear()
        self.protocol.whole = 0
        for part in parts:
            if not self._closed:
                self.protocol.data_received(part)
        for _ in range(TURNS):
            if not self._closed and len(self.answers) <= self.protocol.whole:
                await asyncio.sleep(0)
        while not self._closed and len(self.answers) < self.protocol.whole:
            self.written.clear()
            await self.written.wait()
        if len(self.answers) != 1 or self.protocol.whole != 1:
            self.close()
        return self.answers


class Lines:
    """Connections of many clients, half of them to each door; a closed one is made anew."""

    def __init__(self, config: uvicorn.Config) -> None:
        config.load()
        self._config, self._state = config, ServerState()
        self._open: dict[int, Line] = {}

    def line(self, client: int) -> Line:
        line = self._open.get(client)
        if line is None or line.is_closing():
            door = DOORS[client % len(DOORS)]
            line = self._open[client] = Line(door(self._config, self._state, {}))
        return line

    def close(self) -> None:
        for line in self._open.values():
            line.close()


def request(
    dice: random.Random, path: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> tuple[list[bytes], bool]:
    """A POST as bytes in parts, and whether its head was damaged.

    One in twenty comes in chunks, one in twenty with a byte or two of its head damaged.
    """
    if dice.random() < 0.05:
        headers = [one for one in headers if one[0] != b"content-length"]
        headers = [*headers, (b"transfer-encoding", b"chunked")]
        body = _chunks(dice, body)
    lines = [b"POST %b HTTP/1.1" % path, *(b"%b: %b" % header for header in headers)]
    head = b"\r\n".join([*lines, b"", b""])
    if is_damaged := dice.random() < 0.05:
        head = flipped(dice, head)
    return _cut(dice, head + body), is_damaged


def _chunks(dice: random.Random, body: bytes) -> bytes:
    at = dice.randrange(len(body) + 1)
    parts = [part for part in (body[:at], body[at:]) if part]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _cut(dice: random.Random, whole: bytes) -> list[bytes]:
    """One part mostly; otherwise cut anywhere."""
    if dice.random() < 0.7:
        return [whole]
    cuts = sorted(dice.randrange(len(whole) + 1) for _ in range(dice.randrange(1, PARTS_MAX)))
    ends = [*cuts, len(whole)]
    return [whole[start:end] for start, end in zip([0, *cuts], ends, strict=True) if start < end]
