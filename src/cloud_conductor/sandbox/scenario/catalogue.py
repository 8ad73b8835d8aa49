"""What the seeded chain sells and where: items and prices, stores, zones and taxes.

Prices, costs and tax rates are illustrative. Groceries are exempt. Each store charges one combined
tax; the split by authority is the product's work (R-10.1), so it stands here for the truth only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from fractions import Fraction

CATEGORIES: Mapping[str, str] = {
    "apparel": "Apparel",
    "home": "Home",
    "grocery": "Grocery",
    "cafe": "Café",
    "other": "Other",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing sold by the piece: price and cost in minor units, category as in CATEGORIES."""

    sku: str
    name: str
    category: str
    price_minor: int
    cost_minor: int

    @property
    def taxed(self) -> bool:
        """Whether the stores charge sales tax on it."""
        return self.category != "grocery"


@dataclass(frozen=True, slots=True)
class StorePlan:
    """One store of the chain: opening hours are local; `closes` may lie after midnight."""

    store: str
    city: str
    time_zone: str
    cutoff: time
    opens: time
    closes: time
    tax_name: str
    tax_percent: str
    tax_split: Mapping[str, str]

    @property
    def tax_rate(self) -> Fraction:
        """The combined rate, as an exact fraction of one."""
        return Fraction(self.tax_percent) / 100


ITEMS = (
    Item("APP-TEE", "T-shirt", "apparel", 2500, 1050),
    Item("APP-SOX", "Wool socks, pair", "apparel", 1299, 430),
    Item("APP-CAP", "Cap", "apparel", 1999, 840),
    Item("APP-SCF", "Scarf", "apparel", 2999, 1260),
    Item("APP-JKT", "Rain jacket", "apparel", 8950, 4100),
    Item("HOM-MUG", "Stoneware mug", "home", 1550, 620),
    Item("HOM-TWL", "Linen towel", "home", 2200, 880),
    Item("HOM-CND", "Candle", "home", 3500, 1400),
    Item("HOM-LMP", "Table lamp", "home", 4000, 1600),
    Item("HOM-VAS", "Vase", "home", 2749, 1175),
    Item("GRO-OIL", "Olive oil, 500 ml", "grocery", 1249, 815),
    Item("GRO-HNY", "Honey, 340 g", "grocery", 799, 430),
    Item("GRO-PST", "Pasta, 500 g", "grocery", 349, 212),
    Item("GRO-BOX", "Fruit box", "grocery", 2195, 1499),
    Item("CAF-ESP", "Espresso", "cafe", 325, 62),
    Item("CAF-LAT", "Latte", "cafe", 495, 128),
    Item("CAF-LUN", "Lunch plate", "cafe", 1240, 310),
    Item("CAF-CAK", "Cake of the day", "cafe", 575, 190),
)

_TEMPLATES = (
    StorePlan(
        "NYC",
        "New York",
        "America/New_York",
        time(4),
        time(9),
        time(2, 15),
        "NYC sales tax",
        "8.875",
        {"STATE": "4.000", "CITY": "4.500", "DISTRICT": "0.375"},
    ),
    StorePlan(
        "CHI",
        "Chicago",
        "America/Chicago",
        time(0),
        time(8, 30),
        time(21, 30),
        "Chicago sales tax",
        "10.25",
        {"STATE": "6.25", "CITY": "3.00", "DISTRICT": "1.00"},
    ),
    StorePlan(
        "LAX",
        "Los Angeles",
        "America/Los_Angeles",
        time(2, 30),
        time(10),
        time(23, 45),
        "Los Angeles sales tax",
        "9.75",
        {"STATE": "6.00", "CITY": "1.25", "DISTRICT": "2.50"},
    ),
)


def chain_stores(count: int) -> tuple[StorePlan, ...]:
    """Give `count` stores, dealt round the three cities: NYC01, CHI01, LAX01, NYC02, ..."""
    if not 1 <= count <= 99 * len(_TEMPLATES):
        msg = f"a chain has 1 to {99 * len(_TEMPLATES)} stores, not {count}"
        raise ValueError(msg)
    out = []
    for number in range(count):
        template = _TEMPLATES[number % len(_TEMPLATES)]
        name = f"{template.store}{number // len(_TEMPLATES) + 1:02d}"
        out.append(_named(template, name))
    return tuple(out)


def _named(template: StorePlan, name: str) -> StorePlan:
    return StorePlan(
        name,
        template.city,
        template.time_zone,
        template.cutoff,
        template.opens,
        template.closes,
        template.tax_name,
        template.tax_percent,
        template.tax_split,
    )
