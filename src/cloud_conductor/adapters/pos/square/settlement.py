"""Square's money side to rows: payments, refunds, payouts, disputes, drawers, gift cards, catalog.

Docs: API reference Payment, PaymentRefund, Payout, PayoutEntry, Dispute, CashDrawerShift,
CashDrawerShiftEvent, GiftCardActivity, CatalogObject; "Payouts API: payout entries".
"""

from collections.abc import Sequence
from datetime import datetime

from cloud_conductor.adapters.pos.square import wire
from cloud_conductor.adapters.pos.square.orders import GIFT_CARD_BRAND
from cloud_conductor.adapters.pos.square.rows import (
    MICRO,
    CashEventRow,
    CashShiftRow,
    DisputeRow,
    GiftCardRow,
    PayoutEntryRow,
    PayoutRow,
    ProductRow,
    Row,
    TenderRow,
    millionths,
)
from cloud_conductor.domain.money import minor_exponent
from cloud_conductor.domain.stores import Rules, Store, meaning_of

PROCESSOR = "square"
OPENED = "opened"
UNIT_COST = "unit_cost"
CATEGORY = "category:"

TENDER_TYPES = {  # source_type: (tender type, whether Square settles it)
    "CARD": ("card", True),
    "CASH": ("cash", False),
    "BANK_ACCOUNT": ("bank", True),
    "WALLET": ("wallet", True),
    "BUY_NOW_PAY_LATER": ("bnpl", True),
    "SQUARE_ACCOUNT": ("wallet", True),
    "EXTERNAL": ("external", False),
    "HOUSE_ACCOUNT": ("house_account", False),
}
PAYMENT_STATES = {
    "APPROVED": "authorised",
    "COMPLETED": "captured",
    "CANCELED": "voided",
    "FAILED": "failed",
    "PENDING": "pending",
}
REFUND_STATES = {
    "PENDING": "pending",
    "COMPLETED": "captured",
    "REJECTED": "failed",
    "FAILED": "failed",
}
DISPUTE_STATES = {
    "INQUIRY_EVIDENCE_REQUIRED": "inquiry",
    "INQUIRY_PROCESSING": "inquiry",
    "INQUIRY_CLOSED": "closed",
    "EVIDENCE_REQUIRED": "open",
    "PROCESSING": "open",
    "WON": "won",
    "LOST": "lost",
    "ACCEPTED": "lost",
}
DECIDED = ("won", "lost", "closed")
CASH_EVENTS = {
    "CASH_TENDER_PAYMENT": "cash_payment",
    "CASH_TENDER_CANCELLED_PAYMENT": "cash_cancelled",
    "CASH_TENDER_REFUND": "cash_refund",
}
FLOAT_EVENTS = {"paid_out": "float_lowered", "paid_in": "float_raised"}
_ACTIVITY_SIGNS = {  # details member: sign of its effect on the balance
    "activate": 1,
    "load": 1,
    "redeem": -1,
    "refund": 1,
    "unlinked_activity_refund": 1,
    "adjust_increment": 1,
    "adjust_decrement": -1,
    "import": 1,
    "import_reversal": -1,
    "transfer_balance_to": 1,
    "transfer_balance_from": -1,
}


def tender_type(
    source_type: str,
    details: wire.CardDetails | None,
    external: wire.ExternalDetails | None = None,
    names: Rules = (),
) -> tuple[str, str] | None:
    """(tender type, processor) of a payment; None for a source type nobody has mapped.

    A Square gift card is a card whose brand says so: nothing to settle, it redeems a liability.
    names: what the owner says the tills' external means of payment are.
    """
    if source_type == "EXTERNAL" and external is not None and names:
        return meaning_of(names, external.source) or "external", ""
    brand = brand_of(details)
    if source_type == "CARD" and brand == GIFT_CARD_BRAND:
        return "gift_card", ""
    found = TENDER_TYPES.get(source_type)
    return (found[0], PROCESSOR if found[1] else "") if found else None


def brand_of(details: wire.CardDetails | None) -> str | None:
    return details.card.card_brand if details and details.card else None


