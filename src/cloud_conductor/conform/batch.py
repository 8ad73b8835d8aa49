"""One batch of events to rows, in log order: versions, moves, late clocks, late parents, replays.

Rows carry, beside their columns, the seq of the event that made them be written (`EMITTED`): that
is the event itself, or, for rows that a later fact makes new, that later event.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.conform.versions import (
    SEPARATOR,
    Fold,
    Observed,
    Tombstone,
    observed_in,
    tombstone_rows,
)
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.findings import CLOCK_SUSPECT, UNKNOWN_KIND, Finding
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Decoded, Moved, Namer, Parent, PosDecoder, Rejected
from cloud_conductor.state.conform import (
    OPEN,
    RELEASED,
    REPLAYED,
    Learnt,
    ObjectKey,
    Quarantined,
    Seen,
    Warned,
)

EMITTED = "emitted_seq"
VERSIONED = {
    "order": ("sales",),
    "payment": ("tenders", "payment"),
    "refund": ("tenders", "refund"),
    "dispute": ("disputes",),
}
"""Kind of object -> the table that keeps its versions, and what stands before its id there."""


class Remembered(Protocol):
    """What earlier batches left: the read side of state."""

    def versions(self, keys: Iterable[ObjectKey]) -> dict[ObjectKey, Seen]: ...
    def clocks(self, source: str) -> dict[str, datetime]: ...
    def parents(self, source: str) -> Mapping[str, Parent]: ...
    def waiting(self, source: str, keys: Sequence[str]) -> list[Quarantined]: ...
    def has_broken(self, source: str) -> bool: ...
    def broken(self, source: str, ids: Collection[str]) -> list[Quarantined]: ...


class Batch(msgspec.Struct, frozen=True):
    """Rows by table with EMITTED, what state must learn, and events by first outcome."""

    tables: dict[str, pa.Table]
    learnt: Learnt
    outcomes: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(table.num_rows for table in self.tables.values())

    def after(self, table: str, seq: int) -> pa.Table:
        """Rows of a table that events after `seq` made be written, without EMITTED."""
        rows = self.tables[table]
        new = rows.filter(pc.greater(rows[EMITTED], seq))
        return new.drop_columns([EMITTED])


def conform_batch(
    events: Sequence[Event],
    *,
    partition: str,
    decoders: Mapping[str, PosDecoder],
    stores: Sequence[Store],
    memory: Remembered,
    events_of: Callable[[Sequence[int]], list[Event]],
) -> Batch:
    """Decode, fold and file a batch of one partition, in log order.

    events_of: logged events by seq, for rows that a later fact makes new.
    """
    by_source: dict[str, list[Event]] = {}
    for event in events:
        by_source.setdefault(event.source, []).append(event)
    parts = [
        _SourceBatch(source, some, partition, decoders.get(source), stores, memory, events_of).run()
        for source, some in sorted(by_source.items())
    ]
    return _joined(parts)


class _SourceBatch:
    """The events of one source of a batch."""

    def __init__(
        self,
        source: str,
        events: Sequence[Event],
        partition: str,
        decoder: PosDecoder | None,
        stores: Sequence[Store],
        memory: Remembered,
        events_of: Callable[[Sequence[int]], list[Event]],
    ) -> None:
        self.source = source
        self.events = {event.seq: event for event in events}
        self.partition = partition
        self.decoder = decoder
        self.stores = {one.location_id: one for one in stores if one.source == source}
        self.memory = memory
        self.events_of = events_of
        self.tables: dict[str, list[pa.Table]] = {}
        self.quarantined: dict[int, Quarantined] = {}
        self.released: dict[int, tuple[str, int]] = {}
        self.warnings: list[Warned] = []
        self.dropped: list[int] = []
        self.tombstones: dict[str, list[Tombstone]] = {}
        self.observed: list[Observed] = []

    def run(self) -> Batch:
        decoded = self._decode()
        self._quarantine(decoded.rejected)
        self._settle_replays(decoded.rejected)
        self._warn(decoded.warnings)
        fold = self._fold(decoded)
        self._keep(decoded.tables, dropped=self.dropped)
        self._adopt(decoded.parents)
        self._supersede(decoded.rejected)
        self._overtake()
        for table, found in self.tombstones.items():
            self._file(table, tombstone_rows(table, found), [one.seen.seq for one in found])
        rejected, ignored = len(decoded.rejected), len(decoded.ignored)
        outcomes = {
            "rows": len(self.events) - rejected - ignored,
            "ignored": ignored,
            "rejected": rejected,
        }
        return Batch(
            tables={name: pa.concat_tables(parts) for name, parts in self.tables.items()},
            learnt=Learnt(
                partition=self.partition,
                lo=0,
                hi=0,
                positions={},
                versions=fold.changed,
                clocks={(self.source, one.object_id): one.occurred_at for one in decoded.clocks},
                parents={
                    (self.source, one.key): (one.location_id, one.at) for one in decoded.parents
                },
                quarantined=list(self.quarantined.values()),
                released=self.released,
                warnings=self.warnings,
                counts={(self.source, name): number for name, number in outcomes.items()},
            ),
            outcomes=outcomes,
        )

    def _decode(self) -> Decoded:
        events = list(self.events.values())
        if self.decoder is None:
            finding = Finding(UNKNOWN_KIND, "", f"no source named {self.source!r} is configured")
            return Decoded({}, tuple(Rejected(one.seq, (finding,)) for one in events), ())
        return self.decoder.decode(
            events,
            self.stores,
            self.memory.clocks(self.source),
            self.memory.parents(self.source),
        )

    def _fold(self, decoded: Decoded) -> Fold:
        """Walk versions and late clocks in log order."""
        observed = self.observed = observed_in(decoded.tables)
        sales = {one.object_id for one in decoded.clocks}
        keys = {one.key for one in observed}
        merchants = {event.merchant_id for event in self.events.values()}
        keys |= {("sales", self.source, m, sale) for sale in sales for m in merchants}
        fold = Fold(self.memory.versions(keys))
        steps: list[tuple[int, Observed | Moved]] = [(one.seen.seq, one) for one in observed]
        steps += [(one.seq, one) for one in decoded.clocks]
        for seq, step in sorted(steps, key=lambda one: one[0]):
            if isinstance(step, Moved):
                self._move(step, fold)
                continue
            is_new, tombstone = fold.take(step)
            if not is_new:
                self.dropped.append(seq)
            if tombstone is not None:
                self.tombstones.setdefault(step.key[0], []).append(tombstone)
        return fold

    def _move(self, moved: Moved, fold: Fold) -> None:
        """A payment taken offline says when its sale, known already, really was (R-2.5)."""
        payment = self.events[moved.seq]
        key = ("sales", self.source, payment.merchant_id, moved.object_id)
        winner = fold.winner(key)
        if winner is None:
            return
        found = self._event(winner.seq)
        if found is None:
            message = f"event {winner.seq} was pruned: its sale keeps the vendor's time"
            self.warnings.append(
                Warned(moved.seq, self.source, Finding(CLOCK_SUSPECT, "", message, "warning"))
            )
            return
        assert self.decoder is not None
        again = self.decoder.decode([found], self.stores, {moved.object_id: moved.occurred_at})
        for one in observed_in(again.tables):
            is_new, tombstone = fold.take(one)
            if not is_new:
                continue
            self._file_all(again.tables, moved.seq)
            self._warn(
                msgspec.structs.replace(warning, seq=moved.seq) for warning in again.warnings
            )
            if tombstone is not None:
                row = tombstone_rows("sales", [tombstone])
                self._file("sales", row, [moved.seq])

    def _adopt(self, learnt: Sequence[Parent]) -> None:
        """Children that came before their parent get their rows when it comes."""
        first: dict[str, Parent] = {}
        for parent in learnt:
            first.setdefault(parent.key, parent)
        waiting = {one.seq: one for one in self.memory.waiting(self.source, list(first))}
        waiting |= {seq: one for seq, one in self.quarantined.items() if one.waits_for in first}
        for seq, child in sorted(waiting.items()):
            parent = first[child.waits_for]
            found = self._event(seq)
            if seq > parent.seq or found is None:
                continue
            assert self.decoder is not None
            again = self.decoder.decode([found], self.stores, {}, {parent.key: parent})
            if again.rejected:
                self._quarantine(again.rejected, {seq: found})
                continue
            self._file_all(again.tables, parent.seq)
            if seq in self.quarantined:
                self.quarantined[seq] = msgspec.structs.replace(
                    self.quarantined[seq], state=RELEASED, resolved_by=parent.seq
                )
            else:
                self.released[seq] = (RELEASED, parent.seq)

    def _quarantine(
        self, rejected: Iterable[Rejected], events: Mapping[int, Event] | None = None
    ) -> None:
        for one in rejected:
            event = (events or self.events)[one.seq]
            self.quarantined[one.seq] = Quarantined(
                seq=event.seq,
                partition=self.partition,
                source=event.source,
                channel=event.channel,
                kind=event.kind,
                event_id=event.event_id,
                merchant_id=event.merchant_id,
                object_id=one.object_id,
                received_us=event.received_us,
                findings=one.findings,
                waits_for=one.waits_for,
                state=OPEN,
            )

    def _settle_replays(self, rejected: Sequence[Rejected]) -> None:
        """A replayed event takes over from the one it replays: released, or broken again."""
        broken = {one.seq for one in rejected}
        for event in self.events.values():
            if event.channel == "replay" and event.trigger_seq:
                state = REPLAYED if event.seq in broken else RELEASED
                self.released[event.trigger_seq] = (state, event.seq)

    def _supersede(self, rejected: Sequence[Rejected]) -> None:
        """A version fetched later and whole takes over from a broken one of the same object."""
        namer: object = self.decoder
        if not isinstance(namer, Namer):
            return
        if not self.quarantined and not self.memory.has_broken(self.source):
            return  # naming what every event is about is a third of its decoding
        broken = {one.seq for one in rejected}
        whole: dict[tuple[str, str], tuple[int, int]] = {}
        for event in self.events.values():
            if event.channel == "api" and event.seq not in broken:
                one = namer.named(event)
                if one is not None:
                    whole[one.kind, one.object_id] = (one.version, event.seq)
        ids = {object_id for _, object_id in whole}
        held = {one.seq: one for one in self.memory.broken(self.source, ids)}
        held |= {seq: one for seq, one in self.quarantined.items() if one.object_id in ids}
        for seq in sorted(held.keys() - self.released.keys()):
            found = self._event(seq)
            one = namer.named(found) if found is not None else None
            version, by = whole.get((one.kind, one.object_id), (0, 0)) if one else (0, 0)
            if one is None or one.version > version or seq > by:
                continue
            if seq in self.quarantined:
                self.quarantined[seq] = msgspec.structs.replace(
                    self.quarantined[seq], state=RELEASED, resolved_by=by
                )
            else:
                self.released[seq] = (RELEASED, by)

    def _overtake(self) -> None:
        """A broken version that tells nothing newer than what is held whole takes nothing with it.

        As when a sweep reads an object again after its vendor has changed what it looks like.
        """
        namer: object = self.decoder
        if not isinstance(namer, Namer):
            return
        told: dict[int, tuple[ObjectKey, int]] = {}
        for seq, held in self.quarantined.items():
            name = namer.named(self.events[seq]) if seq in self.events else None
            if name is not None and name.kind in VERSIONED and held.state == OPEN:
                table, *first = VERSIONED[name.kind]
                object_id = SEPARATOR.join((*first, name.object_id))
                told[seq] = (table, self.source, held.merchant_id, object_id), name.version
        held_before = self.memory.versions({key for key, _ in told.values()})
        whole: dict[ObjectKey, list[Seen]] = {key: [seen] for key, seen in held_before.items()}
        for one in self.observed if told else ():
            whole.setdefault(one.key, []).append(one.seen)
        for seq, (key, version) in told.items():
            by = [
                one.seq
                for one in whole.get(key, ())
                if one.seq < seq and one.version_rank >= version
            ]
            if by:
                self.quarantined[seq] = msgspec.structs.replace(
                    self.quarantined[seq], state=RELEASED, resolved_by=by[0]
                )

    def _warn(self, found: Iterable[Rejected]) -> None:
        for one in found:
            self.warnings += [Warned(one.seq, self.source, finding) for finding in one.findings]

    def _event(self, seq: int) -> Event | None:
        if seq in self.events:
            return self.events[seq]
        return next(iter(self.events_of([seq])), None)

    def _keep(self, tables: Mapping[str, pa.Table], *, dropped: Sequence[int]) -> None:
        """The batch's own rows, without those of versions that lost."""
        lost = pa.array(sorted(dropped), pa.int64())
        for name, table in tables.items():
            rows = table
            if len(lost):
                rows = table.filter(pc.invert(pc.is_in(table["log_seq"], value_set=lost)))
            self.tables.setdefault(name, []).append(rows.append_column(EMITTED, rows["log_seq"]))

    def _file_all(self, tables: Mapping[str, pa.Table], seq: int) -> None:
        for name, table in tables.items():
            self._file(name, table, [seq] * table.num_rows)

    def _file(self, name: str, rows: pa.Table, emitted: Sequence[int]) -> None:
        column = pa.array(emitted, pa.int64())
        self.tables.setdefault(name, []).append(rows.append_column(EMITTED, column))


def _joined(parts: Sequence[Batch]) -> Batch:
    tables: dict[str, list[pa.Table]] = {}
    outcomes: dict[str, int] = {"rows": 0, "ignored": 0, "rejected": 0}
    learnt = parts[0].learnt
    for part in parts:
        for name, table in part.tables.items():
            tables.setdefault(name, []).append(table)
        for name, number in part.outcomes.items():
            outcomes[name] += number
    for part in parts[1:]:
        learnt.versions |= part.learnt.versions
        learnt.clocks |= part.learnt.clocks
        learnt.parents |= part.learnt.parents
        learnt.quarantined += part.learnt.quarantined
        learnt.released |= part.learnt.released
        learnt.warnings += part.learnt.warnings
        learnt.counts |= part.learnt.counts
    joined = {name: pa.concat_tables(some) for name, some in tables.items()}
    return Batch(joined, learnt, outcomes)
