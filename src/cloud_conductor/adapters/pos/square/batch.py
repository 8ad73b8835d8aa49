"""What a batch of Square events gives while it is decoded: rows, findings, clocks, parents."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

import msgspec
import pyarrow as pa

from cloud_conductor.adapters.pos.square import wire
from cloud_conductor.adapters.pos.square.contract import currency_findings, object_id
from cloud_conductor.adapters.pos.square.plain import PlainSales
from cloud_conductor.adapters.pos.square.rows import Head, Sheet
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.findings import UNKNOWN_STORE, Finding
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Decoded, Moved, Parent, Rejected

Faults = Sequence[Finding]
_CLOCK_TOP = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


class Batch:
    """What a batch has given so far. What one event teaches holds for the events after it.

    path, orphan_of: of the event at hand, where its object is in the body (JSON Pointer) and the
    key of the parent it lacks.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        clocks: Mapping[str, datetime],
        parents: Mapping[str, Parent],
    ) -> None:
        self.stores = stores
        self.clocks = dict(clocks)
        self.parents = dict(parents)
        self.sheet = Sheet()
        self.chunks: dict[str, list[pa.Table]] = {}
        self.rejected: list[Rejected] = []
        self.ignored: list[int] = []
        self.warnings: list[Rejected] = []
        self.moved: list[Moved] = []
        self.learnt: list[Parent] = []
        self.plain = PlainSales()
        self.path = ""
        self.orphan_of = ""

    def flush(self) -> None:
        """Rows so far become Arrow, so that the next chunk stays in the cache."""
        self.plain.write(self.sheet)
        for name, table in self.sheet.tables().items():
            self.chunks.setdefault(name, []).append(table)
        self.sheet, self.plain = Sheet(), PlainSales()

    def decoded(self) -> Decoded:
        return Decoded(
            tables={name: pa.concat_tables(parts) for name, parts in self.chunks.items()},
            rejected=tuple(self.rejected),
            ignored=tuple(self.ignored),
            warnings=tuple(self.warnings),
            clocks=tuple(self.moved),
            parents=tuple(self.learnt),
        )

    def reject(self, event: Event, findings: Faults, waits_for: str = "") -> None:
        """Findings with pointers into the event's body."""
        name = object_id(event.body, self.path)
        self.rejected.append(Rejected(event.seq, tuple(findings), waits_for, name))

    def warn(self, event: Event, findings: Faults) -> None:
        """Findings with pointers into the object, on rows that are kept."""
        if findings:
            self.warnings.append(Rejected(event.seq, below(self.path, findings)))

    def head(
        self,
        event: Event,
        store: Store | None,
        day: date | None,
        *,
        rank: int,
        digest: str,
        sale: tuple[str, datetime] | None = None,
    ) -> int:
        """Index of what all rows of this event share. sale: its id and when it occurred."""
        return self.sheet.open(
            Head(
                event.source,
                event.merchant_id,
                store.store if store else None,
                day,
                rank,
                digest,
                hashlib.sha256(event.body).hexdigest(),
                event.seq,
                event.received_us,
                sale[0] if sale else None,
                sale[1] if sale else None,
            )
        )

    def placed(self, event: Event, location_id: str) -> tuple[Store, Faults] | tuple[None, Faults]:
        """The store of a location and whether the body's amounts are all in its currency."""
        store = self.stores.get(location_id)
        if store is None:
            message = "no store in [stores] has this location"
            return None, (Finding(UNKNOWN_STORE, "/location_id", message),)
        body = event.body
        named = body.count(_currency_text(store.currency))
        if named == body.count(b'"currency'):
            return store, ()
        if b'"currency_code"' in body:
            named += body.count(b'"currency_code":"' + store.currency.encode() + b'"')
            if named == body.count(b'"currency'):
                return store, ()
        return store, currency_findings(body, self.path, store.currency)

    def parent(self, key: str) -> Parent | None:
        """A parent by key; one that has not come is noted as what the event waits for."""
        found = self.parents.get(key)
        self.orphan_of = "" if found else key
        return found

    def learn(self, parent: Parent) -> None:
        self.parents[parent.key] = parent
        self.learnt.append(parent)


@lru_cache(maxsize=256)
def _currency_text(currency: str) -> bytes:
    return b'"currency":"' + currency.encode() + b'"'


def below(path: str, faults: Faults) -> tuple[Finding, ...]:
    """Findings on the object at `path`, with pointers from the top of the body."""
    if not path:
        return tuple(faults)
    return tuple(msgspec.structs.replace(one, pointer=path + one.pointer) for one in faults)


def version_digest(found: wire.Wire, clock: datetime | None = None) -> str:
    """Identity of an object's version by content: see domain.schemas on version_digest."""
    digest = hashlib.sha256(_encode(found)).hexdigest()[:16]
    return digest if clock is None else f"t{_CLOCK_TOP - micros(clock):016x}{digest}"


def micros(instant: datetime) -> int:
    """Microseconds since 1970 UTC."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
