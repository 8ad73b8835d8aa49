"""Canonical rows of export records, on their way to Arrow.

Rows are plain dictionaries: a landed file is read once, and the few hundred bytes a row costs are
given back when its batch is an Arrow table.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from cloud_conductor.adapters.pos.files import wire
from cloud_conductor.adapters.pos.files.basket import Basket, LinePart, basket_of, tax_parts
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.findings import (
    CLOCK_SUSPECT,
    CONTRACT,
    CURRENCY_MISMATCH,
    UNKNOWN_CURRENCY,
    UNKNOWN_STORE,
    Finding,
)
from cloud_conductor.domain.money import EXPONENTS, allocate, to_minor
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Rejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=24)  # wider than any drift: beyond it nothing is believed
CATEGORY = "category:"
UNSETTLED = frozenset({"cash", "gift_card", "store_credit", "house_account"})
MICRO = 1_000_000
Row = dict[str, Any]
_encode = msgspec.json.Encoder(order="deterministic", decimal_format="string").encode


class Sheet:
    """Rows by table so far. warnings: of the event at hand."""

    def __init__(self, stores: Mapping[str, Store], processor: str) -> None:
        self._stores = stores
        self._processor = processor
        self._rows: dict[str, list[Row]] = {}
        self.warnings: list[Finding] = []

    def mark(self) -> dict[str, int]:
        """Where every table stands, to come back to when an event is rejected."""
        return {name: len(rows) for name, rows in self._rows.items()}

    def back_to(self, mark: Mapping[str, int]) -> None:
        for name, rows in self._rows.items():
            del rows[mark.get(name, 0) :]

    def tables(self) -> dict[str, pa.Table]:
        """Arrow tables of `domain.schemas`; tables without rows are left out."""
        return {
            name: pa.Table.from_pylist(rows, schema=TABLES[name])
            for name, rows in self._rows.items()
            if rows
        }

    def ignored(self, events: Sequence[Event], rejected: Iterable[Rejected]) -> tuple[int, ...]:
        """Events that gave neither rows nor findings: whole files without a record (INV-16)."""
        gave = {row["log_seq"] for rows in self._rows.values() for row in rows}
        gave |= {one.seq for one in rejected}
        return tuple(event.seq for event in events if event.seq not in gave)

    def header(self, event: Event, name: str) -> Any:
        """What ingest wrote beside the body; None for what it did not."""
        return msgspec.json.decode(event.headers).get(name)

    def add_sale(self, event: Event, sale: wire.Sale) -> tuple[Sequence[Finding], str]:
        """Rows of one sale; findings instead when it cannot be believed."""
        store = self._stores.get(sale.store)
        if store is None:
            message = f"no store in [stores] has the location {sale.store!r}"
            return (Finding(UNKNOWN_STORE, "/store", message),), sale.sale_id
        occurred_at = _instant(sale.occurred_at, store)
        updated_at = _instant(sale.updated_at, store) if sale.updated_at else None
        faults = [
            *_currency_faults(sale.currency, store),
            *_time_faults(event, occurred_at, "/occurred_at"),
        ]
        if sale.updated_at and updated_at is None:
            faults.append(Finding(CONTRACT, "/updated_at", "not a time in ISO 8601"))
        basket = basket_of(sale, store.currency)
        if isinstance(basket, Finding):
            faults.append(basket)
        if faults or isinstance(basket, Finding) or occurred_at is None:
            return faults, sale.sale_id
        if basket.warning is not None:
            self.warnings.append(basket.warning)
        rank = _us(updated_at) if updated_at else self._exported_us(event)
        head = _head(event, sale, rank) | {
            "store": store.store,
            "business_date": store.business_date(occurred_at),
        }
        self._add_basket(head, sale, basket, store, occurred_at)
        return (), sale.sale_id

    def add_product(self, event: Event, product: wire.Product) -> tuple[Sequence[Finding], str]:
        """A version of a product, and of its department as a row of its own."""
        valid_from = _zoned(product.updated_at)
        faults = []
        if valid_from is None:
            faults.append(Finding(CONTRACT, "/updated_at", "not a time with an offset in ISO 8601"))
        if product.currency and product.currency not in EXPONENTS:
            message = "the currency is not in ISO 4217 (R-1.2)"
            faults.append(Finding(UNKNOWN_CURRENCY, "/currency", message))
        for name in ("unit_price", "unit_cost"):
            value = getattr(product, name)
            if value is not None and not (0 <= value < 10**12 and value == round(value, 6)):
                faults.append(Finding(CONTRACT, f"/{name}", "not in [0, 10^12) with 6 digits"))
        if faults or valid_from is None:
            return faults, product.sku
        rank = _us(valid_from)
        head = _head(event, product, rank)
        department = CATEGORY + product.department if product.department else None
        own = {
            "product_id": product.sku,
            "valid_from": valid_from,
            "sku": product.sku,
            "name": product.name or None,
            "department": department,
            "unit_price": product.unit_price,
            "unit_cost": product.unit_cost,
            "currency": product.currency or None,
            "is_deleted": product.is_deleted,
        }
        self._add("products", head | own)
        if department:
            named = {"product_id": department, "valid_from": EPOCH, "name": product.department}
            digest = hashlib.sha256(department.encode()).hexdigest()[:16]
            fixed = {"version_rank": 0, "version_digest": digest, "is_deleted": False}
            self._add("products", head | named | fixed)
        return (), product.sku

    def _add(self, table: str, row: Row) -> None:
        self._rows.setdefault(table, []).append(row)

    def _exported_us(self, event: Event) -> int:
        """What orders versions that do not say when they were changed: the export's own time."""
        exported_us = self.header(event, "exported_us")
        return exported_us if isinstance(exported_us, int) else event.received_us

    def _add_basket(
        self, head: Row, sale: wire.Sale, basket: Basket, store: Store, occurred_at: datetime
    ) -> None:
        shared = head | {"sale_id": sale.sale_id}
        self._add(
            "sales",
            shared
            | {
                "state": sale.state,
                "currency": store.currency,
                "register": sale.register or None,
                "employee": sale.employee or None,
                "customer_id": sale.customer_id or None,
                "channel": sale.channel or None,
                "occurred_at": occurred_at,
                "source_created_at": occurred_at,
                "clock_suspect": False,
                "subtotal_minor": basket.subtotal,
                "service_minor": basket.service,
                "tax_minor": basket.tax,
                "tip_minor": basket.tip,
                "rounding_minor": basket.rounding,
                "total_minor": basket.total if sale.state == "closed" else 0,
                "source_total_minor": basket.total,
            },
        )
        for part in basket.lines:
            self._add_line(shared, part, store, occurred_at)
        self._add_taxes(shared, basket, store)
        for one in basket.services:
            self._add(
                "sale_services",
                shared
                | {
                    "service_uid": one.uid,
                    "event": "sale" if one.amount >= 0 else "return",
                    "name": one.service.name,
                    "is_gratuity": one.service.is_gratuity,
                    "amount_minor": one.amount,
                    "tax_minor": one.tax,
                },
            )
        self._add_tenders(shared, sale, basket, store, occurred_at)

    def _add_line(self, shared: Row, part: LinePart, store: Store, occurred_at: datetime) -> None:
        """A line that names its department is taken at its word; else the catalogue is asked."""
        line = part.line
        cost = line.unit_cost
        own = bool(line.department)
        named = {"line_uid": part.uid, "event": part.event}
        self._add(
            "sale_lines",
            shared
            | named
            | {
                "line_kind": line.kind,
                "is_sale": line.kind not in ("gift_card", "deposit", "donation"),
                "product_id": None if own else line.sku or None,
                "name": line.name or None,
                "sku": line.sku or None,
                "department": line.department or None,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "unit_cost": cost,
                "price_includes_tax": line.price_includes_tax,
                "gross_minor": part.gross,
                "discount_minor": part.discount,
                "net_minor": part.net,
                "tax_minor": part.tax,
                "cost_minor": None
                if cost is None
                else to_minor(cost * line.quantity, store.currency),
                "return_of_sale_id": line.return_of or None,
                "occurred_at": occurred_at,
            },
        )
        if part.discount:
            cut = {"discount_uid": "discount", "discount_kind": "amount", "funded_by": "store"}
            self._add("sale_discounts", shared | named | cut | {"amount_minor": part.discount})

    def _add_taxes(self, shared: Row, basket: Basket, store: Store) -> None:
        """A combined tax is split by the store's statutory rates, losing nothing (R-10.1)."""
        for uid, event, owner, base, amount in tax_parts(basket):
            split = next((one for one in store.tax_splits if one.tax == owner.tax_name), None)
            parts: Sequence[tuple[str, Decimal | None]] = (
                [(name, Decimal(percent)) for name, percent in split.parts]
                if split
                else [(jurisdiction(owner.tax_name), owner.tax_rate)]
            )
            weights = [int((rate or 1) * MICRO) for _, rate in parts] if split else [1]
            for (name, rate), share in zip(parts, allocate(amount, weights), strict=True):
                self._add(
                    "sale_taxes",
                    shared
                    | {
                        "line_uid": uid,
                        "event": event,
                        "tax_name": owner.tax_name,
                        "jurisdiction": name,
                        "rate_percent": rate,
                        "base_minor": base,
                        "amount_minor": share,
                        "inclusive": getattr(owner, "price_includes_tax", False),
                        "derived": split is not None,
                    },
                )

    def _add_tenders(
        self, shared: Row, sale: wire.Sale, basket: Basket, store: Store, occurred_at: datetime
    ) -> None:
        """What the sale names and what was paid are one record here: an export has no second."""
        for part in basket.tenders:
            tender = part.tender
            named = {
                "tender_id": part.tender_id,
                "event": part.event,
                "tender_type": tender.type,
                "tip_minor": part.tip,
            }
            self._add("sale_tenders", shared | named | {"amount_minor": part.amount})
            settled = "" if tender.type in UNSETTLED else tender.processor or self._processor
            self._add(
                "tenders",
                shared
                | named
                | {
                    "brand": tender.brand or None,
                    "processor": settled,
                    "state": "captured",
                    "currency": store.currency,
                    "amount_minor": part.amount - part.tip,
                    "fee_minor": part.fee,
                    "cash_given_minor": part.cash_given,
                    "change_minor": None
                    if part.cash_given is None
                    else part.cash_given - part.amount,
                    "register": sale.register or None,
                    "employee": sale.employee or None,
                    "occurred_at": occurred_at,
                },
            )


