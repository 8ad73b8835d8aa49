"""The raw zone: events of a log range as immutable Parquet files of original bytes (decision 6)."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloud_conductor.domain.events import Event, NewEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
INSTANT = pa.timestamp("us", tz="UTC")

RAW = pa.schema(
    [
        ("seq", pa.int64()),
        ("source", pa.string()),
        ("channel", pa.string()),
        ("kind", pa.string()),
        ("event_id", pa.string()),
        ("merchant_id", pa.string()),
        ("received_at", INSTANT),
        ("trigger_seq", pa.int64()),
        ("url", pa.string()),
        ("headers", pa.string()),
        ("sha256", pa.string()),
        ("body", pa.binary()),
    ]
)
"""One row per event. sha256: lower-case hex of body."""

REPEATED = ["source", "channel", "kind", "merchant_id", "url", "headers"]
"""Columns of few different values."""

DUPLICATES = pa.schema(
    [
        ("number", pa.int64()),
        ("source", pa.string()),
        ("channel", pa.string()),
        ("event_id", pa.string()),
        ("received_at", INSTANT),
    ]
)
"""One row per delivery of an event that the log had already (INV-16)."""


def raw_files(events: Sequence[Event], *, lo: int, hi: int) -> Mapping[str, bytes]:
    """Parquet files (RAW) by key for the log range [lo, hi]: one per source and received date.

    The same range gives the same keys and bytes, whenever it is written.
    """
    groups: dict[tuple[str, date], list[Event]] = defaultdict(list)
    for event in events:
        assert lo <= event.seq <= hi, "an event outside its file's range"
        groups[event.source, received_at(event).date()].append(event)
    return {
        f"raw/source={source}/date={day}/events-{lo:012d}-{hi:012d}.parquet": _parquet(
            _raw_rows(group)
        )
        for (source, day), group in sorted(groups.items())
    }


def duplicate_file(
    duplicates: Iterable[tuple[int, NewEvent]], *, lo: int, hi: int
) -> tuple[str, bytes]:
    """Key and Parquet file (DUPLICATES) of the duplicate deliveries numbered [lo, hi]."""
    rows = [
        {
            "number": number,
            "source": event.source,
            "channel": event.channel,
            "event_id": event.event_id,
            "received_at": received_at(event),
        }
        for number, event in duplicates
    ]
    key = f"raw/duplicates/dup-{lo:012d}-{hi:012d}.parquet"
    return key, _parquet(pa.Table.from_pylist(rows, schema=DUPLICATES))


def received_at(event: NewEvent) -> datetime:
    return EPOCH + timedelta(microseconds=event.received_us)


def _raw_rows(events: Sequence[Event]) -> pa.Table:
    """Column by column: a dictionary per event cost more than hashing and compressing its body."""
    columns: dict[str, list[object]] = {
        name: [getattr(event, name) for event in events]
        for name in RAW.names
        if name not in {"received_at", "sha256"}
    }
    columns["received_at"] = [event.received_us for event in events]
    columns["sha256"] = [hashlib.sha256(event.body).hexdigest() for event in events]
    return pa.table([pa.array(columns[field.name], field.type) for field in RAW], schema=RAW)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", use_dictionary=REPEATED)
    return buffer.getvalue()


def seq_in(data: bytes, event_id: str) -> int:
    """Seq of the event of an id in a raw file, 0 for none; of two columns only."""
    rows = pq.read_table(io.BytesIO(data), columns=["seq", "event_id"])
    found = rows.filter(pc.equal(rows["event_id"], event_id))["seq"].to_pylist()
    return int(found[0]) if found else 0


def events_in(data: bytes) -> list[Event]:
    """Events of a raw file, as they were logged; the inverse of `raw_files`."""
    rows = pq.read_table(io.BytesIO(data)).drop_columns(["sha256"]).to_pylist()
    return [
        Event(**row, received_us=(at - EPOCH) // MICROSECOND)
        for row in rows
        if (at := row.pop("received_at")) is not None
    ]
