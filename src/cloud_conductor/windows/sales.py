"""A sale as far as windows go: where it lies, what it sold, and in which departments. Pure.

A sale is in one window at a time, that of its latest version; what a version changes is retracted
from the old window and told by the new one. A sale whose window was closed (LATE after its end) is
told to the batch layer only (R-22.1): the window stays, and what it lacks is counted as late.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from cloud_conductor.windows.tumbling import LINES, WINDOW_US, start_of

WATERMARK_DELAY_US = 10 * 60 * 1_000_000
LATE_US = 24 * 60 * 60 * 1_000_000

ProductKey = tuple[str, str, str]
"""(source, merchant id, product id); a category is one too."""

SaleKey = tuple[str, str, str]
"""(source, merchant id, sale id)"""

Place = tuple[str, int]
"""(store, start of the window)"""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line that counts as a sale. product_id empty: `department` is what it says of itself."""

    event: str
    product_id: str
    department: str
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int


class Paid(msgspec.Struct, frozen=True, array_like=True):
    """A tender as the sale states it; refunds negative."""

    event: str  # payment | refund
    tender_type: str
    amount_minor: int


class SaleVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a sale. Without lines and tenders when it is not closed (voided)."""

    source: str
    merchant_id: str
    sale_id: str
    version_rank: int
    version_digest: str
    store: str
    business_date: str
    day_start_us: int
    currency: str
    occurred_us: int
    total_minor: int
    lines: tuple[Line, ...] = ()
    tenders: tuple[Paid, ...] = ()

    @property
    def key(self) -> SaleKey:
        return self.source, self.merchant_id, self.sale_id

    @property
    def version(self) -> tuple[int, str]:
        return self.version_rank, self.version_digest

    @property
    def place(self) -> Place:
        return self.store, start_of(self.occurred_us)

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def is_sale(self) -> bool:
        return any(line.event == "sale" for line in self.lines)


class ProductVersion(msgspec.Struct, frozen=True, order=True):
    """What the catalogue said of a product, or of a category (whose name it is), and since when."""

    valid_from_us: int
    department: str
    name: str


class Catalogue:
    """Versions of products by key, for departments as of a sale."""

    def __init__(self, versions: Mapping[ProductKey, Iterable[ProductVersion]]) -> None:
        self._versions = {key: sorted(some) for key, some in versions.items()}

    def department(self, sale: SaleVersion, line: Line) -> str:
        """As the seal enriches it: of the version valid at the sale, else the first; else ''."""
        if not line.product_id:
            return line.department
        product = self._as_of((sale.source, sale.merchant_id, line.product_id), sale.occurred_us)
        if product is None or not product.department:
            return ""
        category = self._as_of(
            (sale.source, sale.merchant_id, product.department), sale.occurred_us
        )
        return category.name if category else ""

    def _as_of(self, key: ProductKey, at_us: int) -> ProductVersion | None:
        versions = self._versions.get(key)
        if not versions:
            return None
        index = bisect_right(versions, at_us, key=lambda one: one.valid_from_us)
        return versions[max(0, index - 1)]


def is_closed(start_us: int, newest_us: int) -> bool:
    """Whether a window takes nothing more: LATE after its end by the watermark."""
    return start_us + WINDOW_US + LATE_US <= watermark(newest_us)


def watermark(newest_us: int) -> int:
    """Up to where windows are final, given the newest event's time."""
    return newest_us - WATERMARK_DELAY_US


def lines_table(sales: Sequence[SaleVersion], catalogue: Catalogue) -> pa.Table:
    """Lines of sales (LINES), each in its department."""
    rows: list[tuple[Any, ...]] = [
        (
            sale.store,
            catalogue.department(sale, line),
            sale.currency,
            sale.occurred_us,
            "\x1f".join(sale.key),
            line.event,
            line.quantity,
            line.gross_minor,
            line.discount_minor,
            line.net_minor,
            line.tax_minor,
        )
        for sale in sales
        for line in sale.lines
    ]
    columns = zip(*rows, strict=True) if rows else ([] for _ in LINES)
    return pa.table([list(column) for column in columns], schema=LINES)
