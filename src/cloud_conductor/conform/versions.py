"""Which version of a sale, tender or dispute wins, and what a change of its business date needs.

A fold over events in log order: what an event does depends on the events before it and on nothing
else, so any batching, and any re-run of a prefix, writes the same rows (INV-14).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa

from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.state.conform import ObjectKey, Seen

MOVED = "moved"
SEPARATOR = "\x1f"
_OBSERVED = {  # column: type whose Python values are cheapest
    "source": pa.string(),
    "merchant_id": pa.string(),
    "version_rank": pa.int64(),
    "version_digest": pa.string(),
    "store": pa.string(),
    "business_date": pa.string(),
    "log_seq": pa.int64(),
    "received_at": pa.int64(),
}
OBJECT_KEYS = {
    "sales": ("sale_id",),
    "tenders": ("event", "tender_id"),
    "disputes": ("dispute_id",),
}
"""Tables whose objects change versions and dates, and the columns that name the object."""


class Observed(msgspec.Struct, frozen=True):
    """One version of an object, as decoded from event `seen.seq`."""

    key: ObjectKey
    seen: Seen
    received_us: int


class Tombstone(msgspec.Struct, frozen=True):
    """From this version on, the object is no longer of `store` and `business_date`."""

    key: ObjectKey
    seen: Seen
    store: str
    business_date: str
    received_us: int


class Fold:
    """Winning versions so far. `changed` are those the batch has set."""

    def __init__(self, known: Mapping[ObjectKey, Seen]) -> None:
        self._known = dict(known)
        self.changed: dict[ObjectKey, Seen] = {}

    def winner(self, key: ObjectKey) -> Seen | None:
        return self._known.get(key)

    def take(self, observed: Observed) -> tuple[bool, Tombstone | None]:
        """Whether this version's rows are written, and the tombstone its move needs.

        Older versions and repeats are not written: they could only be hidden again.
        """
        key, new = observed.key, observed.seen
        old = self._known.get(key)
        if old is not None and _order(new) <= _order(old):
            return False, None
        self._known[key] = self.changed[key] = new
        if old is None or (old.business_date, old.store) == (new.business_date, new.store):
            return True, None
        return True, Tombstone(key, new, old.store, old.business_date, observed.received_us)


def observed_in(tables: Mapping[str, pa.Table]) -> list[Observed]:
    """Every version of a sale, tender or dispute in decoded tables.

    One Python object per version: the fold is sequential by nature, and lines are not looked at.
    """
    found = []
    for name, keys in OBJECT_KEYS.items():
        table = tables.get(name)
        if table is None:
            continue
        names = zip(*(table[key].to_pylist() for key in keys), strict=True)
        shared = (table[column].cast(kind).to_pylist() for column, kind in _OBSERVED.items())
        for parts, row in zip(names, zip(*shared, strict=True), strict=True):
            source, merchant_id, rank, digest, store, day, seq, received_us = row
            key = (name, source, merchant_id, SEPARATOR.join(parts))
            found.append(Observed(key, Seen(rank, digest, store, day, seq), received_us))
    return found


def tombstone_rows(table: str, found: Iterable[Tombstone]) -> pa.Table:
    """Rows that hide an object in its former partition: key, state `moved`, version, nothing else."""
    schema = TABLES[table]
    rows: list[dict[str, Any]] = []
    for one in found:
        _, source, merchant_id, object_id = one.key
        row: dict[str, Any] = dict.fromkeys(schema.names)
        rows.append(
            row
            | {
                "source": source,
                "merchant_id": merchant_id,
                "store": one.store,
                "business_date": date.fromisoformat(one.business_date),
                **dict(zip(OBJECT_KEYS[table], object_id.split(SEPARATOR), strict=True)),
                "state": MOVED,
                "version_rank": one.seen.version_rank,
                "version_digest": one.seen.version_digest,
                "log_seq": one.seen.seq,
                "received_at": one.received_us,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def _order(seen: Seen) -> tuple[int, str]:
    return seen.version_rank, seen.version_digest
