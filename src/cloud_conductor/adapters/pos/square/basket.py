"""The sides of a Square order as signed amounts: what was sold, and what came back (R-3.2, R-4).

Docs: Square developer guide "Order price adjustments"; API reference Order, OrderReturn.
Everything here is a number in minor units; rows are made in `orders`.
"""

from collections.abc import Mapping

import msgspec

from cloud_conductor.adapters.pos.square import wire
from cloud_conductor.domain.findings import ARITHMETIC, CONTRACT, Finding

INCLUSIVE = "INCLUSIVE"
APPORTIONED = "APPORTIONED_"


class TaxPart(msgspec.Struct, gc=False):
    """One tax on one line or charge. amount is signed, and adjusted once if R-4.4 explains it."""

    owner: str
    tax: wire.Tax
    base: int
    amount: int


class LinePart(msgspec.Struct, gc=False):
    """One line in signed minor units; net of tax in any tax regime (R-10.4)."""

    line: wire.Line
    event: str
    gross: int
    discount: int
    net: int
    inclusive: bool
    taxes: list[TaxPart]
    cuts: list[tuple[wire.Discount, int]]
    return_of: str | None


class ServicePart(msgspec.Struct, gc=False):
    """One service charge, net of tax, signed."""

    charge: wire.ServiceCharge
    event: str
    amount: int
    taxes: list[TaxPart]


class Basket(msgspec.Struct, gc=False):
    """All sides of an order together. tip and rounding are net of what was returned."""

    lines: list[LinePart]
    services: list[ServicePart]
    tip: int
    rounding: int
    faults: list[Finding]
    subtotal: int = 0
    service: int = 0
    tax: int = 0

    def taxes(self) -> list[TaxPart]:
        """Every tax part, lines first, sales before returns."""
        found = [part for line in self.lines for part in line.taxes]
        return found + [part for service in self.services for part in service.taxes]

    @property
    def total(self) -> int:
        """Subtotal + service + tax + tips + rounding (§4)."""
        return self.subtotal + self.service + self.tax + self.tip + self.rounding

    def add_up(self) -> None:
        """Fill the sums from the parts."""
        self.subtotal = sum([line.net for line in self.lines])
        self.service = sum([service.amount for service in self.services])
        self.tax = sum([part.amount for part in self.taxes()])

    def adjust_tax(self, difference: int) -> None:
        """Put a rounding difference on the largest tax part, the first of equals (R-4.4)."""
        max(self.taxes(), key=lambda part: abs(part.amount)).amount += difference
        self.tax += difference


def basket_of(order: wire.Order) -> Basket:
    """The order's sides; `faults` are lines whose own figures contradict each other (R-3.1)."""
    basket = Basket([], [], tips_of(order), _cents(_rounding(order.rounding_adjustment)), [])
    taxes, cuts = _by_uid(order.taxes), _cuts_by_uid(order.discounts)
    for at, line in enumerate(order.line_items or ()):
        part = _line(line, taxes, cuts, sign=1, return_of=None)
        basket.lines.append(part)
        if fault := _fault(part, f"/line_items/{at}"):
            basket.faults.append(fault)
    for charge in order.service_charges or ():
        basket.services.append(_service(charge, taxes, sign=1))
    for at, entry in enumerate(order.returns or ()):
        _add_return(basket, entry, f"/returns/{at}")
    _check_uids(basket)
    basket.add_up()
    return basket


def _add_return(basket: Basket, entry: wire.Return, path: str) -> None:
    taxes, cuts = _by_uid(entry.return_taxes), _cuts_by_uid(entry.return_discounts)
    for at, line in enumerate(entry.return_line_items or ()):
        part = _line(line, taxes, cuts, sign=-1, return_of=entry.source_order_id)
        basket.lines.append(part)
        if fault := _fault(part, f"{path}/return_line_items/{at}"):
            basket.faults.append(fault)
    for charge in entry.return_service_charges or ():
        basket.services.append(_service(charge, taxes, sign=-1))
    basket.tip -= sum(_cents(tip.applied_money) for tip in entry.return_tips or ())
    basket.rounding -= _cents(_rounding(entry.rounding_adjustment))


