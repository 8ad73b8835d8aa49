"""Movements of stock: what a sale's versions move, and what a count corrects. Pure (R-11.1 to R-11.9).

Quantities are exact integers in millionths of a unit; what leaves is negative. A sale has one state
in stock at a time: that of its latest version. A new version moves only what differs from what the
earlier ones moved, so the sum does not depend on which versions were seen, or in which order.
"""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

MILLION = 1_000_000
TRANSIT = "~transit"
"""The store of what is on its way: out of one place and not yet in another (R-11.8)."""

Kind = Literal[
    "sale",
    "return",
    "void",
    "correction",
    "receipt",
    "count",
    "adjustment",
    "transfer_out",
    "transfer_in",
    "transit",
]
Line = tuple[str, str, int]
"""(store, product id, quantity moved)"""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One change of stock at one place. movement_id: the same act gives the same id (R-11.2).

    sku empty: not known yet, see `product_id`. reference: the sale, transfer, receipt or count.
    """

    movement_id: str
    kind: Kind
    store: str
    quantity: int
    occurred_us: int
    reference: str
    sku: str = ""
    source: str = ""
    merchant_id: str = ""
    product_id: str = ""
    name: str = ""
    line_uid: str = ""
    log_seq: int = 0
    author: str = ""
    reason: str = ""


class SaleVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a sale as far as stock goes. lines: key of a line -> what it moves."""

    source: str
    merchant_id: str
    sale_id: str
    version_rank: int
    version_digest: str
    occurred_us: int
    log_seq: int
    is_void: bool
    lines: Mapping[str, Line]
    names: Mapping[str, str]

    @property
    def version(self) -> tuple[int, str]:
        return self.version_rank, self.version_digest

    @property
    def key(self) -> tuple[str, str, str]:
        return self.source, self.merchant_id, self.sale_id


def movement_id(*parts: object) -> str:
    """A stable id: the same parts give the same, on any machine."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def micro(quantity: Decimal) -> int:
    """A quantity in millionths. Raises ValueError for one that has more than six decimals."""
    scaled = quantity * MILLION
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{quantity} has more than six decimals")
    return int(scaled)


def text(quantity: int) -> str:
    """Millionths as decimal text without needless zeros: 1250000 is `1.25`."""
    whole, rest = divmod(abs(quantity), MILLION)
    sign = "-" if quantity < 0 else ""
    return f"{sign}{whole}.{rest:06d}".rstrip("0").rstrip(".")


def of_sale(sale: SaleVersion, before: Mapping[str, Line]) -> list[Movement]:
    """What takes stock from the earlier versions (`before`: what they moved) to this one."""
    found: list[Movement] = []
    for key in sorted({*before, *sale.lines}):
        had, has = before.get(key), sale.lines.get(key)
        if had is not None and has is not None and had[:2] == has[:2]:
            steps = [(has[0], has[1], has[2] - had[2], "change")]
        else:
            steps = []
            if had is not None:
                steps.append((had[0], had[1], -had[2], "undo"))
            if has is not None:
                steps.append((has[0], has[1], has[2], "do"))
        found += [
            Movement(
                movement_id=movement_id(
                    sale.source, sale.merchant_id, sale.sale_id, key, *sale.version, step
                ),
                kind=_kind(key, sale, is_first=had is None),
                store=store,
                quantity=quantity,
                occurred_us=sale.occurred_us,
                reference=sale.sale_id,
                source=sale.source,
                merchant_id=sale.merchant_id,
                product_id=product_id,
                name=sale.names.get(product_id, ""),
                line_uid=key,
                log_seq=sale.log_seq,
            )
            for store, product_id, quantity, step in steps
            if quantity
        ]
    return found


def count_correction(late: Movement, count_id: str, counted_us: int) -> Movement:
    """What keeps a count true when a movement from before it comes to light after it (R-11.9).

    The counted goods had felt it already: it is taken back at the instant of the count.
    """
    return Movement(
        movement_id=movement_id("count", count_id, late.movement_id),
        kind="count",
        store=late.store,
        sku=late.sku,
        quantity=-late.quantity,
        occurred_us=counted_us,
        reference=count_id,
        source=late.source,
        product_id=late.product_id,
        author="service:inventory",
        reason=f"was before the count: {late.kind} {late.reference}",
    )


def on_hand(movements: Iterable[Movement]) -> dict[tuple[str, str], int]:
    """Sum by (SKU, store): what a snapshot must equal (INV-13). Negative is shown (R-11.3)."""
    sums: dict[tuple[str, str], int] = {}
    for one in movements:
        key = (one.sku, one.store)
        sums[key] = sums.get(key, 0) + one.quantity
    return sums


def _kind(key: str, sale: SaleVersion, *, is_first: bool) -> Kind:
    if sale.is_void:
        return "void"
    if not is_first:
        return "correction"
    return "return" if key.startswith("return:") else "sale"
