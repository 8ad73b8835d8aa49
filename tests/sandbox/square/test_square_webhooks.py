"""Webhooks: signed as Square signs, retried, kept over restarts, and wrong when told to be."""

import hashlib
import json
import threading
import time
from pathlib import Path

import httpx
import pytest
from square.utils.webhooks_helper import verify_signature
from square_rig import NOW, Inbox, wait_for

from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.http import start
from cloud_conductor.sandbox.square import Seller, Settings, simulator
from cloud_conductor.sandbox.square.webhooks import sign


def subscribe(http: httpx.Client, inbox: Inbox, *types: str) -> dict:
    wanted = {"notification_url": inbox.url, "event_types": list(types) or ["order.created"]}
    answer = http.post("/v2/webhooks/subscriptions", json={"subscription": wanted})
    return answer.json()["subscription"]


def sell(http: httpx.Client, count: int = 1) -> list[str]:
    """Open so many orders at the one location; gives their ids."""
    places = http.get("/v2/locations").json().get("locations")
    if not places:
        made = http.post("/v2/locations", json={"location": {"name": "A"}}).json()["location"]
        places = [made]
    line = {"name": "x", "quantity": "1", "base_price_money": {"amount": 100, "currency": "USD"}}
    order = {"location_id": places[0]["id"], "line_items": [line]}
    return [
        http.post("/v2/orders", json={"order": order}).json()["order"]["id"] for _ in range(count)
    ]


def deliveries(http: httpx.Client) -> dict:
    return http.get("/sandbox/deliveries").json()


def settled(http: httpx.Client) -> bool:
    return deliveries(http)["pending"] == 0


def test_signature_is_the_published_vector():
    body = b'{"id":1,"amount":"10.00"}'
    url = "https://cc.example.com/hooks/square"
    assert sign("sq_key", url, body) == "SikTiifsaTyw5zf6VeNsfdFX8BqAvXpUyQRB4WeKfAM="


def test_squares_own_helper_accepts_every_webhook(http, inbox):
    key = subscribe(http, inbox)["signature_key"]
    ids = sell(http, 3)
    wait_for(lambda: settled(http))
    assert sorted(json.loads(got.body)["data"]["id"] for got in inbox.got) == sorted(ids)
    for got in inbox.got:
        assert verify_signature(
            request_body=got.body.decode(),
            signature_header=got.headers["x-square-hmacsha256-signature"],
            signature_key=key,
            notification_url=inbox.url,
        )


def test_order_events_are_thin_and_follow_the_versions(http, inbox):
    subscribe(http, inbox, "order.created", "order.updated")
    (order_id,) = sell(http)
    body = {"order": {"location_id": http.get("/v2/locations").json()["locations"][0]["id"]}}
    http.put(f"/v2/orders/{order_id}", json={"order": {**body["order"], "state": "CANCELED"}})
    wait_for(lambda: settled(http))
    things = {e["type"]: e["data"]["object"] for e in (json.loads(g.body) for g in inbox.got)}
    assert things["order.created"]["order_created"]["version"] == 1
    updated = things["order.updated"]["order_updated"]
    assert (updated["version"], updated["state"]) == (2, "CANCELED")
    assert "line_items" not in updated


def test_a_refusing_receiver_gets_the_event_again_with_retry_headers(http, inbox):
    subscribe(http, inbox)
    inbox.statuses = [500, 503]
    sell(http)
    wait_for(lambda: settled(http))
    assert [got.headers.get("square-retry-number") for got in inbox.got] == [None, "1", "2"]
    assert len({got.body for got in inbox.got}) == 1
    assert deliveries(http)["acknowledged"] == 1
    attempts = http.get("/sandbox/dump").json()["deliveries"]
    assert [one["status"] for one in attempts] == [500, 503, 200]
    assert attempts[0]["body_sha256"] == hashlib.sha256(inbox.got[0].body).hexdigest()


def test_a_dead_receiver_is_given_up_in_the_end(http, inbox):
    subscribe(http, inbox)
    inbox.statuses = [500] * 100
    http.post("/sandbox/clock", json={"now": NOW})
    sell(http)
    wait_for(lambda: deliveries(http)["failed"] == 1, seconds=90)
    assert len(inbox.got) == 12


