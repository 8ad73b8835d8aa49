"""Stock by SKU: what is on hand, why, and the acts of people; prices for tills and web shops."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.domain.errors import NotFound
from cloud_conductor.inventory.movements import TRANSIT, movement_id, text
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    LIMIT,
    Cursor,
    Endpoint,
    Identity,
    Limit,
    Nothing,
    Page,
    Ref,
    Scoped,
    at,
    cursor,
    instant,
    place,
)
from cloud_conductor.state import inventory as state

Digits = Annotated[str, Meta(pattern=r"^-?\d{1,12}(\.\d{1,6})?$", max_length=20)]


class StockChosen(Scoped, frozen=True, kw_only=True):
    """q: part of a SKU or name."""

    q: Annotated[str, Meta(max_length=100)] = ""
    state: Literal["", "negative", "zero"] = ""
    limit: Limit = LIMIT
    after: Cursor = ""


class OneSku(Scoped, frozen=True, kw_only=True):
    sku: Identity


class SkuPage(OneSku, frozen=True, kw_only=True):
    limit: Limit = LIMIT
    after: Cursor = ""


class AtStore(msgspec.Struct, frozen=True):
    store: str
    on_hand: str
    last_movement_at: datetime | None = None
    last_counted_at: datetime | None = None


class Sku(msgspec.Struct, frozen=True):
    """One SKU over the stores asked for. unit_cost: null where it is hidden."""

    sku: str
    name: str
    department: str
    on_hand: str
    in_transit: str
    by_store: list[AtStore]
    unit_price: str | None
    currency: str | None
    unit_cost: str | None
    last_movement_at: datetime | None
    masked: list[str]


class OnHand(msgspec.Struct, frozen=True):
    """Stock of a SKU: the sum of its movements, below zero when a receipt is missing."""

    sku: str
    name: str
    product_ids: list[str]
    on_hand: str
    in_transit: str
    by_store: list[AtStore]
    as_of_seq: int


class Moved(msgspec.Struct, frozen=True):
    """One movement, and the balance of its store after it."""

    movement_id: str
    seq: int
    kind: str
    store: str
    quantity: str
    balance: str
    occurred_at: datetime
    source: str
    ref: Ref
    event: Ref | None
    author: str
    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """A sold product without a SKU: its movements wait, its sales are posted (R-11.4)."""

    key: str
    source: str
    product_id: str
    name: str
    store: str
    quantity: str
    sales: int
    first_at: datetime


class Price(msgspec.Struct, frozen=True):
    unit_price: str
    currency: str
    valid_from: datetime
    source: str


class Prices(msgspec.Struct, frozen=True):
    sku: str
    name: str
    prices: list[Price]


def stock(ask: Ask, params: StockChosen) -> Page[Sku]:
    """SKUs with what is on hand, by store, in the order of the SKU."""
    scope = ask.scope(params.store)
    start = place(params.after, str)
    first = str(start[0]) if start else ""
    with ask.desk.worker.connect() as connection:
        rows = state.stock(connection, stores=[*scope, TRANSIT])
        known = state.products(connection, text=params.q, limit=100_000)
        departments = state.departments(connection)
    newest = {row.sku: row for row in known}
    held: dict[str, list[state.StockRow]] = {}
    for row in rows:
        held.setdefault(row.sku, []).append(row)
    names = sorted(set(newest) | ({sku for sku in held if params.q.lower() in sku.lower()}))
    masked = "cost" in ask.principal.masked
    found: list[Sku] = []
    for sku in names:
        if sku <= first and first:
            continue
        some = held.get(sku, [])
        here = [row for row in some if row.store != TRANSIT]
        if not _fits(params.state, here):
            continue
        product = newest.get(sku)
        department = ""
        if product is not None:
            department = departments.get((product.source, product.department), "")
        found.append(
            Sku(
                sku=sku,
                name=product.name if product else "",
                department=department,
                on_hand=text(sum(row.quantity for row in here)),
                in_transit=text(sum(row.quantity for row in some if row.store == TRANSIT)),
                by_store=[_at_store(row) for row in here],
                unit_price=_number(product.unit_price) if product else None,
                currency=product.currency or None if product else None,
                unit_cost=None if masked or product is None else _number(product.unit_cost),
                last_movement_at=instant(max((row.last_movement_us for row in here), default=None)),
                masked=["unit_cost"] if masked else [],
            )
        )
        if len(found) > params.limit:
            break
    shown = found[: params.limit]
    return Page(shown, cursor(shown[-1].sku) if len(found) > params.limit else None)


def on_hand(ask: Ask, params: OneSku) -> OnHand:
    """Stock of one SKU, for tills and web shops."""
    scope = ask.scope(params.store)
    with ask.desk.worker.connect() as connection:
        rows = state.stock(connection, sku=[params.sku], stores=[*scope, TRANSIT])
        products = state.products(connection, sku=[params.sku])
    if not rows and not products:
        raise NotFound(f"no SKU {params.sku}")
    here = [row for row in rows if row.store != TRANSIT]
    return OnHand(
        sku=params.sku,
        name=products[-1].name if products else "",
        product_ids=sorted({row.product_id for row in products}),
        on_hand=text(sum(row.quantity for row in here)),
        in_transit=text(sum(row.quantity for row in rows if row.store == TRANSIT)),
        by_store=[_at_store(row) for row in here],
        as_of_seq=max((row.seq for row in rows), default=0),
    )


def movements(ask: Ask, params: SkuPage) -> Page[Moved]:
    """Movements of a SKU, latest first, each with its source and the balance after it."""
    scope = ask.scope(params.store)
    before = place(params.after, int, int)
    with ask.desk.worker.connect() as connection:
        rows = state.movements(
            connection, params.sku, stores=scope, before=before, limit=params.limit + 1
        )
    more = len(rows) > params.limit
    rows = rows[: params.limit]
    items = [
        Moved(
            movement_id=row.movement_id,
            seq=row.seq,
            kind=row.kind,
            store=row.store,
            quantity=text(row.quantity),
            balance=text(int(row.balance)),
            occurred_at=at(row.occurred_us),
            source=row.source,
            ref=Ref(
                kind="sale" if row.source and row.kind != "count" else row.kind,
                id=row.reference,
                label=f"{row.kind} {row.reference[:12]}",
            ),
            event=Ref(kind="event", id=str(row.log_seq), label=f"event {row.log_seq}")
            if row.log_seq
            else None,
            author=row.author,
            reason=row.reason,
        )
        for row in rows
    ]
    return Page(items, cursor(rows[-1].occurred_us, rows[-1].seq) if more else None)


def unknown(ask: Ask, _params: Nothing) -> Page[Unknown]:
    """Sold products without a SKU: what waits for a name."""
    scope = ask.scope([])
    with ask.desk.worker.connect() as connection:
        rows = [row for row in state.unknown(connection) if row.store in scope]
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.source, row.product_id), []).append(row)
    return Page([_unknown(key, some) for key, some in groups.items()][:500])


def prices(ask: Ask, params: OneSku) -> Prices:
    """The catalogue price of a SKU now, for tills and web shops."""
    ask.scope(params.store)
    now_us = ask.desk.inventory.now_us
    with ask.desk.worker.connect() as connection:
        rows = [
            row
            for row in state.products(connection, sku=[params.sku])
            if row.valid_from_us <= now_us
        ]
    newest = {(row.source, row.merchant_id, row.product_id): row for row in rows}
    found = [
        Price(_number(row.unit_price) or "0", row.currency, at(row.valid_from_us), row.source)
        for row in newest.values()
        if row.unit_price and not row.is_deleted
    ]
    if not newest:
        raise NotFound(f"no SKU {params.sku}")
    return Prices(params.sku, list(newest.values())[-1].name, found)


def _fits(wanted: str, rows: Sequence[state.StockRow]) -> bool:
    if wanted == "negative":
        return any(row.quantity < 0 for row in rows)
    if wanted == "zero":
        return all(row.quantity == 0 for row in rows)
    return True


def _at_store(row: state.StockRow) -> AtStore:
    return AtStore(row.store, text(row.quantity), at(row.last_movement_us), instant(row.counted_us))


def _number(digits: str) -> str | None:
    """Decimal text without needless zeros; None where there is none."""
    if not digits:
        return None
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _unknown(key: tuple[str, str], rows: Sequence[Any]) -> Unknown:
    source, product_id = key
    return Unknown(
        key=movement_id(source, product_id),
        source=source,
        product_id=product_id,
        name=rows[0].name,
        store=rows[0].store if len({row.store for row in rows}) == 1 else "*",
        quantity=text(sum(row.quantity for row in rows)),
        sales=len({row.reference for row in rows}),
        first_at=at(min(row.occurred_us for row in rows)),
    )


ENDPOINTS = [
    Endpoint("GET", "/inventory", stock, Page[Sku], params=StockChosen),
    Endpoint("GET", "/inventory/unknown", unknown, Page[Unknown]),
    Endpoint("GET", "/inventory/{sku}", on_hand, OnHand, params=OneSku, etag=True),
    Endpoint("GET", "/inventory/{sku}/movements", movements, Page[Moved], params=SkuPage),
    Endpoint("GET", "/prices/{sku}", prices, Prices, params=OneSku, etag=True),
]
