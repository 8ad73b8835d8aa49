"""A sale of an export in minor units: signed sides that add up to its total, or findings (R-4)."""

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from cloud_conductor.adapters.pos.files import wire
from cloud_conductor.domain.findings import ARITHMETIC, CONTRACT, Finding
from cloud_conductor.domain.money import minor_exponent, to_minor

AMOUNT_MAX = Decimal(10) ** 12  # major units: beyond it a cell is an error, not an amount
SCALE = 6  # digits of a quantity, a unit price and a cost


class LinePart(msgspec.Struct, gc=False):
    """One line in signed minor units, net of tax (R-10.4). uid: its own, or its place."""

    line: wire.Line
    uid: str
    event: str
    gross: int
    discount: int
    tax: int

    @property
    def net(self) -> int:
        return self.gross - self.discount


class ServicePart(msgspec.Struct, gc=False):
    service: wire.Service
    uid: str
    amount: int
    tax: int


class TenderPart(msgspec.Struct, gc=False):
    """amount with tip, signed; a refund is negative."""

    tender: wire.Tender
    tender_id: str
    event: str
    amount: int
    tip: int
    fee: int
    cash_given: int | None


class Basket(msgspec.Struct):
    """All sides of a sale. warning: a tax rounding that R-4.4 explains was taken in."""

    lines: list[LinePart]
    services: list[ServicePart]
    tenders: list[TenderPart]
    rounding: int
    total: int
    warning: Finding | None = None

    @property
    def subtotal(self) -> int:
        return sum(part.net for part in self.lines)

    @property
    def service(self) -> int:
        return sum(part.amount for part in self.services)

    @property
    def tax(self) -> int:
        return sum(part.tax for part in self.taxed())

    def taxed(self) -> list[LinePart | ServicePart]:
        """Lines and services, lines first."""
        return [*self.lines, *self.services]

    @property
    def tip(self) -> int:
        return sum(part.tip for part in self.tenders)


class _Wrong(Exception):  # ends here as a finding
    def __init__(self, pointer: str, message: str, code: str = CONTRACT) -> None:
        super().__init__(message)
        self.finding = Finding(code, pointer, message)


def basket_of(sale: wire.Sale, currency: str) -> Basket | Finding:
    """The sale's sides, checked: lines + services + tax + tips + rounding = total = tenders."""
    try:
        basket = _read(sale, currency)
        if sale.state == "closed":
            _check_ids(basket)
            _settle(basket)
    except _Wrong as wrong:
        return wrong.finding
    return basket


def _read(sale: wire.Sale, currency: str) -> Basket:
    if sale.state == "voided":
        return Basket([], [], [], 0, _minor(sale.total, currency, "/total"))
    return Basket(
        lines=[_line(line, at, currency) for at, line in enumerate(sale.lines)],
        services=[_service(one, at, currency) for at, one in enumerate(sale.services)],
        tenders=[_tender(sale, one, at, currency) for at, one in enumerate(sale.tenders)],
        rounding=_minor(sale.rounding, currency, "/rounding"),
        total=_minor(sale.total, currency, "/total"),
    )


def _line(line: wire.Line, at: int, currency: str) -> LinePart:
    where = f"/lines/{at}"
    for name in ("quantity", "unit_price", "unit_cost", "tax_rate"):
        _check_scale(getattr(line, name), f"{where}/{name}")
    if not line.quantity:
        raise _Wrong(f"{where}/quantity", "a line has a quantity")
    sign = 1 if line.quantity > 0 else -1
    gross = _gross(line, where, currency)
    discount = _sided(line.discount, sign, currency, f"{where}/discount")
    tax = _sided(line.tax, sign, currency, f"{where}/tax")
    if line.price_includes_tax:
        gross -= tax
    if (gross - discount) * sign < 0:
        shown = f"gross {gross} - discount {discount} is on the wrong side of zero (R-4.1)"
        raise _Wrong(f"{where}/discount", shown, ARITHMETIC)
    event = "sale" if sign > 0 else "return"
    return LinePart(line, line.line_id or str(at), event, gross, discount, tax)


def _gross(line: wire.Line, where: str, currency: str) -> int:
    """As given, with the quantity's sign; else quantity x unit price, rounded once (R-4)."""
    if line.gross is not None:
        given = _minor(line.gross, currency, f"{where}/gross")
        if given < 0 < line.quantity:
            raise _Wrong(f"{where}/gross", "a sale line's gross is not negative", ARITHMETIC)
        return abs(given) if line.quantity > 0 else -abs(given)
    if line.unit_price is None:
        raise _Wrong(where, "a line has a gross or a unit_price")
    if line.unit_price < 0:
        raise _Wrong(f"{where}/unit_price", "a price is not negative: returns have the quantity's")
    exact = line.quantity * line.unit_price
    _check_size(exact, f"{where}/unit_price")
    return to_minor(exact, currency, ROUND_HALF_EVEN)


