"""Square orders to sales, lines, taxes, discounts, services and tenders as the sale states them."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from cloud_conductor.adapters.pos.square import wire
from cloud_conductor.adapters.pos.square.basket import (
    INCLUSIVE,
    Basket,
    LinePart,
    ServicePart,
    TaxPart,
    basket_of,
)
from cloud_conductor.adapters.pos.square.rows import (
    MICRO,
    DiscountRow,
    LineRow,
    SaleRow,
    SaleTenderRow,
    ServiceRow,
    Sheet,
    TaxSheet,
    is_decimal,
    millionths,
)
from cloud_conductor.adapters.pos.square.taxes import UNNAMED, split_of, telescope
from cloud_conductor.domain.businessday import is_clock_suspect
from cloud_conductor.domain.findings import (
    ARITHMETIC,
    CLOCK_SUSPECT,
    CONTRACT,
    NEGATIVE_TOTAL,
    UNKNOWN_TENDER,
    Finding,
)
from cloud_conductor.domain.money import minor_exponent
from cloud_conductor.domain.stores import Store, meaning_of

CLOSED_STATES = {"COMPLETED": "closed", "CANCELED": "voided"}
GIFT_CARD_BRAND = "SQUARE_GIFT_CARD"
SALE_TENDERS = {
    "CARD": "card",
    "CASH": "cash",
    GIFT_CARD_BRAND: "gift_card",
    "THIRD_PARTY_CARD": "external",
    "BANK_ACCOUNT": "bank",
    "WALLET": "wallet",
    "BUY_NOW_PAY_LATER": "bnpl",
    "SQUARE_ACCOUNT": "wallet",
    "HOUSE_ACCOUNT": "house_account",
    "OTHER": "external",
    "NO_SALE": "no_sale",
}
UNIT_MICRO_MAX = 10**18
OWED_KINDS = frozenset({"gift_card", "deposit", "donation", "account_payment"})
"""Lines that are no sale: what they bring is owed, or settles what was (R-17.3)."""


class Sale:
    """One order on its way to rows: its times, its basket and what is wrong with it."""

    def __init__(self, order: wire.Order, clock: datetime | None) -> None:
        self.order = order
        self.source_created_at = order.closed_at or order.created_at
        self.clock_suspect = clock is not None and is_clock_suspect(clock, self.source_created_at)
        self.occurred_at = self.source_created_at if clock is None or self.clock_suspect else clock
        self.state = CLOSED_STATES[order.state]
        self.basket = basket_of(order) if self.state == "closed" else Basket([], [], 0, 0, [])
        self.source_total = source_total_of(order)
        self.warnings: list[Finding] = []
        self.errors = self._check()

    def _check(self) -> list[Finding]:
        if self.clock_suspect:
            self.warnings.append(
                Finding(
                    CLOCK_SUSPECT,
                    "/closed_at",
                    "the till's clock ran ahead; the vendor's time was used (R-2.5)",
                    "warning",
                )
            )
        if self.source_total is None:
            return [Finding(CONTRACT, "/total_money", "a closed order has a total")]
        if self.state == "voided":
            return []
        errors = list(self.basket.faults)
        if self.source_total < 0 and not self.order.returns:
            errors.append(
                Finding(
                    NEGATIVE_TOTAL,
                    _total_pointer(self.order),
                    f"a sale without returns totals {self.source_total}",
                )
            )
        errors += [*_tender_faults(self.order), *number_faults(self.order)]
        return errors or self._settle(self.source_total)

    def _settle(self, source_total: int) -> list[Finding]:
        """Agree with the source's total: exactly, or as its tax rounding explains (R-3.1, R-4.4)."""
        basket = self.basket
        difference = source_total - basket.total
        if not difference:
            return []
        parts = basket.taxes()
        shown = (
            f"lines {basket.subtotal} + service {basket.service} + tax {basket.tax}"
            f" + tips {basket.tip} + rounding {basket.rounding} = {basket.total}, source says"
            f" {source_total}: difference {difference}"
        )
        if abs(difference) > len(parts):
            return [Finding(ARITHMETIC, _total_pointer(self.order), f"{shown} (R-3.1)")]
        basket.adjust_tax(difference)
        self.warnings.append(
            Finding(
                ARITHMETIC,
                _total_pointer(self.order),
                f"{shown}; the source's tax was kept (R-4.4)",
                "warning",
            )
        )
        return []


