"""Rows of a control listing: what Square itself says exists, to compare with what we hold."""

from datetime import datetime
from typing import Any

import msgspec

from cloud_conductor.adapters.pos.square.objects import head_of, instant, moment_of
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


_LISTED = msgspec.json.Decoder(_ListedOrder)


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
