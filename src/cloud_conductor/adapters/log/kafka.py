"""The event log in a Kafka topic of one partition: several gateways, brokers that replicate.

Docs: Apache Kafka documentation "Producer configs", "Topic configs". seq = offset + 1, so numbers
have holes where a record is no event. One partition, because a close asks for everything up to a
seq: the order of the log is one order.

Transactions are not used: an aborted record reaches readers of some brokers all the same. A topic
takes an event twice when two gateways get it at once or a reply is lost; every reader counts the
first record of an id as the event and the others as duplicates (`kafka_index`), so all agree. An
append that raises may have left some of its events in the topic: sent again, they are duplicates.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from cloud_conductor.adapters.kafka import (
    CALL_TIMEOUT_S,
    address_of,
    admin,
    consumer,
    failed,
    kafka,
    new_topic,
    producer,
)
from cloud_conductor.adapters.log.identity import Digest, event_digest
from cloud_conductor.adapters.log.kafka_index import Entry, Index
from cloud_conductor.domain.errors import ConductorError, ConfigError, CursorGap, VendorUnavailable
from cloud_conductor.domain.events import PARTITION, Appended, Event, NewEvent

READ_BYTES_MAX = 16 * 1024 * 1024
ENTRIES_PER_COMMIT = 5_000
SKIP_MAX = 1_000  # records read past rather than sought over, when events are got by seq
NUMBERS = frozenset({"received_us", "trigger_seq"})
TOPIC_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # the product prunes, when everything is sealed
    "retention.bytes": "-1",
    "max.message.bytes": "16777216",
    "message.timestamp.type": "CreateTime",
}

log = logging.getLogger("conductor")


class KafkaLog:
    """An event log at `kafka://host:port/topic` (ports.log.EventLog). The extra [kafka] is needed.

    index: a file of this machine; see kafka_index. options: of librdkafka.
    """

    def __init__(
        self, url: str, options: Mapping[str, str], index: Path, *, digest: Digest = event_digest
    ) -> None:
        address = address_of(url)
        self._topic = address.topic
        self._brokers = address.brokers
        self._options = dict(options)
        self._admin = admin(address.brokers, options)
        self._prepare_topic()
        self._index = Index(index, digest=digest)
        self._write_lock = threading.Lock()
        self._tail = _Reader(self._new_consumer(), self._topic)
        self._pages = _Reader(self._new_consumer(), self._topic)
        self._producer = producer(address.brokers, options)
        self._open_index()

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """In the topic, acknowledged by every in-sync replica, on return."""
        if not events:
            return []
        with self._write_lock:
            known = self._index.known(events)
            entries = self._produce(events, known)
            first, end = entries[0].offset, entries[-1].offset + 1
            if self._index.next_offset() == first and end - first == len(entries):
                self._index.apply(entries, upto=end)
            else:
                self._catch_up(upto=end)  # others wrote too: the topic decides who was first
            seqs = self._index.known(events)
        return [
            Appended(seq=seq, duplicate=seq != entry.seq)
            for seq, entry in zip(seqs, entries, strict=True)
        ]

    def partitions(self) -> tuple[str, ...]:
        return (PARTITION,)

    def read(self, partition: str, after: int, limit: int = 1_000) -> list[Event]:
        assert partition == PARTITION, partition
        self._catch_up()
        return self._fetch(self._index.seqs(after, limit), until_full=True)

    def get(self, seqs: Sequence[int]) -> list[Event]:
        self._catch_up()
        wanted = [seq for seq in sorted(set(seqs)) if self._index.seqs(seq - 1, 1) == [seq]]
        return self._fetch(wanted, until_full=False)

    def find(self, source: str, event_id: str) -> int:
        self._catch_up()
        return self._index.find(source, event_id)

    def high_water(self, partition: str) -> int:
        assert partition == PARTITION, partition
        self._catch_up()
        return self._index.high_water()

    def duplicates(self, after: int, limit: int = 10_000) -> list[tuple[int, NewEvent]]:
        self._catch_up()
        return self._index.duplicates(after, limit)

    def prune(self, partition: str, before: int) -> int:
        """Say in the topic where it begins now, so that every index agrees; then free the records.

        A broker that cannot delete records keeps them, unread.
        """
        assert partition == PARTITION, partition
        with self._write_lock:
            self._catch_up()
            before = min(before, self._index.high_water())
            dropped = self._index.count_before(before)
            self._deliver([(b"", [("type", b"prune"), ("before", str(before).encode())])])
            self._catch_up()
        self._free(before)
        return dropped

    def close(self) -> None:
        self._producer.flush(CALL_TIMEOUT_S)
        self._tail.close()
        self._pages.close()
        self._index.close()

    def _prepare_topic(self) -> None:
        """Make the topic if it is not there; refuse one whose order is not one order."""
        try:
            found = self._admin.list_topics(timeout=CALL_TIMEOUT_S).topics.get(self._topic)
            if found is None:
                topic = new_topic(self._topic, num_partitions=1, config=TOPIC_CONFIG)
                self._admin.create_topics([topic])[self._topic].result(CALL_TIMEOUT_S)
                return
        except kafka.KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise failed(error, f"opening the topic {self._topic}") from error
            return
        if len(found.partitions) != 1:
            raise ConfigError(
                f"the topic {self._topic} has {len(found.partitions)} partitions; the log has one",
                hint="name another topic in [log] url",
            )

    def _new_consumer(self) -> Any:
        return consumer(self._brokers, self._options)

    def _produce(self, events: Sequence[NewEvent], known: Sequence[int]) -> list[Entry]:
        """Put events in order; of those that are known, only that they came again."""
        records = [
            (b"" if seq else event.body, _headers(event, "duplicate" if seq else "event"))
            for event, seq in zip(events, known, strict=True)
        ]
        offsets = self._deliver(records)
        return [
            Entry(offset, "duplicate" if seq else "event", event)
            for offset, event, seq in zip(offsets, events, known, strict=True)
        ]

    def _deliver(self, records: Sequence[tuple[bytes, list[tuple[str, bytes]]]]) -> list[int]:
        """Offsets of the records. Raises when one of them is not surely in the topic."""
        reports: dict[int, Any] = {}

        def reported(at: int, error: Any, record: Any) -> None:
            reports[at] = error if error is not None else int(record.offset())

        try:
            for at, (value, headers) in enumerate(records):
                self._producer.produce(
                    self._topic, partition=0, value=value, headers=headers,
                    on_delivery=partial(reported, at),
                )  # fmt: skip
            left = self._producer.flush(CALL_TIMEOUT_S)
        except (kafka.KafkaException, BufferError) as error:
            self._start_again()
            raise VendorUnavailable(f"Kafka takes nothing: {error}", retry_after_s=1.0) from error
        errors = [one for one in reports.values() if not isinstance(one, int)]
        if left or errors:
            self._start_again()
            if errors:
                raise failed(errors[0], f"writing to {self._topic}")
            raise VendorUnavailable(f"Kafka left {left} events unanswered", retry_after_s=1.0)
        return [reports[at] for at in range(len(records))]

    def _start_again(self) -> None:
        """A producer that failed may never work again, and must not write later what we gave up."""
        self._producer.purge()
        self._producer.flush(1.0)
        self._producer = producer(self._brokers, self._options)

    def _catch_up(self, *, upto: int = 0) -> None:
        """Take in what is in the topic now, or what is before an offset that surely is in it.

        The end a broker tells may lie inside its last batch (Tansu): it says whether there is more,
        not how much.
        """
        at, need = self._index.next_offset(), upto
        if not upto:
            low, need = self._tail.watermarks()
            at = max(at, low)
        if need <= at:
            return
        entries: list[Entry] = []
        for record in self._tail.each(at, need, to_end=not upto):
            entries.append(_entry(record))
            if len(entries) >= ENTRIES_PER_COMMIT:
                self._index.apply(entries, upto=entries[-1].offset + 1)
                entries = []
        if entries:
            self._index.apply(entries, upto=entries[-1].offset + 1)

    def _open_index(self) -> None:
        """Take in the topic, if it is the one that the index was made from."""
        topics = self._admin.describe_topics(kafka.TopicCollection([self._topic]))
        try:
            found = topics[self._topic].result(CALL_TIMEOUT_S)
        except kafka.KafkaException as error:
            raise failed(error, f"asking for the topic {self._topic}") from error
        if not self._index.is_of(str(found.topic_id)):
            raise CursorGap(
                f"the topic {self._topic} was made anew since it was last read: its events are gone",
                hint="restore the topic, or start with a new state folder and a new topic",
            )
        self._catch_up()

    def _fetch(self, seqs: Sequence[int], *, until_full: bool) -> list[Event]:
        """Events of these seqs, in order; until_full: as many as fit READ_BYTES_MAX, at least one."""
        events: list[Event] = []
        size_bytes, at = 0, 0
        while at < len(seqs):
            end = at + 1
            while end < len(seqs) and seqs[end] - seqs[end - 1] <= SKIP_MAX:
                end += 1
            wanted = set(seqs[at:end])
            for record in self._pages.each(seqs[at] - 1, seqs[end - 1]):
                if record.offset() + 1 not in wanted:
                    continue
                events.append(_event(record))
                size_bytes += len(events[-1].body)
                if until_full and size_bytes >= READ_BYTES_MAX:
                    return events
            at = end
        return events

    def _free(self, before: int) -> None:
        place = kafka.TopicPartition(self._topic, 0, before - 1)
        try:
            for answer in self._admin.delete_records([place]).values():
                answer.result(CALL_TIMEOUT_S)
        except kafka.KafkaException as error:
            log.warning("log.not_freed", extra={"fields": {"error": str(error)}})


class _Reader:
    """One consumer of the topic's partition; one thread at a time."""

    def __init__(self, source: Any, topic: str) -> None:
        self._source = source
        self._topic = topic
        self._lock = threading.RLock()
        self._next = -1

    def watermarks(self) -> tuple[int, int]:
        """Offsets of the first record and after the last one that every replica has."""
        place = kafka.TopicPartition(self._topic, 0)
        try:
            with self._lock:
                low, high = self._source.get_watermark_offsets(place, timeout=CALL_TIMEOUT_S)
        except kafka.KafkaException as error:
            raise failed(error, f"asking for the end of {self._topic}") from error
        return int(low), int(high)

    def each(self, start: int, need: int, *, to_end: bool = False) -> Iterator[Any]:
        """Records from `start` up to offset `need`, in order; the caller may stop at any of them.

        to_end: and those behind it, until the broker says there are no more.
        """
        with self._lock:
            if start != self._next:
                self._source.assign([kafka.TopicPartition(self._topic, 0, start)])
                self._next = start
            while to_end or self._next < need:
                record = self._source.poll(CALL_TIMEOUT_S)
                if record is None:
                    self._next = -1
                    raise VendorUnavailable("Kafka gives no records", retry_after_s=1.0)
                error = record.error()
                if error is None:
                    self._next = record.offset() + 1
                    yield record
                elif error.name() != "_PARTITION_EOF":
                    self._next = -1
                    raise _unread(error, self._topic)
                elif self._next >= need:
                    return

    def close(self) -> None:
        with self._lock:
            self._source.close()


