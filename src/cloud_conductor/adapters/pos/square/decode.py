"""Square bodies to canonical tables, whole batches (design decision 12).

Each event is decoded into constrained types (`wire`), mapped by one plain function, and turned
into Arrow a chunk at a time. An event either gives rows, is ignored, or is rejected with findings
that point into its original body; the rest of the batch is unharmed.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from cloud_conductor.adapters.pos.square import hooks, settlement, wire
from cloud_conductor.adapters.pos.square.batch import Batch, Faults, below, micros, version_digest
from cloud_conductor.adapters.pos.square.contract import findings_of
from cloud_conductor.adapters.pos.square.naming import NOTICES, named
from cloud_conductor.adapters.pos.square.orders import CLOSED_STATES, Sale, add_sale
from cloud_conductor.adapters.pos.square.plain import looks_plain
from cloud_conductor.adapters.pos.square.rows import is_decimal
from cloud_conductor.domain.businessday import is_clock_suspect
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.findings import (
    CLOCK_SUSPECT,
    CONTRACT,
    MALFORMED,
    MISSING_PARENT,
    UNKNOWN_CURRENCY,
    UNKNOWN_KIND,
    UNKNOWN_TENDER,
    Finding,
)
from cloud_conductor.domain.money import EXPONENTS
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.pos import Decoded, Moved, Named, Parent

CHUNK = 250  # events an Arrow chunk: best of 50..5,000, the rows stay in the cache
IGNORED_PREFIXES = (
    "order.",
    "catalog",
    "inventory.",
    "loyalty.",
    "customer.",
    "gift_card.",
    "team_member.",
    "location.",
    "device.",
    "terminal.",
    "labor.",
    "vendor.",
    "dispute.evidence.",
)
"""Kinds that carry no money facts of their own: thin, or of another room. An event about money that
nobody decodes is not here: it is quarantined, never passed over."""

MALFORMED_KIND = "malformed"  # how the intake route files a signed body it could not read
AHEAD_US_MAX = 24 * 3_600 * 1_000_000  # wider than any drift: beyond it nothing is believed
OFFLINE_MAX = timedelta(days=7)
"""Square takes offline payments for three days at most ("Take offline payments"); a till's clock
that is further behind is no sale that waited."""
OFFLINE_CLOCK = "/offline_payment_details/client_created_at"
NO_PARENTS: Mapping[str, Parent] = MappingProxyType({})
_SHIFT_OF_URL = re.compile(r"/cash-drawers/shifts/([^/?#]+)/events")
_LOCATION_OF_URL = re.compile(r"[?&]location_id=([^&#]+)")


class SquareDecoder:
    """Satisfies ports.pos.PosDecoder. Pure: no vendor, clock or disk behind it."""

    TOLD_KINDS: ClassVar[Collection[str]] = NOTICES.keys()

    def decode(
        self,
        events: Sequence[Event],
        stores: Mapping[str, Store],
        clocks: Mapping[str, datetime],
        parents: Mapping[str, Parent] = {},  # read only
    ) -> Decoded:
        """Canonical rows of events in log order; see ports.pos.PosDecoder."""
        batch = Batch(stores, clocks, parents)
        for start in range(0, len(events), CHUNK):
            for event in events[start : start + CHUNK]:
                _add(batch, event)
            batch.flush()
        return batch.decoded()

    def named(self, event: NewEvent) -> Named | None:
        """See ports.pos.Namer."""
        return named(event)


def _add(batch: Batch, event: Event) -> None:
    """One event into exactly one of: rows, ignored, rejected (INV-16)."""
    reader = READERS.get(event.kind)
    if reader is None:
        batch.path = ""
        if event.kind.startswith(IGNORED_PREFIXES):
            batch.ignored.append(event.seq)
        else:
            batch.reject(event, _unknown(event))
        return
    batch.path, batch.orphan_of = reader.path, ""
    try:
        found = reader.decoder.decode(event.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        batch.reject(event, findings_of(event.body, reader.kind, error))
        return
    try:
        faults = reader.map(batch, event, reader.unbox(found))
    except OverflowError:
        faults = (Finding(CLOCK_SUSPECT, "", "an instant lies outside the calendar"),)
    if faults:
        batch.reject(event, below(reader.path, faults), batch.orphan_of)


def _unknown(event: Event) -> Faults:
    if event.kind == MALFORMED_KIND:
        return (Finding(MALFORMED, "", "the signed body is not JSON in UTF-8"),)
    pointer = "/type" if event.channel == "webhook" else ""
    return (Finding(UNKNOWN_KIND, pointer, f"nothing decodes events of kind {event.kind!r}"),)


def _order(batch: Batch, event: Event, order: wire.Order) -> Faults:
    if order.state not in CLOSED_STATES:
        batch.ignored.append(event.seq)
        return ()
    store, faults = batch.placed(event, order.location_id)
    if store is None or faults:
        return faults
    clock = batch.clocks.get(order.id)
    at = order.closed_at or order.created_at
    if clock is None and looks_plain(order) and not _dated_ahead(event, at, "/closed_at"):
        head = _sale_head(batch, event, order, store, at, None)
        if batch.plain.take(batch.sheet.taxes, order, store, head):
            return ()
    sale = Sale(order, clock)
    if sale.errors:
        return sale.errors
    if faults := _dated_ahead(event, sale.occurred_at, "/closed_at"):
        return faults
    batch.warn(event, sale.warnings)
    head = _sale_head(batch, event, order, store, sale.occurred_at, clock)
    add_sale(batch.sheet, sale, store, head)
    return ()


def _sale_head(
    batch: Batch,
    event: Event,
    order: wire.Order,
    store: Store,
    occurred_at: datetime,
    clock: datetime | None,
) -> int:
    return batch.head(
        event,
        store,
        store.business_date(occurred_at),
        rank=order.version,
        digest=version_digest(order, clock),
        sale=(order.id, occurred_at),
    )


def _payment(batch: Batch, event: Event, payment: wire.Payment) -> Faults:
    store, faults = batch.placed(event, payment.location_id)
    if store is None or faults:
        return faults
    kind = settlement.tender_type(
        payment.source_type, payment.card_details, payment.external_details, store.meanings.tenders
    )
    if kind is None:
        return (Finding(UNKNOWN_TENDER, "/source_type", "a means of payment nobody has mapped"),)
    occurred_at = _tender_time(batch, event, payment)
    if faults := _dated_ahead(event, occurred_at, "/created_at"):
        return faults
    head = batch.head(
        event,
        store,
        store.business_date(occurred_at),
        rank=micros(payment.updated_at or payment.created_at),
        digest=version_digest(payment),
    )
    row = settlement.payment_row(payment, kind, head, occurred_at)
    batch.sheet.rows["tenders"].append(row)
    return ()


def _tender_time(batch: Batch, event: Event, payment: wire.Payment) -> datetime:
    """When the customer paid: the till's clock for offline payments, if it is plausible (R-2.5)."""
    offline = payment.offline_payment_details
    clock = offline.client_created_at if offline else None
    if clock is None:
        return payment.created_at
    if payment.created_at - clock > OFFLINE_MAX:
        message = "the till's clock ran far behind; the vendor's time was used (R-2.5)"
        batch.warn(event, (Finding(CLOCK_SUSPECT, OFFLINE_CLOCK, message, "warning"),))
        return payment.created_at
    if payment.order_id:
        known = batch.clocks.get(payment.order_id)
        if known is None or clock < known:
            batch.clocks[payment.order_id] = clock
            batch.moved.append(Moved(payment.order_id, clock, event.seq))
    if is_clock_suspect(clock, payment.created_at):
        message = "the till's clock ran ahead; the vendor's time was used (R-2.5)"
        batch.warn(event, (Finding(CLOCK_SUSPECT, OFFLINE_CLOCK, message, "warning"),))
        return payment.created_at
    return clock


