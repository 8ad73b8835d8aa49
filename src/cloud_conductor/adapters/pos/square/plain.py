"""Orders of the common shape, whole columns at a time: closed, paid, nothing returned or charged.

Nine orders of ten only sell goods. Their figures go from a chunk's typed objects into columns,
with no object per line or row; `orders` does the same one order at a time, and is what these
columns must equal. An order that is unusual, or whose own figures do not agree exactly, is left to
it: nothing is rejected, warned of or adjusted here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from cloud_conductor.adapters.pos.square import wire
from cloud_conductor.adapters.pos.square.basket import (
    INCLUSIVE,
    UNNAMED_CUT,
    UNNAMED_TAX,
    TaxPart,
    tips_of,
)
from cloud_conductor.adapters.pos.square.orders import (
    OWED_KINDS,
    SALE_TENDERS,
    UNIT_MICRO_MAX,
    add_tax_parts,
    customer_of,
    discount_kind,
    line_kind,
    source_total_of,
    tender_kind,
)
from cloud_conductor.adapters.pos.square.rows import (
    MICRO,
    Sheet,
    TaxSheet,
    is_decimal,
    millionths,
)
from cloud_conductor.domain.money import minor_exponent
from cloud_conductor.domain.schemas import QUANTITY
from cloud_conductor.domain.stores import Store

NOT_DECIMAL = -1
QUANTITIES_MAX = 65_536
_CUT_COLUMNS = (
    "head",
    "line_uid",
    "discount_uid",
    "discount_kind",
    "funded_by",
    "amount_minor",
)
_SALE_COLUMNS = (
    "head",
    "currency",
    "channel",
    "customer_id",
    "source_created_at",
    "subtotal_minor",
    "service_minor",
    "tax_minor",
    "tip_minor",
    "rounding_minor",
    "total_minor",
    "source_total_minor",
)
PRICE_MAX = UNIT_MICRO_MAX // MICRO


class _Quantities(dict[str, int]):
    """Quantity text -> millionths; NOT_DECIMAL for what is none."""

    def __missing__(self, text: str) -> int:
        if len(self) >= QUANTITIES_MAX:
            self.clear()
        found = self[text] = millionths(text) if is_decimal(text) else NOT_DECIMAL
        return found


_quantities = _Quantities()


def looks_plain(order: wire.Order) -> bool:
    """Whether an order has none of the parts that only `orders` maps."""
    return (
        order.state == "COMPLETED"
        and not order.returns
        and not order.service_charges
        and order.rounding_adjustment is None
    )


class _Goods(NamedTuple):
    """Figures of an order's lines, each line's in `figures`: see PlainSales."""

    is_merchandise: bool
    figures: list[tuple[int, int, int, int, int, bool]]
    taxes: list[TaxPart]
    cuts: list[tuple[str, wire.Discount, int]]


class PlainSales:
    """Columns of a chunk's plain orders.

    Strings and figures are kept, never the typed objects: a chunk of those does not fit into the
    cache. figures: (net, gross, discount, tax, quantity, is inclusive) a line; texts: (uid,
    product, name, source line) a line.
    """

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.texts: list[tuple[str, str | None, str | None, str | None]] = []
        self.prices: list[int | None] = []
        self.kinds: list[str] = []
        self.figures: list[tuple[int, int, int, int, int, bool]] = []
        self.cuts: list[tuple[int, str, str, str, str, int]] = []
        self.sales: list[tuple[Any, ...]] = []
        self.tenders: list[tuple[int, str, str, int, int]] = []

    def take(self, taxes: TaxSheet, order: wire.Order, store: Store, head: int) -> bool:
        """Add an order; False, and nothing added, when its figures need a closer look."""
        goods, total, tip = _goods(order), source_total_of(order), tips_of(order)
        if goods is None or total is None or total < 0:
            return False
        subtotal = sum([figures[0] for figures in goods.figures])
        tax = sum([part.amount for part in goods.taxes])
        if subtotal + tax + tip != total or not _is_readable(order):
            return False
        lines = order.line_items or ()
        self.heads += [head] * len(lines)
        self.figures += goods.figures
        self.texts += [
            (line.uid, line.catalog_object_id, line.name, line.source_line_item_uid)
            for line in lines
        ]
        unit = MICRO // 10 ** minor_exponent(store.currency)
        self.prices += [
            price.amount * unit if (price := line.base_price_money) is not None else None
            for line in lines
        ]
        if goods.is_merchandise and not store.meanings.lines:
            self.kinds += ["merchandise"] * len(lines)
        else:
            self.kinds += [line_kind(line, store) for line in lines]
        for uid, cut, amount in goods.cuts:
            kind = discount_kind(cut, store)
            funded_by = "vendor" if kind == "vendor" else "store"
            self.cuts.append((head, uid, cut.uid, kind, funded_by, amount))
        if goods.taxes:
            add_tax_parts(taxes, store, head, "sale", goods.taxes)
        self._take_sale(order, store, head, (subtotal, 0, tax, tip, 0, total, total))
        return True

    def _take_sale(
        self, order: wire.Order, store: Store, head: int, amounts: tuple[int, ...]
    ) -> None:
        at = order.closed_at or order.created_at
        channel = order.source.name if order.source else None
        said = (head, store.currency, channel, customer_of(order), at)
        self.sales.append((*said, *amounts))
        for tender in order.tenders or ():
            if tender.type == "NO_SALE":
                continue
            tip = tender.tip_money.amount if tender.tip_money else 0
            name = tender.payment_id or tender.id
            amount = tender.amount_money.amount
            self.tenders.append((head, name, tender_kind(tender), amount, tip))

    def write(self, sheet: Sheet) -> None:
        """Hand the columns to the sheet."""
        if self.sales:
            sheet.add("sales", _sale_columns(self.sales))
        if self.heads:
            sheet.add("sale_lines", self._line_columns())
        if self.cuts:
            cuts = _columns(_CUT_COLUMNS, self.cuts, {"event": "sale"})
            sheet.add("sale_discounts", cuts)
        if self.tenders:
            names = ("head", "tender_id", "tender_type", "amount_minor", "tip_minor")
            sheet.add("sale_tenders", _columns(names, self.tenders, {"event": "payment"}))

    def _line_columns(self) -> dict[str, Any]:
        rows = len(self.heads)
        uid, product, name, source_uid = zip(*self.texts, strict=True)
        net, gross, discount, tax, quantity, inclusive = zip(*self.figures, strict=True)
        texts = pa.nulls(rows, pa.string())
        return {
            "head": self.heads,
            "line_uid": uid,
            "event": pa.repeat("sale", rows),
            "line_kind": self.kinds,
            "is_sale": [kind not in OWED_KINDS for kind in self.kinds],
            "product_id": product,
            "name": name,
            "sku": texts,
            "department": texts,
            "quantity": quantity,
            "unit_price": self.prices,
            "unit_cost": pa.nulls(rows, QUANTITY),
            "price_includes_tax": inclusive,
            "gross_minor": gross,
            "discount_minor": discount,
            "net_minor": net,
            "tax_minor": tax,
            "cost_minor": pa.nulls(rows, pa.int64()),
            "return_of_sale_id": texts,
            "return_of_line_uid": source_uid,
        }


def _goods(order: wire.Order) -> _Goods | None:
    """Figures of an order's lines; None when a line contradicts itself (R-3.1, R-4.1)."""
    taxes = {tax.uid: tax for tax in order.taxes or ()}
    cuts = {cut.uid: cut for cut in order.discounts or ()}
    lines = order.line_items or ()
    found = _Goods("GIFT_CARD" not in [line.item_type for line in lines], [], [], [])
    for line in lines:
        tax = money.amount if (money := line.total_tax_money) is not None else 0
        cut = money.amount if (money := line.total_discount_money) is not None else 0
        net = line.total_money.amount - tax
        inclusive = False
        if tax or line.applied_taxes:
            parts = _tax_parts(line, taxes, net)
            if sum([part.amount for part in parts]) != tax:
                return None
            inclusive = any(part.tax.type == INCLUSIVE for part in parts)
            found.taxes.extend(parts)
        if cut or line.applied_discounts:
            shares = _shares(line, cuts)
            if sum([amount for _, _, amount in shares]) != cut:
                return None
            found.cuts.extend(shares)
        quantity = _quantities[line.quantity]
        gross = net + cut
        stated = line.gross_sales_money
        if net < 0 or quantity < 0 or _is_charged(line):
            return None
        if stated is not None and stated.amount != gross and not inclusive:
            return None
        found.figures.append((net, gross, cut, tax, quantity, inclusive))
    return found if len({line.uid for line in lines}) == len(lines) else None


