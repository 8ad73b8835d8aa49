"""The web till, its panel and its crowd: what a person can do at a simulated vendor."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from cloud_conductor.sandbox import http, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario import golden
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.sandbox.till import Crowd, Panel
from cloud_conductor.sandbox.till.document import in_major
from cloud_conductor.sandbox.till.panel import SWITCHES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OPEN = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}


class Stage:
    """A seller that has traded, books, a panel over both, served."""

    def __init__(self) -> None:
        self.seller = Seller(Settings(seed=1), clock=SandboxClock(scale=0))
        golden.play(self.seller.call, self.seller.set_clock)
        self.seller.set_clock(NOW)
        self.books = xero.build()
        self.crowd = Crowd(self.seller.call, sales_per_s=200, stays_s=30)
        self.panel = Panel(self.seller.state.faults, self.books.faults, self.crowd)

    def orders(self) -> list[dict[str, object]]:
        return list(self.seller.state.table("orders").values())


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def till(stage: Stage) -> Iterator[httpx.Client]:
    app = simulator(stage.seller, panel=stage.panel)
    with http.start(app) as square, httpx.Client(base_url=square.url) as client:
        yield client
    stage.crowd.stop()


def test_the_till_is_served_without_a_token_and_runs_nothing_inline(till: httpx.Client):
    page = till.get("/sandbox/till/")
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    for name in ("till.js", "till.css"):
        assert till.get(f"/sandbox/till/{name}").status_code == 200
    assert till.get("/sandbox/till/../app.py").status_code in {401, 404}
    assert till.get("/sandbox/till/nothing.js").status_code == 404


def test_the_page_gets_a_token_that_opens_the_sellers_own_endpoints(till: httpx.Client):
    token = till.get("/sandbox/till/setup.json").json()["token"]
    found = till.get("/v2/locations", headers={"Authorization": f"Bearer {token}"})
    assert [place["name"] for place in found.json()["locations"]] == ["NYC01"]


def test_every_switch_plans_its_faults_and_leaves_nothing_behind(stage: Stage, till: httpx.Client):
    for switch in SWITCHES:
        if switch.crowd:
            continue
        till.post("/sandbox/till/faults", json={"name": switch.name, "on": True}).raise_for_status()
        assert set(switch.square) - {"drift"} <= set(
            stage.seller.state.faults.describe()["planned"]
        )
        assert set(switch.xero) <= set(stage.books.faults.describe()["planned"])
        told = till.post("/sandbox/till/faults", json={"name": switch.name, "on": False}).json()
        assert not any(one["on"] for one in told["faults"])
        assert stage.seller.state.faults.describe()["planned"] == {}
        assert stage.books.faults.describe()["planned"] == {}


def test_turning_one_switch_off_leaves_the_others_on(stage: Stage):
    stage.panel.switch("duplicates", on=True)
    stage.panel.switch("replies", on=True)
    stage.panel.switch("duplicates", on=False)
    assert "lose_reply" in stage.books.faults.describe()["planned"]
    assert {one["name"] for one in stage.panel.describe() if one["on"]} == {"replies"}


def test_an_unknown_switch_is_refused_by_name(till: httpx.Client):
    answer = till.post("/sandbox/till/faults", json={"name": "gravity", "on": True})
    assert answer.status_code == 400
    assert "gravity" in answer.json()["message"]
    assert till.post("/sandbox/till/faults", content=b"{").status_code == 400


def test_a_crowd_rings_up_paid_sales_with_the_stores_own_tax_and_goes_home(stage: Stage):
    before = {order["id"] for order in stage.orders()}
    rung = threading.Event()
    call = stage.seller.call

    def counting(method: str, path: str, body: dict[str, object] | None = None):
        answer = call(method, path, body)
        if path == "/v2/payments" and len(stage.orders()) >= len(before) + 5:
            rung.set()
        return answer

    crowd = Crowd(counting, sales_per_s=500, stays_s=60)
    crowd.start()
    assert rung.wait(30)
    crowd.stop()
    assert not crowd.is_here
    new = [order for order in stage.orders() if order["id"] not in before]
    assert len(new) == crowd.sales
    assert {order["state"] for order in new} == {"COMPLETED"}
    assert all(order["taxes"] for order in new)


def test_a_document_is_a_page_that_says_the_vendor_is_simulated(stage: Stage, till: httpx.Client):
    order = next(iter(stage.orders()))
    page = till.get(f"/sandbox/pages/{order['id']}")
    assert page.status_code == 200
    assert "simulated on this machine" in page.text
    assert str(order["id"]) in page.text
    assert till.get("/sandbox/pages/nobody").status_code == 404
    assert till.get("/sandbox/pages/style.css").headers["content-type"].startswith("text/css")


def test_a_document_never_runs_what_somebody_typed(stage: Stage, till: httpx.Client):
    item = {"name": "<script>alert(1)</script>", "quantity": "1",
            "base_price_money": {"amount": 100, "currency": "USD"}}  # fmt: skip
    place = str(next(iter(stage.seller.state.table("locations"))))
    asked = {"order": {"location_id": place, "line_items": [item]}}
    order = till.post("/v2/orders", json=asked, headers=OPEN).json()["order"]
    page = till.get(f"/sandbox/pages/{order['id']}").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_ledger_document_has_its_page(stage: Stage):
    with xero.start(stage.books) as ledger, httpx.Client(base_url=ledger.url) as client:
        assert client.get("/sandbox/pages/nobody").status_code == 404
        assert "Xero" in client.get("/sandbox/pages/nobody").text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123456, "USD", "1,234.56"),
        (-5, "USD", "\N{MINUS SIGN}0.05"),
        (1200, "JPY", "1,200"),
        (1234, "KWD", "1.234"),
    ],
)
def test_money_is_written_with_its_currencys_places(minor: int, currency: str, text: str):
    assert in_major(minor, currency) == text
