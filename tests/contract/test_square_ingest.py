"""Square over real HTTP: what is fetched and swept, byte for byte, once."""

import dataclasses
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_conductor.adapters.http import Limits
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.adapters.pos.square.client import Square, connect
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.domain.errors import RateLimited, VendorRefused, VendorUnavailable
from cloud_conductor.domain.events import Event
from cloud_conductor.ingest.flow import (
    IngestDeps,
    Source,
    run_archive,
    run_due_sweeps,
    run_fetch,
    run_span,
    run_sweep,
    run_sweeps,
)
from cloud_conductor.ingest.sweep import SweepPlan
from cloud_conductor.ports.objects import ObjectStore
from cloud_conductor.sandbox.http import Running, start
from cloud_conductor.sandbox.scenario import golden
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, simulator
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server
from cloud_conductor.state import ingest as state
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import WORKER

DEADLINE_S = 20.0
LATER = timedelta(seconds=1)
FAST = Limits(attempts_max=2, backoff_s=0.001, wait_s_max=0.01)


class SellersClock:
    """The product and the seller share one now, as they do in the world."""

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    def now(self) -> datetime:
        return self._seller.state.instant()


@dataclass
class House:
    seller: Seller
    running: Running
    square: Square
    deps: IngestDeps
    folder: Path
    app: Gateway | None = None

    @property
    def now(self) -> datetime:
        return self.deps.clock.now() + LATER

    def play(self) -> None:
        golden.play(self.seller.call, self.seller.state.clock.set)

    def events(self) -> list[Event]:
        return self.deps.log.read("0", 0, 100_000)

    def ids(self, kind: str) -> list[str]:
        return sorted(json.loads(e.body)["id"] for e in self.events() if e.kind == kind)

    def fault(self, **plan: Any) -> None:
        self.seller.state.faults.plan(plan)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    seller = Seller()
    log = SqliteLog(tmp_path / "log.sqlite")
    engine = open_engine(f"sqlite:///{tmp_path / 'worker.sqlite'}")
    WORKER.create_all(engine)
    clock = SellersClock(seller)
    with start(simulator(seller, retry_seconds=0.01)) as running:
        square = connect(
            running.url, lambda: DEFAULT_TOKEN, source="square", clock=clock, limits=FAST
        )
        deps = IngestDeps(
            log=log,
            engine=engine,
            raw=LocalObjects(tmp_path / "lake"),
            clock=clock,
            sources={"square": Source(square, SweepPlan())},
        )
        yield House(seller, running, square, deps, tmp_path)
        square.close()
    engine.dispose()
    log.close()


def test_a_sweep_brings_every_object_the_seller_holds(house: House) -> None:
    house.play()
    run_sweeps(house.deps, house.now)
    held = house.seller.call("GET", "/sandbox/dump")
    for kind, name in (
        ("order", "orders"),
        ("payment", "payments"),
        ("refund", "refunds"),
        ("payout", "payouts"),
        ("payout_entry", "payout_entries"),
        ("cash_shift", "cash_drawer_shifts"),
        ("gift_card_activity", "gift_card_activities"),
    ):
        expected = held[name].values() if isinstance(held[name], dict) else held[name]
        assert house.ids(kind) == sorted(one["id"] for one in expected), kind
        assert house.ids(kind), kind
    kinds = {event.kind for event in house.events()}
    assert kinds >= {"catalog_item", "catalog_category", "catalog_tax", "cash_event"}
    assert {event.merchant_id for event in house.events()} == {house.seller.state.merchant_id}


def test_disputes_are_swept_page_by_page_by_when_they_changed(house: House) -> None:
    house.play()
    paid = [
        one["id"]
        for one in house.seller.call("GET", "/sandbox/dump")["payments"]
        if one["source_type"] == "CARD"
        and one["status"] == "COMPLETED"
        and one["total_money"]["amount"]
    ]
    for payment_id in paid:
        house.seller.call("POST", "/sandbox/disputes", {"payment_id": payment_id})
    house.fault(small_pages={"probability": 1, "path": "/v2/disputes"})
    run_sweep(house.deps, "square", "dispute", house.now)
    held = house.seller.call("GET", "/sandbox/dump")["disputes"]
    assert house.ids("dispute") == sorted(one["id"] for one in held)
    assert len(held) > 3
    last = held[-1]
    for _ in range(2):
        house.seller.state.clock.set(house.now + timedelta(days=1))
        run_sweep(house.deps, "square", "dispute", house.now)
    house.seller.call("POST", f"/v2/disputes/{last['id']}/accept", {})
    again = run_sweep(house.deps, "square", "dispute", house.now)
    assert (again.objects, again.new) == (1, 1)


