"""A seller's consent at Square: begun by code, with a secret or by PKCE, and kept alive for ever."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from at_once import run_at_once
from cloud_conductor.adapters.http import HttpEngine, Limits
from cloud_conductor.adapters.pos.square import consent
from cloud_conductor.adapters.pos.square.client import Square, connect
from cloud_conductor.adapters.tokens import FileTokenStore, RenewedToken
from cloud_conductor.domain.errors import BadRequest, ConfigError, VendorRefused, VendorUnavailable
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.http import start
from cloud_conductor.sandbox.square import Seller, Settings, simulator

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BACK = "https://conductor.example/back"
KEY = bytes(range(32))
FAST = Limits(attempts_max=2, backoff_s=0.001, wait_s_max=0.01)
WITH_SECRET = consent.Application("app", "a secret")
PKCE = consent.Application("app")
both = pytest.mark.parametrize("application", [WITH_SECRET, PKCE], ids=["secret", "pkce"])

PROGRAM = """
import sys
from datetime import datetime
from pathlib import Path
from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.pos.square import consent
from cloud_conductor.adapters.tokens import FileTokenStore

url, path, secret, now = sys.argv[1:]

class Clock:
    def now(self):
        return datetime.fromisoformat(now)

token = consent.consent(
    HttpEngine(url, name="Square OAuth"), consent.Application("app", secret), source="square",
    store=FileTokenStore(Path(path), bytes(range(32))), configured="", clock=Clock(),
)
print("here", flush=True)
sys.stdin.readline()
print(token.header())
"""


@dataclass
class Counter:
    """A seller at Square, and what one machine keeps of his consent."""

    seller: Seller
    url: str
    engine: HttpEngine
    folder: Path

    def now(self) -> datetime:
        return self.seller.state.instant()

    def token(self, application: consent.Application, configured: str = "") -> RenewedToken:
        """As another process of the machine would hold it."""
        return consent.consent(
            self.engine,
            application,
            source="square",
            store=FileTokenStore(self.folder / "square.tokens", KEY),
            configured=configured,
            clock=self,
        )

    def consented(self, application: consent.Application) -> RenewedToken:
        """Ask, let the seller agree in his browser, and take what he is sent back with."""
        url, asked = consent.ask_for(self.url, application, BACK)
        sent_to = httpx.get(url).headers["location"]
        token = self.token(application)
        code = consent.code_in(sent_to, asked)
        token.begin(consent.exchange(self.engine, application, asked, code))
        return token

    def calls(self, token: RenewedToken) -> Square:
        return connect(self.url, token, source="square", clock=self, limits=FAST)

    def later(self, **span: float) -> None:
        self.seller.set_clock(self.now() + timedelta(**span))

    @property
    def given(self) -> int:
        """How many access tokens Square has given so far."""
        return len(self.seller.state.table("access_tokens"))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    seller = Seller(Settings(seed=1), clock=SandboxClock(scale=0))
    seller.set_clock(NOW)
    with start(simulator(seller)) as running:
        engine = HttpEngine(running.url, name="Square OAuth", limits=FAST)
        yield Counter(seller, running.url, engine, tmp_path)
        engine.close()


@both
def test_a_consent_opens_the_api_and_its_tokens_are_sealed(
    counter: Counter, application: consent.Application
) -> None:
    token = counter.consented(application)
    square = counter.calls(token)
    assert square.merchant_id == counter.seller.state.merchant_id
    square.close()
    sealed = (counter.folder / "square.tokens").read_bytes()
    assert token.header().removeprefix("Bearer ").encode() not in sealed


@both
def test_a_token_is_renewed_after_a_week_and_not_before(
    counter: Counter, application: consent.Application
) -> None:
    """Square: seven days or sooner; an access token lives thirty."""
    first = counter.consented(application).header()
    counter.later(days=6, hours=23)
    assert counter.token(application).header() == first
    counter.later(hours=2)
    second = counter.token(application).header()
    assert second != first
    for _ in range(20):
        counter.later(days=8)
        counter.token(application).header()
    assert counter.given == 22


@both
def test_a_token_that_dies_between_two_pages_costs_one_renewal_and_no_row(
    counter: Counter, application: consent.Application
) -> None:
    place = counter.seller.call("POST", "/v2/locations", {"location": {"name": "A"}})["location"]
    order = {"order": {"location_id": place["id"]}}
    ids = [counter.seller.call("POST", "/v2/orders", order)["order"]["id"] for _ in range(9)]
    square = counter.calls(counter.consented(application))
    assert square.merchant_id
    path = "/v2/orders/search"
    faults: dict[str, Any] = {"small_pages": 1, "expire_token": {"next": 1, "path": path}}
    pages = square.sweep("order", NOW - timedelta(days=1), NOW + timedelta(days=1))
    counter.seller.state.faults.plan(faults)
    found = [event.event_id.split(":")[1] for page in pages for event in page]
    assert sorted(found) == sorted(ids)
    assert counter.given == 2
    square.close()


@both
def test_processes_that_need_the_next_token_at_once_ask_for_it_once(
    counter: Counter, application: consent.Application
) -> None:
    counter.consented(application)
    counter.later(days=10)
    late = {"slow_reply": {"probability": 1, "seconds": 0.3, "path": "/oauth2/token"}}
    counter.seller.state.faults.plan(late)
    path = counter.folder / "square.tokens"
    told = [counter.url, str(path), application.secret, counter.now().isoformat()]
    headers = set(run_at_once([sys.executable, "-c", PROGRAM, *told], processes=3))
    assert len(headers) == 1
    assert "Bearer" in headers.pop()
    assert counter.seller.state.faults.struck["slow_reply"] == 1, "one of them asked"
    assert counter.given == 2


@both
def test_threads_that_need_the_next_token_at_once_ask_for_it_once(
    counter: Counter, application: consent.Application
) -> None:
    counter.consented(application)
    counter.later(days=10)
    headers: list[str] = []

    def one() -> None:
        headers.append(counter.token(application).header())

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(headers)) == 1
    assert counter.given == 2


def test_while_square_gives_no_tokens_the_present_one_is_used_until_it_dies(
    counter: Counter,
) -> None:
    token = counter.consented(WITH_SECRET)
    first = token.header()
    counter.seller.state.faults.plan({"error_500_before": {"probability": 1, "path": "/oauth2"}})
    counter.later(days=20)
    assert token.header() == first
    counter.later(days=11)
    with pytest.raises(VendorUnavailable):
        token.header()


def test_a_refresh_token_got_elsewhere_can_be_configured(counter: Counter) -> None:
    counter.consented(WITH_SECRET)
    (refresh,) = counter.seller.state.table("refresh_tokens")
    (counter.folder / "square.tokens").unlink()
    square = counter.calls(counter.token(WITH_SECRET, configured=refresh))
    assert square.merchant_id == counter.seller.state.merchant_id
    square.close()


def test_a_consent_that_was_taken_back_says_how_to_ask_again(counter: Counter) -> None:
    token = counter.consented(WITH_SECRET)
    revoke = {"client_id": "app", "merchant_id": counter.seller.state.merchant_id}
    counter.seller.call("POST", "/oauth2/revoke", revoke)
    square = counter.calls(token)
    with pytest.raises(VendorRefused, match="Square gave no token") as caught:
        square.locations()
    assert "conductor connect square" in caught.value.fix
    square.close()


def test_without_a_consent_the_next_step_is_named(counter: Counter) -> None:
    with pytest.raises(ConfigError, match="nobody has consented yet") as caught:
        counter.token(PKCE).header()
    assert caught.value.fix == "conductor connect square"


def test_an_answer_to_another_question_and_a_refusal_are_told_apart(counter: Counter) -> None:
    _, asked = consent.ask_for(counter.url, PKCE, BACK)
    with pytest.raises(BadRequest, match="another question"):
        consent.code_in(f"{BACK}?code=c&state=strange", asked)
    with pytest.raises(BadRequest, match="access_denied"):
        consent.code_in(f"{BACK}?error=access_denied&state={asked.state}", asked)


def test_a_code_that_somebody_else_caught_is_worth_nothing_without_the_verifier(
    counter: Counter,
) -> None:
    url, asked = consent.ask_for(counter.url, PKCE, BACK)
    code = consent.code_in(httpx.get(url).headers["location"], asked)
    _, other = consent.ask_for(counter.url, PKCE, BACK)
    with pytest.raises(VendorRefused, match="verifier"):
        consent.exchange(counter.engine, PKCE, other, code)
