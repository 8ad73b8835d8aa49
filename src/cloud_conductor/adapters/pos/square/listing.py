"""Rows of a control listing: what Square itself says exists, to compare with what we hold."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cloud_conductor.adapters.pos.square.objects import head_of, instant, moment_of, page_of
from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.ports.pos import Listed


class _Money(msgspec.Struct, frozen=True):
    amount: int = 0


class _NetAmounts(msgspec.Struct, frozen=True):
    total_money: _Money = _Money()


class _ListedOrder(msgspec.Struct, frozen=True):
    """What a control listing takes from an order (L1, L2)."""

    id: str
    state: str
    location_id: str = ""
    version: int = 1
    total_money: _Money = _Money()
    net_amounts: _NetAmounts | None = None
    closed_at: str = ""
    created_at: str = ""

    def listed(self) -> Listed:
        net = self.total_money if self.net_amounts is None else self.net_amounts.total_money
        return Listed(
            object_id=self.id,
            version=self.version,
            total_minor=net.amount,
            state=self.state,
            occurred_at=instant(self.closed_at or self.created_at),
            location_id=self.location_id,
        )


class _Answer(msgspec.Struct):
    orders: list[_ListedOrder] = []
    cursor: str = ""


class Listing(NamedTuple):
    """One page of a control listing."""

    rows: list[Listed]
    cursor: str


_LISTED = msgspec.json.Decoder(_ListedOrder)
_ANSWER = msgspec.json.Decoder(_Answer)


def listing_of(body: bytes, name: str, url: str, *, within: datetime) -> Listing:
    """A page of orders, of which only what a listing says is read; see `listed`.

    An order that cannot be read so has its page read again, one by one.
    """
    try:
        found = _ANSWER.decode(body)
        return Listing([one.listed() for one in found.orders], found.cursor)
    except (msgspec.DecodeError, ValueError, RecursionError):
        page = page_of(body, name, url)
    return Listing([listed(one, url, within=within) for one in page.objects], page.cursor)


def listed(body: bytes, url: str, *, within: datetime) -> Listed:
    """A row of a control listing.

    Of an order that breaks its contract it takes what can be read: the order waits in quarantine
    (D16) and must not keep its whole day from closing. Its total then counts nothing, as on our
    side; its time, if unreadable, is inside the span that was asked for.
    """
    try:
        return _LISTED.decode(body).listed()
    except (msgspec.ValidationError, ValueError):
        head = head_of(body)
    if head is None:
        raise VendorUnavailable(f"{url} lists an order without an id")
    told: dict[str, Any] = msgspec.json.decode(body)
    return Listed(
        object_id=head.id,
        version=head.version or 0,
        total_minor=0,
        state=str(told.get("state", "")),
        occurred_at=moment_of(told.get("closed_at") or told.get("created_at")) or within,
        location_id=str(told.get("location_id", "")),
    )
