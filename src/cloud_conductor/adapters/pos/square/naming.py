"""Which version of which object an event is about, before anything else of it is read."""

import msgspec

from cloud_conductor.adapters.pos.square.batch import micros
from cloud_conductor.adapters.pos.square.objects import UNREADABLE, moment_of
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.ports.pos import Named

NOTICES = {
    "order": ("order_created", "order_updated", "order_fulfillment_updated"),
    "payment": ("payment",),
    "refund": ("refund",),
    "payout": ("payout",),
    "dispute": ("dispute",),
    "gift_card_activity": ("gift_card_activity",),
}
"""Kind of object -> the members of `data.object` that a webhook carries it in."""

_KIND_OF = {member: kind for kind, members in NOTICES.items() for member in members}


class _Object(msgspec.Struct):
    id: str = ""
    order_id: str = ""
    version: int | None = None
    updated_at: str = ""
    created_at: str = ""
    location_id: str = ""
    reference_id: str = ""


class _Data(msgspec.Struct):
    object: dict[str, msgspec.Raw] = {}


class _Notice(msgspec.Struct):
    data: _Data


_OBJECT = msgspec.json.Decoder(_Object)
_NOTICE = msgspec.json.Decoder(_Notice)


def named(event: NewEvent) -> Named | None:
    """Kind, id and version of the object; None for what has none, or where it cannot be read.

    version: rises with every change; an order's own number, else microseconds since 1970. The same
    object has the same kind and scale whether a webhook or the API told of it.
    """
    try:
        if event.channel == "api":
            return _of(event.kind, _OBJECT.decode(event.body))
        for member, raw in _NOTICE.decode(event.body).data.object.items():
            if kind := _KIND_OF.get(member):
                return _of(kind, _OBJECT.decode(raw))
    except UNREADABLE:
        return None
    return None


def _of(kind: str, found: _Object) -> Named | None:
    object_id = found.order_id if kind == "order" and found.order_id else found.id
    try:
        made_us, changed_us = (
            micros(at) if (at := moment_of(text)) is not None else 0
            for text in (found.created_at, found.updated_at or found.created_at)
        )
    except OverflowError:  # the year 0 in a zone east of here
        return None
    version = found.version if kind == "order" else changed_us
    if not object_id or not version or abs(version) >= 2**63:
        return None
    return Named(
        kind, object_id, version, changed_us, found.location_id, found.reference_id, made_us
    )
