"""The intake over real sockets: what is answered, what is stored, what is counted."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from square.utils.webhooks_helper import verify_signature

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier, signature
from cloud_conductor.domain.errors import DiskPressure
from cloud_conductor.domain.events import Appended, NewEvent
from cloud_conductor.ports.log import EventLog
from cloud_conductor.serve.gateway import Door, Gateway, GatewayServer, gateway_server

URL = "https://cc.example.com/hooks/square"
KEY = b"sq_key"
LIMIT = 1_048_576
DEADLINE_S = 10.0


@dataclass
class House:
    log: SqliteLog
    app: Gateway
    server: GatewayServer

    def post(
        self, body: bytes, *, path: str = "/hooks/square", signed: bytes | None = None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        headers = {"x-square-hmacsha256-signature": (signed or sign(body)).decode()}
        return self.ask("POST", path, body, headers)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null"), dict(answer.getheaders())
        finally:
            connection.close()


def sign(body: bytes, key: bytes = KEY) -> bytes:
    return base64.b64encode(hmac.new(key, URL.encode() + body, hashlib.sha256).digest())


def notice(event_id: str, kind: str = "order.updated") -> bytes:
    return json.dumps(
        {"merchant_id": "ML1", "type": kind, "event_id": event_id, "data": {"id": "O1"}}
    ).encode()


def serve(log: EventLog, **limits: int) -> tuple[Gateway, GatewayServer, threading.Thread]:
    door = Door(verifier=SquareVerifier(), keys=(KEY, b"old key"), url=URL)
    app = Gateway({"square": door}, GroupCommitWriter(log, **limits), SystemClock())
    server = gateway_server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.port != 0)
    return app, server, thread


def wait_until(claim: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "the deadline has passed"
        time.sleep(0.005)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    log = SqliteLog(tmp_path / "log.sqlite")
    app, server, thread = serve(log)
    yield House(log, app, server)
    server.stop()
    thread.join()
    log.close()


def test_a_signed_webhook_is_stored_byte_for_byte_with_its_proof(house: House) -> None:
    body = notice("ev-1") + b"\n  "
    before = datetime.now(UTC)
    status, answer, _ = house.post(body)
    (event,) = house.log.read("0", 0)
    assert (status, answer) == (200, None)
    assert (event.body, event.channel, event.kind, event.event_id, event.merchant_id) == (
        body,
        "webhook",
        "order.updated",
        "ev-1",
        "ML1",
    )
    assert json.loads(event.headers)["x-square-hmacsha256-signature"] == sign(body).decode()
    assert "host" not in json.loads(event.headers)
    assert abs(event.received_us / 1e6 - before.timestamp()) < DEADLINE_S


def test_a_duplicate_delivery_is_acknowledged_and_counted_once(house: House) -> None:
    assert house.post(notice("ev-1"))[0] == 200
    assert house.post(notice("ev-1"))[0] == 200
    assert house.ask("GET", "/statusz")[1]["duplicates"] == 1
    assert len(house.log.read("0", 0)) == 1
    assert [event.event_id for _, event in house.log.duplicates(0)] == ["ev-1"]


def test_a_wrong_signature_is_refused_counted_and_not_stored(house: House) -> None:
    body = notice("ev-1")
    for signed in (sign(body, b"another key"), sign(body + b" "), b"x"):
        status, answer, _ = house.post(body, signed=signed)
        assert (status, answer["code"]) == (401, "CC-203")
    assert house.ask("POST", "/hooks/square", body)[0] == 401
    assert house.log.high_water("0") == 0
    assert house.ask("GET", "/statusz")[1]["rejected_signature"] == 4


def test_a_key_that_was_rotated_out_stays_valid_while_it_is_listed(house: House) -> None:
    body = notice("ev-1")
    assert house.post(body, signed=sign(body, b"old key"))[0] == 200


def test_a_10_mb_body_is_refused_and_its_sender_can_read_why(house: House) -> None:
    status, answer, _ = house.post(b"x" * 10_000_000)
    assert (status, answer["code"]) == (413, "too_large")
    assert house.log.high_water("0") == 0


def test_a_10_mb_body_without_a_declared_length_is_refused_too(house: House) -> None:
    parts = (b"x" * 100_000 for _ in range(100))
    connection = http.client.HTTPConnection("127.0.0.1", house.server.port, timeout=DEADLINE_S)
    connection.request("POST", "/hooks/square", parts, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_declared_length_beyond_all_reason_is_refused_before_it_is_read(house: House) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", house.server.port, timeout=DEADLINE_S)
    connection.putrequest("POST", "/hooks/square")
    connection.putheader("content-length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(house: House) -> None:
    head, tail = b'{"event_id":"big","type":"t","pad":"', b'"}'
    body = head + b"x" * (LIMIT - len(head) - len(tail)) + tail
    assert house.post(body)[0] == 200
    assert house.post(body + b" ")[0] == 413


@pytest.mark.parametrize(
    "body",
    [
        b"{not json",
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"event_id": 7, "type": "order.updated"}',
        b'{"event_id": "", "type": "order.updated"}',
        b'{"event_id": "a\\u0000b", "type": "order.updated"}',
        b'{"event_id": "' + b"x" * 300 + b'", "type": "order.updated"}',
    ],
)
def test_a_signed_but_unreadable_body_is_kept_for_quarantine(house: House, body: bytes) -> None:
    assert house.post(body)[0] == 200
    (event,) = house.log.read("0", 0)
    assert (event.kind, event.body) == ("malformed", body)
    assert event.event_id == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert house.ask("GET", "/statusz")[1]["malformed"] == 1


def test_an_unknown_source_and_other_addresses_are_404_and_get_is_405(house: House) -> None:
    body = notice("ev-1")
    assert house.post(body, path="/hooks/clover")[1]["code"] == "unknown_source"
    assert house.post(body, path="/hooks/square/../x")[0] == 404
    assert house.ask("GET", "/")[0] == 404
    assert house.ask("GET", "/hooks/square")[0] == 405
    assert house.ask("GET", "/healthz")[0] == 200


def test_concurrent_senders_lose_nothing_and_double_nothing(house: House) -> None:
    ids = [os.urandom(8).hex() for _ in range(400)]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda e: house.post(notice(e)), ids + ids))
    assert {status for status, *_ in answers} == {200}
    assert sorted(e.event_id for e in house.log.read("0", 0)) == sorted(ids)
    assert sorted(e.event_id for _, e in house.log.duplicates(0)) == sorted(ids)
    status = house.ask("GET", "/statusz")[1]
    assert (status["received"], status["duplicates"]) == (400, 400)


class HeldLog:
    """A real log of one step whose commits wait for a gate: the disk is slow."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.gate = threading.Event()
        self.entered = threading.Event()

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        self.entered.set()
        assert self.gate.wait(DEADLINE_S)
        return self._log.append(events)

    def __getattr__(self, name: str) -> Any:
        if name in {"stage", "commit"}:
            raise AttributeError(name)
        return getattr(self._log, name)


