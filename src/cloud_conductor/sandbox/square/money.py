"""Exact money arithmetic of the simulated Square: fractions, rounded half to even once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.square.errors import invalid

Json = dict[str, Any]

NICKEL_CURRENCIES = frozenset({"AUD", "CAD", "CHF"})
"""Currencies whose smallest coin is 5 minor units: cash payments round to it (R-4.5)."""


def half_even(value: Fraction) -> int:
    """Nearest integer, ties to even ("bankers' rounding", Square: Order price adjustments)."""
    return round(value)


def allocate(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Split `total` by non-negative weights with the largest-remainder method (R-1.6).

    Ties go to the lowest index; all-zero weights split evenly. Nothing is lost.
    """
    if not weights:
        msg = "nothing to allocate over"
        raise ValueError(msg)
    sign, amount = (-1 if total < 0 else 1), abs(total)
    whole = sum(weights)
    shares = [
        Fraction(amount) * w / whole if whole else Fraction(amount, len(weights)) for w in weights
    ]
    out = [share.numerator // share.denominator for share in shares]
    by_remainder = sorted(range(len(out)), key=lambda i: (out[i] - shares[i], i))
    for i in by_remainder[: amount - sum(out)]:
        out[i] += 1
    return [sign * part for part in out]


def part_of(total: int, *, before: Fraction, now: Fraction, whole: Fraction) -> int:
    """Amount of the units `before`..`before + now` of `whole`, so that parts sum to it (R-1.7)."""
    return half_even(total * (before + now) / whole) - half_even(total * before / whole)


def nickel(amount: int) -> int:
    """Nearest multiple of 5 minor units, ties to even."""
    return 5 * half_even(Fraction(amount, 5))


def money(amount: int, currency: str) -> Json:
    """Square's Money object."""
    return {"amount": amount, "currency": currency}


def amount_of(value: Any, currency: str, field: str) -> int:
    """Minor units of a Money object in a request; refuses other types and currencies."""
    if not isinstance(value, dict):
        raise invalid("EXPECTED_OBJECT", f"Expected a Money object at {field}.", field)
    amount = value.get("amount", 0)
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise invalid("EXPECTED_INTEGER", f"Expected an integer at {field}.amount.", field)
    given = value.get("currency", currency)
    if given != currency:
        raise invalid("CURRENCY_MISMATCH", f"Expected {currency}, not {given}.", field)
    return amount


def decimal_of(value: Any, field: str) -> Fraction:
    """Exact value of a decimal text such as a quantity or a percentage."""
    if isinstance(value, str):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            pass
    raise invalid("INVALID_VALUE", f"`{value}` is not a decimal number.", field)
