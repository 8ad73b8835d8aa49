"""Rows of the books as stored (state.tables.accounting)."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from cloud_conductor.domain.journal import EntryKind, JournalEntry
from cloud_conductor.ports.ledger import DocumentType, Posting

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_entries = msgspec.json.Decoder(JournalEntry)
IDENTITY = ("organisation", "entity", "store", "currency", "kind", "source_id")
"""Columns that the versions of one entry have in common (R-13.6), in the order of `identity_of`."""


def to_us(instant: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry version as stored (R-13.1). Instants in microseconds UTC, dates in ISO text."""

    posting_key: str
    seq: int
    organisation: str
    kind: EntryKind
    entity: str
    store: str
    currency: str
    business_date: str
    ledger_date: str
    source_id: str
    version: int
    document_type: DocumentType
    state: str
    debit_minor: int
    content_hash: str
    created_by: str
    created_us: int
    payload: str
    correction: str = ""
    replaces: str = ""
    readback_hash: str = ""
    mapping_version: str = ""
    fact_set_hash: str = ""
    external_id: str = ""
    approved_by: str = ""
    posted_at_us: int | None = None
    attempts: int = 0
    first_sent_us: int | None = None
    last_sent_us: int | None = None
    batch_id: str = ""
    error: str = ""

    @property
    def entry(self) -> JournalEntry:
        """The frozen entry: what was or will be sent."""
        return decode_entry(self.payload)

    @property
    def posting(self) -> Posting:
        return Posting(self.posting_key, self.entry, self.document_type)

    @property
    def name(self) -> str:
        """How people call it in messages."""
        return f"{self.kind} {self.store} {self.source_id} v{self.version}"

    @property
    def identity(self) -> tuple[str, ...]:
        """What the versions of one entry have in common (R-13.6)."""
        return identity_of(self.organisation, self)


class EntryHead(msgspec.Struct, frozen=True, kw_only=True):
    """An entry version without its lines: all that approving, batching and counting look at."""

    posting_key: str
    seq: int
    kind: EntryKind
    store: str
    currency: str
    business_date: str
    ledger_date: str
    source_id: str
    version: int
    document_type: DocumentType
    state: str
    debit_minor: int
    content_hash: str
    created_by: str
    mapping_version: str

    @property
    def name(self) -> str:
        """How people call it in messages."""
        return f"{self.kind} {self.store} {self.source_id} v{self.version}"


class EntryPlace(NamedTuple):
    """Of which store-day an entry version is."""

    posting_key: str
    business_date: str
    identity: tuple[str, ...]
    store: str
    kind: EntryKind


class BlockedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Of which store-day a blocked entry is, under which rules it was made, and what is wrong."""

    store: str
    business_date: str
    mapping_version: str
    error: str


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that go in one call, membership frozen, in posting order."""

    batch_id: str
    seq: int
    organisation: str
    document_type: DocumentType
    posting_keys: str
    state: str
    created_us: int
    closed_us: int | None = None
    error: str = ""

    @property
    def keys(self) -> list[str]:
        return msgspec.json.decode(self.posting_keys, type=list[str])


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """A store-day and its control figures (R-2.7)."""

    store: str
    business_date: str
    state: str
    currency: str
    updated_us: int
    control_count: int | None = None
    control_minor: int | None = None
    held_count: int | None = None
    held_minor: int | None = None
    facts_seq: int | None = None
    note: str = ""


class BreakRow(msgspec.Struct, frozen=True, kw_only=True):
    """One state of one break (R-14.8). actor: who made it so, empty for a run.

    match_id: the same for breaks that a person matched with one another.
    """

    seq: int
    break_id: str
    at_us: int
    state: str
    scope: str
    level: str
    code: str
    item: str
    store: str
    business_date: str
    amount_minor: int
    currency: str
    message: str
    detected_us: int
    effect_minor: int = 0
    left_ref: str = ""
    right_ref: str = ""
    hint: str = ""
    owner: str = ""
    reason: str = ""
    actor: str = ""
    match_id: str = ""


class LevelRow(msgspec.Struct, frozen=True):
    """How a level of a store-day stood when it was last compared (R-14.4b)."""

    store: str
    business_date: str
    level: str
    state: str
    unexplained_minor: int
    compared_us: int
    payload: str


class AuditRow(msgspec.Struct, frozen=True):
    seq: int
    record: str
    hash: str


def decode_entry(payload: str) -> JournalEntry:
    """A frozen entry from its text."""
    return _entries.decode(payload)


def identity_of(organisation: str, entry: EntryRow | JournalEntry) -> tuple[str, ...]:
    """What the versions of one entry have in common (R-13.6)."""
    return (organisation, entry.entity, entry.store, entry.currency, entry.kind, entry.source_id)
