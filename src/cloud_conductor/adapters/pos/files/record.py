"""A record's bytes as a typed record, or what is wrong with it: names translated, flat rows nested."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from cloud_conductor.adapters.pos.files import wire
from cloud_conductor.domain.exports import ROWS
from cloud_conductor.domain.findings import CONTRACT, MALFORMED, Finding

NESTED = ("lines", "tenders", "services")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")
Record = TypeVar("Record", wire.Sale, wire.Product)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def sale_of(body: bytes, columns: Mapping[str, str]) -> wire.Sale | Finding:
    """A sale, nested or made of flat rows. columns: their name -> ours."""
    record = _object(body)
    if isinstance(record, Finding):
        return record
    rows = record.get(ROWS)
    if isinstance(rows, list):
        return _of_rows(rows, columns, f"/{ROWS}/0")
    ours = _renamed(record, columns)
    if "lines" in ours:
        return _typed(_nested(ours, columns), wire.Sale, "")
    return _of_rows([record], columns, "")


def product_of(body: bytes, columns: Mapping[str, str]) -> wire.Product | Finding:
    """One product; of several lines of CSV with one sku the last."""
    record = _object(body)
    if isinstance(record, Finding):
        return record
    rows = record.get(ROWS)
    last = rows[-1] if isinstance(rows, list) and rows else record
    if not isinstance(last, dict):
        return Finding(CONTRACT, "", "a record is an object")
    return _typed(_renamed(last, columns), wire.Product, "")


def _object(body: bytes) -> dict[str, Any] | Finding:
    try:
        record = _DECODER.decode(body)
    except _UNREADABLE as error:
        return Finding(MALFORMED, "", f"the record is not JSON in UTF-8: {error}")
    if not isinstance(record, dict):
        return Finding(CONTRACT, "", "a record is an object")
    return record


def _renamed(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Their names to ours; a null is absent."""
    return {columns.get(key, key): value for key, value in record.items() if value is not None}


def _nested(record: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return record | {
        name: [_renamed(one, columns) if isinstance(one, dict) else one for one in record[name]]
        for name in NESTED
        if isinstance(record.get(name), list)
    }


def _of_rows(rows: Sequence[Any], columns: Mapping[str, str], where: str) -> wire.Sale | Finding:
    """One sale of flat rows: each row a line, each different set of tender cells a tender."""
    if not rows or not all(isinstance(row, dict) for row in rows):
        return Finding(CONTRACT, where, "a row is an object")
    ours = [_renamed(row, columns) for row in rows]
    for at, row in enumerate(ours[1:], start=1):
        for name in wire.HEAD_CELLS:
            if row.get(name, ours[0].get(name)) != ours[0].get(name):
                pointer = f"/{ROWS}/{at}/{name}"
                return Finding(CONTRACT, pointer, "rows of one sale differ in what it says once")
    return _typed(
        {name: ours[0][name] for name in wire.HEAD_CELLS if name in ours[0]}
        | {"lines": [_cells(row, wire.LINE_CELLS) for row in ours], "tenders": _tenders(ours)},
        wire.Sale,
        where,
    )


def _cells(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}


def _tenders(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Exports repeat a sale's tender on each of its lines: equal cells are one tender."""
    found: list[dict[str, Any]] = []
    for row in rows:
        tender = {ours: row[cell] for cell, ours in wire.TENDER_CELLS.items() if cell in row}
        if "type" in tender:
            tender.setdefault("amount", rows[0].get("total", ""))
            if tender not in found:
                found.append(tender)
    return found


def _typed(record: dict[str, Any], kind: type[Record], where: str) -> Record | Finding:
    try:
        return msgspec.convert(record, kind, strict=False)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        steps = ["".join(step) for step in _STEP.findall(place.rstrip("`"))]
        pointer = where + "".join("/" + step for step in steps)
        return Finding(CONTRACT, pointer, reason)