def _unread(error: Any, topic: str) -> ConductorError:
    if error.name() == "_AUTO_OFFSET_RESET":
        return CursorGap(
            f"records of the topic {topic} that were not read yet are gone",
            hint="raise the topic's retention; restore it",
        )
    return failed(error, f"reading {topic}")


def _headers(event: NewEvent, kind: str) -> list[tuple[str, bytes]]:
    named = msgspec.structs.asdict(event)
    del named["body"]
    return [
        ("type", kind.encode()),
        *((name, str(value).encode()) for name, value in named.items()),
    ]


def _entry(record: Any) -> Entry:
    """A record of the topic without its body; one that is not ours prunes nothing."""
    headers = {name: value.decode() for name, value in record.headers() or ()}
    kind = headers.pop("type", "prune")
    if kind == "prune":
        before = int(headers.get("before", 0))
        return Entry(record.offset(), "prune", _NOTHING, before)
    return Entry(record.offset(), "event" if kind == "event" else "duplicate", _new(headers, b""))


def _event(record: Any) -> Event:
    headers = {name: value.decode() for name, value in record.headers()}
    del headers["type"]
    new = _new(headers, record.value() or b"")
    return Event(**msgspec.structs.asdict(new), seq=record.offset() + 1)


def _new(headers: Mapping[str, str], body: bytes) -> NewEvent:
    named: dict[str, Any] = {
        name: int(value) if name in NUMBERS else value for name, value in headers.items()
    }
    return NewEvent(**named, body=body)


_NOTHING = NewEvent(
    source="", channel="file", kind="", event_id="", merchant_id="", received_us=0, body=b""
)
