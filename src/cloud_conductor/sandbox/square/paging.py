"""Opaque cursors, time ranges and sorting, as every list of Square's has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cloud_conductor.sandbox.clock import format_instant, parse_instant
from cloud_conductor.sandbox.square.errors import invalid

Json = dict[str, Any]


def limit_of(value: Any, *, default: int, largest: int) -> int:
    """Page size of a request: `default` if absent, never above `largest`."""
    if value in {None, ""}:
        return default
    try:
        limit = int(value)
    except (TypeError, ValueError):
        raise invalid("EXPECTED_INTEGER", f"`{value}` is not a page size.", "limit") from None
    if limit < 1:
        raise invalid("VALUE_TOO_LOW", "Page size must be at least 1.", "limit")
    return min(limit, largest)


def instant_text(value: Any, field: str) -> str | None:
    """Instant of a request in the form objects carry, so that texts compare; None if absent."""
    if value in {None, ""}:
        return None
    try:
        return format_instant(parse_instant(value))
    except (TypeError, ValueError):
        raise invalid("INVALID_TIME", f"`{value}` is not an RFC 3339 instant.", field) from None


def within(value: str, begin: str | None, end: str | None) -> bool:
    """Whether `value` lies in the closed interval; an open end is None."""
    return (begin is None or value >= begin) and (end is None or value <= end)


def page(
    rows: Iterable[Json],
    *,
    key: Callable[[Json], str],
    identity: Callable[[Json], str],
    descending: bool,
    limit: int,
    cursor: str | None,
) -> tuple[list[Json], str | None]:
    """One page of rows in order of (key, identity), and the cursor of the next page if any.

    The cursor names the last row given, so rows that arrive between two pages are not skipped.
    """
    ordered = sorted(rows, key=lambda row: (key(row), identity(row)), reverse=descending)
    if cursor:
        last = decode_cursor(cursor)
        if descending:
            ordered = [row for row in ordered if (key(row), identity(row)) < last]
        else:
            ordered = [row for row in ordered if (key(row), identity(row)) > last]
    given = ordered[:limit]
    more = len(ordered) > limit
    return given, encode_cursor(key(given[-1]), identity(given[-1])) if more else None


def encode_cursor(key: str, identity: str) -> str:
    """Opaque text for a position."""
    return base64.urlsafe_b64encode(msgspec.json.encode([key, identity])).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Position of a cursor; refuses what `encode_cursor` did not make."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=tuple[str, str])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise invalid("INVALID_CURSOR", "The cursor is not valid.", "cursor") from None


def answer(name: str, rows: list[Json], cursor: str | None) -> Json:
    """Answer of a list: Square leaves an empty list and an absent cursor out."""
    body: Json = {}
    if rows:
        body[name] = rows
    if cursor:
        body["cursor"] = cursor
    return body