def _refund(batch: Batch, event: Event, refund: wire.Refund) -> Faults:
    store, faults = batch.placed(event, refund.location_id)
    if store is None or faults:
        return faults
    given = refund.destination_details or wire.RefundDestination()
    # Before 2021 refunds named no destination; one with a processing fee went to a card.
    destination = refund.destination_type or ("CARD" if refund.processing_fee else "")
    kind = settlement.tender_type(
        destination, given.card_details, given.external_details, store.meanings.tenders
    )
    if kind is None:
        message = "a means of payment nobody has mapped"
        return (Finding(UNKNOWN_TENDER, "/destination_type", message),)
    if faults := _dated_ahead(event, refund.created_at, "/created_at"):
        return faults
    head = batch.head(
        event,
        store,
        store.business_date(refund.created_at),
        rank=micros(refund.updated_at or refund.created_at),
        digest=version_digest(refund),
    )
    batch.sheet.rows["tenders"].append(settlement.refund_row(refund, kind, head))
    return ()


def _payout(batch: Batch, event: Event, payout: wire.Payout) -> Faults:
    """Dated by the store's calendar: processor days are not business days (R-2.8, R-2.9)."""
    store, faults = batch.placed(event, payout.location_id)
    faults = faults or _unnamed(("/amount_money", payout.amount_money))
    faults = faults or _dated_ahead(event, payout.created_at, "/created_at")
    if store is None or faults:
        return faults
    batch.learn(Parent(f"payout:{payout.id}", payout.location_id, payout.created_at, event.seq))
    head = batch.head(
        event,
        store,
        _calendar_date(payout.created_at, store),
        rank=micros(payout.updated_at or payout.created_at),
        digest=version_digest(payout),
    )
    batch.sheet.rows["payouts"].append(settlement.payout_row(payout, head))
    return ()


