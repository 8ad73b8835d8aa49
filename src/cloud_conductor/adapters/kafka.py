"""What both uses of Kafka share: an address, librdkafka's settings, and what its errors mean."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cloud_conductor.domain.errors import (
    ConductorError,
    ConfigError,
    MissingExtra,
    VendorRefused,
    VendorUnavailable,
)

try:
    import confluent_kafka as kafka
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic as new_topic  # noqa: N813  # a constructor
except ModuleNotFoundError as missing:
    raise MissingExtra("confluent-kafka", "kafka") from missing

SCHEME = "kafka://"
REFUSED = frozenset({
    "TOPIC_AUTHORIZATION_FAILED", "SASL_AUTHENTICATION_FAILED", "_AUTHENTICATION", "_INVALID_ARG",
    "MSG_SIZE_TOO_LARGE", "POLICY_VIOLATION",
})  # fmt: skip
__all__ = [
    "CALL_TIMEOUT_S", "Address", "address_of", "admin", "consumer", "failed", "kafka", "new_topic",
    "producer",
]  # fmt: skip
DELIVERY_TIMEOUT_MS = 20_000
REQUEST_TIMEOUT_MS = 10_000
CALL_TIMEOUT_S = 20.0


class Address(msgspec.Struct, frozen=True):
    brokers: str
    topic: str


def address_of(url: str) -> Address:
    """`kafka://host:port[,host:port]/topic`."""
    brokers, _, topic = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not brokers or not topic or "/" in topic:
        raise ConfigError(f"{url!r} is not kafka://host:port[,host:port]/topic")
    return Address(brokers, topic)


def producer(brokers: str, options: Mapping[str, str]) -> Any:
    """A producer that keeps order and never doubles within its own life: idempotent, acks=all."""
    return kafka.Producer({
        "bootstrap.servers": brokers,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 0,
        "message.max.bytes": 16_777_216,
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
        "request.timeout.ms": REQUEST_TIMEOUT_MS,
        "socket.keepalive.enable": True,
        **_quiet(),
        **options,
    })  # fmt: skip


def consumer(brokers: str, options: Mapping[str, str]) -> Any:
    """A consumer without a group: it is told what to read, and nobody keeps its place but us."""
    return kafka.Consumer({
        "bootstrap.servers": brokers,
        "group.id": "cloud-conductor",  # required by the client; no group is joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted",  # nothing here stands on transactions
        "fetch.wait.max.ms": 50,
        "fetch.message.max.bytes": 16_777_216,
        "queued.max.messages.kbytes": 65_536,
        **_quiet(),
        **options,
    })  # fmt: skip


def admin(brokers: str, options: Mapping[str, str]) -> Any:
    """A client that makes topics and frees records."""
    return AdminClient({"bootstrap.servers": brokers, **_quiet(), **options})


def failed(error: Any, doing: str) -> ConductorError:
    """What a KafkaError or KafkaException means to a flow: later, or a person must act."""
    found = error.args[0] if isinstance(error, kafka.KafkaException) else error
    text = f"{doing}: {found.str()} ({found.name()})"
    if found.name() in REFUSED:
        return VendorRefused(text)
    return VendorUnavailable(text, retry_after_s=1.0)


def _quiet() -> dict[str, Any]:
    """Librdkafka's own log lines go to our log, not to the terminal."""
    import logging

    return {"logger": logging.getLogger("conductor.kafka"), "log_level": 2}
