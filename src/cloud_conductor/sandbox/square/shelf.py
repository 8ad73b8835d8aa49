"""A seller's finished objects as bytes in a file, listed as Square lists them.

A year of a chain is millions of dictionaries and 1.6 GB of JSON; an object that changes no more
needs neither to be held nor to be encoded again. What is on the shelf is read only.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.square import catalog, paging
from cloud_conductor.sandbox.square.drawers import SUMMARY
from cloud_conductor.sandbox.square.errors import invalid, not_found
from cloud_conductor.sandbox.square.seller import Seller
from cloud_conductor.sandbox.square.state import Settings, State

Json = dict[str, Any]
Place = tuple[int, int]
Row = tuple[str, str, int, int]
"""(instant, id, offset, length)"""

DATA, INDEX = "objects.bin", "objects.json"
SHIFTS = "/v2/cash-drawers/shifts"
_raw = msgspec.json.encode


class _Kept(msgspec.Struct):
    """What is known of the file: id -> place by kind, and rows in time by kind, place and clock."""

    places: dict[str, dict[str, Place]]
    rows: dict[str, dict[str, list[Row]]]


class Shelf:
    """Objects of one seller in `folder`. Not thread-safe: the seller's turn guards it."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; one that was saved is as it was."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = (folder / DATA).open("a+b")
        self._end = self._file.seek(0, os.SEEK_END)
        index = folder / INDEX
        self._kept = (
            msgspec.json.decode(index.read_bytes(), type=_Kept) if index.exists() else _Kept({}, {})
        )
        self._is_sorted = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever put here."""
        return not self._kept.places

    def put(self, kind: str, name: str, found: Any, times: Iterable[tuple[str, str, str]]) -> None:
        """Keep an object. times: (list it is in, such as a location or a payout, clock, instant)."""
        data = _raw(found)
        place = (self._end, len(data))
        self._file.write(data)
        self._end += len(data)
        self._kept.places.setdefault(kind, {})[name] = place
        for within, clock, instant in times:
            rows = self._kept.rows.setdefault(f"{kind}/{clock}", {}).setdefault(within, [])
            rows.append((instant, name, *place))
        self._is_sorted = False

    def save(self) -> None:
        """Make the folder complete: another process may open it."""
        self._settle()
        (self._folder / INDEX).write_bytes(_raw(self._kept))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def get(self, kind: str, name: str) -> bytes:
        """One object; refuses with 404."""
        place = self._kept.places.get(kind, {}).get(name)
        if place is None:
            raise not_found(kind, name)
        return self._read(place)

    def count(self, kind: str) -> int:
        """How many objects of a kind are here."""
        return len(self._kept.places.get(kind, {}))

    def page(
        self,
        kind: str,
        within: Sequence[str],
        clock: str,
        span: tuple[str | None, str | None],
        *,
        limit: int,
        cursor: str | None,
        descending: bool,
    ) -> tuple[list[bytes], str | None]:
        """Objects of some lists whose clock lies in the closed span, and the next page's cursor."""
        self._settle()
        lists = self._kept.rows.get(f"{kind}/{clock}", {})
        rows: list[Row] = []
        for one in within:
            mine = lists.get(one, [])
            begin = bisect_left(mine, span[0], key=_instant) if span[0] else 0
            end = bisect_right(mine, span[1], key=_instant) if span[1] else len(mine)
            rows += mine[begin:end]
        rows.sort(reverse=descending)
        start = int(paging.decode_cursor(cursor)[0]) if cursor else 0
        some = rows[start : start + limit]
        more = paging.encode_cursor(str(start + limit), "") if len(rows) > start + limit else None
        return [self._read((offset, length)) for _, _, offset, length in some], more

    def _read(self, place: Place) -> bytes:
        offset, length = place
        return os.pread(self._file.fileno(), length, offset)

    def _settle(self) -> None:
        if self._is_sorted:
            return
        self._file.flush()
        for lists in self._kept.rows.values():
            for rows in lists.values():
                rows.sort()
        self._is_sorted = True