def test_when_the_queue_is_full_the_sender_is_told_to_come_back(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    held = HeldLog(log)
    app, server, thread = serve(held, queue_max=2)
    house = House(log, app, server)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(house.post, notice("ev-0"))
        assert held.entered.wait(DEADLINE_S)
        waiting = [pool.submit(house.post, notice(f"ev-{n}")) for n in (1, 2)]
        wait_until(lambda: app._writer.waiting == 2)
        status, answer, headers = house.post(notice("ev-3"))
        held.gate.set()
        assert (status, answer["code"], headers["retry-after"]) == (503, "CC-100", "1")
        assert [f.result()[0] for f in (first, *waiting)] == [200, 200, 200]
    assert sorted(e.event_id for e in log.read("0", 0)) == ["ev-0", "ev-1", "ev-2"]
    assert app.counters.shed == 1
    server.stop()
    thread.join()
    log.close()


class Gated:
    """A real log whose appends wait for a gate."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.gate = threading.Event()

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        assert self.gate.wait(DEADLINE_S)
        return self._log.append(events)

    def close(self) -> None:
        self._log.close()


def test_beyond_what_it_can_make_durable_in_time_it_sheds_and_keeps_what_it_took(
    tmp_path: Path,
) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    gated = Gated(log)
    door = Door(verifier=SquareVerifier(), keys=(KEY,), url=URL)
    app = Gateway(
        {"square": door},
        GroupCommitWriter(gated),  # type: ignore[arg-type]
        SystemClock(),
        in_hand_max=2,
    )
    server = gateway_server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.port != 0)
    house = House(log, app, server)
    with ThreadPoolExecutor(4) as pool:
        taken = [pool.submit(house.post, notice(f"ev-{n}")) for n in range(2)]
        wait_until(lambda: app.in_hand == 2)
        status, told, headers = house.post(notice("ev-2"))
        assert (status, told["code"], headers["retry-after"]) == (503, "CC-100", "1")
        gated.gate.set()
        assert {one.result()[0] for one in taken} == {200}
    assert house.post(notice("ev-2"))[0] == 200
    assert app.counters.shed == 1
    server.stop()
    thread.join()
    assert {one.event_id for one in log.read("0", 0)} == {"ev-0", "ev-1", "ev-2"}
    log.close()


def test_without_disk_space_the_sender_is_told_to_come_back(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite", free_bytes_min=2**62)
    with pytest.raises(DiskPressure):
        log.append([NewEvent("square", "webhook", "k", "e", "m", 0, b"{}")])
    app, server, thread = serve(log)
    status, answer, headers = House(log, app, server).post(notice("ev-1"))
    assert (status, answer["code"], headers["retry-after"]) == (503, "CC-105", "5")
    server.stop()
    thread.join()
    assert log.high_water("0") == 0
    log.close()


def test_stopping_writes_what_was_accepted(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    held = HeldLog(log)
    app, server, thread = serve(held)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(House(log, app, server).post, notice("ev-1"))
        assert held.entered.wait(DEADLINE_S)
        server.stop()
        held.gate.set()
        assert answer.result()[0] == 200
    thread.join()
    assert [e.event_id for e in log.read("0", 0)] == ["ev-1"]
    log.close()


def test_the_published_vector_and_the_vendors_helper_agree_with_our_signature() -> None:
    body = b'{"id":1,"amount":"10.00"}'
    ours = signature(body, key=b"sq_key", url=URL)
    assert ours == b"SikTiifsaTyw5zf6VeNsfdFX8BqAvXpUyQRB4WeKfAM="
    assert verify_signature(
        request_body=body.decode(),
        signature_header=ours.decode(),
        signature_key="sq_key",
        notification_url=URL,
    )
