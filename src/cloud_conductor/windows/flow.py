"""What windows do: log to live figures. Safe to kill between any two writes.

It reads the event log with a cursor of its own, so live figures wait for no flush of the lake. A
batch's sales, figures and the cursor are written in one transaction. What an event does depends on
the events before it and on nothing else, so any batching, and a rebuild, gives the same windows.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Engine

from cloud_conductor.domain.events import Event
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.log import EventLog
from cloud_conductor.ports.pos import PosDecoder
from cloud_conductor.state import windows as state
from cloud_conductor.state.consuming import follow_log
from cloud_conductor.state.tables.windows import CELL, CLOCK, PRODUCT, SALE, STORE, TENDER
from cloud_conductor.state.windows import Writer
from cloud_conductor.windows import reading
from cloud_conductor.windows.sales import (
    LATE_US,
    WATERMARK_DELAY_US,
    Catalogue,
    Line,
    Paid,
    Place,
    ProductKey,
    ProductVersion,
    SaleKey,
    SaleVersion,
    is_closed,
    lines_table,
)
from cloud_conductor.windows.tumbling import WINDOW_US, tumbling

log = logging.getLogger("conductor")

EVENTS_PER_BATCH = 2_000
KEPT_US = 8 * 24 * 60 * 60 * 1_000_000
"""How long a sale is remembered, so that a version of it that comes late takes back the former."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LINES = msgspec.json.Decoder(tuple[Line, ...])
_TENDERS = msgspec.json.Decoder(tuple[Paid, ...])


@dataclass(frozen=True)
class WindowsDeps:
    """decoders: by source name. stores: the store master."""

    log: EventLog
    engine: Engine
    decoders: Mapping[str, PosDecoder]
    stores: Sequence[Store]
    events_per_batch: int = EVENTS_PER_BATCH


class RunResult(msgspec.Struct, frozen=True):
    """Counts of one run. changed: rows of figures; late: versions whose window was closed."""

    events: int = 0
    sales: int = 0
    changed: int = 0
    late: int = 0

    def __add__(self, other: "RunResult") -> "RunResult":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return RunResult(*(a + b for a, b in zip(mine, theirs, strict=True)))


def run_windows(deps: WindowsDeps) -> RunResult:
    """Bring windows to everything the log holds now. Running it again changes nothing."""
    take = partial(_run_batch, deps)
    cursor = partial(state.cursor, deps.engine)
    limit = deps.events_per_batch
    total = sum(follow_log(deps.log, cursor, take, events_per_batch=limit), RunResult())
    if total.changed:
        log.info("windows.changed", extra={"fields": msgspec.structs.asdict(total)})
    return total


def rebuild(deps: WindowsDeps) -> RunResult:
    """Forget every window and make them again from the log."""
    state.forget(deps.engine)
    return run_windows(deps)


