"""INV-16 by id: what became of every event of the log, found out again from what lasts.

The product's own count takes what it has read as received. Here the log says what was received,
and the lake, the quarantine and the decoder say where each of them is now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cloud_conductor.domain.events import Event
from cloud_conductor.domain.schemas import KEYS, PARENTS, TABLES
from cloud_conductor.state import conform as state
from cloud_conductor.wiring.house import House

PAGE = 5_000
HEADS = tuple(name for name in TABLES if name not in PARENTS)
"""Tables whose rows stand for an object; the rows of the others go with one of them."""


@dataclass
class EventSets:
    """Ids of the log's events, each in exactly one set when nothing was lost.

    rows: rows of the lake name it. older: another event tells its object in the lake. ignored: it
    has no facts of its own. settled: it was in quarantine and is resolved. lost: in none of these.
    """

    received: set[str] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)
    older: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    deduplicated: list[str] = field(default_factory=list)

    @property
    def processed(self) -> set[str]:
        return self.rows | self.older | self.ignored | self.settled


def event_sets(house: House) -> EventSets:
    """Every event of the log in its set. A log holds each id once; a repeat is a duplicate."""
    sets = EventSets()
    events = {event.seq: event for event in _logged(house)}
    sets.received = {_id(event) for event in events.values()}
    assert len(sets.received) == len(events), "an id is in the log twice"
    sets.deduplicated = [_id(event) for event in _duplicates(house)]
    in_lake = set[int]()
    for table in TABLES:
        in_lake |= set(house.lake.read(table, columns=["log_seq"])["log_seq"].to_pylist())
    everywhere = (state.OPEN, state.RELEASED, state.REPLAYED)
    held = {one.seq: one for one in state.quarantine(house.worker, states=everywhere)}
    rest: list[Event] = []
    for seq, event in events.items():
        if seq in held and held[seq].state == state.OPEN:
            sets.quarantined.add(_id(event))
        elif seq in in_lake:
            sets.rows.add(_id(event))
        elif seq in held and held[seq].resolved_by in events:
            sets.settled.add(_id(event))
        else:
            rest.append(event)
    _sort_out(house, rest, sets)
    return sets


def _sort_out(house: House, rest: Iterable[Event], sets: EventSets) -> None:
    """Events that no row names: decoded again, they are older, without facts, or lost."""
    by_source: dict[str, list[Event]] = {}
    for event in rest:
        by_source.setdefault(event.source, []).append(event)
    deps = house.conform_deps
    for source, events in by_source.items():
        stores = {one.location_id: one for one in deps.stores if one.source == source}
        decoded = deps.decoders[source].decode(events, stores, {}, {})
        told: dict[int, bool] = {}
        for table in HEADS:
            if table in decoded.tables and decoded.tables[table].num_rows:
                objects = _objects(house.lake.read(table, columns=list(KEYS[table])), table)
                for row in decoded.tables[table].to_pylist():
                    is_there = _key(row, table) in objects
                    told[row["log_seq"]] = told.get(row["log_seq"], True) and is_there
        ignored = set(decoded.ignored)
        for event in events:
            if told.get(event.seq, False):
                sets.older.add(_id(event))
            elif event.seq in ignored and event.seq not in told:
                sets.ignored.add(_id(event))
            else:
                sets.lost.add(_id(event))


def _objects(rows: Any, table: str) -> set[tuple[Any, ...]]:
    return {_key(row, table) for row in rows.to_pylist()}


def _key(row: dict[str, Any], table: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS[table])


def _id(event: Event) -> str:
    return f"{event.source} {event.event_id}"


def _logged(house: House) -> Iterator[Event]:
    for partition in house.log.partitions():
        after = 0
        while page := house.log.read(partition, after, PAGE):
            yield from page
            after = page[-1].seq


def _duplicates(house: House) -> Iterator[Event]:
    after = 0
    while page := house.log.duplicates(after):
        yield from (event for _, event in page)
        after = page[-1][0]
