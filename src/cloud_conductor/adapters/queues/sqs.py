"""Amazon SQS: a FIFO queue keeps the order of each store, a standard queue only delivers.

Docs: Amazon SQS developer guide "Using the Amazon SQS message deduplication ID", "... message group
ID"; API reference SendMessageBatch. The group is the store, the deduplication id the message's own:
a message sent again within five minutes is one message; later again, receivers compare ids.
"""

from collections.abc import Sequence
from typing import Any

from cloud_conductor.adapters.aws import VENDOR_ERRORS, client, failed
from cloud_conductor.ports.queue import Delivery, Message, QueueCapabilities

FIFO = ".fifo"


class Sqs:
    """A queue by its URL (ports.queue.Queue). A FIFO queue's URL ends in `.fifo`."""

    capabilities = QueueCapabilities(batch_max=10, body_bytes_max=1_048_576)

    def __init__(self, url: str, *, region: str = "", endpoint: str = "") -> None:
        self._url = url
        self._is_fifo = url.endswith(FIFO)
        self._client = client("sqs", region=region, endpoint=endpoint)

    def publish(self, messages: Sequence[Message]) -> list[Delivery]:
        entries = [self._entry(str(at), one) for at, one in enumerate(messages)]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except VENDOR_ERRORS as error:
            raise failed(error, f"sending to {self._url}") from error
        problems = {one["Id"]: one for one in answer.get("Failed", ())}
        return [_delivery(one, problems.get(str(at))) for at, one in enumerate(messages)]

    def check(self) -> str:
        try:
            self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        except VENDOR_ERRORS as error:
            raise failed(error, f"looking at {self._url}") from error
        return f"{'FIFO' if self._is_fifo else 'standard'} queue {self._url}"

    def close(self) -> None:
        self._client.close()

    def _entry(self, name: str, message: Message) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "Id": name,
            "MessageBody": message.body.decode(),
            "MessageAttributes": _attributes(message),
        }
        if self._is_fifo:
            entry |= {
                "MessageGroupId": message.store,
                "MessageDeduplicationId": message.message_id,
            }
        return entry


def _attributes(message: Message) -> dict[str, dict[str, str]]:
    """What a receiver can filter by without reading the body."""
    named = {"message_id": message.message_id, "type": message.type, "store": message.store}
    return {name: {"DataType": "String", "StringValue": value} for name, value in named.items()}


def _delivery(message: Message, problem: dict[str, Any] | None) -> Delivery:
    """Outcome of one entry of a batch call; a sender's fault never gets better."""
    if problem is None:
        return Delivery(message.message_id, "sent")
    said = f"{problem.get('Code', '')}: {problem.get('Message', '')}"
    return Delivery(message.message_id, "refused" if problem.get("SenderFault") else "failed", said)