class _Fold:
    """The steps of a batch in log order: which windows they touch, and what came too late.

    Figures are made once for all steps, at the end; and in between, before a step changes what the
    figures of a touched window must not see: a sale that comes when the window is closed, a
    catalogue that comes after. So a batch gives what its events give one by one.
    """

    def __init__(self, writer: Writer, known: Iterable[SaleVersion], newest_us: int) -> None:
        self.writer = writer
        self.sales: dict[SaleKey, SaleVersion] = {one.key: one for one in known}
        self.newest_us = newest_us
        self.unwritten: set[SaleKey] = set()
        self.dirty: set[Place] = set()
        self.late: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.versions = 0
        self.changed = 0

    def take(self, sale: SaleVersion, received_us: int) -> None:
        """A version as decoded; an older one, or the same again, changes nothing."""
        before = self._known(sale.key)
        if before is None or sale.version > before.version:
            self._put(before, sale)
        self.newest_us = max(self.newest_us, min(sale.occurred_us, received_us))

    def shift(self, key: SaleKey, occurred_at: datetime, stores: Mapping[str, Store]) -> None:
        """A known sale really was at another time; the tender that says so came later (R-2.5)."""
        before = self._known(key)
        if before is not None:
            changes = reading.dated(stores[before.store], occurred_at)
            self._put(before, msgspec.structs.replace(before, **changes))

    def learn(self, products: Sequence[dict[str, Any]]) -> None:
        """Catalogue versions, with the open windows that they change."""
        self.flush()
        since_us = self.newest_us - LATE_US - WATERMARK_DELAY_US - WINDOW_US
        sales = [_sale_of(row) for row in self.writer.sales_since(since_us)]
        before = _catalogue(self.writer, sales)
        self.writer.put(PRODUCT, products)
        after = _catalogue(self.writer, sales)
        self.dirty |= {
            sale.place
            for sale in sales
            if not is_closed(sale.place[1], self.newest_us)
            and any(
                before.department(sale, one) != after.department(sale, one) for one in sale.lines
            )
        }

    def flush(self) -> None:
        """Write the sales, and the figures of the windows they touch."""
        rows = [_sale_row(self.sales[key]) for key in sorted(self.unwritten)]
        self.writer.put(SALE, rows)
        self.changed += _refigure(self.writer, self.dirty)
        self.unwritten.clear()
        self.dirty.clear()

    def late_rows(self) -> list[dict[str, Any]]:
        return [
            {"store": store, "business_date": day, "currency": currency}
            | {"changes": changes, "net_minor": net_minor}
            for (store, day, currency), (changes, net_minor) in sorted(self.late.items())
        ]

    def _known(self, key: SaleKey) -> SaleVersion | None:
        found = self.sales.get(key)
        return found if found and found.place[1] >= self.newest_us - KEPT_US else None

    def _put(self, before: SaleVersion | None, after: SaleVersion) -> None:
        both = [(sign, one) for sign, one in ((-1, before), (1, after)) if one is not None]
        closed = [(sign, one) for sign, one in both if is_closed(one.place[1], self.newest_us)]
        if any(one.place in self.dirty for _, one in closed):
            self.flush()
        for sign, one in closed:
            self.late[one.store, one.business_date, one.currency][1] += sign * one.net_minor
        if closed:
            self.late[after.store, after.business_date, after.currency][0] += 1
        self.dirty |= {one.place for sign, one in both if (sign, one) not in closed}
        self.sales[after.key] = after
        self.unwritten.add(after.key)
        self.versions += 1


class Clock(msgspec.Struct, frozen=True):
    """When a sale really was, as a tender says."""

    key: SaleKey
    occurred_at: datetime


class Taken(msgspec.Struct, frozen=True):
    """A version of a sale, and when it was received."""

    sale: SaleVersion
    received_us: int


class Product(msgspec.Struct, frozen=True):
    """A version of a product or category, as a row of state."""

    row: dict[str, Any]


Step = Taken | Clock | Product


def _run_batch(deps: WindowsDeps, partition: str, lo: int, events: Sequence[Event]) -> RunResult:
    steps = _read(deps, events)
    stores = {one.store: one for one in deps.stores}
    keys = [one.sale.key for one in steps if isinstance(one, Taken)]
    keys += [one.key for one in steps if isinstance(one, Clock)]
    with state.writing(deps.engine) as writer:
        fold = _Fold(writer, map(_sale_of, writer.sales(keys)), writer.newest_us(partition))
        for kind, some in groupby(steps, key=type):
            if kind is Product:
                fold.learn([one.row for one in some if isinstance(one, Product)])
                continue
            for one in some:
                if isinstance(one, Taken):
                    fold.take(one.sale, one.received_us)
                elif isinstance(one, Clock):
                    fold.shift(one.key, one.occurred_at, stores)
        fold.flush()
        writer.advance(partition, lo, events[-1].seq, fold.newest_us)
        writer.put(CLOCK, [_clock_row(one) for one in steps if isinstance(one, Clock)])
        writer.add_late(fold.late_rows())
        writer.forget_sales(fold.newest_us - KEPT_US)
    late = sum(changes for changes, _ in fold.late.values())
    return RunResult(len(events), fold.versions, fold.changed, late)


def _read(deps: WindowsDeps, events: Sequence[Event]) -> list[Step]:
    """Decode a batch, with the clocks of offline tills known so far; what it says, in log order."""
    steps: list[tuple[int, Step]] = []
    by_source: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_source[event.source].append(event)
    for source, some in by_source.items():
        decoder = deps.decoders.get(source)
        if decoder is None:
            continue
        places = {one.location_id: one for one in deps.stores if one.source == source}
        known = {key: _instant(at) for key, at in state.clocks(deps.engine, source).items()}
        decoded = decoder.decode(some, places, known)
        stores = {one.store: one for one in places.values()}
        for seq, received_us, sale in reading.sales_of(decoded.tables, stores):
            steps.append((seq, Taken(sale, received_us)))
        for seq, row in reading.products_of(decoded.tables.get("products")):
            steps.append((seq, Product(row)))
        merchants = {event.seq: event.merchant_id for event in some}
        for one in decoded.clocks:
            key = (source, merchants[one.seq], one.object_id)
            steps.append((one.seq, Clock(key, one.occurred_at)))
    return [step for _, step in sorted(steps, key=lambda one: one[0])]