def add_sale(sheet: Sheet, sale: Sale, store: Store, head: int) -> None:
    """Write a sale without errors into the sheet. A voided one is a sales row of zeros (R-3.3)."""
    order, basket = sale.order, sale.basket
    assert sale.source_total is not None
    sheet.rows["sales"].append(
        SaleRow(
            head=head,
            state=sale.state,
            currency=store.currency,
            channel=order.source.name if order.source else None,
            customer_id=customer_of(order),
            source_created_at=sale.source_created_at,
            clock_suspect=sale.clock_suspect,
            subtotal_minor=basket.subtotal,
            service_minor=basket.service,
            tax_minor=basket.tax,
            tip_minor=basket.tip,
            rounding_minor=basket.rounding,
            total_minor=basket.total,
            source_total_minor=sale.source_total,
        )
    )
    if sale.state == "voided":
        return
    _add_lines(sheet, sale, store, head)
    _add_taxes(sheet, sale, store, head)
    _add_services(sheet, sale, head)
    _add_tenders(sheet, order, head)


def _add_lines(sheet: Sheet, sale: Sale, store: Store, head: int) -> None:
    unit = MICRO // 10 ** minor_exponent(store.currency)
    lines, discounts = sheet.rows["sale_lines"], sheet.rows["sale_discounts"]
    for part in sale.basket.lines:
        line, quantity = part.line, millionths(part.line.quantity)
        kind = line_kind(line, store)
        price = line.base_price_money
        lines.append(
            LineRow(
                head=head,
                line_uid=line.uid,
                event=part.event,
                line_kind=kind,
                is_sale=kind not in OWED_KINDS,
                product_id=line.catalog_object_id,
                name=line.name,
                quantity=quantity if part.event == "sale" else -quantity,
                unit_price=price.amount * unit if price is not None else None,
                price_includes_tax=part.inclusive,
                gross_minor=part.gross,
                discount_minor=part.discount,
                net_minor=part.net,
                tax_minor=sum([tax.amount for tax in part.taxes]),
                return_of_sale_id=part.return_of,
                return_of_line_uid=line.source_line_item_uid,
            )
        )
        if part.cuts:
            discounts += _discount_rows(part, store, head)


def line_kind(line: wire.Line, store: Store) -> str:
    """Kind of a line: a gift card, what the owner says its name means, else merchandise."""
    if line.item_type == "GIFT_CARD":
        return "gift_card"
    rules = store.meanings.lines
    return (meaning_of(rules, line.name) if rules else None) or "merchandise"


def _discount_rows(part: LinePart, store: Store, head: int) -> Iterable[DiscountRow]:
    """One row per discount of the order: a line may name one twice."""
    merged: dict[str, DiscountRow] = {}
    for cut, amount in part.cuts:
        if cut.uid in merged:
            merged[cut.uid].amount_minor += amount
            continue
        kind = discount_kind(cut, store)
        merged[cut.uid] = DiscountRow(
            head=head,
            line_uid=part.line.uid,
            event=part.event,
            discount_uid=cut.uid,
            discount_kind=kind,
            funded_by="vendor" if kind == "vendor" else "store",
            amount_minor=amount,
        )
    return merged.values()


def discount_kind(cut: wire.Discount, store: Store) -> str:
    """Why a discount was given: what the owner says its name means, else what Square tells."""
    rules = store.meanings.discounts
    named = meaning_of(rules, cut.name) if rules else None
    if named is not None:
        return named
    if cut.reward_ids:
        return "loyalty"
    return "percent" if (cut.type or "").endswith("PERCENTAGE") else "amount"


def _add_taxes(sheet: Sheet, sale: Sale, store: Store, head: int) -> None:
    owners: list[LinePart | ServicePart] = [*sale.basket.lines, *sale.basket.services]
    events: dict[str, list[TaxPart]] = {}
    for owner in owners:
        if owner.taxes:
            events.setdefault(owner.event, []).extend(owner.taxes)
    for event, parts in events.items():
        add_tax_parts(sheet.taxes, store, head, event, parts)


def add_tax_parts(
    taxes: TaxSheet, store: Store, head: int, event: str, given: Iterable[TaxPart]
) -> None:
    """Tax rows per authority of one order's sales, or of its returns, each tax over all of them.

    A tax is known by its name: one line has each name once.
    """
    groups: dict[str, dict[str, TaxPart]] = {}
    for part in given:
        group = groups.setdefault(part.tax.name or UNNAMED, {})
        known = group.get(part.owner)
        if known is None:
            group[part.owner] = part
        else:
            group[part.owner] = msgspec.structs.replace(known, amount=known.amount + part.amount)
    for name, group in groups.items():
        parts = list(group.values())
        weights = split_of(store, name, parts[0].tax.percentage).weights
        shares = telescope([part.amount for part in parts], weights)
        width, percentage = len(weights), parts[0].tax.percentage
        authorities: list[int] = []
        for at, part in enumerate(parts):
            tax = part.tax
            if not authorities or tax.percentage != percentage:
                percentage = tax.percentage
                authorities = [
                    taxes.authority(
                        name, one.jurisdiction, one.rate, tax.type == INCLUSIVE, one.derived
                    )
                    for one in split_of(store, name, percentage).authorities
                ]
            some = shares[at * width : at * width + width]
            taxes.add(head, part.owner, event, part.base, authorities, some)


