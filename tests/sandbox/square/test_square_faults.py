"""What the simulated seller does wrong on demand is exactly what was asked for."""

import json

import httpx
import pytest
from square_rig import NOW, Inbox, wait_for

from cloud_conductor.sandbox.clock import parse_instant
from cloud_conductor.sandbox.drift import Drift
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.http import Running
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller

TOKEN = {"authorization": f"Bearer {DEFAULT_TOKEN}"}
SEARCH = {"limit": 2, "query": {"sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"}}}


@pytest.fixture
def plain(server: Running):
    """Client that no description judges: what comes is wrong on purpose."""
    with httpx.Client(base_url=server.url, headers=TOKEN) as client:
        yield client


@pytest.fixture
def place(seller: Seller) -> str:
    return seller.call("POST", "/v2/locations", {"location": {"name": "A"}})["location"]["id"]


def sell(seller: Seller, place: str, count: int = 1) -> list[str]:
    order = {"location_id": place}
    return [
        seller.call("POST", "/v2/orders", {"order": order})["order"]["id"] for _ in range(count)
    ]


def fault(http: httpx.Client, **planned: object) -> None:
    http.post("/sandbox/faults", json=planned).raise_for_status()


def test_a_cut_answer_is_half_an_answer(plain, place):
    fault(plain, cut={"next": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        plain.get("/v2/locations")
    assert plain.get("/v2/locations").json()["locations"][0]["id"] == place


def test_a_slow_body_is_whole_in_the_end(plain, place):
    fault(plain, slow_body={"next": 1, "seconds": 0.05}, slow_reply={"next": 1, "seconds": 0.01})
    assert plain.get("/v2/locations").json()["locations"][0]["id"] == place


def test_an_expired_token_is_refused_once_or_for_good(plain, seller):
    fault(plain, expire_token={"next": 1})
    assert plain.get("/v2/locations").status_code == 401
    assert plain.get("/v2/locations").status_code == 200
    code = {"client_id": "app", "expires_at": "2999-01-01T00:00:00.000Z"}
    seller.state.table("codes")["c"] = code
    grant = {"client_id": "app", "client_secret": "s", "grant_type": "authorization_code"}
    token = seller.call("POST", "/oauth2/token", {**grant, "code": "c"})["access_token"]
    other = {"authorization": f"Bearer {token}"}
    assert plain.get("/v2/locations", headers=other).status_code == 200
    fault(plain, expire_token={"next": 1})
    assert [plain.get("/v2/locations", headers=other).status_code for _ in "12"] == [401, 401]


def test_a_forgotten_cursor_is_refused_and_the_list_can_be_begun_again(plain, seller, place):
    ids = sell(seller, place, 4)
    wanted = {**SEARCH, "location_ids": [place]}
    fault(plain, cursor_reset={"next": 1})
    first = plain.post("/v2/orders/search", json=wanted).json()
    answer = plain.post("/v2/orders/search", json={**wanted, "cursor": first["cursor"]})
    assert answer.json()["errors"][0]["code"] == "INVALID_CURSOR"
    again = plain.post("/v2/orders/search", json={**wanted, "cursor": first["cursor"]}).json()
    assert sorted(one["id"] for one in first["orders"] + again["orders"]) == sorted(ids)


def test_a_page_shifts_while_the_list_is_read(plain, seller, place):
    sell(seller, place, 4)
    seller.set_clock(parse_instant(NOW.replace("15:", "16:")))
    wanted = {**SEARCH, "location_ids": [place]}
    first = plain.post("/v2/orders/search", json=wanted).json()
    unread = sorted(set(seller.state.table("orders")) - {one["id"] for one in first["orders"]})
    fault(plain, page_shift={"next": 1})
    second = plain.post("/v2/orders/search", json={**wanted, "cursor": first["cursor"]}).json()
    assert [one["id"] for one in second["orders"]] == [unread[1], unread[0]]
    assert [one["version"] for one in second["orders"]] == [1, 2]


def test_a_skewed_clock_is_off_by_what_was_asked(plain):
    true = plain.get("/v2/merchants").headers["date"]
    fault(plain, clock_skew={"probability": 1, "seconds": -3600})
    assert true == "Sat, 21 Nov 2026 15:00:00 GMT"
    assert plain.get("/v2/merchants").headers["date"] == "Sat, 21 Nov 2026 14:00:00 GMT"


def test_a_stale_webhook_tells_the_older_version_as_a_new_event(http, inbox: Inbox, place, seller):
    wanted = {"notification_url": inbox.url, "event_types": ["order.created", "order.updated"]}
    http.post("/v2/webhooks/subscriptions", json={"subscription": wanted})
    fault(http, stale={"probability": 1})
    (order_id,) = sell(seller, place)
    wait_for(lambda: len(inbox.got) == 1)
    body = {"order": {"location_id": place, "state": "CANCELED"}}
    http.put(f"/v2/orders/{order_id}", json=body)
    wait_for(lambda: len(inbox.got) == 3)
    told = [json.loads(got.body) for got in inbox.got]
    assert [one["type"] for one in told] == ["order.created", "order.updated", "order.created"]
    assert len({one["event_id"] for one in told}) == 3
    assert told[2]["data"] == told[0]["data"]


def test_drift_reaches_answers_and_webhooks_alike(plain, inbox: Inbox, place, seller):
    wanted = {"notification_url": inbox.url, "event_types": ["order.created"]}
    seller.call("POST", "/v2/webhooks/subscriptions", {"subscription": wanted})
    rule = {"pointer": "/**/location_id", "change": "rename", "value": "place_id"}
    fault(plain, drift=[rule])
    (order_id,) = sell(seller, place)
    wait_for(lambda: len(inbox.got) == 1)
    assert json.loads(inbox.got[0].body)["data"]["object"]["order_created"]["place_id"] == place
    order = plain.get(f"/v2/orders/{order_id}").json()["order"]
    assert order["place_id"] == place
    assert "location_id" not in order
    plain.delete("/sandbox/faults")
    assert plain.get(f"/v2/orders/{order_id}").json()["order"]["location_id"] == place


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (Drift("/a/*/n", "value", 7), {"a": [{"n": 7}, {"n": 7}], "s": "x"}),
        (Drift("/**/n", "retype"), {"a": [{"n": "1"}, {"n": "2"}], "s": "x"}),
        (Drift("/s", "retype"), {"a": [{"n": 1}, {"n": 2}], "s": ["x"]}),
        (Drift("/a/1/n", "drop"), {"a": [{"n": 1}, {}], "s": "x"}),
        (Drift("/a/*/new", "add", True), {"a": [{"n": 1, "new": True}, {"n": 2, "new": True}], "s": "x"}),
        (Drift("/a/9/n", "drop"), {"a": [{"n": 1}, {"n": 2}], "s": "x"}),
    ],
)  # fmt: skip
def test_a_rule_changes_what_its_pointer_names(rule: Drift, wanted: object):
    body = b'{"a":[{"n":1},{"n":2}],"s":"x"}'
    assert json.loads(rule.applied(body)[0]) == wanted


@pytest.mark.parametrize(
    "wrong",
    [{"nonsense": 1}, {"drop": {"chance": 1}}, {"drift": [{"pointer": "/a", "change": "melt"}]},
     {"drift": [{"pointer": "a", "change": "drop"}]}, {"drift": 7}],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_refused_whole(wrong: dict[str, object]):
    plan = FaultPlan()
    with pytest.raises(ValueError, match=r"fault|drift|change|pointer"):
        plan.plan({"duplicate": 1, **wrong})
    assert plan.describe()["planned"] == {}