def jurisdiction(tax_name: str) -> str:
    """A tax name as a mapping key: `Café tax 5%` gives CAFE_TAX_5."""
    plain = unicodedata.normalize("NFKD", tax_name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_") or "TAX"


def _head(event: Event, record: msgspec.Struct, rank: int) -> Row:
    """What every row of one record carries."""
    digest = hashlib.sha256(_encode(record)).hexdigest()[:16]
    return {
        "source": event.source,
        "merchant_id": event.merchant_id,
        "store": None,
        "business_date": None,
        "version_rank": rank,
        "version_digest": digest,
        "raw_sha256": hashlib.sha256(event.body).hexdigest(),
        "log_seq": event.seq,
        "received_at": EPOCH + timedelta(microseconds=event.received_us),
    }


def _instant(text: str, store: Store) -> datetime | None:
    """An ISO 8601 time; without an offset it is the store's wall clock, first occurrence (R-2.2)."""
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.replace(tzinfo=ZoneInfo(store.time_zone))
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zoned(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _currency_faults(currency: str, store: Store) -> list[Finding]:
    if not currency or currency == store.currency:
        return []
    if currency not in EXPONENTS:
        message = "the currency is not in ISO 4217 (R-1.2)"
        return [Finding(UNKNOWN_CURRENCY, "/currency", message)]
    message = f"the sale is not in the store's currency {store.currency}"
    return [Finding(CURRENCY_MISMATCH, "/currency", message)]


def _time_faults(event: Event, instant: datetime | None, where: str) -> list[Finding]:
    if instant is None:
        return [Finding(CONTRACT, where, "not a time in ISO 8601")]
    if _us(instant) > event.received_us + AHEAD // timedelta(microseconds=1):
        message = "dated more than a day after it was received: check the clocks, then release it"
        return [Finding(CLOCK_SUSPECT, where, message)]
    return []


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
