"""A channel to others: webhooks, queues and topics that are told what happened."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

Outcome = Literal["sent", "failed", "refused"]


class QueueCapabilities(msgspec.Struct, frozen=True):
    """batch_max: messages in one call. body_bytes_max: a larger message is refused."""

    batch_max: int
    body_bytes_max: int


class Message(msgspec.Struct, frozen=True):
    """message_id is the same whenever the same thing is said. store: the order is kept within it."""

    message_id: str
    type: str
    store: str
    created_us: int
    body: bytes


class Delivery(msgspec.Struct, frozen=True):
    """What became of one message. refused: no further attempt can succeed."""

    message_id: str
    outcome: Outcome
    error: str = ""


class Queue(Protocol):
    """Delivers at least once; never retries by itself: the outbox does."""

    capabilities: QueueCapabilities

    def publish(self, messages: Sequence[Message]) -> list[Delivery]:
        """An outcome per message, in order; at most batch_max, and one of each store.

        Of two messages of a store in one call the first might fail and the second be delivered.

        Raises RateLimited or VendorUnavailable when surely none was delivered; a lost reply is
        `failed`, so the message is sent again under the same id.
        """
        ...

    def check(self) -> str:
        """What is there to be told, in words; tells it nothing.

        Raises VendorUnavailable when it is not reached, VendorRefused when it is not there or not
        ours to tell.
        """
        ...

    def close(self) -> None: ...
