from collections.abc import Iterator

import httpx
import pytest
from square import Square
from square_conformance import Conformance
from square_rig import NOW, Inbox

from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.http import Running, Simulator, start
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator


@pytest.fixture
def seller() -> Seller:
    return Seller(Settings(seed=7), clock=SandboxClock(parse_instant(NOW), scale=0))


@pytest.fixture
def server(seller: Seller) -> Iterator[Running]:
    with start(simulator(seller, retry_seconds=0.001)) as running:
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
