"""Receipts: find a sale by what a customer remembers of it, and show all of it."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
import pyarrow.compute as pc
from msgspec import Meta

from cloud_conductor.domain.errors import NotFound
from cloud_conductor.governance.access import hidden_columns
from cloud_conductor.serve import vendors
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    LIMIT,
    Cursor,
    Endpoint,
    Identity,
    Limit,
    Page,
    Params,
    Scoped,
    at,
    cursor,
    place,
)
from cloud_conductor.state import screens
from cloud_conductor.wiring import receipts as looking
from cloud_conductor.wiring.receipts import Found

DAYS_BACK_MAX = 400
CARDS_READ_MAX = 500


class ReceiptsChosen(Scoped, frozen=True, kw_only=True):
    """What is remembered. q: part of the sale's or a tender's id."""

    amount_minor: Annotated[int, Meta(ge=-(10**15), le=10**15)] | None = None
    day: date | None = msgspec.field(default=None, name="date")
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = msgspec.field(default=None, name="to")
    last4: Annotated[str, Meta(pattern=r"^[0-9]{4}$")] | None = None
    q: Annotated[str, Meta(max_length=100)] = ""
    limit: Limit = LIMIT
    after: Cursor = ""


class OneSale(Params, frozen=True):
    sale_id: Identity


class OneCustomer(Params, frozen=True):
    id: Identity


class Paid(msgspec.Struct, frozen=True):
    """One tender of a receipt. brand and last4: null where they are hidden."""

    tender_type: str
    brand: str | None
    last4: str | None
    amount_minor: int


class Receipt(msgspec.Struct, frozen=True):
    sale_id: str
    store: str
    business_date: date
    occurred_at: datetime
    total_minor: int
    currency: str
    tenders: list[Paid]
    lines: int
    state: str
    customer_id: str | None
    masked: list[str]


class Sale(msgspec.Struct, frozen=True):
    """One sale with all its rows; `masked` names columns that are hidden from the caller."""

    sale: dict[str, Any]
    lines: list[dict[str, Any]]
    taxes: list[dict[str, Any]]
    discounts: list[dict[str, Any]]
    services: list[dict[str, Any]]
    tenders: list[dict[str, Any]]
    log_seq: int
    raw_sha256: str
    url: str | None
    masked: list[str]


class CustomerSale(msgspec.Struct, frozen=True):
    sale_id: str
    store: str
    business_date: date
    total_minor: int
    currency: str


class Customer(msgspec.Struct, frozen=True):
    """What a customer bought. net_minor is of `currency` alone."""

    customer_id: str
    first_sale_at: datetime
    last_sale_at: datetime
    orders: int
    net_minor: int
    currency: str
    sales: list[CustomerSale]


def receipts(ask: Ask, params: ReceiptsChosen) -> Page[Receipt]:
    """Sales by amount, time, store and card, newest first."""
    desk, scope = ask.desk, ask.scope(params.store)
    before = place(params.after, int, str)
    dates = _dates(ask, params)
    wanted = looking.Wanted(
        stores=scope,
        amount_minor=params.amount_minor,
        text=params.q,
        before=before,
        limit=CARDS_READ_MAX if params.last4 else params.limit + 1,
    )
    found = looking.sales(desk.lake, dates, wanted) if dates else []
    cards = _cards(ask, found) if params.last4 or "card" not in ask.principal.masked else {}
    if params.last4:
        if "card" in ask.principal.masked:
            ask.principal.check("events.reveal")
        found = [
            one
            for one in found
            if any(cards.get(tender.log_seq) == params.last4 for tender in one.tenders)
        ]
    more = len(found) > params.limit
    shown = found[: params.limit]
    items = [_receipt(ask, one, cards) for one in shown]
    return Page(items, cursor(shown[-1].occurred_us, shown[-1].sale_id) if more else None)


def sale(ask: Ask, params: OneSale) -> Sale:
    """One sale: lines, taxes, discounts, services, tenders, and the event it came in."""
    lake, masked = ask.desk.lake, ask.principal.masked
    store, day = _where(ask, params.sale_id)
    found = looking.one_sale(lake, params.sale_id, day)
    rows = {name: table.to_pylist() for name, table in found.items()}
    heads = [row for row in rows["sales"] if row["store"] == store]
    if not heads:
        raise NotFound(f"no sale {params.sale_id}")
    head = heads[0]
    names = {name for table in found.values() for name in table.schema.names}
    hidden = hidden_columns(sorted(names), masked)
    shown = {
        name: [_shown(row, hidden) for row in some if row["source"] == head["source"]]
        for name, some in rows.items()
    }
    return Sale(
        sale=_shown(head, hidden),
        lines=shown["sale_lines"],
        taxes=shown["sale_taxes"],
        discounts=shown["sale_discounts"],
        services=shown["sale_services"],
        tenders=shown["tenders"],
        log_seq=head["log_seq"],
        raw_sha256=head["raw_sha256"],
        url=vendors.source_url(ask.desk, head["source"], "sale", params.sale_id),
        masked=hidden,
    )


def customer(ask: Ask, params: OneCustomer) -> Customer:
    """What a customer bought in the caller's stores, for tills and web shops."""
    if "pii" in ask.principal.masked:
        ask.principal.check("receipts.read")
    scope = ask.scope([])
    lake = ask.desk.lake
    stamp = ask.desk.files("sales")
    sales = ask.desk.keep(("sales of customers",), stamp, lambda: looking.customers(lake))
    rows = sales.filter(pc.equal(sales["customer_id"], params.id)).to_pylist()
    rows = [row for row in rows if row["store"] in scope]
    if not rows:
        raise NotFound(f"no sale of customer {params.id}")
    rows.sort(key=lambda row: (row["occurred_at"], row["sale_id"]))
    currency = rows[-1]["currency"]
    return Customer(
        customer_id=params.id,
        first_sale_at=rows[0]["occurred_at"],
        last_sale_at=rows[-1]["occurred_at"],
        orders=len(rows),
        net_minor=sum(row["subtotal_minor"] for row in rows if row["currency"] == currency),
        currency=currency,
        sales=[
            CustomerSale(
                row["sale_id"],
                row["store"],
                row["business_date"],
                row["total_minor"],
                row["currency"],
            )
            for row in reversed(rows[-20:])
        ],
    )