def _payout_entry(batch: Batch, event: Event, entry: wire.PayoutEntry) -> Faults:
    """Filed with its payout: an entry names no location."""
    parent = batch.parent(f"payout:{entry.payout_id}")
    if parent is None:
        return (Finding(MISSING_PARENT, "/payout_id", "its payout has not come yet"),)
    store, faults = batch.placed(event, parent.location_id)
    faults = faults or _unnamed(
        ("/gross_amount_money", entry.gross_amount_money),
        ("/fee_amount_money", entry.fee_amount_money),
        ("/net_amount_money", entry.net_amount_money),
    )
    if store is None or faults:
        return faults
    head = batch.head(
        event,
        store,
        _calendar_date(parent.at, store),
        rank=micros(entry.effective_at),
        digest=version_digest(entry),
    )
    batch.sheet.rows["payout_entries"].append(settlement.payout_entry_row(entry, head))
    return ()


def _dispute(batch: Batch, event: Event, dispute: wire.Dispute) -> Faults:
    """Filed under the business date of its outcome, until then of its opening (R-7.5)."""
    store, faults = batch.placed(event, dispute.location_id)
    decided_at = settlement.decided_at(dispute)
    at, where = (decided_at, "/updated_at") if decided_at else (dispute.created_at, "/created_at")
    faults = faults or _dated_ahead(event, at, where)
    if store is None or faults:
        return faults
    head = batch.head(
        event,
        store,
        store.business_date(at),
        rank=micros(dispute.updated_at or dispute.created_at),
        digest=version_digest(dispute),
    )
    batch.sheet.rows["disputes"].append(settlement.dispute_row(dispute, head))
    return ()


def _shift(batch: Batch, event: Event, shift: wire.CashShift) -> Faults:
    """Filed under the business date of its opening."""
    asked = _LOCATION_OF_URL.search(event.url)
    location_id = shift.location_id or (asked.group(1) if asked else "")
    store, faults = batch.placed(event, location_id)
    faults = faults or _dated_ahead(event, shift.opened_at, "/opened_at")
    if store is None or faults:
        return faults
    batch.learn(Parent(f"cash_shift:{shift.id}", location_id, shift.opened_at, event.seq))
    latest = shift.updated_at or shift.closed_at or shift.created_at or shift.opened_at
    head = batch.head(
        event,
        store,
        store.business_date(shift.opened_at),
        rank=micros(latest),
        digest=version_digest(shift),
    )
    batch.sheet.rows["cash_shifts"].append(settlement.shift_row(shift, head))
    if shift.device is not None and shift.device.id:
        batch.sheet.rows["cash_events"].append(settlement.opened_row(shift, head))
    return ()


def _cash_event(batch: Batch, event: Event, found: wire.CashEvent) -> Faults:
    """Filed with its shift, which only the address it was fetched from names."""
    place = _SHIFT_OF_URL.search(event.url)
    if place is None:
        return (Finding(CONTRACT, "", "the address it came from names no drawer shift"),)
    parent = batch.parent(f"cash_shift:{place.group(1)}")
    if parent is None:
        return (Finding(MISSING_PARENT, "", "its drawer shift has not come yet"),)
    store, faults = batch.placed(event, parent.location_id)
    if store is None or faults:
        return faults
    head = batch.head(
        event,
        store,
        store.business_date(parent.at),
        rank=micros(found.created_at),
        digest=version_digest(found),
    )
    row = settlement.cash_event_row(found, place.group(1), store, head)
    batch.sheet.rows["cash_events"].append(row)
    return ()


def _gift_card(batch: Batch, event: Event, activity: wire.GiftCardActivity) -> Faults:
    store, faults = batch.placed(event, activity.location_id)
    if store is None or faults:
        return faults
    if faults := _dated_ahead(event, activity.created_at, "/created_at"):
        return faults
    redeemed = activity.redeem_activity_details
    settled = redeemed is not None and redeemed.status == "COMPLETED"
    head = batch.head(
        event,
        store,
        store.business_date(activity.created_at),
        rank=micros(activity.created_at) + settled,  # pending, then completed: no updated_at
        digest=version_digest(activity),
    )
    batch.sheet.rows["gift_card_activities"].append(settlement.gift_card_row(activity, head))
    return ()