def _instant(row: Row) -> str:
    return row[0]


def move(state: State, shelf: Shelf) -> None:
    """Take what changes no more off a seller that sells and never gives back.

    Answers kept for repeated keys, and events nobody subscribed to, are forgotten with it.
    """
    for kind, is_done, times in _MOVED:
        table = state.table(kind)
        done = [name for name, found in table.items() if is_done(found)]
        for name in done:
            shelf.put(kind, name, table[name], times(table[name]))
            if kind == "drawer_shifts":
                shelf.put("drawer_events", name, state.table("drawer_events").pop(name), ())
            del table[name]
    for name in ("idempotency", "returns_of"):
        state.table(name).clear()
    state.events.clear()


def _clocks(*names: str) -> Callable[[Json], list[tuple[str, str, str]]]:
    def times(found: Json) -> list[tuple[str, str, str]]:
        return [(found["location_id"], name, found.get(name, "")) for name in names]

    return times


_MOVED: tuple[tuple[str, Callable[[Json], bool], Callable[[Json], Any]], ...] = (
    (
        "orders",
        lambda one: one["state"] in {"COMPLETED", "CANCELED"},
        _clocks("created_at", "updated_at", "closed_at"),
    ),
    ("payments", lambda one: one["status"] == "COMPLETED", _clocks("created_at", "updated_at")),
    ("payouts", lambda one: one["status"] == "PAID", _clocks("created_at")),
    ("drawer_shifts", lambda one: one["state"] == "CLOSED", _clocks("opened_at")),
    (
        "balance_entries",
        lambda one: one["payout_id"] is not None,
        lambda one: [(one["payout_id"], "effective_at", one["effective_at"])],
    ),
)


