"""Exported files: what a path says, and the records in the bytes.

Two layouts are read: `<dataset>_<date>_<time>.<suffix>` anywhere, and
`<dataset>/source=<system>/date=<day>/<any name>.<suffix>`. A record's bytes are kept as they are;
lines of CSV become objects of texts.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

DATASETS: Mapping[str, str] = MappingProxyType({"sales": "sale_id", "products": "sku"})
"""Datasets that an export may hold, and the field that names a record of each."""

SUFFIXES = (".json", ".ndjson", ".jsonl", ".csv")
RECORDS_MAX = 1_000_000  # in one file; a larger export is split by whoever writes it
RECORD_BYTES_MAX = 1_048_576
ROWS = "rows"  # key under which the lines of one CSV record stand
WHOLE = ".file"  # kind suffix of an event that is a whole file

_STAMPED = re.compile(
    r"^(?P<dataset>[a-z]+)_(?P<day>\d{4}-?\d\d-?\d\d)_(?P<time>\d{6}|\d\d-\d\d-\d\d)$"
)
_PLAIN = re.compile(r"^(?P<dataset>[a-z]+)(_.*)?$")
_BOM = b"\xef\xbb\xbf"


class Label(msgspec.Struct, frozen=True):
    """What a path says. source: empty when it names none. exported_us: 0 when it has no time."""

    dataset: str
    source: str = ""
    exported_us: int = 0


class Unreadable(ValueError):  # the data's fault: caught where it becomes a finding
    """The bytes are not what the suffix says; the text says why."""


def is_export(path: str) -> bool:
    """Whether a path may be an export: a known suffix, and no part hidden or in the making."""
    hidden = any(part.startswith((".", "_", "~")) for part in path.split("/"))
    return not hidden and path.lower().endswith(SUFFIXES)


def label_of(path: str) -> Label | None:
    """What a path says; None when it names no dataset we know, so the file is left alone."""
    *folders, name = path.split("/")
    stem = name.rpartition(".")[0]
    keyed = dict(part.split("=", 1) for part in folders if "=" in part)
    stamped = _STAMPED.match(stem)
    names = [part for part in folders if part in DATASETS]
    plain = _PLAIN.match(stem)
    if plain and plain["dataset"] in DATASETS:
        names.append(plain["dataset"])
    if not names:
        return None
    exported_us = _instant_us(stamped["day"], stamped["time"]) if stamped else 0
    return Label(names[0], keyed.get("source", ""), exported_us)


def records_of(
    data: bytes, *, path: str, dataset: str, columns: Mapping[str, str]
) -> Iterator[tuple[int, bytes]]:
    """(row, bytes) of each record in the file's order, rows from 1. Raises Unreadable.

    JSON: one list, or one object. NDJSON: one record a line. CSV: one object `{"rows": [...]}` per
    record id. columns: their name -> ours, to find the id.
    """
    suffix = path.lower().rpartition(".")[2]
    if suffix == "csv":
        records = _csv_records(data, columns, DATASETS[dataset])
    elif suffix == "json":
        records = _whole_json(data.removeprefix(_BOM))
    else:
        records = _lines(data.removeprefix(_BOM))
    for number, (row, record) in enumerate(records, start=1):
        if number > RECORDS_MAX:
            raise Unreadable(f"more than {RECORDS_MAX} records in one file")
        if len(record) > RECORD_BYTES_MAX:
            raise Unreadable(f"row {row} has {len(record)} bytes; at most {RECORD_BYTES_MAX}")
        yield row, record


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for row, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield row, line.strip()


def _whole_json(data: bytes) -> Iterator[tuple[int, bytes]]:
    try:
        if data.lstrip().startswith(b"["):
            records: Sequence[msgspec.Raw] = msgspec.json.decode(data, type=list[msgspec.Raw])
        else:
            records = [msgspec.json.decode(data, type=msgspec.Raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from None
    for row, record in enumerate(records, start=1):
        yield row, bytes(record)


def _csv_records(data: bytes, columns: Mapping[str, str], key: str) -> Iterator[tuple[int, bytes]]:
    """Empty cells are absent. The first line of a record decides its place."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    groups: dict[str, tuple[int, list[dict[str, str]]]] = {}
    try:
        _check_header(reader.fieldnames)
        for row, line in enumerate(reader, start=1):
            if None in line or None in line.values():
                raise Unreadable(f"row {row} has not as many cells as the header")
            cells = {name: cell for name, cell in line.items() if cell.strip()}
            named = next((cells[n] for n in cells if columns.get(n, n) == key), f"\0{row}")
            groups.setdefault(named, (row, []))[1].append(cells)
    except csv.Error as error:
        raise Unreadable(f"not CSV: {error}") from None
    for row, lines in groups.values():
        yield row, msgspec.json.encode({ROWS: lines})


def _check_header(names: Sequence[str] | None) -> None:
    if not names:
        raise Unreadable("a CSV file begins with a header")
    if len(set(names)) != len(names) or any(not name.strip() for name in names):
        raise Unreadable("a column has no name, or two have the same")


def _instant_us(day: str, time: str) -> int:
    """Microseconds since 1970 of a name's date and time, taken as UTC; 0 for no such instant."""
    digits = (day + time).replace("-", "")
    try:
        found = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(found.timestamp()) * 1_000_000