def _dates(ask: Ask, params: ReceiptsChosen) -> list[date]:
    held = ask.desk.lake.dates("sales")
    if params.day is not None:
        return [one for one in held if one == params.day]
    return [
        one
        for one in held[-DAYS_BACK_MAX:]
        if (params.since is None or one >= params.since)
        and (params.until is None or one <= params.until)
    ]


def _cards(ask: Ask, found: list[Found]) -> dict[int, str]:
    """Event number -> last four digits of its card, read from the raw events."""
    seqs = sorted({one.log_seq for sale in found[:CARDS_READ_MAX] for one in sale.tenders})
    return {event.seq: digits for event in ask.desk.log.get(seqs) if (digits := last4(event.body))}


def last4(body: bytes) -> str:
    """The last four digits of the card that a vendor's body names; empty where it names none."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("last_4"), str):
                return str(one["last_4"])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return ""


def _receipt(ask: Ask, one: Found, cards: dict[int, str]) -> Receipt:
    masked = ask.principal.masked
    hides_card, hides_person = "card" in masked, "pii" in masked
    hidden = (["brand", "last4"] if hides_card else []) + (["customer_id"] if hides_person else [])
    return Receipt(
        sale_id=one.sale_id,
        store=one.store,
        business_date=one.business_date,
        occurred_at=at(one.occurred_us),
        total_minor=one.total_minor,
        currency=one.currency,
        tenders=[
            Paid(
                tender.tender_type,
                None if hides_card else tender.brand,
                None if hides_card else cards.get(tender.log_seq) or None,
                tender.amount_minor,
            )
            for tender in one.tenders
        ],
        lines=one.lines,
        state=one.state,
        customer_id=None if hides_person else one.customer_id,
        masked=hidden,
    )


def _where(ask: Ask, sale_id: str) -> tuple[str, date]:
    """Store and business date of a sale. Raises NotFound, also out of the caller's scope."""
    with ask.desk.worker.connect() as connection:
        rows = [
            row
            for row in screens.objects_like(connection, sale_id)
            if row.table_name == "sales" and row.object_id == sale_id
        ]
    if not rows or not ask.principal.sees_store(rows[0].store):
        raise NotFound(f"no sale {sale_id}")
    return rows[0].store, date.fromisoformat(rows[0].business_date)


def _shown(row: dict[str, Any], hidden: list[str]) -> dict[str, Any]:
    """A row as JSON gives it: hidden columns null, decimals as text."""
    return {name: None if name in hidden else value for name, value in row.items()}


ENDPOINTS = [
    Endpoint("GET", "/receipts", receipts, Page[Receipt], "receipts.read", params=ReceiptsChosen),
    Endpoint("GET", "/sales/{sale_id}", sale, Sale, params=OneSale),
    Endpoint("GET", "/customers/{id}", customer, Customer, "receipts.read", OneCustomer, etag=True),
]
