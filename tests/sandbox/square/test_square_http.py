"""The HTTP face: tokens, errors in Square's shape, idempotency keys, faults, the state file."""

import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from square_rig import NOW

from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.http import start
from cloud_conductor.sandbox.square import Seller, Settings, simulator


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


@pytest.fixture
def place(http: httpx.Client) -> str:
    answer = http.post("/v2/locations", json={"location": {"name": "A"}})
    return answer.json()["location"]["id"]


def order_of(place: str, amount: int = 100) -> dict:
    price = {"amount": amount, "currency": "USD"}
    line = {"name": "x", "quantity": "1", "base_price_money": price}
    return {"order": {"location_id": place, "line_items": [line]}}


def test_a_wrong_or_missing_token_is_401(server):
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic x"}):
        answer = httpx.get(f"{server.url}/v2/merchants/me", headers=headers)
        assert code_of(answer) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("GET", "/v2/orders/nope", None, (404, "NOT_FOUND")),
        ("POST", "/v2/orders", {"order": {"location_id": "nope"}}, (404, "NOT_FOUND")),
        ("POST", "/v2/orders", {}, (400, "MISSING_REQUIRED_PARAMETER")),
        ("POST", "/v2/orders/search", {"location_ids": []}, (400, "INVALID_VALUE")),
        ("POST", "/v2/payments", {"source_id": "cnon:ok"}, (400, "MISSING_REQUIRED_PARAMETER")),
        ("POST", "/v2/catalog/object", {"object": {"type": "X"}}, (400, "INVALID_ENUM_VALUE")),
        ("GET", "/v2/payments?begin_time=yesterday", None, (400, "INVALID_TIME")),
        ("GET", "/v2/payments?cursor=%21%21", None, (400, "INVALID_CURSOR")),
        ("GET", "/v2/cash-drawers/shifts", None, (400, "MISSING_REQUIRED_PARAMETER")),
    ],
)
def test_refusals_have_squares_shape(http, place, conformance, method, path, body, refusal):
    assert code_of(http.request(method, path, json=body)) == refusal


def test_a_body_that_is_not_json_and_an_unknown_route(http, conformance):
    conformance.judge = lambda *_: None  # neither is in the description
    assert code_of(http.post("/v2/orders", content=b"{")) == (400, "EXPECTED_JSON_BODY")
    assert code_of(http.post("/v2/orders", content=b"[]")) == (400, "EXPECTED_OBJECT")
    assert code_of(http.get("/v2/nothing")) == (404, "NOT_FOUND")
    assert code_of(http.delete("/v2/orders")) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"quantity": "two"}, "INVALID_VALUE"),
        ({"quantity": "-1"}, "INVALID_VALUE"),
        ({"base_price_money": {"amount": "1", "currency": "USD"}}, "EXPECTED_INTEGER"),
        ({"base_price_money": {"amount": 1, "currency": "EUR"}}, "CURRENCY_MISMATCH"),
    ],
)
def test_bad_lines_are_refused_and_nothing_is_kept(http, place, conformance, seller, line, code):
    conformance.judge_requests = False
    wanted = order_of(place)
    wanted["order"]["line_items"][0] |= line
    assert code_of(http.post("/v2/orders", json=wanted)) == (400, code)
    assert seller.call("GET", "/sandbox/dump")["orders"] == []


def test_an_idempotency_key_answers_once_and_refuses_another_body(http, place, seller):
    wanted = {"idempotency_key": "k1", **order_of(place)}
    first, second = (http.post("/v2/orders", json=wanted).json() for _ in range(2))
    assert first == second
    other = {"idempotency_key": "k1", **order_of(place, 200)}
    assert code_of(http.post("/v2/orders", json=other)) == (400, "IDEMPOTENCY_KEY_REUSED")
    assert len(seller.call("GET", "/sandbox/dump")["orders"]) == 1


def test_a_lost_reply_has_happened_and_its_key_finds_it(http, place, seller):
    http.post("/sandbox/faults", json={"lose_reply": {"next": 1, "path": "/v2/orders"}})
    wanted = {"idempotency_key": "k1", **order_of(place)}
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/v2/orders", json=wanted)
    (kept,) = seller.call("GET", "/sandbox/dump")["orders"]
    assert http.post("/v2/orders", json=wanted).json()["order"]["id"] == kept["id"]


@pytest.mark.parametrize(
    ("fault", "status", "kept"),
    [("error_500_before", 500, 0), ("error_500_after", 500, 1), ("rate_limited", 429, 0)],
)
def test_planned_errors_happen_before_or_after(http, place, seller, fault, status, kept):
    http.post("/sandbox/faults", json={fault: {"next": 1, "seconds": 3}})
    answer = http.post("/v2/orders", json=order_of(place))
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("3" if status == 429 else None)
    assert len(seller.call("GET", "/sandbox/dump")["orders"]) == kept
    assert http.post("/v2/orders", json=order_of(place)).status_code == 200


def test_faults_are_seeded_cleared_and_known_by_name(http):
    plans = [FaultPlan(5), FaultPlan(5), FaultPlan(6)]
    for plan in plans:
        plan.plan({"lose_reply": 0.5})
    draws = [[plan.draw("lose_reply") is not None for _ in range(64)] for plan in plans]
    assert draws[0] == draws[1] != draws[2]
    assert http.post("/sandbox/faults", json={"earthquake": 1}).status_code == 400
    http.post("/sandbox/faults", json={"slow": {"probability": 1, "seconds": 0.01}})
    assert http.delete("/sandbox/faults").json()["planned"] == {}


