"""A Kafka topic: the store is the key, so each store's messages are in one partition, in order.

Docs: Apache Kafka documentation "Producer configs" (enable.idempotence). Transactions are not used:
a message sent again after a crash is there twice, under one `message_id` header.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from cloud_conductor.adapters.kafka import CALL_TIMEOUT_S, address_of, failed, kafka, producer
from cloud_conductor.domain.errors import VendorRefused, VendorUnavailable
from cloud_conductor.ports.queue import Delivery, Message, Outcome, QueueCapabilities

CHECK_TIMEOUT_S = 5.0
TOO_LARGE = kafka.KafkaError.MSG_SIZE_TOO_LARGE


class KafkaTopic:
    """A topic by `kafka://host:port/topic` (ports.queue.Queue). The extra [kafka] is needed."""

    capabilities = QueueCapabilities(batch_max=500, body_bytes_max=1_048_576)

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        address = address_of(url)
        self._topic = address.topic
        self._brokers = address.brokers
        self._options = dict(options)
        self._producer = producer(address.brokers, options)

    def publish(self, messages: Sequence[Message]) -> list[Delivery]:
        outcomes: dict[str, Any] = {}

        def reported(name: str, error: Any, _record: Any) -> None:
            outcomes[name] = error

        found: dict[str, Delivery] = {}
        for message in messages:
            try:
                self._producer.produce(
                    self._topic,
                    key=message.store.encode(),
                    value=message.body,
                    headers=[
                        ("message_id", message.message_id.encode()),
                        ("type", message.type.encode()),
                    ],
                    on_delivery=partial(reported, message.message_id),
                )
            except kafka.KafkaException as error:
                too_large = error.args[0].code() == TOO_LARGE
                outcome: Outcome = "refused" if too_large else "failed"
                found[message.message_id] = Delivery(message.message_id, outcome, str(error))
        left = self._producer.flush(CALL_TIMEOUT_S)
        if left or any(outcomes.values()):
            self._start_again()
        if left and not outcomes:
            raise VendorUnavailable(f"Kafka took none of {left} messages in time")
        return [found.get(one.message_id) or _delivery(one, outcomes) for one in messages]

    def check(self) -> str:
        doing = f"looking at topic {self._topic}"
        try:
            found = self._producer.list_topics(self._topic, CHECK_TIMEOUT_S).topics[self._topic]
        except kafka.KafkaException as error:
            raise failed(error, doing) from error
        if found.error is not None:
            raise VendorRefused(
                f"{doing}: {found.error.str()}", hint="make the topic, or name another"
            )
        return f"topic {self._topic} of {self._brokers}, {len(found.partitions)} partitions"

    def close(self) -> None:
        self._producer.flush(CALL_TIMEOUT_S)

    def _start_again(self) -> None:
        """Forget what is still under way: the outbox sends it again, in order."""
        self._producer.purge()
        self._producer.flush(1.0)
        self._producer = producer(self._brokers, self._options)


def _delivery(message: Message, outcomes: Mapping[str, Any]) -> Delivery:
    key = message.message_id
    if key not in outcomes:
        return Delivery(message.message_id, "failed", "no report in time")
    error = outcomes[key]
    if error is None:
        return Delivery(message.message_id, "sent")
    outcome: Outcome = "refused" if error.code() == TOO_LARGE else "failed"
    return Delivery(message.message_id, outcome, error.str())
