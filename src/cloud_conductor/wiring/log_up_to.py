"""The event log up to a place: what came later is not seen yet."""

from collections.abc import Callable, Sequence

from cloud_conductor.domain.events import Appended, Event, NewEvent
from cloud_conductor.ports.log import EventLog


class LogUpTo:
    """Satisfies ports.log.EventLog. end: the last seq of a partition that readers are shown.

    It is asked again at every read, so the place may move on.
    """

    def __init__(self, log: EventLog, end: Callable[[str], int]) -> None:
        self._log = log
        self._end = end

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        return self._log.append(events)

    def partitions(self) -> tuple[str, ...]:
        return self._log.partitions()

    def read(self, partition: str, after: int, limit: int = 1_000) -> list[Event]:
        end = self._end(partition)
        return [event for event in self._log.read(partition, after, limit) if event.seq <= end]

    def get(self, seqs: Sequence[int]) -> list[Event]:
        return self._log.get(seqs)

    def find(self, source: str, event_id: str) -> int:
        return self._log.find(source, event_id)

    def high_water(self, partition: str) -> int:
        return min(self._end(partition), self._log.high_water(partition))

    def duplicates(self, after: int, limit: int = 10_000) -> list[tuple[int, NewEvent]]:
        return self._log.duplicates(after, limit)

    def prune(self, partition: str, before: int) -> int:
        return self._log.prune(partition, before)

    def close(self) -> None:
        self._log.close()
