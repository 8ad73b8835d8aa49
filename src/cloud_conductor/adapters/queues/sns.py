"""Amazon SNS: a topic, FIFO or standard, that fans out to whoever subscribes.

Docs: Amazon SNS developer guide "Message ordering details for FIFO topics", "Message deduplication
for FIFO topics"; API reference PublishBatch.
"""

from collections.abc import Sequence
from typing import Any

from cloud_conductor.adapters.aws import VENDOR_ERRORS, client, failed
from cloud_conductor.ports.queue import Delivery, Message, QueueCapabilities

FIFO = ".fifo"


class Sns:
    """A topic by its ARN (ports.queue.Queue). A FIFO topic's name ends in `.fifo`."""

    capabilities = QueueCapabilities(batch_max=10, body_bytes_max=262_144)

    def __init__(self, arn: str, *, region: str = "", endpoint: str = "") -> None:
        self._arn = arn
        self._is_fifo = arn.endswith(FIFO)
        self._client = client("sns", region=region, endpoint=endpoint)

    def publish(self, messages: Sequence[Message]) -> list[Delivery]:
        entries = [self._entry(str(at), one) for at, one in enumerate(messages)]
        try:
            answer = self._client.publish_batch(
                TopicArn=self._arn, PublishBatchRequestEntries=entries
            )
        except VENDOR_ERRORS as error:
            raise failed(error, f"publishing to {self._arn}") from error
        problems = {one["Id"]: one for one in answer.get("Failed", ())}
        return [_delivery(one, problems.get(str(at))) for at, one in enumerate(messages)]

    def check(self) -> str:
        try:
            self._client.get_topic_attributes(TopicArn=self._arn)
        except VENDOR_ERRORS as error:
            raise failed(error, f"looking at {self._arn}") from error
        return f"{'FIFO' if self._is_fifo else 'standard'} topic {self._arn}"

    def close(self) -> None:
        self._client.close()

    def _entry(self, name: str, message: Message) -> dict[str, Any]:
        named = {"message_id": message.message_id, "type": message.type, "store": message.store}
        entry: dict[str, Any] = {
            "Id": name,
            "Message": message.body.decode(),
            "MessageAttributes": {
                key: {"DataType": "String", "StringValue": value} for key, value in named.items()
            },
        }
        if self._is_fifo:
            entry |= {
                "MessageGroupId": message.store,
                "MessageDeduplicationId": message.message_id,
            }
        return entry


def _delivery(message: Message, problem: dict[str, Any] | None) -> Delivery:
    if problem is None:
        return Delivery(message.message_id, "sent")
    said = f"{problem.get('Code', '')}: {problem.get('Message', '')}"
    return Delivery(message.message_id, "refused" if problem.get("SenderFault") else "failed", said)