def payment_row(
    payment: wire.Payment, kind: tuple[str, str], head: int, occurred_at: datetime
) -> Row:
    """A payment as the processor states it; cash_given and change only for cash."""
    cash, device = payment.cash_details, payment.device_details
    return TenderRow(
        head=head,
        tender_id=payment.id,
        event="payment",
        sale_id=payment.order_id,
        tender_type=kind[0],
        brand=brand_of(payment.card_details),
        processor=kind[1],
        state=PAYMENT_STATES[payment.status],
        currency=payment.amount_money.currency,
        amount_minor=payment.amount_money.amount,
        tip_minor=_cents(payment.tip_money) or 0,
        fee_minor=_fees(payment.processing_fee),
        cash_given_minor=_cents(cash.buyer_supplied_money) if cash else None,
        change_minor=_cents(cash.change_back_money) if cash else None,
        register=(device.device_id or device.device_name) if device else None,
        employee=payment.team_member_id or payment.employee_id,
        occurred_at=occurred_at,
    )


def refund_row(refund: wire.Refund, kind: tuple[str, str], head: int) -> Row:
    """A refund as the processor states it: amount negative, fee given back negative (R-3.2)."""
    details = refund.destination_details.card_details if refund.destination_details else None
    return TenderRow(
        head=head,
        tender_id=refund.id,
        event="refund",
        sale_id=refund.order_id,
        original_tender_id=refund.payment_id,
        tender_type=kind[0],
        brand=brand_of(details),
        processor=kind[1],
        state=REFUND_STATES[refund.status],
        currency=refund.amount_money.currency,
        amount_minor=-refund.amount_money.amount,
        fee_minor=_fees(refund.processing_fee),
        employee=refund.team_member_id,
        occurred_at=refund.created_at,
    )


def payout_row(payout: wire.Payout, head: int) -> Row:
    return PayoutRow(
        head=head,
        payout_id=payout.id,
        state=payout.status.lower(),
        currency=payout.amount_money.code,
        net_minor=payout.amount_money.amount,
        sent_at=payout.created_at,
        arrival_date=payout.arrival_date,
        destination_id=payout.destination.id if payout.destination else None,
    )


def payout_entry_row(entry: wire.PayoutEntry, head: int) -> Row:
    """A balance transaction; tender_id is the refund's where it settles one, else the payment's."""
    charge, refund = entry.type_charge_details, entry.type_refund_details
    return PayoutEntryRow(
        head=head,
        entry_id=entry.id,
        payout_id=entry.payout_id,
        entry_type=entry.type.lower(),
        currency=entry.net_amount_money.code,
        gross_minor=entry.gross_amount_money.amount,
        fee_minor=entry.fee_amount_money.amount,
        net_minor=entry.net_amount_money.amount,
        tender_id=refund.refund_id if refund else (charge.payment_id if charge else None),
        effective_at=entry.effective_at,
    )


def decided_at(dispute: wire.Dispute) -> datetime | None:
    """When the outcome was known, as far as the version at hand tells; None until there is one."""
    if DISPUTE_STATES[dispute.state] not in DECIDED:
        return None
    return dispute.updated_at or dispute.created_at


def dispute_row(dispute: wire.Dispute, head: int) -> Row:
    """A dispute as it stands; accepting it is losing it (R-7.5)."""
    disputed = dispute.disputed_payment
    return DisputeRow(
        head=head,
        dispute_id=dispute.id,
        state=DISPUTE_STATES[dispute.state],
        currency=dispute.amount_money.currency,
        amount_minor=dispute.amount_money.amount,
        reason=dispute.reason,
        tender_id=disputed.payment_id if disputed else None,
        opened_at=dispute.created_at,
        due_at=dispute.due_at,
        decided_at=decided_at(dispute),
    )


def shift_row(shift: wire.CashShift, head: int) -> Row:
    """A drawer shift in §8's terms: refunds and paid-outs are amounts taken out, not negative."""
    return CashShiftRow(
        head=head,
        shift_id=shift.id,
        state=shift.state.lower(),
        currency=shift.opened_cash_money.currency,
        opened_at=shift.opened_at,
        closed_at=shift.closed_at,
        opening_minor=shift.opened_cash_money.amount,
        cash_sales_minor=_cents(shift.cash_payment_money) or 0,
        cash_refunds_minor=abs(_cents(shift.cash_refunds_money) or 0),
        paid_in_minor=abs(_cents(shift.cash_paid_in_money) or 0),
        paid_out_minor=abs(_cents(shift.cash_paid_out_money) or 0),
        expected_minor=_cents(shift.expected_cash_money),
        counted_minor=_cents(shift.closed_cash_money),
    )


