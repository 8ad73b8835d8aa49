"""The contract of each dataset: what a record of an export must look like.

Amounts are decimal texts or numbers in major units, read exactly as written (R-1.1); nothing here
is a float. A record may have more fields; they stay in the raw bytes and nowhere else. Field
meanings: docs/reference/adapters/pos/files.md, whose tables are checked against these types.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
LineKind = Literal[
    "merchandise", "service", "gift_card", "deposit", "donation", "shipping", "fee"
]  # fmt: skip
TenderType = Literal[
    "card", "cash", "gift_card", "store_credit", "house_account", "wallet", "bnpl", "bank", "external",
]  # fmt: skip
ZERO = Decimal(0)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One sale line, or with a negative quantity one return line.

    gross: before discount, default quantity x unit_price. discount and tax of a return line may be
    written with either sign.
    """

    line_id: str = ""
    sku: str = ""
    name: str = ""
    department: str = ""
    kind: LineKind = "merchandise"
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    gross: Decimal | None = None
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    tax_name: str = "Tax"
    tax_rate: Decimal | None = None
    price_includes_tax: bool = False
    unit_cost: Decimal | None = None
    return_of: str = ""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One added charge, net of its tax."""

    name: str = "Service"
    amount: Decimal
    is_gratuity: bool = False
    tax: Decimal = ZERO
    tax_name: str = "Tax"
    tax_rate: Decimal | None = None


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """One means of payment; amount with tip, a refund negative."""

    type: TenderType
    amount: Decimal
    tip: Decimal = ZERO
    fee: Decimal = ZERO
    tender_id: str = ""
    brand: str = ""
    processor: str = ""
    cash_given: Decimal | None = None


class SaleHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a sale says once. occurred_at without an offset is the store's own wall clock."""

    sale_id: Name
    store: Name
    occurred_at: Name
    total: Decimal
    updated_at: str = ""
    state: Literal["closed", "voided"] = "closed"
    currency: str = ""
    rounding: Decimal = ZERO
    register: str = ""
    employee: str = ""
    customer_id: str = ""
    channel: str = ""


class Sale(SaleHead, frozen=True, kw_only=True):
    """A sale as one nested record."""

    lines: tuple[Line, ...]
    tenders: tuple[Tender, ...] = ()
    services: tuple[Service, ...] = ()


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a product, valid from an instant on."""

    sku: Name
    updated_at: Name
    name: str = ""
    department: str = ""
    unit_price: Decimal | None = None
    unit_cost: Decimal | None = None
    currency: str = ""
    is_deleted: bool = False


TENDER_CELLS = {
    "tender_type": "type", "tender_amount": "amount", "tender_tip": "tip", "tender_fee": "fee",
    "tender_id": "tender_id", "tender_brand": "brand", "tender_processor": "processor",
    "cash_given": "cash_given",
}  # fmt: skip
"""Cells of a flat row that make a tender, and its fields."""

HEAD_CELLS = SaleHead.__struct_fields__
LINE_CELLS = Line.__struct_fields__