def test_every_body_is_a_slice_of_what_square_sent(house: House) -> None:
    house.play()
    run_sweeps(house.deps, house.now)
    for event in house.events():
        path, _, query = event.url.removeprefix(house.running.url).partition("?")
        asked = dict(pair.split("=") for pair in query.split("&")) if query else {}
        asked = {name: value.replace("%3A", ":") for name, value in asked.items()}
        method, body = ("POST", {}) if path.endswith("search") else ("GET", None)
        if path == "/v2/orders/search":
            body = {"location_ids": [one["id"] for one in house.square.locations()]}
        if path == "/v2/catalog/search":
            body = {"object_types": ["ITEM", "CATEGORY", "TAX"]}
        assert event.body in house.seller.call_raw(method, path, body, asked)
        assert hashlib.sha256(event.body).hexdigest()[:16] in event.event_id


def test_cash_events_and_payout_entries_can_be_traced_to_their_parent(house: House) -> None:
    house.play()
    run_sweeps(house.deps, house.now)
    (shift,) = house.ids("cash_shift")
    place = house.square.locations()[0]["id"]
    for event in house.events():
        if event.kind == "cash_event":
            assert f"/v2/cash-drawers/shifts/{shift}/events?location_id={place}" in event.url
        if event.kind == "payout_entry":
            assert f"/v2/payouts/{json.loads(event.body)['payout_id']}/" in event.url


def test_sweeping_again_finds_the_same_objects_and_stores_none(house: House) -> None:
    house.play()
    first = run_sweeps(house.deps, house.now)
    before = house.events()
    again = run_sweeps(house.deps, house.now)
    assert first.new == first.objects
    assert (again.new, house.events()) == (0, before)
    assert 0 < again.objects == len(house.deps.log.duplicates(0))


def test_a_later_sweep_asks_only_for_what_changed_since_the_last(house: House) -> None:
    house.play()
    run_sweeps(house.deps, house.now)
    for new_and_overlapping in (8, 0):  # the last payout and its entries lie within the overlap
        house.seller.state.clock.set(house.deps.clock.now() + timedelta(hours=1))
        swept = run_sweeps(house.deps, house.now)
        assert (swept.objects, swept.new) == (new_and_overlapping, 0)
    order = house.ids("order")[0]
    house.seller.call(
        "POST", "/sandbox/corrupt", {"order_id": order, "pointer": "/state", "value": "ODD"}
    )
    swept = run_sweep(house.deps, "square", "order", house.now)
    assert (swept.objects, swept.new) == (1, 1)
    assert json.loads(house.events()[-1].body)["state"] == "ODD"


def test_more_orders_than_a_page_are_all_swept(house: House) -> None:
    house.seller.call(
        "POST", "/v2/locations", {"location": {"name": "L2", "timezone": "America/New_York"}}
    )
    place = house.square.locations()[0]["id"]
    line = {"quantity": "1", "name": "pen", "base_price_money": {"amount": 100, "currency": "USD"}}
    for _ in range(520):
        order = {"location_id": place, "line_items": [line]}
        house.seller.call("POST", "/v2/orders", {"order": order})
    assert run_sweep(house.deps, "square", "order", house.now).new == 520


def test_a_list_whose_cursor_square_forgot_is_begun_again(house: House) -> None:
    house.play()
    house.fault(small_pages=1, cursor_reset={"next": 3, "path": "/v2/orders/search"})
    run_sweeps(house.deps, house.now)
    held = house.seller.state.table("orders")
    assert house.ids("order") == sorted(held)
    assert house.seller.state.faults.struck["cursor_reset"] == 3


def test_a_control_list_begun_again_names_each_order_once(house: House) -> None:
    house.play()
    places = list(house.seller.state.table("locations"))
    span = (house.now - timedelta(days=400), house.now)
    listed = house.square.control(places, *span)
    house.fault(small_pages=1, cursor_reset={"next": 2, "path": "/v2/orders/search"})
    assert house.square.control(places, *span) == listed
    assert len(listed) > 3


