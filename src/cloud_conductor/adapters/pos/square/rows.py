"""Canonical rows on their way to Arrow: one struct per table, whole columns at a time.

A row holds only what differs within an event. What all rows of an event share (source, store,
business date, version, arrival) is kept once per event in a `Head`; a row points at it by index
and Arrow's `take` spreads it. Quantities, prices and costs are counted in millionths, so that no
Decimal object is made per row.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.domain.schemas import QUANTITY, TABLES

MICRO = 1_000_000
_UNSCALED = pa.decimal128(19, 0)


class Head(msgspec.Struct, frozen=True, gc=False):
    """What every row of one object version carries; received_at in microseconds since 1970.

    sale_id and occurred_at: of sales and their parts only.
    """

    source: str
    merchant_id: str
    store: str | None
    business_date: date | None
    version_rank: int
    version_digest: str
    raw_sha256: str
    log_seq: int
    received_at: int
    sale_id: str | None = None
    occurred_at: datetime | None = None


class Row(msgspec.Struct, kw_only=True, gc=False):
    """`head`: index of the row's Head in its chunk."""

    head: int


class SaleRow(Row):
    state: str
    currency: str
    channel: str | None
    customer_id: str | None
    source_created_at: datetime
    clock_suspect: bool
    subtotal_minor: int
    service_minor: int
    tax_minor: int
    tip_minor: int
    rounding_minor: int
    total_minor: int
    source_total_minor: int
    register: str | None = None
    employee: str | None = None


class LineRow(Row):
    line_uid: str
    event: str
    line_kind: str
    is_sale: bool
    product_id: str | None
    name: str | None
    quantity: int
    unit_price: int | None
    price_includes_tax: bool
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    return_of_sale_id: str | None = None
    return_of_line_uid: str | None = None
    sku: str | None = None
    department: str | None = None
    unit_cost: int | None = None
    cost_minor: int | None = None


class AuthorityRow(Row):
    """What all shares of one authority in one tax have in common; `head` is not used."""

    tax_name: str
    jurisdiction: str
    rate_percent: int | None
    inclusive: bool
    derived: bool


class DiscountRow(Row):
    line_uid: str
    event: str
    discount_uid: str
    discount_kind: str
    amount_minor: int
    funded_by: str = "store"


class ServiceRow(Row):
    service_uid: str
    event: str
    name: str | None
    is_gratuity: bool
    amount_minor: int
    tax_minor: int


class SaleTenderRow(Row):
    tender_id: str
    event: str
    tender_type: str
    amount_minor: int
    tip_minor: int


class TenderRow(Row):
    tender_id: str
    event: str
    sale_id: str | None
    tender_type: str
    processor: str
    state: str
    currency: str
    amount_minor: int
    fee_minor: int
    occurred_at: datetime
    tip_minor: int = 0
    original_tender_id: str | None = None
    brand: str | None = None
    cash_given_minor: int | None = None
    change_minor: int | None = None
    register: str | None = None
    employee: str | None = None


class PayoutRow(Row):
    payout_id: str
    state: str
    currency: str
    net_minor: int
    sent_at: datetime
    arrival_date: date | None
    destination_id: str | None


class PayoutEntryRow(Row):
    entry_id: str
    payout_id: str
    entry_type: str
    currency: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    tender_id: str | None
    effective_at: datetime


class CashShiftRow(Row):
    shift_id: str
    state: str
    currency: str
    opened_at: datetime
    closed_at: datetime | None
    opening_minor: int
    cash_sales_minor: int
    cash_refunds_minor: int
    paid_in_minor: int
    paid_out_minor: int
    expected_minor: int | None
    counted_minor: int | None


class CashEventRow(Row):
    event_id: str
    shift_id: str
    event_type: str
    currency: str
    amount_minor: int
    description: str | None
    employee: str | None
    occurred_at: datetime


class DisputeRow(Row):
    dispute_id: str
    state: str
    currency: str
    amount_minor: int
    reason: str | None
    tender_id: str | None
    opened_at: datetime
    due_at: datetime | None
    decided_at: datetime | None


class GiftCardRow(Row):
    activity_id: str
    card_id: str | None
    activity_type: str
    currency: str
    amount_minor: int
    balance_minor: int
    sale_id: str | None
    tender_id: str | None
    occurred_at: datetime


class ProductRow(Row):
    product_id: str
    valid_from: datetime
    sku: str | None
    name: str | None
    department: str | None
    unit_price: int | None
    unit_cost: int | None
    currency: str | None
    is_deleted: bool


ROWS: dict[str, type[Row]] = {
    "sales": SaleRow,
    "sale_lines": LineRow,
    "sale_discounts": DiscountRow,
    "sale_services": ServiceRow,
    "sale_tenders": SaleTenderRow,
    "tenders": TenderRow,
    "payouts": PayoutRow,
    "payout_entries": PayoutEntryRow,
    "disputes": DisputeRow,
    "cash_shifts": CashShiftRow,
    "cash_events": CashEventRow,
    "gift_card_activities": GiftCardRow,
    "products": ProductRow,
}
_SALE_COLUMNS = ("sale_id", "occurred_at")
_SALE_TABLES = frozenset(
    ["sales", "sale_lines", "sale_taxes", "sale_discounts", "sale_services", "sale_tenders"]
)


