"""Where the seeded chain trades: countries, cities, zones, cut-offs, currencies, taxes.

A country is one Square seller and one set of books, as in life: `stores_of` deals its cities round.
Rates are illustrative. Every country has a tax added to prices and a tax inside prices, so that
baskets mix both (R-10.4); some cities have two taxes on one line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from fractions import Fraction

STORES_MAX = 5_000
SOLD = frozenset({"apparel", "home", "other"})
MENU = frozenset({"cafe"})
FOOD = frozenset({"grocery"})


@dataclass(frozen=True, slots=True)
class Tax:
    """One tax of the POS. split: statutory parts in percent, by filing authority (R-10.1)."""

    name: str
    percent: str
    is_inclusive: bool
    categories: frozenset[str]
    split: Mapping[str, str]

    @property
    def rate(self) -> Fraction:
        """Exact fraction of one."""
        return Fraction(self.percent) / 100


@dataclass(frozen=True, slots=True)
class Place:
    """One store; opening hours are local, `closes` may lie after midnight."""

    store: str
    time_zone: str
    cutoff: time
    opens: time
    closes: time
    taxes: tuple[Tax, ...]
    closed_weekday: int | None = None
    registers: int = 2


@dataclass(frozen=True, slots=True)
class City:
    """What the stores of a city share."""

    code: str
    time_zone: str
    cutoff: time
    opens: time
    closes: time
    taxes: tuple[Tax, ...]
    closed_weekday: int | None = None


@dataclass(frozen=True, slots=True)
class Country:
    """One seller. per_cent: minor units of its currency for one US cent of the price list.

    months: first days. The clocks change on the seventh day of each, a Sunday; Japan's never do.
    cut_zone, cut: when the processor's day ends (R-2.9); None for local midnight. coin: smallest
    coin in minor units (R-4.5).
    """

    code: str
    currency: str
    exponent: int
    per_cent: Fraction
    cities: tuple[City, ...]
    months: tuple[date, ...]
    cut_zone: str | None = None
    cut: time = time(0)
    coin: int = 1
    deducts_inclusive: bool = False

    def amount(self, cents: int) -> int:
        """Price in minor units of an item that costs `cents` US cents."""
        return round(cents * self.per_cent)

    def text(self, minor: int) -> str:
        """Decimal text of an amount of minor units."""
        if not self.exponent:
            return str(minor)
        whole, rest = divmod(abs(minor), 10**self.exponent)
        return f"{'-' if minor < 0 else ''}{whole}.{rest:0{self.exponent}d}"


def _us(city: str, percent: str, parts: Mapping[str, str]) -> tuple[Tax, ...]:
    return (
        Tax(f"{city} sales tax", percent, False, SOLD, parts),
        Tax(f"{city} menu tax", percent, True, MENU, parts),
    )


def _vat(name: str, percent: str, authority: str) -> Tax:
    return Tax(name, percent, True, SOLD | MENU, {authority: percent})


def _levy(percent: str) -> Tax:
    return Tax("City levy", percent, False, MENU, {"LEVY": percent})


_NYC = {"STATE": "4.000", "CITY": "4.500", "DISTRICT": "0.375"}
_CHI = {"STATE": "6.25", "CITY": "3.00", "DISTRICT": "1.00"}
_LAX = {"STATE": "6.00", "CITY": "1.25", "DISTRICT": "2.50"}
_DEN = {"STATE": "2.90", "CITY": "4.81", "DISTRICT": "1.10"}

US = Country(
    "US",
    "USD",
    2,
    Fraction(1),
    (
        City(
            "NYC", "America/New_York", time(4), time(9), time(2, 15), _us("New York", "8.875", _NYC)
        ),
        City(
            "LAX",
            "America/Los_Angeles",
            time(2, 30),
            time(10),
            time(23, 45),
            _us("LA", "9.75", _LAX),
        ),
        City(
            "CHI",
            "America/Chicago",
            time(0),
            time(8, 30),
            time(21, 30),
            _us("Chicago", "10.25", _CHI),
        ),
        City("DEN", "America/Denver", time(3), time(8), time(22), _us("Denver", "8.81", _DEN), 0),
    ),
    (date(2026, 3, 2), date(2026, 10, 26)),
    cut_zone="America/Los_Angeles",
    cut=time(17),
    deducts_inclusive=True,
)
CA = Country(
    "CA",
    "CAD",
    2,
    Fraction(27, 20),
    (
        City(
            "TOR",
            "America/Toronto",
            time(4),
            time(9),
            time(23, 30),
            (
                Tax("HST", "13", False, SOLD, {"FEDERAL": "5", "PROVINCE": "8"}),
                Tax("HST menu", "13", True, MENU, {"FEDERAL": "5", "PROVINCE": "8"}),
            ),
        ),
        City(
            "VAN",
            "America/Vancouver",
            time(0),
            time(8),
            time(21),
            (
                Tax("GST", "5", False, SOLD | MENU, {"FEDERAL": "5"}),
                Tax("PST", "7", False, SOLD, {"PROVINCE": "7"}),
            ),
        ),
        City(
            "STJ",
            "America/St_Johns",
            time(2, 30),
            time(9, 30),
            time(20),
            (Tax("HST Atlantic", "15", False, SOLD | MENU, {"FEDERAL": "5", "PROVINCE": "10"}),),
            1,
        ),
    ),
    (date(2026, 3, 2), date(2026, 10, 26)),
    cut_zone="America/Los_Angeles",
    cut=time(17),
    coin=5,
    deducts_inclusive=True,
)
GB = Country(
    "GB",
    "GBP",
    2,
    Fraction(4, 5),
    (
        City("LON", "Europe/London", time(0), time(9), time(22), (_vat("VAT", "20", "HMRC"),)),
        City(
            "EDI",
            "Europe/London",
            time(5),
            time(10),
            time(1, 30),
            (_vat("VAT", "20", "HMRC"), _levy("2.5")),
        ),
    ),
    (date(2026, 3, 23), date(2026, 10, 19)),
)
IE = Country(
    "IE",
    "EUR",
    2,
    Fraction(9, 10),
    (
        City(
            "DUB",
            "Europe/Dublin",
            time(1, 30),
            time(8),
            time(23),
            (_vat("VAT", "23", "REVENUE"), _levy("1")),
        ),
    ),
    (date(2026, 3, 23), date(2026, 10, 19)),
)
AU = Country(
    "AU",
    "AUD",
    2,
    Fraction(3, 2),
    (
        City(
            "LDH",
            "Australia/Lord_Howe",
            time(2, 15),
            time(8),
            time(20),
            (_vat("GST", "10", "ATO"),),
        ),
        City(
            "SYD",
            "Australia/Sydney",
            time(4),
            time(9),
            time(1),
            (_vat("GST", "10", "ATO"), _levy("1")),
        ),
    ),
    (date(2026, 3, 30), date(2026, 9, 28)),
    coin=5,
)
CL = Country(
    "CL",
    "CLP",
    0,
    Fraction(48, 5),
    (
        City(
            "SCL",
            "America/Santiago",
            time(0),
            time(10),
            time(22),
            (_vat("IVA", "19", "SII"), _levy("1.5")),
        ),
    ),
    (date(2026, 3, 30), date(2026, 8, 31)),
)
JP = Country(
    "JP",
    "JPY",
    0,
    Fraction(3, 2),
    (
        City(
            "TYO",
            "Asia/Tokyo",
            time(5),
            time(9),
            time(2),
            (
                Tax("Consumption tax", "10", False, SOLD, {"NATION": "7.8", "PREFECTURE": "2.2"}),
                Tax("Food tax", "8", True, MENU | FOOD, {"NATION": "6.24", "PREFECTURE": "1.76"}),
            ),
        ),
    ),
    (date(2026, 5, 1),),
    deducts_inclusive=True,
)
COUNTRIES: Mapping[str, Country] = {one.code: one for one in (US, CA, GB, IE, AU, CL, JP)}


def stores_of(country: Country, count: int, *, first_city: int = 0) -> tuple[Place, ...]:
    """Give `count` stores, dealt round the country's cities: NYC0001, LAX0001, CHI0001, ...

    first_city: how many cities are passed over before the first store, counted round.
    """
    if not 1 <= count <= STORES_MAX:
        msg = f"a chain has 1 to {STORES_MAX} stores, not {count}"
        raise ValueError(msg)
    out = []
    for number in range(count):
        city = country.cities[(first_city + number) % len(country.cities)]
        name = f"{city.code}{number // len(country.cities) + 1:04d}"
        registers = 1 + number % 2
        out.append(
            Place(
                name,
                city.time_zone,
                city.cutoff,
                city.opens,
                city.closes,
                city.taxes,
                city.closed_weekday,
                registers,
            )
        )
    return tuple(out)


def dealt(count: int) -> dict[str, int]:
    """Give how many of a chain's stores each country has; every country once it is large enough."""
    codes = list(COUNTRIES)
    return {code: len(range(at, count, len(codes))) for at, code in enumerate(codes) if at < count}
