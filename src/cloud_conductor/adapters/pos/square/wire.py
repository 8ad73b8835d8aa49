"""What Square sends, as constrained types: one struct per object, only the fields that are read.

Docs: Square API Reference, objects Order, Payment, PaymentRefund, Payout, PayoutEntry, Dispute,
CashDrawerShift, CashDrawerShiftEvent, GiftCardActivity, CatalogObject (API version 2025-08-20).
Unknown fields are allowed: Square adds some in every version. Webhooks wrap them (`hooks`).

The typed decode of these is the contract (design decision 13); `contract.py` publishes the JSON
Schema made from the same types. A quantity's and a percentage's pattern is in that schema only:
the decoder parses both anyway, and a regular expression on every line costs more than the rest.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

AMOUNT_MAX = 10**15
DECIMAL_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"

Amount = Annotated[int, Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
Currency = Annotated[
    str, Meta(min_length=3, max_length=3, extra_json_schema={"pattern": "^[A-Z]{3}$"})
]
Id = Annotated[str, Meta(min_length=1, max_length=255)]
DecimalText = Annotated[
    str, Meta(min_length=1, max_length=20, extra_json_schema={"pattern": DECIMAL_PATTERN})
]
Instant = Annotated[datetime, Meta(tz=True)]
Version = Annotated[int, Meta(ge=0, le=2**62)]


class Wire(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all: immutable, and encoded without absent fields.

    So a new optional field changes no version digest of an object that lacks it.
    """


class Money(Wire, frozen=True):
    amount: Amount
    currency: Currency


class PayoutMoney(Wire, frozen=True):
    """Money as the Payouts API shows it: its pages call the currency by either name."""

    amount: Amount
    currency: Currency | None = None
    currency_code: Currency | None = None

    @property
    def code(self) -> str:
        return self.currency or self.currency_code or ""


class Applied(Wire, frozen=True):
    """Reference of a line to a tax or discount of its order. One of the two uids is set."""

    tax_uid: str = ""
    discount_uid: str = ""
    applied_money: Money | None = None


class Tax(Wire, frozen=True):
    """OrderLineItemTax, OrderReturnTax."""

    uid: str
    name: str | None = None
    type: str | None = None
    percentage: DecimalText | None = None
    applied_money: Money | None = None


class Discount(Wire, frozen=True):
    """OrderLineItemDiscount, OrderReturnDiscount."""

    uid: str
    name: str | None = None
    type: str | None = None
    reward_ids: list[str] | None = None
    applied_money: Money | None = None


class ServiceCharge(Wire, frozen=True):
    """OrderServiceCharge, OrderReturnServiceCharge."""

    uid: str
    name: str | None = None
    type: str | None = None
    calculation_phase: str | None = None
    applied_money: Money | None = None
    total_money: Money | None = None
    total_tax_money: Money | None = None
    applied_taxes: list[Applied] | None = None


class Line(Wire, frozen=True):
    """OrderLineItem and OrderReturnLineItem: gross is `gross_sales_money` or `gross_return_money`."""

    uid: Id
    quantity: DecimalText
    total_money: Money
    name: str | None = None
    item_type: Literal["ITEM", "CUSTOM_AMOUNT", "GIFT_CARD"] | None = None
    catalog_object_id: str | None = None
    source_line_item_uid: str | None = None
    base_price_money: Money | None = None
    gross_sales_money: Money | None = None
    gross_return_money: Money | None = None
    total_tax_money: Money | None = None
    total_discount_money: Money | None = None
    total_service_charge_money: Money | None = None
    applied_taxes: list[Applied] | None = None
    applied_discounts: list[Applied] | None = None


class Rounding(Wire, frozen=True):
    amount_money: Money | None = None


class Amounts(Wire, frozen=True):
    """OrderMoneyAmounts."""

    total_money: Money | None = None
    tax_money: Money | None = None
    tip_money: Money | None = None


class ReturnTip(Wire, frozen=True):
    applied_money: Money | None = None


