"""R-1.1 to R-1.7 with the guide's own figures, typed by hand."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import msgspec
import pytest

from cloud_conductor.domain.errors import UnknownCurrency
from cloud_conductor.domain.money import (
    EXPONENTS,
    Money,
    allocate,
    cumulative_share,
    major,
    minor_exponent,
    round_half_even,
    to_minor,
)


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (1000, [1000, 1000, 1000], [334, 333, 333]),  # USD 10.00 over 10.00/10.00/10.00
        (500, [1999, 501, 99], [385, 96, 19]),  # USD 5.00 over 19.99/5.01/0.99
        (100, [1, 1, 1], [34, 33, 33]),  # JPY 100 over 1:1:1
        (1000, [1, 2, 4], [143, 286, 571]),  # KWD 1.000 over 1:2:4
        (-100, [1, 1, 1], [-34, -33, -33]),  # USD -1.00, mirror of the positive
        (655, [5000, 1550], [500, 155]),  # O1 of the golden day: 10 % over apparel and home
        (523, [4000, 4500, 375], [236, 265, 22]),  # O1's tax over STATE, CITY, DISTRICT
        (10000, [100, 5], [9524, 476]),  # loyalty points as a material right
    ],
)
def test_allocation_gives_the_shares_of_r_1_6(total, weights, shares):
    assert allocate(total, weights) == shares


def test_weights_that_are_all_zero_count_as_equal():
    assert allocate(100, [0, 0, 0]) == [34, 33, 33]


def test_a_zero_weight_beside_others_gets_nothing():
    assert allocate(7, [0, 1, 0]) == [0, 7, 0]


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_no_weights_or_a_negative_one_is_refused(weights):
    with pytest.raises(ValueError):
        allocate(100, weights)


@pytest.mark.parametrize(
    ("exponent", "currencies"),
    [
        (0, ["JPY", "KRW", "VND", "CLP", "ISK", "UGX"]),
        (2, ["USD", "EUR", "GBP", "CAD", "AUD", "CHF", "MXN", "NOK"]),
        (3, ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
        (4, ["CLF", "UYW"]),
    ],
)
def test_each_currency_has_the_exponent_of_r_1_2(exponent, currencies):
    assert {minor_exponent(currency) for currency in currencies} == {exponent}


@pytest.mark.parametrize("currency", ["XTS", "usd", "", "BTC", "XXX", "US"])
def test_an_unknown_currency_never_means_two_digits(currency):
    with pytest.raises(UnknownCurrency, match=r"R-1\.2"):
        minor_exponent(currency)


def test_every_listed_currency_is_three_capital_letters():
    assert all(c.isascii() and c.isupper() and len(c) == 3 for c in EXPONENTS)


def test_amounts_of_one_currency_add_and_subtract():
    price, tip = Money(1240, "USD"), Money(250, "USD")
    assert price + tip == Money(1490, "USD")
    assert price - tip == Money(990, "USD")
    assert -tip == Money(-250, "USD")


@pytest.mark.parametrize("add", [lambda a, b: a + b, lambda a, b: a - b])
def test_different_currencies_never_add_not_even_with_zero(add):
    with pytest.raises(ValueError, match=r"R-1\.3"):
        add(Money(0, "USD"), Money(0, "EUR"))


def test_an_amount_cannot_be_changed():
    with pytest.raises(AttributeError):
        Money(1, "USD").minor = 2


def test_an_amount_is_never_a_float():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"minor": 12.34, "currency": "USD"}, Money)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1234, "USD", "12.34"),
        (-1234, "USD", "-12.34"),
        (5, "USD", "0.05"),
        (-5, "USD", "-0.05"),
        (0, "USD", "0.00"),
        (1234, "JPY", "1234"),
        (-7, "JPY", "-7"),
        (1234, "KWD", "1.234"),
        (12345, "CLF", "1.2345"),
    ],
)
def test_an_amount_is_written_with_its_currency_s_digits(minor, currency, text):
    assert major(minor, currency) == text
    assert str(Money(minor, currency)) == f"{currency} {text}"


@pytest.mark.parametrize(
    ("amount", "mode", "minor"),
    [
        ("0.125", ROUND_HALF_EVEN, 12),
        ("0.135", ROUND_HALF_EVEN, 14),
        ("0.125", ROUND_HALF_UP, 13),
        ("-0.125", ROUND_HALF_EVEN, -12),
        ("12.34", ROUND_HALF_EVEN, 1234),
    ],
)
def test_rounding_follows_the_mode_in_the_call(amount, mode, minor):
    assert to_minor(Decimal(amount), "USD", mode) == minor


def test_a_major_amount_meets_the_exponent_of_its_currency():
    assert to_minor(Decimal("1.2345"), "KWD") == 1234
    assert to_minor(Decimal("1234.5"), "JPY") == 1234
    assert to_minor(Decimal("1235.5"), "JPY") == 1236


@pytest.mark.parametrize(
    ("price", "rate", "net", "tax"),
    [
        (262063, Fraction(20, 100), 218386, 43677),  # GBP 2,620.63 incl. 20 %
        (999, Fraction(20, 100), 832, 167),  # three such lines have 5.01 by line
    ],
)
def test_inclusive_tax_is_net_first(price, rate, net, tax):
    found = round_half_even(price / (1 + rate))
    assert (found, price - found) == (net, tax)


def test_tax_of_three_units_is_refunded_one_by_one_as_r_1_7_says():
    parts = [cumulative_share(209, Fraction(k), Fraction(k + 1), Fraction(3)) for k in range(3)]
    assert parts == [70, 69, 70]


def test_a_share_of_zero_units_is_refused():
    with pytest.raises(ValueError):
        cumulative_share(100, Fraction(0), Fraction(1), Fraction(0))
