import json
from datetime import UTC, datetime

import pytest

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.pos.square.client import Square
from cloud_conductor.adapters.pos.square.objects import (
    instant,
    member_of,
    new_object,
    page_of,
    rfc3339,
)
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.domain.events import Event, NewEvent

NOW = datetime(2026, 11, 21, 15, 0, 0, 123_456, tzinfo=UTC)
URL = "https://connect.squareup.com/v2/orders/search"


def fetched(body: bytes, kind: str = "order", within: str = "") -> NewEvent:
    return new_object(
        kind, body, source="square", merchant_id="ML1", url=URL, now=NOW, within=within
    )


def test_an_event_id_names_kind_object_version_and_bytes():
    body = b'{"id":"O1","version":4,"updated_at":"2026-11-21T15:00:00Z"}'
    event = fetched(body)
    assert event.event_id == "order:O1:4:bfa67f1ee684fd36"  # sha256sum of the body
    assert fetched(body + b" ").event_id != event.event_id
    assert event.received_us == 1_795_273_200_123_456


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"id":"P1","updated_at":"U","created_at":"C"}', "U"),
        (b'{"id":"P1","created_at":"C"}', "C"),
        (b'{"id":"P1","effective_at":"E"}', "E"),
        (b'{"id":"P1"}', "0"),
        (b'{"id":"P1","version":null,"updated_at":null}', "0"),
    ],
)
def test_an_object_without_a_version_is_told_apart_by_its_instant(body: bytes, version: str):
    assert fetched(body, "payment").event_id.split(":")[:3] == ["payment", "P1", version]


def test_a_child_is_named_within_its_parent():
    assert fetched(b'{"id":"E1"}', "cash_event", within="S1").event_id.startswith(
        "cash_event:S1:E1:0:"
    )


@pytest.mark.parametrize(
    "body", [b"{}", b"7", b'{"id":7}', b'{"id":"a\\u0000b"}', b'{"id":"' + b"x" * 999 + b'"}']
)
def test_an_object_without_a_usable_id_is_kept_under_its_digest(body: bytes):
    event = fetched(body)
    assert event.event_id.startswith("order:sha256:")
    assert (event.body, len(event.event_id)) == (body, len("order:sha256:") + 64)


def test_an_empty_list_may_be_left_out_of_a_page():
    assert page_of(b"{}", "orders", URL).objects == ()
    assert page_of(b'{"cursor":"c"}', "orders", URL).cursor == "c"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"orders":7}', b'{"cursor":7}'])
def test_an_answer_that_is_no_page_is_an_outage(body: bytes):
    with pytest.raises(VendorUnavailable):
        page_of(body, "orders", URL)


def test_a_missing_member_is_an_outage():
    assert member_of(b'{"payout": {"id" : 1}}', "payout", URL) == b'{"id" : 1}'
    with pytest.raises(VendorUnavailable, match="without 'payout'"):
        member_of(b"{}", "payout", URL)


def test_instants_are_written_and_read_as_square_does():
    assert rfc3339(NOW) == "2026-11-21T15:00:00.123Z"
    assert instant("2026-11-21T10:00:00-05:00") == datetime(2026, 11, 21, 15, tzinfo=UTC)


def _event(kind: str, data_id: object, channel: str = "webhook") -> Event:
    return Event(
        seq=9,
        source="square",
        channel=channel,  # type: ignore[arg-type]
        kind=kind,
        event_id="e",
        merchant_id="ML1",
        received_us=0,
        body=json.dumps({"data": {"id": data_id}}).encode(),
    )


def test_only_orders_and_payout_entries_need_fetching():
    engine = HttpEngine("https://127.0.0.1:1", name="Square")  # nobody listens there
    square = Square(engine, source="square", clock=SystemClock())
    found = {
        kind: [(one.kind, one.object_id, one.trigger_seq) for one in square.wanted(event)]
        for kind in (
            "order.created",
            "order.updated",
            "payout.sent",
            "payment.created",
            "malformed",
        )
        for event in [_event(kind, "X-1_a")]
    }
    assert found == {
        "order.created": [("order", "X-1_a", 9)],
        "order.updated": [("order", "X-1_a", 9)],
        "payout.sent": [("payout_entry", "X-1_a", 9)],
        "payment.created": [],
        "malformed": [],
    }
    assert square.wanted(_event("order.updated", "X", channel="api")) == []
    assert len(square.wanted(_event("order.updated", "X", channel="replay"))) == 1
    for unusable in ("", "a/../b", "a b", "é", 7, None, "x" * 500):
        assert square.wanted(_event("order.updated", unusable)) == []
    square.close()
