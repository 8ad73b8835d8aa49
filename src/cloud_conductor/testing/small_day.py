"""Small days written by hand: a few baskets as tables of `domain.schemas`, for tests and examples.

Amounts are signed minor units as in the tables: returns and refunds negative (R-3.2).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.testing.golden_day import as_table

NOON = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One sale or return line; net = gross - discount."""

    gross: int
    department: str | None = "Home"
    discount: int = 0
    discount_kind: str = "amount"
    funded_by: str = "store"
    kind: str = "merchandise"
    event: str = "sale"
    name: str = "Thing"
    cost: int | None = None


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """One payment or refund; amount with tip. A card settles through `square`."""

    amount: int
    type: str = "card"
    tip: int = 0
    fee: int = 0
    event: str = "payment"
    state: str = "captured"


class Service(msgspec.Struct, frozen=True, kw_only=True):
    amount: int
    name: str = "Alterations"
    is_gratuity: bool = False
    event: str = "sale"


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """One sale. tax: (jurisdiction, amount) pairs."""

    sale_id: str
    lines: tuple[Line, ...] = ()
    tax: tuple[tuple[str, int], ...] = ()
    services: tuple[Service, ...] = ()
    tenders: tuple[Tender, ...] = ()
    tip: int = 0
    rounding: int = 0
    state: str = "closed"

    @property
    def total(self) -> int:
        """Subtotal + service + tax + tips + rounding (R-4)."""
        parts = [line.gross - line.discount for line in self.lines]
        parts += [amount for _, amount in self.tax]
        parts += [service.amount for service in self.services]
        return sum(parts) + self.tip + self.rounding


def small_tables(
    baskets: Sequence[Basket], **more: Sequence[dict[str, Any]]
) -> dict[str, pa.Table]:
    """Every table of a day with these sales; `more` gives rows of other tables by name."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES if name != "products"}
    for basket in baskets:
        for name, row in _rows(basket):
            rows[name].append(row)
    for name, extra in more.items():
        rows[name] += extra
    return {name: as_table(name, found) for name, found in rows.items()}


def _rows(basket: Basket) -> Iterator[tuple[str, dict[str, Any]]]:
    sale = {"sale_id": basket.sale_id}
    service = sum(row.amount for row in basket.services)
    tax = sum(amount for _, amount in basket.tax)
    yield (
        "sales",
        sale
        | {
            "state": basket.state,
            "currency": "USD",
            "occurred_at": NOON,
            "source_created_at": NOON,
            "subtotal_minor": basket.total - service - tax - basket.tip - basket.rounding,
            "service_minor": service,
            "tax_minor": tax,
            "tip_minor": basket.tip,
            "rounding_minor": basket.rounding,
            "total_minor": basket.total,
            "source_total_minor": basket.total,
        },
    )
    for n, line in enumerate(basket.lines):
        yield from _line_rows(sale | {"line_uid": f"L{n}", "event": line.event}, line)
    for jurisdiction, amount in basket.tax:
        yield (
            "sale_taxes",
            sale
            | {
                "line_uid": "L0",
                "event": "sale" if amount >= 0 else "return",
                "tax_name": "Sales tax",
                "jurisdiction": jurisdiction,
                "amount_minor": amount,
            },
        )
    for n, row in enumerate(basket.services):
        yield (
            "sale_services",
            sale
            | {
                "service_uid": f"V{n}",
                "event": row.event,
                "name": row.name,
                "is_gratuity": row.is_gratuity,
                "amount_minor": row.amount,
            },
        )
    for n, tender in enumerate(basket.tenders):
        yield from _tender_rows(sale | {"tender_id": f"T-{basket.sale_id}-{n}"}, tender)


def _line_rows(head: dict[str, Any], line: Line) -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        "sale_lines",
        head
        | {
            "line_kind": line.kind,
            "is_sale": line.kind == "merchandise",
            "name": line.name,
            "department": line.department,
            "gross_minor": line.gross,
            "discount_minor": line.discount,
            "net_minor": line.gross - line.discount,
            "cost_minor": line.cost,
        },
    )
    if line.discount:
        yield (
            "sale_discounts",
            head
            | {
                "discount_uid": "D",
                "discount_kind": line.discount_kind,
                "funded_by": line.funded_by,
                "amount_minor": line.discount,
            },
        )


def _tender_rows(head: dict[str, Any], tender: Tender) -> Iterator[tuple[str, dict[str, Any]]]:
    head = head | {"event": tender.event, "tender_type": tender.type}
    yield "sale_tenders", head | {"amount_minor": tender.amount, "tip_minor": tender.tip}
    yield (
        "tenders",
        head
        | {
            "processor": "square" if tender.type in ("card", "wallet", "bnpl") else "",
            "state": tender.state,
            "currency": "USD",
            "amount_minor": tender.amount - tender.tip,
            "tip_minor": tender.tip,
            "fee_minor": tender.fee,
            "occurred_at": NOON,
        },
    )
