"""What inventory does: log to movements, and the acts of people. Safe to kill between any two writes.

It reads the event log with a cursor of its own, so stock needs neither the lake nor the vendor. A
batch's movements, sums, versions and the cursor are written in one transaction.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import Engine

from cloud_conductor.domain.events import Event
from cloud_conductor.domain.stores import Store
from cloud_conductor.inventory.movements import (
    Line,
    Movement,
    SaleVersion,
    count_correction,
    micro,
    of_sale,
)
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.pos import PosDecoder
from cloud_conductor.state import inventory as state
from cloud_conductor.state.accounting import to_us
from cloud_conductor.state.consuming import follow_log
from cloud_conductor.state.inventory import Writer
from cloud_conductor.state.tables.inventory import PRODUCT, SALE

log = logging.getLogger("conductor")

EVENTS_PER_BATCH = 5_000
_GOODS = "merchandise"
_LINES = msgspec.json.Decoder(dict[str, tuple[str, str, int]])


@dataclass(frozen=True)
class InventoryDeps:
    """decoders: by source name. stores: the store master."""

    log: EventLog
    engine: Engine
    clock: Clock
    decoders: Mapping[str, PosDecoder]
    stores: Sequence[Store]
    events_per_batch: int = EVENTS_PER_BATCH

    @property
    def now_us(self) -> int:
        return to_us(self.clock.now())


class RunResult(msgspec.Struct, frozen=True):
    """Counts of one run. waiting: movements that went into quarantine, released: came out."""

    events: int = 0
    movements: int = 0
    waiting: int = 0
    released: int = 0

    def __add__(self, other: "RunResult") -> "RunResult":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return RunResult(*(a + b for a, b in zip(mine, theirs, strict=True)))


def run_inventory(deps: InventoryDeps) -> RunResult:
    """Move stock by everything the log holds now. Running it again moves nothing."""
    take = partial(_run_batch, deps)
    cursor = partial(state.cursor, deps.engine)
    limit = deps.events_per_batch
    total = sum(follow_log(deps.log, cursor, take, events_per_batch=limit), RunResult())
    if total.events:
        log.info("stock.moved", extra={"fields": msgspec.structs.asdict(total)})
    return total


def put(writer: Writer, movements: Sequence[Movement], now_us: int) -> int:
    """Append movements that are not in the ledger yet; gives how many were new.

    A movement from before a count that comes to light after it is taken back at the count (R-11.9).
    """
    known = writer.known_movements([one.movement_id for one in movements])
    fresh = {one.movement_id: one for one in movements if one.movement_id not in known}
    counts = _counts(writer, fresh.values())
    corrections = [
        count_correction(one, count_id, counted_us)
        for one in fresh.values()
        for counted_us, count_id in [counts.get((one.sku, one.store), (None, ""))]
        if counted_us is not None and _was_before(one, counted_us, count_id)
    ]
    writer.add([_row(one, now_us) for one in (*fresh.values(), *corrections)])
    return len(fresh)


def _was_before(one: Movement, counted_us: int, count_id: str) -> bool:
    """Whether the goods that were counted had felt the movement already."""
    if one.kind == "count":
        return one.occurred_us < counted_us and one.reference != count_id
    return one.occurred_us <= counted_us


def _run_batch(deps: InventoryDeps, partition: str, lo: int, events: Sequence[Event]) -> RunResult:
    sales: dict[state.SaleKey, SaleVersion] = {}
    products: list[dict[str, Any]] = []
    for source, some in _by_source(events).items():
        decoder = deps.decoders.get(source)
        if decoder is None:
            continue
        places = {one.location_id: one for one in deps.stores if one.source == source}
        tables = decoder.decode(some, places, {}).tables
        for sale in _sales(tables):
            known = sales.get(sale.key)
            if known is None or sale.version > known.version:
                sales[sale.key] = sale
        products += _products(tables.get("products"))
    now_us = deps.now_us
    with state.writing(deps.engine) as writer:
        writer.advance(partition, lo, events[-1].seq)
        writer.put(PRODUCT, products)
        released = _release(
            writer, ((row["source"], row["product_id"]) for row in products), now_us
        )
        moved, waiting = _move(writer, list(sales.values()), now_us)
    return RunResult(len(events), moved, waiting, released)


def _move(writer: Writer, sales: Sequence[SaleVersion], now_us: int) -> tuple[int, int]:
    """Bring stock to these versions; gives movements made, and those that wait for a SKU."""
    seen = state.sales(writer.connection, (sale.key for sale in sales))
    found: list[Movement] = []
    rows: list[dict[str, Any]] = []
    for sale in sales:
        before = seen.get(sale.key)
        if before is not None and (before.version_rank, before.version_digest) >= sale.version:
            continue
        found += of_sale(sale, _LINES.decode(before.lines) if before else {})
        rows.append(
            {
                "source": sale.source,
                "merchant_id": sale.merchant_id,
                "sale_id": sale.sale_id,
                "version_rank": sale.version_rank,
                "version_digest": sale.version_digest,
                "lines": msgspec.json.encode(sale.lines).decode(),
            }
        )
    writer.put(SALE, rows)
    known, waiting = _named(writer, found)
    moved = put(writer, known, now_us)
    there = writer.known_movements([one.movement_id for one in waiting])
    fresh = [one for one in waiting if one.movement_id not in there]
    writer.wait([_waiting_row(one) for one in fresh])
    return moved, len(fresh)


def _named(writer: Writer, movements: Sequence[Movement]) -> tuple[list[Movement], list[Movement]]:
    """Movements with their SKU, and those whose product has none."""
    skus = state.skus(
        writer.connection, ((one.source, one.merchant_id, one.product_id) for one in movements)
    )
    known, waiting = [], []
    for one in movements:
        sku = skus.get((one.source, one.merchant_id, one.product_id))
        if sku:
            known.append(msgspec.structs.replace(one, sku=sku))
        else:
            waiting.append(one)
    return known, waiting


def _release(writer: Writer, products: Iterable[tuple[str, str]], now_us: int) -> int:
    """Move what waited for the SKU of these products; gives how many movements came out."""
    waiting = state.unknown(writer.connection, set(products))
    if not waiting:
        return 0
    known, _ = _named(writer, [_of_waiting(row) for row in waiting])
    ids = [one.movement_id for one in known]
    # Out of quarantine first: an id that waits counts as known.
    rows = [_row(one, now_us) for one in known]
    counts = _counts(writer, known)
    rows += [
        _row(count_correction(one, count_id, counted_us), now_us)
        for one in known
        for counted_us, count_id in [counts.get((one.sku, one.store), (None, ""))]
        if counted_us is not None and one.occurred_us <= counted_us
    ]
    writer.add(rows)
    writer.release(ids, now_us)
    return len(ids)


def release_product(writer: Writer, source: str, product_id: str, now_us: int) -> int:
    """Move what waited for a product that a person has given a SKU."""
    return _release(writer, [(source, product_id)], now_us)


def _counts(
    writer: Writer, movements: Iterable[Movement]
) -> dict[tuple[str, str], tuple[int | None, str]]:
    """(SKU, store) -> instant and id of the newest count."""
    names = sorted({one.sku for one in movements if one.sku})
    rows = state.stock(writer.connection, sku=names) if names else []
    return {(row.sku, row.store): (row.counted_us, row.count_id) for row in rows}


def _by_source(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.source, []).append(event)
    return found


def _sales(tables: Mapping[str, pa.Table]) -> list[SaleVersion]:
    """Versions of sales as far as stock goes.

    Row by row: each line becomes an indexed row of the ledger, which costs more than the loop.
    """
    if "sales" not in tables:
        return []
    lines: dict[tuple[Any, ...], dict[str, Line]] = {}
    names: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in tables["sale_lines"].to_pylist() if "sale_lines" in tables else ():
        if row["line_kind"] != _GOODS or not row["product_id"]:
            continue
        version = _version_of(row)
        key = f"{row['event']}:{row['line_uid']}"
        quantity = -micro(row["quantity"])
        lines.setdefault(version, {})[key] = (row["store"], row["product_id"], quantity)
        names.setdefault(version, {})[row["product_id"]] = row["name"] or ""
    return [
        SaleVersion(
            source=row["source"],
            merchant_id=row["merchant_id"],
            sale_id=row["sale_id"],
            version_rank=row["version_rank"],
            version_digest=row["version_digest"],
            occurred_us=_us(row["occurred_at"]),
            log_seq=row["log_seq"],
            is_void=row["state"] != "closed",
            lines=lines.get(_version_of(row), {}) if row["state"] == "closed" else {},
            names=names.get(_version_of(row), {}),
        )
        for row in tables["sales"].to_pylist()
    ]


def _version_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["source"],
        row["merchant_id"],
        row["sale_id"],
        row["version_rank"],
        row["version_digest"],
    )


def _products(rows: pa.Table | None) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows.to_pylist() if rows is not None else ():
        valid_from_us = _us(row["valid_from"])
        key = (row["source"], row["merchant_id"], row["product_id"], valid_from_us)
        found[key] = {
            "source": row["source"],
            "merchant_id": row["merchant_id"],
            "product_id": row["product_id"],
            "valid_from_us": valid_from_us,
            "sku": row["sku"] or "",
            "name": row["name"] or "",
            "department": row["department"] or "",
            "unit_price": "" if row["unit_price"] is None else str(row["unit_price"]),
            "unit_cost": "" if row["unit_cost"] is None else str(row["unit_cost"]),
            "currency": row["currency"] or "",
            "is_deleted": int(bool(row["is_deleted"])),
        }
    return list(found.values())


def _row(one: Movement, now_us: int) -> dict[str, Any]:
    fields = msgspec.structs.asdict(one)
    del fields["merchant_id"], fields["name"]
    return fields | {"recorded_us": now_us}


def _waiting_row(one: Movement) -> dict[str, Any]:
    fields = msgspec.structs.asdict(one)
    for name in ("sku", "author", "reason"):
        del fields[name]
    return fields | {"released_us": None}


def _of_waiting(row: Any) -> Movement:
    fields = {
        name: getattr(row, name)
        for name in Movement.__struct_fields__
        if name not in ("sku", "author", "reason")
    }
    return Movement(**fields)


def _us(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, instant.tzinfo)) // timedelta(microseconds=1)