def _item(batch: Batch, event: Event, item: wire.CatalogItem) -> Faults:
    variations = (item.item_data.variations if item.item_data else None) or ()
    for at, variation in enumerate(variations):
        path = f"/item_data/variations/{at}"
        cost = (variation.custom_attribute_values or {}).get(settlement.UNIT_COST)
        if cost and cost.number_value and not is_decimal(cost.number_value):
            where = f"{path}/custom_attribute_values/{settlement.UNIT_COST}/number_value"
            return (Finding(CONTRACT, where, "not a number: 12 digits, 6 decimals at most"),)
        price = variation.item_variation_data and variation.item_variation_data.price_money
        if price and price.currency not in EXPONENTS:
            where = f"{path}/item_variation_data/price_money/currency"
            return (Finding(UNKNOWN_CURRENCY, where, "the currency is not in ISO 4217 (R-1.2)"),)
    rank = max(micros(one.updated_at) for one in (item, *variations))
    head = batch.head(event, None, None, rank=rank, digest=version_digest(item))
    batch.sheet.rows["products"] += settlement.product_rows(item, head)
    return ()


def _category(batch: Batch, event: Event, category: wire.CatalogCategory) -> Faults:
    digest = version_digest(category)
    head = batch.head(event, None, None, rank=micros(category.updated_at), digest=digest)
    batch.sheet.rows["products"].append(settlement.category_row(category, head))
    return ()


def _dated_ahead(event: Event, occurred_at: datetime, where: str) -> Faults:
    """No business day may take what has not happened yet: some clock is wrong (R-2.5)."""
    if micros(occurred_at) <= event.received_us + AHEAD_US_MAX:
        return ()
    message = "dated more than a day after it was received: check the clocks, then release it"
    return (Finding(CLOCK_SUSPECT, where, message),)


def _calendar_date(instant: datetime, store: Store) -> date:
    return instant.astimezone(ZoneInfo(store.time_zone)).date()


def _unnamed(*amounts: tuple[str, wire.PayoutMoney]) -> Faults:
    """Amounts without a currency: never assumed (R-1.2)."""
    return [
        Finding(CONTRACT, where, "the amount names no currency")
        for where, money in amounts
        if not money.code
    ]


class Reader(msgspec.Struct, frozen=True):
    """How one kind of event is read: its type, where the object is in the body, its mapping."""

    kind: type
    path: str
    map: Callable[[Batch, Event, Any], Faults]
    decoder: Any

    def unbox(self, found: Any) -> Any:
        """The object inside a webhook's envelope."""
        for step in self.path.split("/")[1:]:
            found = getattr(found, step)
        return found


def _reader(kind: type, mapping: Callable[[Batch, Event, Any], Faults], path: str = "") -> Reader:
    return Reader(kind, path, mapping, msgspec.json.Decoder(kind))


_PAYMENT_HOOK = _reader(hooks.Hook[hooks.PaymentBox], _payment, "/data/object/payment")
_REFUND_HOOK = _reader(hooks.Hook[hooks.RefundBox], _refund, "/data/object/refund")
_PAYOUT_HOOK = _reader(hooks.Hook[hooks.PayoutBox], _payout, "/data/object/payout")
_DISPUTE_HOOK = _reader(hooks.Hook[hooks.DisputeBox], _dispute, "/data/object/dispute")
_GIFT_HOOK = _reader(
    hooks.Hook[hooks.GiftCardActivityBox], _gift_card, "/data/object/gift_card_activity"
)
READERS: dict[str, Reader] = {
    "order": _reader(wire.Order, _order),
    "payment": _reader(wire.Payment, _payment),
    "refund": _reader(wire.Refund, _refund),
    "payout": _reader(wire.Payout, _payout),
    "payout_entry": _reader(wire.PayoutEntry, _payout_entry),
    "dispute": _reader(wire.Dispute, _dispute),
    "cash_shift": _reader(wire.CashShift, _shift),
    "cash_event": _reader(wire.CashEvent, _cash_event),
    "gift_card_activity": _reader(wire.GiftCardActivity, _gift_card),
    "catalog_item": _reader(wire.CatalogItem, _item),
    "catalog_category": _reader(wire.CatalogCategory, _category),
    "payment.created": _PAYMENT_HOOK,
    "payment.updated": _PAYMENT_HOOK,
    "refund.created": _REFUND_HOOK,
    "refund.updated": _REFUND_HOOK,
    "payout.sent": _PAYOUT_HOOK,
    "payout.paid": _PAYOUT_HOOK,
    "payout.failed": _PAYOUT_HOOK,
    "dispute.created": _DISPUTE_HOOK,
    "dispute.state.updated": _DISPUTE_HOOK,
    "gift_card.activity.created": _GIFT_HOOK,
    "gift_card.activity.updated": _GIFT_HOOK,
}
DECODER = SquareDecoder
