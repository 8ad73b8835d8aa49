"""Landed files as events of the log. Pure; money is not read here, conform reads it."""

import hashlib
from collections.abc import Mapping

import msgspec

from cloud_conductor.domain.events import NewEvent
from cloud_conductor.domain.exports import DATASETS, ROWS, WHOLE, Label, records_of

WHOLE_BYTES_MAX = 8 * 1024 * 1024  # Kafka takes 16 MiB, and every log reads in such pages


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file that was read, and what is known of it. columns: their name -> ours."""

    source: str
    path: str
    url: str
    data: bytes
    sha256: str
    label: Label
    received_us: int
    columns: Mapping[str, str] = msgspec.field(default_factory=dict)


def events_of(taken: Taken) -> list[NewEvent]:
    """One event per record, in the file's order. Raises Unreadable, with the reason.

    The same file gives the same ids. A record with an id and an `updated_at` is known again in
    any file it is exported to; others by the file's sha256 and their row.
    """
    records = records_of(
        taken.data, path=taken.path, dataset=taken.label.dataset, columns=taken.columns
    )
    return [_event(taken, row, body) for row, body in records]


def whole_event(taken: Taken) -> NewEvent:
    """The file as one event, for conform to put into quarantine as a whole (D16).

    One that is too large for an event is named by an object that breaks every contract; its bytes
    are where `url` says.
    """
    dataset, body = taken.label.dataset, taken.data
    if len(body) > WHOLE_BYTES_MAX:
        named = {"file": taken.path, "sha256": taken.sha256, "size_bytes": len(body)}
        body = msgspec.json.encode(named)
    return NewEvent(
        source=taken.source,
        channel="file",
        kind=dataset + WHOLE,
        event_id=f"{dataset}:file:{taken.sha256}",
        merchant_id="",
        received_us=taken.received_us,
        body=body,
        headers=_headers(taken, 0),
        url=taken.url,
    )


def _event(taken: Taken, row: int, body: bytes) -> NewEvent:
    dataset, name = taken.label.dataset, _versioned_name(taken, body)
    known = f"{name}:{hashlib.sha256(body).hexdigest()[:16]}" if name else ""
    return NewEvent(
        source=taken.source,
        channel="file",
        kind=dataset,
        event_id=f"{dataset}:{known or f'{taken.sha256[:32]}:{row}'}",
        merchant_id="",
        received_us=taken.received_us,
        body=body,
        headers=_headers(taken, row),
        url=f"{taken.url}#row={row}",
    )


def _headers(taken: Taken, row: int) -> str:
    known: dict[str, object] = {"file": taken.path, "sha256": taken.sha256, "row": row}
    if taken.label.exported_us:
        known["exported_us"] = taken.label.exported_us
    return msgspec.json.encode(known).decode()


def _versioned_name(taken: Taken, body: bytes) -> str:
    """The record's own id when it also says when it was changed; empty otherwise."""
    try:
        record = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    rows = record.get(ROWS) if isinstance(record, dict) else None
    first = rows[0] if isinstance(rows, list) and rows else record
    if not isinstance(first, dict):
        return ""
    ours = {taken.columns.get(key, key): value for key, value in first.items()}
    name = ours.get(DATASETS[taken.label.dataset])
    return str(name) if isinstance(name, str | int) and ours.get("updated_at") else ""
