"""The event log with its past: what was pruned from it is read from the raw zone.

Retention keeps the log small; replay, release and every look at an old event go on as if nothing
had been dropped, because the raw zone holds the original bytes under the same numbers.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from cloud_conductor.domain.events import Appended, Event, NewEvent
from cloud_conductor.ingest.archive import events_in, seq_in
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.objects import ObjectStore

_RANGE = re.compile(r"raw/source=[^/]+/date=[^/]+/events-(\d+)-(\d+)\.parquet")
RANGES_HELD = 2  # decoded ones: a reader goes through one range in several pages
READ_BYTES_MAX = 16 * 1024 * 1024


class WholeLog:
    """Satisfies ports.log.EventLog. What `log` has no more is looked up in `raw`."""

    def __init__(self, log: EventLog, raw: ObjectStore) -> None:
        self._log = log
        self._raw = raw
        self._range = lru_cache(RANGES_HELD)(self._read_range)

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        return self._log.append(events)

    def partitions(self) -> tuple[str, ...]:
        return self._log.partitions()

    def read(self, partition: str, after: int, limit: int = 1_000) -> list[Event]:
        """As the log's; a page comes from the log or from the raw zone, never from both."""
        events = self._log.read(partition, after, limit)
        if events and events[0].seq == after + 1:
            return events
        if not events and self._log.high_water(partition) <= after:
            return events
        end = events[0].seq if events else self._log.high_water(partition) + 1
        archived = _page(self._archived(after, end), limit)
        return archived or events  # a log may leave numbers out

    def get(self, seqs: Sequence[int]) -> list[Event]:
        found = {event.seq: event for event in self._log.get(seqs)}
        for seq in sorted(set(seqs) - found.keys()):
            found |= {event.seq: event for event in self._archived(seq - 1, seq + 1)}
        return [found[seq] for seq in sorted(found)]

    def find(self, source: str, event_id: str) -> int:
        """As the log's; what was pruned is looked for in the ids of the raw zone's files."""
        if seq := self._log.find(source, event_id):
            return seq
        (partition, *_) = self.partitions()
        begin = next((event.seq for event in self._log.read(partition, 0, 1)), 0)
        if begin <= 1:
            return 0
        for key in sorted(self._raw.list(f"raw/source={source}/"), reverse=True):
            held = _RANGE.fullmatch(key)
            if held and int(held[1]) < begin and (seq := seq_in(self._raw.get(key), event_id)):
                return seq
        return 0

    def high_water(self, partition: str) -> int:
        return self._log.high_water(partition)

    def duplicates(self, after: int, limit: int = 10_000) -> list[tuple[int, NewEvent]]:
        return self._log.duplicates(after, limit)

    def prune(self, partition: str, before: int) -> int:
        return self._log.prune(partition, before)

    def close(self) -> None:
        self._log.close()

    def _archived(self, after: int, end: int) -> Iterator[Event]:
        """Events of the raw zone with after < seq < end, in order."""
        ranges: dict[tuple[int, int], list[str]] = {}
        for key in self._raw.list("raw/source="):
            if found := _RANGE.fullmatch(key):
                lo, hi = int(found[1]), int(found[2])
                if lo < end and hi > after:
                    ranges.setdefault((lo, hi), []).append(key)
        for _, keys in sorted(ranges.items()):
            for event in self._range(tuple(keys)):
                if after < event.seq < end:
                    yield event

    def _read_range(self, keys: tuple[str, ...]) -> tuple[Event, ...]:
        events = [event for key in keys for event in events_in(self._raw.get(key))]
        return tuple(sorted(events, key=lambda event: event.seq))


def _page(events: Iterator[Event], limit: int) -> list[Event]:
    page: list[Event] = []
    size_bytes = 0
    for event in events:
        page.append(event)
        size_bytes += len(event.body)
        if len(page) == limit or size_bytes >= READ_BYTES_MAX:
            break
    return page