@pytest.mark.parametrize(("fault", "arrivals"), [("duplicate", 2), ("drop", 0)])
def test_planned_duplicates_and_losses(http, inbox, fault, arrivals):
    subscribe(http, inbox)
    http.post("/sandbox/faults", json={fault: {"next": 1}})
    sell(http, 2)
    wait_for(lambda: settled(http) and len(inbox.got) >= arrivals + 1)
    assert len(inbox.got) == arrivals + 1
    assert http.get("/sandbox/faults").json()["struck"] == {fault: 1}


def test_a_forged_webhook_comes_beside_the_good_one(http, inbox):
    key = subscribe(http, inbox)["signature_key"]
    http.post("/sandbox/faults", json={"forge": {"next": 1, "path": "order."}})
    sell(http)
    wait_for(lambda: settled(http))
    good = [
        sign(key, inbox.url, g.body) == g.headers["x-square-hmacsha256-signature"]
        for g in inbox.got
    ]
    assert good == [False, True]


def test_delayed_and_reordered_webhooks_still_arrive_once(http, inbox):
    subscribe(http, inbox)
    http.post("/sandbox/faults", json={"delay": {"next": 2, "seconds": 0.05}, "reorder": 0.5})
    ids = sell(http, 12)
    wait_for(lambda: settled(http))
    assert sorted(json.loads(got.body)["data"]["id"] for got in inbox.got) == sorted(ids)


def test_pending_webhooks_survive_a_restart(tmp_path: Path, inbox: Inbox, seller: Seller):
    seller.call("POST", "/v2/locations", {"location": {"name": "A"}})
    wanted = {"notification_url": inbox.url, "event_types": ["order.created"]}
    seller.call("POST", "/v2/webhooks/subscriptions", {"subscription": wanted})
    place = seller.call("GET", "/v2/locations")["locations"][0]["id"]
    made = seller.call("POST", "/v2/orders", {"order": {"location_id": place}})["order"]
    (tmp_path / "state.json").write_bytes(seller.snapshot())
    fresh = Seller(Settings(seed=7), clock=SandboxClock(parse_instant(NOW), scale=0))
    with start(simulator(fresh, state=tmp_path / "state.json")):
        wait_for(lambda: not fresh.state.pending)
    assert [json.loads(got.body)["data"]["id"] for got in inbox.got] == [made["id"]]
    assert fresh.call("GET", f"/v2/orders/{made['id']}")["order"] == made


def test_five_hundred_webhooks_a_second(seller: Seller, inbox: Inbox):
    """One core here does above 5,000/s; the promise is 500/s with room for a busy machine."""
    made = seller.call("POST", "/v2/locations", {"location": {"name": "A"}})["location"]
    wanted = {"notification_url": inbox.url, "event_types": ["order.created"]}
    seller.call("POST", "/v2/webhooks/subscriptions", {"subscription": wanted})
    for _ in range(1000):
        seller.call("POST", "/v2/orders", {"order": {"location_id": made["id"]}})
    started = time.monotonic()
    with start(simulator(seller)):
        wait_for(lambda: not seller.state.pending, seconds=30)
        took_s = time.monotonic() - started
    assert len({got.body for got in inbox.got}) == len(inbox.got) == 1000
    assert took_s < 1000 / 500


def test_a_scenario_in_another_thread_is_delivered_while_the_server_is_read(
    http: httpx.Client, inbox: Inbox, seller: Seller
):
    subscribe(http, inbox)
    place = http.post("/v2/locations", json={"location": {"name": "A"}}).json()["location"]["id"]

    def play() -> None:
        for _ in range(400):
            seller.call("POST", "/v2/orders", {"order": {"location_id": place}})

    player = threading.Thread(target=play)
    player.start()
    while player.is_alive():
        assert http.post("/v2/orders/search", json={"location_ids": [place]}).status_code == 200
    wait_for(lambda: len(inbox.got) == 400)
    wait_for(lambda: not seller.state.pending)
    assert len({json.loads(got.body)["data"]["id"] for got in inbox.got}) == 400