def _add_services(sheet: Sheet, sale: Sale, head: int) -> None:
    for part in sale.basket.services:
        sheet.rows["sale_services"].append(
            ServiceRow(
                head=head,
                service_uid=part.charge.uid,
                event=part.event,
                name=part.charge.name,
                is_gratuity=part.charge.type == "AUTO_GRATUITY",
                amount_minor=part.amount,
                tax_minor=sum(tax.amount for tax in part.taxes),
            )
        )


def _add_tenders(sheet: Sheet, order: wire.Order, head: int) -> None:
    """Payments, and the refunds of a return.

    An order that was only refunded later lists those refunds too: they belong to the return order.
    """
    rows = sheet.rows["sale_tenders"]
    kinds = {}
    for tender in order.tenders or ():
        kind = kinds[tender.id] = tender_kind(tender)
        if tender.type == "NO_SALE":
            continue
        rows.append(
            SaleTenderRow(
                head=head,
                tender_id=tender.payment_id or tender.id,
                event="payment",
                tender_type=kind,
                amount_minor=tender.amount_money.amount,
                tip_minor=tender.tip_money.amount if tender.tip_money else 0,
            )
        )
    for refund in (order.refunds or ()) if order.returns else ():
        if refund.status not in {"REJECTED", "FAILED"}:
            rows.append(
                SaleTenderRow(
                    head=head,
                    tender_id=refund.id,
                    event="refund",
                    tender_type=kinds.get(refund.tender_id or "", "refund"),
                    amount_minor=-refund.amount_money.amount,
                    tip_minor=0,
                )
            )


def tender_kind(tender: wire.Tender) -> str:
    """Canonical type of a tender as its sale states it."""
    card = tender.card_details.card if tender.card_details else None
    if card is not None and card.card_brand == GIFT_CARD_BRAND:
        return "gift_card"
    return SALE_TENDERS[tender.type]


def _tender_faults(order: wire.Order) -> list[Finding]:
    return [
        Finding(UNKNOWN_TENDER, f"/tenders/{at}/type", "a means of payment nobody has mapped")
        for at, tender in enumerate(order.tenders or ())
        if tender.type not in SALE_TENDERS
    ]


def number_faults(order: wire.Order) -> list[Finding]:
    """Texts that are no decimal number, and unit prices that do not fit DECIMAL(18,6)."""
    faults = []
    for path, lines in _line_lists(order):
        for at, line in enumerate(lines):
            if not is_decimal(line.quantity):
                faults.append(_not_decimal(f"{path}/{at}/quantity"))
            price = line.base_price_money
            if price and abs(price.amount) * MICRO >= UNIT_MICRO_MAX:
                where = f"{path}/{at}/base_price_money/amount"
                faults.append(Finding(CONTRACT, where, "a unit price of 10^12 or more"))
    for path, taxes in _tax_lists(order):
        for at, tax in enumerate(taxes):
            if tax.percentage is not None and not is_decimal(tax.percentage):
                faults.append(_not_decimal(f"{path}/{at}/percentage"))
    return faults


def _not_decimal(where: str) -> Finding:
    return Finding(CONTRACT, where, "not a number: 12 digits, 6 decimals at most")


def _line_lists(order: wire.Order) -> Iterable[tuple[str, list[wire.Line]]]:
    yield "/line_items", order.line_items or []
    for at, entry in enumerate(order.returns or ()):
        yield f"/returns/{at}/return_line_items", entry.return_line_items or []


def _tax_lists(order: wire.Order) -> Iterable[tuple[str, list[wire.Tax]]]:
    yield "/taxes", order.taxes or []
    for at, entry in enumerate(order.returns or ()):
        yield f"/returns/{at}/return_taxes", entry.return_taxes or []


def source_total_of(order: wire.Order) -> int | None:
    """The vendor's own figure: sale minus return (R-3.1)."""
    if order.net_amounts and order.net_amounts.total_money:
        return order.net_amounts.total_money.amount
    if order.total_money is None:
        return None
    returned = order.return_amounts.total_money if order.return_amounts else None
    return order.total_money.amount - (returned.amount if returned else 0)


def _total_pointer(order: wire.Order) -> str:
    inside = "/net_amounts" if order.net_amounts and order.net_amounts.total_money else ""
    return f"{inside}/total_money/amount"


def customer_of(order: wire.Order) -> str | None:
    """The order's customer, else the first one a tender names."""
    if order.customer_id:
        return order.customer_id
    return next((t.customer_id for t in order.tenders or () if t.customer_id), None)