def cash_event_row(event: wire.CashEvent, shift_id: str, store: Store, head: int) -> Row:
    """A drawer event; amount as the vendor gives it: a magnitude, its type says which way."""
    kind = CASH_EVENTS.get(event.event_type, event.event_type.lower())
    rules = {"paid_out": store.meanings.paid_outs, "paid_in": store.meanings.paid_ins}
    if kind in rules:
        meaning = meaning_of(rules[kind], event.description)
        kind = FLOAT_EVENTS[kind] if meaning == "float" else meaning or kind
    return CashEventRow(
        head=head,
        event_id=event.id,
        shift_id=shift_id,
        event_type=kind,
        currency=event.event_money.currency if event.event_money else store.currency,
        amount_minor=abs(_cents(event.event_money) or 0),
        description=event.description,
        employee=event.team_member_id,
        occurred_at=event.created_at,
    )


def opened_row(shift: wire.CashShift, head: int) -> Row:
    """That a shift was opened, and at which register: shifts of one drawer follow each other."""
    return CashEventRow(
        head=head,
        event_id=f"{shift.id}:{OPENED}",
        shift_id=shift.id,
        event_type=OPENED,
        currency=shift.opened_cash_money.currency,
        amount_minor=shift.opened_cash_money.amount,
        description=shift.device.id if shift.device else None,
        employee=None,
        occurred_at=shift.opened_at,
    )


def gift_card_row(activity: wire.GiftCardActivity, head: int) -> Row:
    """An activity with its signed effect; kinds without an amount (block, clear) have 0 (R-9.2)."""
    member = activity.type.lower()
    details: wire.ActivityDetails | None = getattr(activity, f"{member}_activity_details", None)
    amount = (_cents(details.amount_money) or 0) if details else 0
    balance = activity.gift_card_balance_money
    if member == "activate" and details and details.amount_money is None:
        amount = balance.amount
    return GiftCardRow(
        head=head,
        activity_id=activity.id,
        card_id=activity.gift_card_id,
        activity_type=member,
        currency=balance.currency,
        amount_minor=_ACTIVITY_SIGNS.get(member, 0) * amount,
        balance_minor=balance.amount,
        sale_id=details.order_id if details else None,
        tender_id=details.payment_id if details else None,
        occurred_at=activity.created_at,
    )


def product_rows(item: wire.CatalogItem, head: int) -> list[Row]:
    """One row per variation: what a line points at.

    department is the category's product_id (`category:<id>`): a seal resolves its name as of the
    sale.
    """
    data = item.item_data or wire.Item()
    category = _category_of(data)
    return [
        _variation_row(item, variation, data.name, category, head)
        for variation in data.variations or ()
    ]


def category_row(category: wire.CatalogCategory, head: int) -> Row:
    """A category as a product of its own, so that its name has versions too."""
    return ProductRow(
        head=head,
        product_id=CATEGORY + category.id,
        valid_from=category.updated_at,
        sku=None,
        name=category.category_data.name if category.category_data else None,
        department=None,
        unit_price=None,
        unit_cost=None,
        currency=None,
        is_deleted=category.is_deleted,
    )


def _variation_row(
    item: wire.CatalogItem,
    variation: wire.CatalogVariation,
    name: str | None,
    category: str | None,
    head: int,
) -> Row:
    data = variation.item_variation_data or wire.Variation()
    cost = (variation.custom_attribute_values or {}).get(UNIT_COST)
    price = data.price_money
    return ProductRow(
        head=head,
        product_id=variation.id,
        valid_from=max(item.updated_at, variation.updated_at),
        sku=data.sku,
        name=" - ".join(part for part in (name, data.name) if part) or None,
        department=category,
        unit_price=price.amount * MICRO // 10 ** minor_exponent(price.currency) if price else None,
        unit_cost=millionths(cost.number_value) if cost and cost.number_value else None,
        currency=price.currency if price else None,
        is_deleted=item.is_deleted or variation.is_deleted,
    )


def _category_of(item: wire.Item) -> str | None:
    """Reporting category, else the first one, else the field Square deprecated in 2023."""
    first: Sequence[wire.CategoryRef] = item.categories or ()
    for found in (item.reporting_category, *first, wire.CategoryRef(id=item.category_id)):
        if found is not None and found.id:
            return CATEGORY + found.id
    return None


def _fees(fees: list[wire.Fee] | None) -> int:
    return sum(fee.amount_money.amount for fee in fees or ())


def _cents(money: wire.Money | None) -> int | None:
    return money.amount if money is not None else None
