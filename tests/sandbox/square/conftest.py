import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from square import Square
from square_conformance import Conformance

from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.http import Answer, Request, Running, Simulator, start
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator

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


@pytest.fixture
def seller() -> Seller:
    return Seller(Settings(seed=7), clock=SandboxClock(parse_instant(NOW), scale=0))


@pytest.fixture
def server(seller: Seller) -> Iterator[Running]:
    with start(simulator(seller, retry_seconds=0.01)) as running:
        yield running


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    with start(Simulator(box.handle, FaultPlan())) as running:
        box.url = running.url + "/webhooks/square?store=1"
        yield box


@pytest.fixture
def conformance() -> Conformance:
    return Conformance()


@pytest.fixture
def http(server: Running, conformance: Conformance) -> Iterator[httpx.Client]:
    """Plain client with the default token, judged by the description."""
    headers = {"authorization": f"Bearer {DEFAULT_TOKEN}"}
    with httpx.Client(base_url=server.url, headers=headers, transport=conformance) as client:
        yield client


@pytest.fixture
def sdk(server: Running, http: httpx.Client) -> Square:
    """Square's own SDK, talking to the simulated seller."""
    return Square(base_url=server.url, token=DEFAULT_TOKEN, httpx_client=http)