class TaxSheet:
    """Tax rows of one chunk: every part has a share for each of its authorities."""

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.line_uids: list[str] = []
        self.events: list[str] = []
        self.bases: list[int] = []
        self.authorities: list[AuthorityRow] = []
        self.part_of: list[int] = []
        self.authority_of: list[int] = []
        self.shares: list[int] = []
        self._known: dict[tuple[object, ...], int] = {}

    def authority(self, *key: Any) -> int:
        """Index of (tax_name, jurisdiction, rate_percent, inclusive, derived)."""
        at = self._known.get(key)
        if at is None:
            at = self._known[key] = len(self.authorities)
            name, jurisdiction, rate, inclusive, derived = key
            self.authorities.append(
                AuthorityRow(
                    head=0,
                    tax_name=name,
                    jurisdiction=jurisdiction,
                    rate_percent=rate,
                    inclusive=inclusive,
                    derived=derived,
                )
            )
        return at

    def add(
        self,
        head: int,
        line_uid: str,
        event: str,
        base: int,
        authorities: Sequence[int],
        shares: Sequence[int],
    ) -> None:
        """One tax of one line or charge and its shares, authority by authority."""
        self.part_of += [len(self.heads)] * len(shares)
        self.heads.append(head)
        self.line_uids.append(line_uid)
        self.events.append(event)
        self.bases.append(base)
        self.authority_of += authorities
        self.shares += shares


class Sheet:
    """Rows of one chunk of events, by table, and the heads they point at."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.rows: dict[str, list[Any]] = {name: [] for name in ROWS}
        self.columns: dict[str, list[dict[str, Any]]] = {}
        self.taxes = TaxSheet()

    def open(self, head: Head) -> int:
        """Index of a new head."""
        self.heads.append(head)
        return len(self.heads) - 1

    def add(self, name: str, columns: dict[str, Any]) -> None:
        """Rows of a table as columns, `head` among them: lists of Python values or Arrow arrays."""
        self.columns.setdefault(name, []).append(columns)

    def tables(self) -> dict[str, pa.Table]:
        """The chunk as Arrow tables of `domain.schemas`; tables without rows are left out."""
        if not self.heads:
            return {}
        shared = _head_columns(self.heads)
        blocks = {name: list(found) for name, found in self.columns.items()}
        for name, rows in self.rows.items():
            if rows:
                blocks.setdefault(name, []).append(_columns(rows))
        found = {name: _joined(name, some, shared) for name, some in blocks.items()}
        if self.taxes.heads:
            found["sale_taxes"] = _table("sale_taxes", _tax_columns(self.taxes), shared)
        return found


def _joined(name: str, blocks: Sequence[dict[str, Any]], shared: dict[str, pa.Array]) -> pa.Table:
    """Rows of some blocks in the order of their heads, which is that of the log."""
    tables = [_table(name, block, shared) for block in blocks]
    if len(tables) == 1:
        return tables[0]
    heads = pa.chunked_array([pa.array(block["head"], pa.int32()) for block in blocks])
    return pa.concat_tables(tables).take(pc.sort_indices(heads))


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Field -> values, of rows of one type. Values are still Python's."""
    fields = rows[0].__struct_fields__
    return dict(zip(fields, zip(*map(attrgetter(*fields), rows), strict=True), strict=True))


def _tax_columns(taxes: TaxSheet) -> dict[str, Any]:
    """Parts and authorities spread over the shares that name them."""
    schema = TABLES["sale_taxes"]
    part_of = pa.array(taxes.part_of, pa.int32())
    parts = {
        "head": pa.array(taxes.heads, pa.int32()),
        "line_uid": pa.array(taxes.line_uids),
        "event": pa.array(taxes.events),
        "base_minor": pa.array(taxes.bases, pa.int64()),
    }
    found: dict[str, Any] = {name: values.take(part_of) for name, values in parts.items()}
    authority_of = pa.array(taxes.authority_of, pa.int32())
    for name, values in _columns(taxes.authorities).items():
        if name != "head":
            found[name] = _column(values, schema.field(name)).take(authority_of)
    return found | {"amount_minor": taxes.shares}


def _head_columns(heads: Sequence[Head]) -> dict[str, pa.Array]:
    schema = TABLES["sales"]
    return {
        name: pa.array(values, type=schema.field(name).type)
        for name, values in zip(
            Head.__struct_fields__, zip(*map(_HEAD_GETTER, heads), strict=True), strict=True
        )
    }


_HEAD_GETTER = attrgetter(*Head.__struct_fields__)


def _table(name: str, own: dict[str, Any], shared: dict[str, pa.Array]) -> pa.Table:
    schema = TABLES[name]
    at = own["head"]
    at = at if isinstance(at, pa.Array) else pa.array(at, pa.int32())
    columns = []
    for field in schema:
        if field.name in own:
            columns.append(_column(own[field.name], field))
        else:
            assert name in _SALE_TABLES or field.name not in _SALE_COLUMNS
            columns.append(shared[field.name].take(at))
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: Any, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if field.type != QUANTITY:
        return pa.array(values, type=field.type)
    # Millionths as integers, then the same 16-byte values under the decimal's own scale.
    unscaled = pa.array(values, pa.int64()).cast(_UNSCALED)
    return pa.Array.from_buffers(QUANTITY, len(unscaled), unscaled.buffers())


@lru_cache(maxsize=65_536)
def millionths(text: str) -> int:
    """A decimal text in millionths, exactly. ValueError unless it has 1..12 and 0..6 digits."""
    whole, point, part = text.partition(".")
    digits = whole + part
    if (
        not (digits.isascii() and digits.isdigit() and 1 <= len(whole) <= 12)
        or len(part) > 6
        or (point and not part)
    ):
        raise ValueError("not a number: 12 digits, 6 decimals at most")
    return int(whole) * MICRO + int(part.ljust(6, "0") or "0")


@lru_cache(maxsize=65_536)
def is_decimal(text: str) -> bool:
    """Whether `millionths` reads it."""
    try:
        millionths(text)
    except ValueError:
        return False
    return True