class Return(Wire, frozen=True):
    """OrderReturn: what comes back of one earlier order, or of none that is known."""

    uid: str = ""
    source_order_id: str | None = None
    return_line_items: list[Line] | None = None
    return_service_charges: list[ServiceCharge] | None = None
    return_taxes: list[Tax] | None = None
    return_discounts: list[Discount] | None = None
    return_tips: list[ReturnTip] | None = None
    rounding_adjustment: Rounding | None = None
    return_amounts: Amounts | None = None


class Card(Wire, frozen=True):
    card_brand: str | None = None


class CardDetails(Wire, frozen=True):
    card: Card | None = None


class Tender(Wire, frozen=True):
    id: Id
    type: str
    amount_money: Money
    tip_money: Money | None = None
    payment_id: str | None = None
    customer_id: str | None = None
    card_details: CardDetails | None = None


class OrderRefund(Wire, frozen=True):
    """Refund, as an order lists it."""

    id: Id
    amount_money: Money
    tender_id: str | None = None
    status: str | None = None


class Source(Wire, frozen=True):
    name: str | None = None


class Order(Wire, frozen=True):
    id: Id
    location_id: Id
    state: Literal["OPEN", "COMPLETED", "CANCELED", "DRAFT"]
    created_at: Instant
    version: Version = 0
    updated_at: Instant | None = None
    closed_at: Instant | None = None
    source: Source | None = None
    customer_id: str | None = None
    line_items: list[Line] | None = None
    taxes: list[Tax] | None = None
    discounts: list[Discount] | None = None
    service_charges: list[ServiceCharge] | None = None
    returns: list[Return] | None = None
    return_amounts: Amounts | None = None
    net_amounts: Amounts | None = None
    rounding_adjustment: Rounding | None = None
    tenders: list[Tender] | None = None
    refunds: list[OrderRefund] | None = None
    total_money: Money | None = None
    total_tax_money: Money | None = None
    total_tip_money: Money | None = None


class Fee(Wire, frozen=True):
    """ProcessingFee."""

    amount_money: Money


class CashDetails(Wire, frozen=True):
    buyer_supplied_money: Money | None = None
    change_back_money: Money | None = None


class OfflineDetails(Wire, frozen=True):
    client_created_at: Instant | None = None


class Device(Wire, frozen=True):
    device_id: str | None = None
    device_name: str | None = None
    id: str | None = None


class ExternalDetails(Wire, frozen=True):
    """What the till calls a means of payment that Square does not process."""

    source: str | None = None


class Payment(Wire, frozen=True):
    id: Id
    location_id: Id
    status: Literal["APPROVED", "PENDING", "COMPLETED", "CANCELED", "FAILED"]
    source_type: str
    created_at: Instant
    amount_money: Money
    updated_at: Instant | None = None
    tip_money: Money | None = None
    processing_fee: list[Fee] | None = None
    card_details: CardDetails | None = None
    cash_details: CashDetails | None = None
    external_details: ExternalDetails | None = None
    order_id: str | None = None
    team_member_id: str | None = None
    employee_id: str | None = None
    device_details: Device | None = None
    offline_payment_details: OfflineDetails | None = None


class RefundDestination(Wire, frozen=True):
    card_details: CardDetails | None = None
    external_details: ExternalDetails | None = None


class Refund(Wire, frozen=True):
    """PaymentRefund."""

    id: Id
    location_id: Id
    status: Literal["PENDING", "COMPLETED", "REJECTED", "FAILED"]
    created_at: Instant
    amount_money: Money
    updated_at: Instant | None = None
    destination_type: str | None = None
    destination_details: RefundDestination | None = None
    processing_fee: list[Fee] | None = None
    payment_id: str | None = None
    order_id: str | None = None
    team_member_id: str | None = None


class Destination(Wire, frozen=True):
    id: str | None = None


class Payout(Wire, frozen=True):
    id: Id
    location_id: Id
    status: Literal["SENT", "PAID", "FAILED"]
    created_at: Instant
    amount_money: PayoutMoney
    updated_at: Instant | None = None
    version: Version = 0
    arrival_date: date | None = None
    destination: Destination | None = None


class EntryDetails(Wire, frozen=True):
    payment_id: str | None = None
    refund_id: str | None = None


class PayoutEntry(Wire, frozen=True):
    id: Id
    payout_id: Id
    type: Id
    effective_at: Instant
    gross_amount_money: PayoutMoney
    fee_amount_money: PayoutMoney
    net_amount_money: PayoutMoney
    type_charge_details: EntryDetails | None = None
    type_refund_details: EntryDetails | None = None