def _service(service: wire.Service, at: int, currency: str) -> ServicePart:
    where = f"/services/{at}"
    _check_scale(service.tax_rate, f"{where}/tax_rate")
    amount = _minor(service.amount, currency, f"{where}/amount")
    return ServicePart(
        service, f"service-{at}", amount, _minor(service.tax, currency, f"{where}/tax")
    )


def _tender(sale: wire.Sale, tender: wire.Tender, at: int, currency: str) -> TenderPart:
    where = f"/tenders/{at}"
    amount = _minor(tender.amount, currency, f"{where}/amount")
    tip = _minor(tender.tip, currency, f"{where}/tip")
    if abs(tip) > abs(amount) or tip * amount < 0:
        raise _Wrong(f"{where}/tip", "a tip is a part of its tender's amount", ARITHMETIC)
    given = tender.cash_given
    return TenderPart(
        tender=tender,
        tender_id=tender.tender_id or f"{sale.sale_id}/{at}",
        event="payment" if amount >= 0 else "refund",
        amount=amount,
        tip=tip,
        fee=_minor(tender.fee, currency, f"{where}/fee"),
        cash_given=None if given is None else _minor(given, currency, f"{where}/cash_given"),
    )


def _settle(basket: Basket) -> None:
    """Agree with the export's total, exactly or as its tax rounding explains (R-3.1, R-4.4)."""
    parts = [part for part in basket.taxed() if part.tax]
    added = basket.subtotal + basket.service + basket.tax + basket.tip + basket.rounding
    difference = basket.total - added
    shown = (
        f"lines {basket.subtotal} + service {basket.service} + tax {basket.tax} + tips {basket.tip}"
        f" + rounding {basket.rounding} = {added}, the export says {basket.total}"
    )
    if abs(difference) > len(parts):
        raise _Wrong("/total", f"{shown}: difference {difference} (R-3.1)", ARITHMETIC)
    paid = sum(part.amount for part in basket.tenders)
    if paid != basket.total:
        message = f"tenders add up to {paid}, the total is {basket.total} (INV-04)"
        raise _Wrong("/tenders", message, ARITHMETIC)
    if difference:
        max(parts, key=lambda part: abs(part.tax)).tax += difference
        message = f"{shown}; the export's total was kept (R-4.4)"
        basket.warning = Finding(ARITHMETIC, "/total", message, "warning")


def _check_ids(basket: Basket) -> None:
    """An id used twice would hide a line or a tender: rows are keyed by it (§3)."""
    lines = [(part.event, part.uid) for part in basket.lines]
    tenders = [(part.event, part.tender_id) for part in basket.tenders]
    for ids, pointer in ((lines, "/lines"), (tenders, "/tenders")):
        if len(set(ids)) != len(ids):
            raise _Wrong(pointer, "an id is used twice in one sale")


def _sided(value: Decimal, sign: int, currency: str, where: str) -> int:
    """An amount on its line's side; a return's may be written with either sign."""
    minor = _minor(value, currency, where)
    if sign > 0 and minor < 0:
        raise _Wrong(where, "negative on a sale line", ARITHMETIC)
    return sign * abs(minor)


def _minor(value: Decimal, currency: str, where: str) -> int:
    """An amount given by the export, exactly: it is never rounded (R-1.1)."""
    _check_size(value, where)
    minor = to_minor(value, currency)
    if Decimal(minor).scaleb(-minor_exponent(currency)) != value:
        raise _Wrong(where, f"{value} has more digits than {currency} has")
    return minor


def _check_size(value: Decimal, where: str) -> None:
    if not value.is_finite() or abs(value) >= AMOUNT_MAX:
        raise _Wrong(where, "not a number below 10^12")


def _check_scale(value: Decimal | None, where: str) -> None:
    if value is None:
        return
    _check_size(value, where)
    if value != round(value, SCALE):
        raise _Wrong(where, f"more than {SCALE} digits after the point")


def tax_parts(basket: Basket) -> Iterator[tuple[str, str, wire.Line | wire.Service, int, int]]:
    """(owner uid, event, owner, base, amount) of every tax, lines first."""
    for part in basket.lines:
        if part.tax:
            yield part.uid, part.event, part.line, part.net, part.tax
    for one in basket.services:
        if one.tax:
            yield one.uid, "sale" if one.amount >= 0 else "return", one.service, one.amount, one.tax
