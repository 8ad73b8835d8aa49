"""Data files of Delta tables: written whole by us, named by what they are, told to Delta.

Docs: Delta Lake protocol ("Add File", "Per-file Statistics"), Apache Parquet. A file of a partition
is `business_date=DAY/KIND-....parquet`. `open` files hold rows as they came. A `sealed` one holds
its partition's latest rows, sorted, as of the files named in its digests: whoever finds it alone
in its partition, and those files unchanged, need not look for the latest version again.
"""

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from cloud_conductor.domain.schemas import KEYS, PARTITIONED, TABLES

OPEN, SEALED = "open", "sealed"
PARTITION = "business_date"
DIGEST_CHARS = 16
# An open file is read once, by the seal; a sealed one is kept. Dictionaries and statistics of every
# column cost more than the rest of a small file, and a file is one day of one table.
_CODECS = {OPEN: "snappy", SEALED: "zstd"}


class DataFile(msgspec.Struct, frozen=True):
    """One file on its way into a table. path: below the table's folder."""

    path: str
    data: bytes
    rows: int
    newest_seq: int | None
    business_date: date | None

    def action(self, written_ms: int) -> AddAction:
        """What Delta's log says of it; its one statistic is the largest log_seq."""
        day = self.business_date
        stats: dict[str, Any] = {"numRecords": self.rows}
        if self.newest_seq is not None:
            stats["maxValues"] = {"log_seq": self.newest_seq}
        values = {PARTITION: day.isoformat()} if day else {}
        return AddAction(self.path, len(self.data), values, written_ms, True, json.dumps(stats))


def data_files(
    table: str, rows: pa.Table, kind: str, names: Mapping[date, str]
) -> Iterator[DataFile]:
    """Files of rows (TABLES[table]), one per business date, each in the order of `rows`.

    names: by date, what a file's name says after its kind.
    """
    for day, some in by_date(table, rows):
        sink = pa.BufferOutputStream()
        pq.write_table(
            some,
            sink,
            compression=_CODECS[kind],
            use_dictionary=False,
            write_statistics=list(KEYS[table]),
        )
        folder = f"{PARTITION}={day.isoformat()}/" if day else ""
        said = f"-{names[day]}" if day in names and day else ""
        yield DataFile(
            path=f"{folder}{kind}{said}-{uuid.uuid4().hex}.parquet",
            data=sink.getvalue().to_pybytes(),
            rows=some.num_rows,
            newest_seq=pc.max(some["log_seq"]).as_py(),
            business_date=day,
        )


def by_date(table: str, rows: pa.Table) -> Iterator[tuple[date | None, pa.Table]]:
    """Rows of each business date without that column, which the folder says; dates rise."""
    if table not in PARTITIONED:
        yield None, rows
        return
    days = rows[PARTITION].combine_chunks()
    counts = sorted(pc.value_counts(days).to_pylist(), key=lambda one: one["values"])
    plain = rows.drop_columns([PARTITION])
    if len(counts) > 1:
        plain = plain.take(pc.sort_indices(days))  # stable: each date keeps its order
    start = 0
    for one in counts:
        yield one["values"], plain.slice(start, one["counts"])
        start += one["counts"]


def with_date(table: str, rows: pa.Table, day: date | None, columns: Sequence[str]) -> pa.Table:
    """Rows of one file as TABLES[table] has them, of some columns."""
    if day is not None and PARTITION in columns:
        same = pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows)
        rows = rows.append_column(PARTITION, same)
    schema = TABLES[table]
    return rows.select(list(columns)).cast(pa.schema([schema.field(name) for name in columns]))


def digest_of(names: Iterable[str]) -> str:
    """Identity of a set of files."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:DIGEST_CHARS]


def sealed_name(parent: str, inputs: str) -> str:
    """What a sealed file's name says: digests of the files it stands on."""
    return f"{parent}-{inputs}"


def sealed_on(uris: Collection[str]) -> tuple[str, str] | None:
    """(parent, inputs) of a partition that is one sealed file; None for any other."""
    if len(uris) != 1:
        return None
    kind, *said = next(iter(uris)).rpartition("/")[2].removesuffix(".parquet").split("-")
    return (said[0], said[1]) if kind == SEALED and len(said) == 3 else None


def day_of(address: str) -> date | None:
    """The business date a file's address says."""
    _, found, rest = address.partition(f"/{PARTITION}=")
    return date.fromisoformat(rest.partition("/")[0]) if found else None