def _refigure(writer: Writer, places: set[Place]) -> int:
    """Make the figures of some windows again from their sales; gives how many rows changed."""
    if not places:
        return 0
    sales = [_sale_of(row) for row in writer.sales_at(places)]
    days = {sale.place: sale for sale in sales}
    cells = tumbling(lines_table(sales, _catalogue(writer, sales))).to_pylist()
    for cell in cells:
        cell["business_date"] = days[cell["store"], cell["start_us"]].business_date
    changed = writer.replace(CELL, places, cells)
    changed += writer.replace(STORE, places, _store_rows(sales))
    changed += writer.replace(TENDER, places, _tender_rows(sales))
    return changed


def _store_rows(sales: Iterable[SaleVersion]) -> list[dict[str, Any]]:
    """Windows per store. A store's window lies in one business day (R-22.1)."""
    found: dict[tuple[str, int, str], dict[str, Any]] = {}
    for sale in sales:
        row = found.setdefault(
            (*sale.place, sale.currency),
            {"store": sale.store, "start_us": sale.place[1], "currency": sale.currency}
            | {"business_date": sale.business_date, "day_start_us": sale.day_start_us}
            | dict.fromkeys(("sales", "returns", "net_minor", "tax_minor", "total_minor"), 0),
        )
        row["sales"] += sale.is_sale
        row["returns"] += any(line.event == "return" for line in sale.lines)
        row["net_minor"] += sale.net_minor
        row["tax_minor"] += sum(line.tax_minor for line in sale.lines)
        row["total_minor"] += sale.total_minor
    return list(found.values())


def _tender_rows(sales: Iterable[SaleVersion]) -> list[dict[str, Any]]:
    found: dict[tuple[str, int, str, str], dict[str, Any]] = {}
    for sale in sales:
        for paid in sale.tenders:
            row = found.setdefault(
                (*sale.place, paid.tender_type, sale.currency),
                {"store": sale.store, "start_us": sale.place[1], "tender_type": paid.tender_type}
                | {"currency": sale.currency, "business_date": sale.business_date}
                | {"payments": 0, "refunds": 0, "amount_minor": 0},
            )
            row["refunds" if paid.event == "refund" else "payments"] += 1
            row["amount_minor"] += paid.amount_minor
    return list(found.values())


def _catalogue(writer: Writer, sales: Sequence[SaleVersion]) -> Catalogue:
    """What the catalogue says of the products of some sales, and of their categories."""
    keys: set[ProductKey] = {
        (sale.source, sale.merchant_id, line.product_id)
        for sale in sales
        for line in sale.lines
        if line.product_id
    }
    versions = _versions(writer, keys)
    categories = {
        (*key[:2], one.department)
        for key, some in versions.items()
        for one in some
        if one.department
    }
    return Catalogue(versions | _versions(writer, categories - versions.keys()))


def _versions(writer: Writer, keys: Iterable[ProductKey]) -> dict[ProductKey, list[ProductVersion]]:
    found: dict[ProductKey, list[ProductVersion]] = defaultdict(list)
    for row in writer.products(keys):
        version = ProductVersion(row.valid_from_us, row.department, row.name)
        found[row.source, row.merchant_id, row.product_id].append(version)
    return found


def _sale_of(row: Any) -> SaleVersion:
    fields = row._asdict()
    del fields["start_us"]
    lines, tenders = _LINES.decode(row.lines), _TENDERS.decode(row.tenders)
    return SaleVersion(**fields | {"lines": lines, "tenders": tenders})


def _sale_row(sale: SaleVersion) -> dict[str, Any]:
    return msgspec.structs.asdict(sale) | {
        "start_us": sale.place[1],
        "lines": msgspec.json.encode(sale.lines).decode(),
        "tenders": msgspec.json.encode(sale.tenders).decode(),
    }


def _clock_row(one: Clock) -> dict[str, Any]:
    source, _, sale_id = one.key
    return {"source": source, "sale_id": sale_id, "at_us": reading.micros(one.occurred_at)}


def _instant(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)
