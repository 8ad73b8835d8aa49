"""A control listing outlives an order that breaks its contract (D16), and misses no late second."""

import json
from datetime import UTC, datetime

import pytest

from cloud_conductor.adapters.pos.square.listing import listed
from cloud_conductor.domain.errors import VendorUnavailable

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
ORDER = {
    "id": "o1",
    "state": "COMPLETED",
    "version": 3,
    "total_money": {"amount": 1240, "currency": "USD"},
    "net_amounts": {"total_money": {"amount": 1000, "currency": "USD"}},
    "closed_at": "2026-11-21T15:00:00Z",
}


def row(**changed: object):
    return listed(json.dumps(ORDER | changed).encode(), "https://square", within=START)


def test_a_listed_order_counts_net_of_what_was_given_back():
    found = row()
    assert (found.object_id, found.version, found.total_minor) == ("o1", 3, 1000)
    assert found.occurred_at == datetime(2026, 11, 21, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "changed",
    [
        {"total_money": {"amount": "12.40", "currency": "USD"}},
        {"net_amounts": []},
        {"closed_at": 7},
        {"state": None},
    ],
    ids=str,
)
def test_an_order_of_wrong_types_is_listed_without_a_total(changed: dict[str, object]):
    found = row(**changed)
    assert (found.object_id, found.version, found.total_minor) == ("o1", 3, 0)


@pytest.mark.parametrize("told", ["yesterday", ["2026"], None])
def test_an_unreadable_time_lies_in_the_span_that_was_asked_for(told: object):
    assert row(closed_at=told, created_at="never").occurred_at == START


@pytest.mark.parametrize("body", [b"[]", b'"o1"', b'{"state": "COMPLETED"}', b'{"id": 7}'])
def test_an_order_without_an_id_is_the_vendors_failure(body: bytes):
    with pytest.raises(VendorUnavailable, match="without an id"):
        listed(body, "https://square", within=START)