def test_a_cursor_that_is_forgotten_for_ever_is_an_error_and_no_loop(house: House) -> None:
    house.play()
    house.fault(small_pages=1, cursor_reset={"probability": 1, "path": "/v2/orders/search"})
    with pytest.raises(VendorRefused, match="forgot the cursor"):
        house.square.control(
            list(house.seller.state.table("locations")), house.now - timedelta(days=400), house.now
        )


def test_a_failed_sweep_keeps_its_watermark_and_is_written_down(house: House) -> None:
    house.play()
    house.fault(rate_limited={"next": 10})
    with pytest.raises(RateLimited):
        run_sweep(house.deps, "square", "order", house.now)
    house.seller.state.faults.clear()
    (row,) = state.sweep_states(house.deps.engine)
    assert (row.watermark, row.last_success, row.last_failure) == (None, None, house.now)
    assert "429" in row.last_error
    assert run_sweep(house.deps, "square", "order", house.now).new == 13
    (row,) = state.sweep_states(house.deps.engine)
    assert (row.watermark, row.last_success) == (house.now, house.now)


def test_one_failing_kind_does_not_hold_up_the_others(house: House) -> None:
    house.play()
    house.fault(error_500_before={"next": 2})
    with pytest.raises(VendorUnavailable):
        run_sweeps(house.deps, house.now)
    assert house.ids("order")
    assert run_due_sweeps(house.deps, house.now).objects > 0
    assert run_due_sweeps(house.deps, house.now).objects == 0
    assert {event.kind for event in house.events()} >= {"order", "catalog_item", "cash_shift"}


def test_the_sources_control_list_is_by_store_and_closing_time(house: House) -> None:
    house.play()
    place = str(house.square.locations()[0]["id"])
    start_ = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)  # 04:00 in New York
    listed = house.square.control([place], start_, start_ + timedelta(days=1))
    assert len([one for one in listed if one.state == "COMPLETED"]) == 10
    assert len([one for one in listed if one.state == "CANCELED"]) == 1
    assert house.square.control(["NOWHERE"], start_, start_) == []


def test_subscribing_twice_gives_one_subscription_and_its_key(house: House) -> None:
    url = "http://127.0.0.1:9/hooks/square"
    key = house.square.subscribe(url)
    assert key == house.square.subscribe(url)
    assert key != house.square.subscribe(url + "/")
    assert len(house.seller.state.table("subscriptions")) == 2


