"""How a log knows an event again, and the row shapes that every SQL log shares."""

import hashlib
from collections.abc import Callable
from typing import Any

from cloud_conductor.domain.events import Event, NewEvent

COLLISIONS_MAX = 8  # different ids on one 64-bit key; reaching it is an error, not a lost event

Digest = Callable[[str, str], int]


def event_digest(source: str, event_id: str) -> int:
    """Signed 64-bit BLAKE2b of (source, event_id): a bigint column in every database."""
    key = f"{source}\0{event_id}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big", signed=True)


COLUMNS = (
    "seq, source, channel, kind, event_id, merchant_id, received_us, body, headers, url, "
    "trigger_seq"
)
"""What `event_of` reads, in order."""


def event_of(row: tuple[Any, ...]) -> Event:
    """The event of a row selected as COLUMNS."""
    seq, *fields = row
    return Event(*fields, seq=seq)


def described(event: NewEvent) -> tuple[Any, ...]:
    """An event without its body, in the order of the log's columns."""
    return (
        event.received_us,
        event.source,
        event.channel,
        event.kind,
        event.event_id,
        event.merchant_id,
        event.headers,
        event.url,
        event.trigger_seq,
    )
