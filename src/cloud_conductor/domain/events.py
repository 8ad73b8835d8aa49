"""What came in: the rows of the event log."""

from typing import Literal

import msgspec

Channel = Literal["webhook", "api", "file", "replay"]
PARTITION = "0"  # logs without partitions have this one


class NewEvent(msgspec.Struct, frozen=True):
    """One thing received, before it has a place in the log.

    event_id is unique per (source, what it is): the vendor's own id of a webhook delivery, or
    `<kind>:<id>:<version>:<sha8>` of a fetched body. kind: the vendor's webhook type
    (`order.updated`) or the object fetched (`order`, `payment`, `payout_entries`).
    body: the original bytes. headers: allow-listed, JSON text.
    """

    source: str
    channel: Channel
    kind: str
    event_id: str
    merchant_id: str
    received_us: int
    body: bytes
    headers: str = "{}"
    url: str = ""
    trigger_seq: int = 0


class Event(NewEvent, frozen=True, kw_only=True):
    """A logged event. `seq` rises in commit order within a partition; it may have holes."""

    seq: int


class Appended(msgspec.Struct, frozen=True):
    """Outcome of an append: `duplicate` is True when this event_id is in the log already."""

    seq: int
    duplicate: bool