def _line(
    line: wire.Line,
    taxes: Mapping[str, wire.Tax],
    cuts: Mapping[str, wire.Discount],
    *,
    sign: int,
    return_of: str | None,
) -> LinePart:
    """Net = total - tax - apportioned service: true for exclusive, inclusive and mixed lines.

    Square deducts an inclusive tax from `gross_sales_money` in some countries and leaves it in
    elsewhere; so gross is taken back from the net (R-4.3, R-10.4).
    """
    tax = _cents(line.total_tax_money)
    net = sign * (line.total_money.amount - tax - _cents(line.total_service_charge_money))
    discount = sign * _cents(line.total_discount_money)
    parts = _tax_parts(line.uid, line.applied_taxes, taxes, tax, net, sign)
    inclusive = False
    for part in parts:
        inclusive = inclusive or part.tax.type == INCLUSIVE
    applied = (
        _applied_cuts(line, cuts, discount, sign) if line.applied_discounts or discount else []
    )
    event = "sale" if sign > 0 else "return"
    return LinePart(
        line, event, net + discount, discount, net, inclusive, parts, applied, return_of
    )


def _tax_parts(
    owner: str,
    applied: list[wire.Applied] | None,
    taxes: Mapping[str, wire.Tax],
    total: int,
    base: int,
    sign: int,
) -> list[TaxPart]:
    if not applied:
        return [TaxPart(owner, UNNAMED_TAX, base, sign * total)] if total else []
    return [
        TaxPart(owner, taxes.get(one.tax_uid, UNNAMED_TAX), base, sign * _cents(one.applied_money))
        for one in applied
    ]


UNNAMED_TAX = wire.Tax(uid="", name="Tax")
UNNAMED_CUT = wire.Discount(uid="", name="Discount")


def _applied_cuts(
    line: wire.Line, cuts: Mapping[str, wire.Discount], discount: int, sign: int
) -> list[tuple[wire.Discount, int]]:
    if not line.applied_discounts:
        return [(UNNAMED_CUT, discount)] if discount else []
    return [
        (cuts.get(one.discount_uid, UNNAMED_CUT), sign * _cents(one.applied_money))
        for one in line.applied_discounts
    ]


def _service(
    charge: wire.ServiceCharge, taxes: Mapping[str, wire.Tax], *, sign: int
) -> ServicePart:
    """A charge net of its tax. Apportioned charges are taxed on the lines they are spread over."""
    applied, tax = _cents(charge.applied_money), _cents(charge.total_tax_money)
    if (charge.calculation_phase or "").startswith(APPORTIONED):
        return ServicePart(charge, "sale" if sign > 0 else "return", sign * applied, [])
    whole = charge.total_money.amount if charge.total_money else applied + tax
    amount = sign * (whole - tax)
    parts = _tax_parts(charge.uid, charge.applied_taxes, taxes, tax, amount, sign)
    return ServicePart(charge, "sale" if sign > 0 else "return", amount, parts)


def _fault(part: LinePart, path: str) -> Finding | None:
    """What a line's own figures contradict: R-4.1 and §4, with the sums shown."""
    line = part.line
    given = line.gross_sales_money if part.event == "sale" else line.gross_return_money
    if part.event == "sale" and part.net < 0:
        return Finding(
            ARITHMETIC,
            f"{path}/total_money/amount",
            f"gross {part.gross} - discount {part.discount} = {part.net}, negative (R-4.1)",
        )
    if given is not None and not part.inclusive and given.amount != abs(part.gross):
        return Finding(
            ARITHMETIC,
            f"{path}/total_money/amount",
            f"total {line.total_money.amount} - tax {_cents(line.total_tax_money)}"
            f" + discount {abs(part.discount)} = {abs(part.gross)}, not gross {given.amount} (R-3.1)",
        )
    if part.discount != sum([amount for _, amount in part.cuts]):
        return Finding(
            ARITHMETIC,
            f"{path}/total_discount_money/amount",
            f"applied discounts do not sum to {abs(part.discount)} (R-3.1)",
        )
    return None


def _check_uids(basket: Basket) -> None:
    """A uid used twice would hide a line: rows are keyed by it (§3)."""
    owners = [(part.event, part.line.uid) for part in basket.lines]
    owners += [(part.event, part.charge.uid) for part in basket.services]
    if len(set(owners)) != len(owners):
        basket.faults.append(Finding(CONTRACT, "/line_items", "a line's uid is used twice"))


def tips_of(order: wire.Order) -> int:
    """Tips of an order: its own total, else what its tenders say."""
    if order.total_tip_money is not None:
        return order.total_tip_money.amount
    return sum(_cents(tender.tip_money) for tender in order.tenders or ())


def _rounding(adjustment: wire.Rounding | None) -> wire.Money | None:
    return adjustment.amount_money if adjustment else None


def _by_uid(taxes: list[wire.Tax] | None) -> dict[str, wire.Tax]:
    return {tax.uid: tax for tax in taxes or ()}


def _cuts_by_uid(cuts: list[wire.Discount] | None) -> dict[str, wire.Discount]:
    return {cut.uid: cut for cut in cuts or ()}


def _cents(money: wire.Money | None) -> int:
    return money.amount if money is not None else 0
