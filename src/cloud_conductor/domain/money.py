"""Exact amounts: minor units, currencies, rounding and allocation (R-1.1 to R-1.7)."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import msgspec

from cloud_conductor.domain.errors import UnknownCurrency

# ISO 4217 minor-unit exponents that are not 2. Vendors deviate: each adapter owns its table.
_EXPONENT_0 = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_EXPONENT_3 = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_EXPONENT_4 = frozenset(["CLF", "UYW"])
_EXPONENT_2 = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KPW",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "USD",
        "UYU",
        "UZS",
        "VED",
        "VES",
        "WST",
        "XCD",
        "XCG",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)
EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_EXPONENT_0, 0),
    **dict.fromkeys(_EXPONENT_2, 2),
    **dict.fromkeys(_EXPONENT_3, 3),
    **dict.fromkeys(_EXPONENT_4, 4),
}


class Money(msgspec.Struct, frozen=True, order=False):
    """Exact amount: signed count of the currency's minor units. USD 12.34 is Money(1234, "USD")."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.currency} {major(self.minor, self.currency)}"

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add (R-1.3)")


def minor_exponent(currency: str) -> int:
    """Digits after the point of a currency. Raises UnknownCurrency, never assumes 2 (R-1.2)."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(currency) from None


def to_minor(amount: Decimal, currency: str, rounding: str = ROUND_HALF_EVEN) -> int:
    """Minor units of a major amount, rounded once with the named mode (R-1.5)."""
    scaled = amount.scaleb(minor_exponent(currency))
    return int(scaled.quantize(Decimal(1), rounding=rounding))


def major(minor: int, currency: str) -> str:
    """Plain decimal text of an amount, e.g. `-12.34`; `1234` for JPY."""
    exponent = minor_exponent(currency)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(exponent + 1, "0")
    return (
        f"{sign}{digits}" if exponent == 0 else f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"
    )


def round_half_even(value: Fraction) -> int:
    """Nearest integer, ties to even: the money default (R-1.5)."""
    return round(value)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` minor units by `weights`, losing nothing (R-1.6, INV-02).

    Largest remainder; ties go to the lowest index, so replays give identical results.
    All-zero weights count as equal. Raises ValueError on no weights or a negative one.
    """
    if not weights:
        raise ValueError("allocate needs at least one weight")
    if any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative")
    whole = sum(weights)
    shares_of = list(weights) if whole else [1] * len(weights)
    whole = whole or len(weights)
    sign = -1 if total < 0 else 1
    parts = [divmod(abs(total) * weight, whole) for weight in shares_of]
    out = [quotient for quotient, _ in parts]
    by_remainder = sorted(range(len(out)), key=lambda i: (-parts[i][1], i))
    for index in by_remainder[: abs(total) - sum(out)]:
        out[index] += 1
    return [sign * share for share in out]


def cumulative_share(total: int, before: Fraction, after: Fraction, whole: Fraction) -> int:
    """Amount of units `before..after` of `whole`, so that N parts sum to the whole (R-1.7)."""
    if whole == 0:
        raise ValueError("a share of zero units has no amount")
    return round_half_even(total * after / whole) - round_half_even(total * before / whole)