def test_the_state_file_keeps_the_seller_over_a_restart(tmp_path: Path):
    path = tmp_path / "square.json"
    headers = {"authorization": "Bearer t"}
    seller = Seller(Settings(seed=3), clock=SandboxClock(parse_instant(NOW), scale=0))
    with start(simulator(seller, token="t", state=path)) as running:
        made = httpx.post(
            f"{running.url}/v2/locations", json={"location": {"name": "A"}}, headers=headers
        )
    again = Seller(Settings(seed=3))
    with start(simulator(again, token="t", state=path)) as running:
        listed = httpx.get(f"{running.url}/v2/locations", headers=headers).json()["locations"]
        clock = httpx.get(f"{running.url}/sandbox/clock").json()
    assert listed == [made.json()["location"]]
    assert clock == {"now": "2026-11-21T15:00:00.000Z", "scale": 0}
    assert list(tmp_path.iterdir()) == [path]


def test_the_clock_is_set_and_scaled(http):
    set_to = http.post("/sandbox/clock", json={"now": "2026-11-21T12:00:00-05:00"}).json()
    assert set_to["now"] == "2026-11-21T17:00:00.000Z"
    assert http.post("/sandbox/clock", json={"scale": 60}).json()["scale"] == 60
    assert code_of(http.post("/sandbox/clock", json={"now": "noon"})) == (400, "INVALID_VALUE")
    running = SandboxClock(parse_instant(NOW), scale=1_000_000)
    tick = threading.Event()
    tick.wait(0.002)
    assert running.now() > parse_instant("2026-11-21T15:30:00Z")


def test_a_corrupted_order_is_served_wrong_while_the_dump_stays_right(http, place, conformance):
    order = http.post("/v2/orders", json=order_of(place)).json()["order"]
    wanted = {"order_id": order["id"], "pointer": "/line_items/0/quantity", "value": "two"}
    http.post("/sandbox/corrupt", json=wanted)
    served = http.get(f"/v2/orders/{order['id']}").json()["order"]
    found = http.post("/v2/orders/batch-retrieve", json={"order_ids": [order["id"]]}).json()[
        "orders"
    ]
    assert [served] == found
    assert (served["line_items"][0]["quantity"], served["version"]) == ("two", 2)
    dump = http.get("/sandbox/dump").json()
    assert dump["orders"][0]["line_items"][0]["quantity"] == "1"
    assert dump["events"][-1]["data"]["object"]["order_updated"]["version"] == 2
    assert http.post("/sandbox/corrupt", json={**wanted, "pointer": "/no/where"}).status_code == 400


def test_run_announces_itself_and_keeps_its_state_when_stopped(tmp_path: Path):
    script = (
        "from pathlib import Path; from cloud_conductor.sandbox.square import run;"
        f"run(port=0, state=Path({str(tmp_path / 's.json')!r}), seed=3, clock={NOW!r}, token='t')"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening ").strip()
        assert process.stdout.readline() == "access token t\n"
        answer = httpx.get(f"{url}/v2/merchants/me", headers={"authorization": "Bearer t"})
        process.terminate()
        process.communicate(timeout=20)
    kept = Seller(Settings(seed=9))
    kept.restore((tmp_path / "s.json").read_bytes())
    assert kept.call("GET", "/v2/merchants/me") == answer.json()


def test_a_declined_payment_leaves_nothing_behind(http, place, seller):
    body = {"idempotency_key": "k", "amount_money": {"amount": 100, "currency": "USD"}}
    refused = http.post("/v2/payments", json={**body, "source_id": "cnon:card-nonce-declined"})
    assert code_of(refused) == (400, "CARD_DECLINED")
    dump = seller.call("GET", "/sandbox/dump")
    assert (dump["orders"], dump["payments"]) == ([], [])
    paid = http.post("/v2/payments", json={**body, "source_id": "cnon:ok"}).json()["payment"]
    made = http.get(f"/v2/orders/{paid['order_id']}").json()["order"]
    assert (made["state"], made["line_items"][0]["item_type"]) == ("COMPLETED", "CUSTOM_AMOUNT")


def test_an_order_is_never_paid_twice_or_too_much(http, place):
    order = http.post("/v2/orders", json=order_of(place)).json()["order"]
    body = {"source_id": "cnon:ok", "order_id": order["id"]}

    def pay(key: str, amount: int) -> httpx.Response:
        money = {"amount": amount, "currency": "USD"}
        return http.post(
            "/v2/payments", json={**body, "idempotency_key": key, "amount_money": money}
        )

    assert code_of(pay("a", 101)) == (400, "PAYMENT_AMOUNT_MISMATCH")
    assert pay("b", 60).status_code == pay("c", 40).status_code == 200
    assert code_of(pay("d", 1)) == (400, "BAD_REQUEST")
    done = http.get(f"/v2/orders/{order['id']}").json()["order"]
    assert (done["state"], len(done["tenders"])) == ("COMPLETED", 2)
