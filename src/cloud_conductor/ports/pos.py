"""A point-of-sale vendor: verify, fetch, sweep, decode."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

import msgspec
import pyarrow as pa

from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.findings import Finding
from cloud_conductor.domain.stores import Store


class PosCapabilities(msgspec.Struct, frozen=True):
    webhooks: bool
    thin_events: bool
    partial_refunds: bool
    payouts: bool
    cash_drawers: bool
    page_size_max: int


class Envelope(msgspec.Struct, frozen=True):
    """What the intake needs of a webhook body. event_id empty: the body could not be read."""

    event_id: str
    kind: str
    merchant_id: str


class Named(msgspec.Struct, frozen=True):
    """Which version of which object an event is about.

    version rises with every change. changed_us: when that was, in the vendor's time; 0 if it does
    not say. place, reference: the location id, and what the till wrote on a sale, where given.
    made_us: when the object was made, in the vendor's time; 0 if it does not say.
    """

    kind: str
    object_id: str
    version: int
    changed_us: int = 0
    place: str = ""
    reference: str = ""
    made_us: int = 0


class Place(msgspec.Struct, frozen=True):
    """A store as the vendor knows it."""

    location_id: str
    time_zone: str
    currency: str


class FetchRequest(msgspec.Struct, frozen=True):
    """An object a thin event points at. `trigger_seq` is that event's place in the log."""

    kind: str
    object_id: str
    trigger_seq: int


class Listed(msgspec.Struct, frozen=True):
    """One row of an independent control listing: what the source says exists (L1, L2)."""

    object_id: str
    version: int
    total_minor: int
    state: str
    occurred_at: datetime
    location_id: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """An event that could not become rows: which, and why.

    object_id: the vendor's id of the record, where it can be read. waits_for: key of the parent it
    needs and that has not come yet (`Parent`); empty otherwise.
    """

    seq: int
    findings: tuple[Finding, ...]
    waits_for: str = ""
    object_id: str = ""


class Moved(msgspec.Struct, frozen=True):
    """A fact gives a sale another clock (offline payments, R-2.5), learnt from event `seq`."""

    object_id: str
    occurred_at: datetime
    seq: int = 0


class Parent(msgspec.Struct, frozen=True):
    """What children that do not name their store take from their parent, learnt from `seq`.

    key: `<kind>:<id>` (`payout:po_1`, `cash_shift:s1`). at: the instant that dates the children.
    """

    key: str
    location_id: str
    at: datetime
    seq: int = 0


class Decoded(msgspec.Struct, frozen=True):
    """Canonical rows of a batch of events, by table of `domain.schemas`.

    Tables without rows may be absent. rejected: events for quarantine. ignored: seqs that carry
    no facts of their own (thin events). warnings: findings on rows that were kept. An event is in
    exactly one of: gave rows, ignored, rejected (INV-16). clocks: device times learnt from
    payments taken offline. parents: what later children will ask for.
    """

    tables: Mapping[str, pa.Table]
    rejected: tuple[Rejected, ...]
    ignored: tuple[int, ...]
    warnings: tuple[Rejected, ...] = ()
    clocks: tuple[Moved, ...] = ()
    parents: tuple[Parent, ...] = ()


class PosVerifier(Protocol):
    """Pure: what the intake route needs, with no network behind it."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, *, key: bytes, url: str) -> bool:
        """Constant-time check of the vendor's signature over the raw bytes."""
        ...

    def envelope(self, body: bytes) -> Envelope: ...

    HEADERS_KEPT: ClassVar[tuple[bytes, ...]]


class PosDecoder(Protocol):
    """Pure: raw events to canonical tables, whole batches."""

    def decode(
        self,
        events: Sequence[Event],
        stores: Mapping[str, Store],
        clocks: Mapping[str, datetime],
        parents: Mapping[str, Parent] = ...,
    ) -> Decoded:
        """Events in log order; what one teaches (clock, parent) holds for those after it.

        stores: by location id. clocks: sale id -> earliest device time known from earlier batches.
        parents: by key, known from earlier batches.
        """
        ...


@runtime_checkable
class Namer(Protocol):
    """An adapter or decoder that can tell which object an event is about. Pure.

    TOLD_KINDS: kinds of objects that webhooks tell of.
    """

    TOLD_KINDS: ClassVar[Collection[str]]

    def named(self, event: NewEvent) -> Named | None:
        """By webhook or by API alike; None where there is none, or it cannot be read."""
        ...


@runtime_checkable
class Placer(Protocol):
    """An adapter whose vendor says where its stores are."""

    def places(self) -> list[Place]: ...


class PosAdapter(Protocol):
    """The connection: everything that calls the vendor."""

    capabilities: PosCapabilities

    def wanted(self, event: Event) -> list[FetchRequest]:
        """What must be fetched because of this event."""
        ...

    def fetch(self, requests: Sequence[FetchRequest], now: datetime) -> Iterator[NewEvent]:
        """Each fetched object as its own event, with url and trigger."""
        ...

    def now(self) -> datetime | None:
        """The vendor's own clock, asked now: what `updated_at` is told in. None if it won't say."""
        ...

    def sweep(self, kind: str, since: datetime, until: datetime) -> Iterator[list[NewEvent]]:
        """Pages of objects changed in [since, until): the poll that webhooks only hint at."""
        ...

    SWEEP_KINDS: ClassVar[tuple[str, ...]]

    STANDING_KINDS: ClassVar[tuple[str, ...]]
    """Sweep kinds that say what is, not what happened: their first sweep reaches back to 1970."""

    def control(self, location_ids: Sequence[str], start: datetime, end: datetime) -> list[Listed]:
        """The source's own list of closed sales of some stores in a time range."""
        ...

    def subscribe(self, notification_url: str) -> str:
        """Ensure a webhook subscription for the URL; returns its signature key."""
        ...

    def locations(self) -> list[dict[str, object]]: ...
