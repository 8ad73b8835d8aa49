"""What the tests here share: a webhook receiver, a fixed instant, waiting with a deadline."""

import threading
import time
from collections.abc import Callable

from cloud_conductor.sandbox.http import Answer, Request

NOW = "2026-11-21T15:00:00Z"


class Inbox:
    """A webhook receiver: keeps what arrives; answers as told."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.statuses: list[int] = []
        self.url = ""
        self._lock = threading.Lock()

    async def handle(self, request: Request) -> Answer:
        with self._lock:
            self.got.append(request)
            return Answer(self.statuses.pop(0) if self.statuses else 200)


def wait_for(claim: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until a claim holds; fails after a deadline."""
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while not claim():
        assert time.monotonic() < deadline, "waited too long"
        tick.wait(0.005)