@pytest.fixture
def delivered(house: House) -> Iterator[House]:
    """The golden day played over HTTP: its webhooks arrive, some twice, reordered or forged."""
    house.fault(duplicate=0.2, reorder=0.2, forge=0.1)
    with _gateway(house) as app, httpx.Client(base_url=house.running.url) as client:
        headers = {"authorization": f"Bearer {DEFAULT_TOKEN}"}

        def call(method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
            answer = client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        def set_clock(instant: datetime) -> None:
            call("POST", "/sandbox/clock", {"now": instant.isoformat()})

        golden.play(call, set_clock)
        _wait(lambda: call("GET", "/sandbox/deliveries", None)["pending"] == 0)
        house.app = app
        yield house


def test_thin_webhooks_are_fetched_and_carry_their_trigger(delivered: House) -> None:
    fetched = run_fetch(delivered.deps)
    events = {event.seq: event for event in delivered.events()}
    orders = [event for event in events.values() if event.kind == "order"]
    assert delivered.ids("order") == sorted(delivered.seller.state.table("orders"))
    assert len(delivered.ids("payout_entry")) == 8
    assert (fetched.missing, fetched.new) == (0, len(orders) + 8)
    for order in orders:
        trigger = events[order.trigger_seq]
        assert trigger.channel == "webhook"
        assert json.loads(trigger.body)["data"]["id"] == json.loads(order.body)["id"]
    assert run_fetch(delivered.deps).wanted == 0


def test_a_failed_fetch_keeps_its_place_and_the_next_one_brings_everything(
    delivered: House,
) -> None:
    delivered.fault(rate_limited={"next": 10, "path": "/v2/payouts"})
    with pytest.raises(RateLimited):
        run_fetch(delivered.deps)
    assert state.cursor(delivered.deps.engine, "ingest/fetch/square", "0").position == 0
    delivered.seller.state.faults.clear()
    assert run_fetch(delivered.deps).missing == 0
    assert delivered.ids("order") == sorted(delivered.seller.state.table("orders"))
    assert len(delivered.ids("payout_entry")) == 8


def test_what_was_received_is_what_was_logged_and_what_was_deduplicated(
    delivered: House,
) -> None:
    """INV-16 at the log: by count and by id set."""
    run_fetch(delivered.deps)
    run_sweeps(delivered.deps, delivered.now)
    answered = [one for one in delivered.seller.state.attempts if one["status"] == 200]
    logged = [e.event_id for e in delivered.events() if e.channel == "webhook"]
    again = [e for _, e in delivered.deps.log.duplicates(0) if e.channel == "webhook"]
    assert len(answered) == len(logged) + len(again)
    assert {one["event_id"] for one in answered} == set(logged)
    assert len(set(logged)) == len(logged)
    assert {event.event_id for event in again} <= set(logged)
    counters = delivered.app.counters
    assert (counters.received, counters.duplicates) == (len(logged), len(again))
    refused = [one for one in delivered.seller.state.attempts if one["status"] == 401]
    assert counters.rejected_signature == len(refused) > 0


def test_the_raw_zone_holds_every_event_once_with_its_digest(delivered: House) -> None:
    run_fetch(delivered.deps)
    run_sweeps(delivered.deps, delivered.now)
    events = delivered.events()
    first = run_archive(delivered.deps)
    assert (first.events, first.duplicates) == (
        len(events),
        len(delivered.deps.log.duplicates(0)),
    )
    assert run_archive(delivered.deps).files == 0
    rows = _raw_rows(delivered)
    assert [row["seq"] for row in rows] == [event.seq for event in events]
    assert [row["body"] for row in rows] == [event.body for event in events]
    assert all(row["sha256"] == hashlib.sha256(row["body"]).hexdigest() for row in rows)


def test_an_archive_killed_between_its_files_makes_the_same_files_again(house: House) -> None:
    house.play()
    run_sweeps(house.deps, house.now)
    broken = dataclasses.replace(house.deps, raw=FullDisk(house.deps.raw))
    with pytest.raises(OSError, match="no space"):
        run_archive(broken)
    run_sweep(house.deps, "square", "order", house.now)
    house.seller.state.clock.set(house.deps.clock.now() + timedelta(days=1))
    order = house.ids("order")[0]
    house.seller.call(
        "POST", "/sandbox/corrupt", {"order_id": order, "pointer": "/state", "value": "ODD"}
    )
    run_sweep(house.deps, "square", "order", house.now)
    run_archive(house.deps)
    rows = _raw_rows(house)
    assert [row["seq"] for row in rows] == [event.seq for event in house.events()]


def test_two_processes_that_archive_at_once_write_every_event_once(house: House) -> None:
    house.play()
    run_sweeps(house.deps, house.now)
    start_ = threading.Barrier(4)

    def archive() -> None:
        start_.wait()
        run_archive(house.deps)

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(archive) for _ in range(4)]:
            one.result()
    assert [row["seq"] for row in _raw_rows(house)] == [event.seq for event in house.events()]


def test_a_backfill_reads_a_span_again_and_moves_no_watermark(house: House) -> None:
    house.play()
    run_sweep(house.deps, "square", "order", house.now)
    before = state.sweep_states(house.deps.engine)
    day = datetime(2026, 11, 21, tzinfo=UTC)
    span = run_span(house.deps, "square", day, day + timedelta(days=1))
    assert span.objects > span.new > 0
    assert state.sweep_states(house.deps.engine) == before
    assert run_span(house.deps, "square", day, day + timedelta(days=1)).new == 0


class FullDisk:
    """A real store whose disk is full after its first object was made durable."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def create(self, key: str, data: bytes) -> bool:
        self._store.create(key, data)
        raise OSError("no space left")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _raw_rows(house: House) -> list[dict[str, Any]]:
    keys = [key for key in house.deps.raw.list("raw/source=square/") if "date=" in key]
    tables = [pq.ParquetFile(house.deps.raw.url(key)).read() for key in keys]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).sort_by("seq").to_pylist()
    return rows


class _gateway:  # noqa: N801
    def __init__(self, house: House) -> None:
        self._house = house

    def __enter__(self) -> Gateway:
        house = self._house
        writer = GroupCommitWriter(house.deps.log)
        app = Gateway({}, writer, house.deps.clock)
        self._server = gateway_server(app, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        _wait(lambda: self._server.port != 0)
        url = f"http://127.0.0.1:{self._server.port}/hooks/square"
        key = house.square.subscribe(url).encode()
        app.doors = {"square": Door(SquareVerifier(), (key,), url)}
        return app

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()


def _wait(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "the deadline has passed"
        time.sleep(0.01)