class DisputedPayment(Wire, frozen=True):
    payment_id: str | None = None


class Dispute(Wire, frozen=True):
    """A card payment its holder contests. `reported_at` is a date at midnight UTC, no instant."""

    id: Id
    location_id: Id
    state: Literal[
        "INQUIRY_EVIDENCE_REQUIRED",
        "INQUIRY_PROCESSING",
        "INQUIRY_CLOSED",
        "EVIDENCE_REQUIRED",
        "PROCESSING",
        "WON",
        "LOST",
        "ACCEPTED",
    ]
    created_at: Instant
    amount_money: Money
    updated_at: Instant | None = None
    version: Version = 0
    reason: str | None = None
    disputed_payment: DisputedPayment | None = None
    reported_at: Instant | None = None
    due_at: Instant | None = None


class CashShift(Wire, frozen=True):
    """CashDrawerShift. Square's own pages give the sign of refunds and paid-outs both ways.

    An example there lacks the location; it is in the address the shift was fetched from.
    """

    id: Id
    state: Literal["OPEN", "ENDED", "CLOSED"]
    opened_at: Instant
    opened_cash_money: Money
    location_id: str | None = None
    closed_at: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    cash_payment_money: Money | None = None
    cash_refunds_money: Money | None = None
    cash_paid_in_money: Money | None = None
    cash_paid_out_money: Money | None = None
    expected_cash_money: Money | None = None
    closed_cash_money: Money | None = None
    device: Device | None = None


class CashEvent(Wire, frozen=True):
    """CashDrawerShiftEvent; names neither its shift nor its location: the address it came from does."""

    id: Id
    event_type: Id
    created_at: Instant
    event_money: Money | None = None
    description: str | None = None
    team_member_id: str | None = None


class ActivityDetails(Wire, frozen=True):
    amount_money: Money | None = None
    order_id: str | None = None
    payment_id: str | None = None
    status: str | None = None


class GiftCardActivity(Wire, frozen=True):
    id: Id
    type: Id
    location_id: Id
    created_at: Instant
    gift_card_balance_money: Money
    gift_card_id: str | None = None
    activate_activity_details: ActivityDetails | None = None
    load_activity_details: ActivityDetails | None = None
    redeem_activity_details: ActivityDetails | None = None
    refund_activity_details: ActivityDetails | None = None
    unlinked_activity_refund_activity_details: ActivityDetails | None = None
    adjust_increment_activity_details: ActivityDetails | None = None
    adjust_decrement_activity_details: ActivityDetails | None = None
    import_activity_details: ActivityDetails | None = None
    import_reversal_activity_details: ActivityDetails | None = None
    transfer_balance_to_activity_details: ActivityDetails | None = None
    transfer_balance_from_activity_details: ActivityDetails | None = None


class CustomAttribute(Wire, frozen=True):
    number_value: DecimalText | None = None


class Variation(Wire, frozen=True):
    item_id: str | None = None
    name: str | None = None
    sku: str | None = None
    price_money: Money | None = None


class CategoryRef(Wire, frozen=True):
    id: str | None = None


class Category(Wire, frozen=True):
    name: str | None = None


class CatalogVariation(Wire, frozen=True):
    """CatalogObject of type ITEM_VARIATION, inside its item."""

    id: Id
    updated_at: Instant
    is_deleted: bool = False
    item_variation_data: Variation | None = None
    custom_attribute_values: dict[str, CustomAttribute] | None = None


class Item(Wire, frozen=True):
    name: str | None = None
    category_id: str | None = None
    reporting_category: CategoryRef | None = None
    categories: list[CategoryRef] | None = None
    variations: list[CatalogVariation] | None = None


class CatalogItem(Wire, frozen=True):
    """CatalogObject of type ITEM."""

    id: Id
    updated_at: Instant
    is_deleted: bool = False
    item_data: Item | None = None


class CatalogCategory(Wire, frozen=True):
    """CatalogObject of type CATEGORY."""

    id: Id
    updated_at: Instant
    is_deleted: bool = False
    category_data: Category | None = None