class ShelvedSeller(Seller):
    """A seller that answers reads of finished objects from its shelf, and all else as any seller.

    Once `shelve` was called, lists of orders, payments, payouts and shifts are the shelf's alone.
    """

    def __init__(self, settings: Settings, *, clock: SandboxClock, shelf: Shelf) -> None:
        """Open a seller beside a shelf."""
        super().__init__(settings, clock=clock)
        self.shelf = shelf
        self._catalog: tuple[int, list[tuple[str, str, str, bytes]]] = (-1, [])

    def shelve(self) -> None:
        """Move what is finished to the shelf."""
        with self._turn:
            move(self.state, self.shelf)

    def call_raw(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        """See Seller.call_raw."""
        if not self.shelf.is_empty:
            with self._turn:
                if (method, path) == ("POST", "/v2/catalog/search"):
                    return self._searched(body or {})
                found = _answer(self.shelf, method, path, body or {}, query or {})
            if found is not None:
                return found
        return super().call_raw(method, path, body, query)

    def _searched(self, body: Json) -> bytes:
        """POST /v2/catalog/search from objects that were sorted and encoded once a revision."""
        if self._catalog[0] != self.revision:
            objects = self.state.table("catalog").values()
            rows = [
                (one["updated_at"], one["id"], one["type"], _raw(catalog.shown(self.state, one)))
                for one in objects
            ]
            self._catalog = self.revision, sorted(rows)
        begin = paging.instant_text(body.get("begin_time"), "begin_time") or ""
        types = body.get("object_types") or []
        rows = [
            row for row in self._catalog[1] if row[0] > begin and (not types or row[2] in types)
        ]
        start = int(paging.decode_cursor(body["cursor"])[0]) if body.get("cursor") else 0
        end = start + paging.limit_of(body.get("limit"), default=100, largest=1000)
        more = paging.encode_cursor(str(end), "") if len(rows) > end else None
        return _list("objects", [row[3] for row in rows[start:end]], more)


def _answer(
    shelf: Shelf, method: str, path: str, body: Json, query: dict[str, str]
) -> bytes | None:
    """What the shelf has to say to a call; None where the seller itself answers."""
    if (method, path) == ("POST", "/v2/orders/search"):
        return _orders(shelf, body)
    if method != "GET":
        return None
    if path == "/v2/payments":
        clock = "updated_at" if query.get("sort_field") == "UPDATED_AT" else "created_at"
        prefix = "updated_at_" if clock == "updated_at" else ""
        return _listed(shelf, "payments", clock, query, names=(f"{prefix}begin", f"{prefix}end"))
    if path == "/v2/payouts":
        return _listed(shelf, "payouts", "created_at", query)
    if path == SHIFTS:
        return _listed(shelf, "drawer_shifts", "opened_at", query, largest=1000, shown=_summary)
    steps = path.removeprefix("/").split("/")
    if steps[:2] == ["v2", "payouts"] and steps[3:] == ["payout-entries"]:
        return _listed(
            shelf, "balance_entries", "effective_at", query, within=steps[2], shown=_entry
        )
    if path.startswith(f"{SHIFTS}/") and len(steps) == 4:
        return b'{"cash_drawer_shift":' + shelf.get("drawer_shifts", steps[3]) + b"}"
    if path.startswith(f"{SHIFTS}/") and steps[4:] == ["events"]:
        found = shelf.get("drawer_events", steps[3])
        return b'{"cash_drawer_shift_events":' + found + b"}" if found != b"[]" else b"{}"
    return None


def _orders(shelf: Shelf, body: Json) -> bytes:
    """POST /v2/orders/search; every order here is closed."""
    query = body.get("query") or {}
    wanted = query.get("filter") or {}
    sort = query.get("sort") or {}
    clock = sort.get("sort_field", "CREATED_AT").lower()
    spans = wanted.get("date_time_filter") or {}
    if set(spans) - {clock}:
        raise invalid("INVALID_SORT_ORDER", "Sort by the field to filter by it.", "query.sort")
    span = spans.get(clock, {})
    found, cursor = shelf.page(
        "orders",
        body.get("location_ids") or [],
        clock,
        (
            paging.instant_text(span.get("start_at"), f"{clock}.start_at"),
            paging.instant_text(span.get("end_at"), f"{clock}.end_at"),
        ),
        limit=paging.limit_of(body.get("limit"), default=500, largest=1000),
        cursor=body.get("cursor"),
        descending=sort.get("sort_order", "DESC") == "DESC",
    )
    return _list("orders", found, cursor)


def _listed(
    shelf: Shelf,
    kind: str,
    clock: str,
    query: dict[str, str],
    *,
    within: str = "",
    names: tuple[str, str] = ("begin", "end"),
    largest: int = 100,
    shown: Callable[[bytes], bytes] = bytes,
) -> bytes:
    begin, end = (paging.instant_text(query.get(f"{name}_time"), name) for name in names)
    found, cursor = shelf.page(
        kind,
        [within or query.get("location_id", "")],
        clock,
        (begin, end),
        limit=paging.limit_of(query.get("limit"), default=100, largest=largest),
        cursor=query.get("cursor"),
        descending=query.get("sort_order", "DESC") == "DESC",
    )
    return _list(_NAMES.get(kind, kind), [shown(one) for one in found], cursor)


_NAMES = {"drawer_shifts": "cash_drawer_shifts", "balance_entries": "payout_entries"}


def _list(name: str, rows: list[bytes], cursor: str | None) -> bytes:
    """Answer of a list: Square leaves an empty list and an absent cursor out."""
    parts = []
    if rows:
        parts.append(b'"' + name.encode() + b'":[' + b",".join(rows) + b"]")
    if cursor:
        parts.append(b'"cursor":' + _raw(cursor))
    return b"{" + b",".join(parts) + b"}"


def _entry(body: bytes) -> bytes:
    """A payout entry as the API shows it."""
    found = msgspec.json.decode(body)
    return _raw({name: value for name, value in found.items() if name != "location_id"})


def _summary(body: bytes) -> bytes:
    """A drawer shift as its list shows it."""
    found = msgspec.json.decode(body)
    return _raw({name: found[name] for name in SUMMARY if name in found})
