"""What people do to stock: receive, count, adjust, transfer, name a product."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.domain.errors import NotFound
from cloud_conductor.inventory import acts
from cloud_conductor.inventory.acts import Quantity, Transfer
from cloud_conductor.inventory.movements import text
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    Code,
    Endpoint,
    Identity,
    Nothing,
    Page,
    Params,
    Text,
    at,
)
from cloud_conductor.state import inventory as state

Digits = Annotated[str, Meta(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$", max_length=20)]
WRITE = "stock.write"


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many of a SKU, as decimal text."""

    sku: Identity
    quantity: Digits


class CountLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sku: Identity
    counted: Digits


class TransfersChosen(Params, frozen=True):
    state: Literal["", "open", "received"] = ""


class OneTransfer(Params, frozen=True):
    id: Identity


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    store: Code
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1_000)]
    reference: Annotated[str, Meta(max_length=200)] = ""


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    store: Code
    reason: Text
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1_000)]


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """counted_at: when the goods were counted; now if not given."""

    store: Code
    lines: Annotated[list[CountLine], Meta(min_length=1, max_length=1_000)]
    counted_at: Annotated[datetime, Meta(tz=True)] | None = None


class Sending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    from_store: Code = msgspec.field(name="from")
    to_store: Code = msgspec.field(name="to")
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1_000)]


class Arriving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without lines: everything that is on its way."""

    lines: Annotated[list[Line], Meta(min_length=1, max_length=1_000)] | None = None


class Naming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: Code
    product_id: Identity
    sku: Identity


class Movements(msgspec.Struct, frozen=True):
    movements: list[str]


class Released(msgspec.Struct, frozen=True):
    released: int


class TransferLine(msgspec.Struct, frozen=True):
    sku: str
    sent: str
    received: str


class TransferShown(msgspec.Struct, frozen=True):
    transfer_id: str
    from_store: str = msgspec.field(name="from")
    to_store: str = msgspec.field(name="to")
    state: str
    created_at: datetime
    author: str
    lines: list[TransferLine]


def receive(ask: Ask, _params: Nothing, body: Receipt) -> Movements:
    """Goods came in."""
    (store,) = ask.scope([body.store])
    return Movements(
        acts.receive(
            ask.desk.inventory, ask.act_id, _author(ask), store, body.reference, _lines(body.lines)
        )
    )


def adjust(ask: Ask, _params: Nothing, body: Adjustment) -> Movements:
    """Stock differs for a reason that no sale tells."""
    (store,) = ask.scope([body.store])
    return Movements(
        acts.adjust(
            ask.desk.inventory, ask.act_id, _author(ask), store, body.reason, _lines(body.lines)
        )
    )


def count(ask: Ask, _params: Nothing, body: Count) -> Movements:
    """Goods were counted at an instant; later movements still apply (R-11.9)."""
    (store,) = ask.scope([body.store])
    lines = [Quantity(one.sku, Decimal(one.counted)) for one in body.lines]
    counted_at = body.counted_at or ask.desk.now
    return Movements(
        acts.count(ask.desk.inventory, ask.act_id, _author(ask), store, counted_at, lines)
    )


def send(ask: Ask, _params: Nothing, body: Sending) -> TransferShown:
    """Goods leave one store for another, and are in transit until they arrive (R-11.8)."""
    (from_store,) = ask.scope([body.from_store])
    (to_store,) = ask.scope([body.to_store])
    made = acts.send(
        ask.desk.inventory, ask.act_id, _author(ask), from_store, to_store, _lines(body.lines)
    )
    return _transfer(made)


def arrive(ask: Ask, params: OneTransfer, body: Arriving) -> TransferShown:
    """Goods of a transfer arrive; what does not stays in transit."""
    with ask.desk.worker.connect() as connection:
        row = state.transfer(connection, params.id)
    if row is None or not ask.principal.sees_store(row.to_store):
        raise NotFound(f"no transfer {params.id}")
    lines = None if body.lines is None else _lines(body.lines)
    return _transfer(acts.arrive(ask.desk.inventory, ask.act_id, _author(ask), params.id, lines))


def transfers(ask: Ask, params: TransfersChosen) -> Page[TransferShown]:
    """Transfers, newest first."""
    with ask.desk.worker.connect() as connection:
        rows = state.transfers(connection, params.state)
    return Page(
        [
            _transfer(acts.transfer_of(row))
            for row in rows
            if ask.principal.sees_store(row.from_store) or ask.principal.sees_store(row.to_store)
        ]
    )


def name_product(ask: Ask, _params: Nothing, body: Naming) -> Released:
    """Say which SKU a product is; what waited for it moves now."""
    done = acts.name_product(
        ask.desk.inventory, _author(ask), body.source, body.product_id, body.sku
    )
    return Released(done)


def _lines(lines: Sequence[Line]) -> list[Quantity]:
    return [Quantity(one.sku, Decimal(one.quantity)) for one in lines]


def _transfer(one: Transfer) -> TransferShown:
    return TransferShown(
        transfer_id=one.transfer_id,
        from_store=one.from_store,
        to_store=one.to_store,
        state=one.state,
        created_at=at(one.created_us),
        author=one.author,
        lines=[
            TransferLine(sku, text(sent), text(received))
            for sku, (sent, received) in sorted(one.lines.items())
        ],
    )


def _author(ask: Ask) -> str:
    return f"user:{ask.principal.owner}"


ENDPOINTS = [
    Endpoint("GET", "/inventory/transfers", transfers, Page[TransferShown], params=TransfersChosen),
    Endpoint("POST", "/inventory/receipts", receive, Movements, WRITE, body=Receipt),
    Endpoint("POST", "/inventory/adjustments", adjust, Movements, WRITE, body=Adjustment),
    Endpoint("POST", "/inventory/counts", count, Movements, WRITE, body=Count),
    Endpoint("POST", "/inventory/transfers", send, TransferShown, WRITE, body=Sending),
    Endpoint(
        "POST",
        "/inventory/transfers/{id}/receive",
        arrive,
        TransferShown,
        WRITE,
        OneTransfer,
        Arriving,
    ),
    Endpoint("POST", "/inventory/unknown/map", name_product, Released, WRITE, body=Naming),
]
