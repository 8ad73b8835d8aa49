"""The event log: the truth. Everything that came in, durable before it is acknowledged."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from cloud_conductor.domain.events import Appended, Event, NewEvent


class EventLog(Protocol):
    """Append-only, ordered per partition, deduplicated by (source, event_id).

    A consumer's position is a map partition -> seq, opaque to it. `seq` rises in commit order and
    a reader that has seen seq n will never be shown a smaller one later; numbers may have holes.
    """

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        """Durable (fsynced) on return, all or none. Duplicates are recorded, not stored again."""
        ...

    def partitions(self) -> tuple[str, ...]: ...

    def read(self, partition: str, after: int, limit: int = 1_000) -> list[Event]:
        """Events with seq > after, in order, at most `limit` and about 16 MiB."""
        ...

    def get(self, seqs: Sequence[int]) -> list[Event]:
        """Events by seq, in the order of seq; missing ones are left out."""
        ...

    def find(self, source: str, event_id: str) -> int:
        """Seq of the event of this id, wherever in the log; 0 when there is none. By an index."""
        ...

    def high_water(self, partition: str) -> int:
        """Largest committed seq; 0 for an empty log."""
        ...

    def duplicates(self, after: int, limit: int = 10_000) -> list[tuple[int, NewEvent]]:
        """Duplicate deliveries as (number, event without body), number > after (INV-16)."""
        ...

    def prune(self, partition: str, before: int) -> int:
        """Drop events with seq < before; the newest row always stays. Returns rows dropped."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TwoStepLog(EventLog, Protocol):
    """A log that one process can write without waiting, and make durable in another thread."""

    def stage(self, events: Sequence[NewEvent]) -> list[Appended] | None:
        """Put the events as `append` does, not yet durable and not yet seen by any reader.

        None, and nothing put, when that would have to wait for another writer. Never called again
        before `commit` has returned or raised.
        """
        ...

    def commit(self) -> None:
        """Make what was staged durable. When it raises, nothing of it was put."""
        ...