def _is_charged(line: wire.Line) -> bool:
    """Whether a service charge was spread over the line, or its price is beyond DECIMAL(18,6)."""
    charge, price = line.total_service_charge_money, line.base_price_money
    return (charge is not None and charge.amount != 0) or (
        price is not None and abs(price.amount) >= PRICE_MAX
    )


def _tax_parts(line: wire.Line, taxes: dict[str, wire.Tax], net: int) -> list[TaxPart]:
    return [
        TaxPart(
            line.uid,
            taxes.get(one.tax_uid, UNNAMED_TAX),
            net,
            money.amount if (money := one.applied_money) is not None else 0,
        )
        for one in line.applied_taxes or ()
    ]


def _shares(
    line: wire.Line, cuts: dict[str, wire.Discount]
) -> list[tuple[str, wire.Discount, int]]:
    """(line uid, discount, amount): a line may name one discount twice, and gets one row of it."""
    shares: dict[str, tuple[str, wire.Discount, int]] = {}
    for one in line.applied_discounts or ():
        cut = cuts.get(one.discount_uid, UNNAMED_CUT)
        amount = one.applied_money.amount if one.applied_money is not None else 0
        before = shares.get(cut.uid)
        shares[cut.uid] = (line.uid, cut, amount + (before[2] if before else 0))
    return list(shares.values())


def _is_readable(order: wire.Order) -> bool:
    """Whether the order's tenders are of known types and its percentages decimal numbers."""
    for tender in order.tenders or ():
        if tender.type not in SALE_TENDERS:
            return False
    for tax in order.taxes or ():
        if tax.percentage is not None and not is_decimal(tax.percentage):
            return False
    return True


def _sale_columns(sales: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    texts = pa.nulls(len(sales), pa.string())
    same = {"state": "closed", "clock_suspect": False}
    return {"register": texts, "employee": texts, **_columns(_SALE_COLUMNS, sales, same)}


def _columns(
    names: Sequence[str], rows: Sequence[tuple[Any, ...]], same: dict[str, Any]
) -> dict[str, Any]:
    """Columns of rows of equal shape, and columns of one value."""
    found: dict[str, Any] = dict(zip(names, zip(*rows, strict=True), strict=True))
    return found | {name: pa.repeat(value, len(rows)) for name, value in same.items()}
