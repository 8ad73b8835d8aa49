from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.sandbox.scenario.daybook import (
    DayBook,
    DrawerCount,
    Goods,
    PayoutMeant,
    Receipt,
    StoreMeant,
    card_fee,
    part_returned,
    shares,
)

NYC_TAX = {"NYC sales tax": {"STATE": "4.000", "CITY": "4.500", "DISTRICT": "0.375"}}
NYC = StoreMeant("NYC01", "L1", "America/New_York", time(4), NYC_TAX)
NOON = datetime(2026, 11, 21, 17, tzinfo=UTC)


def entries(truth: dict, day: int = 0) -> dict[str, dict[str, int]]:
    return {entry["kind"]: entry["lines"] for entry in truth["store_days"][day]["entries"]}


def test_shares_are_the_tables_of_r_1_6() -> None:
    assert shares(1000, [1000, 1000, 1000]) == [334, 333, 333]
    assert shares(500, [1999, 501, 99]) == [385, 96, 19]
    assert shares(-100, [1, 1, 1]) == [-34, -33, -33]
    assert shares(200, [Fraction(4), Fraction("4.5"), Fraction("0.375")]) == [90, 101, 9]


@given(st.integers(-10_000, 10_000), st.lists(st.integers(0, 500), min_size=1, max_size=8))
def test_shares_lose_nothing_and_stay_within_one_unit(total: int, weights: list[int]) -> None:
    parts = shares(total, weights)
    whole = sum(weights) or len(weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(total * (weight if sum(weights) else 1), whole)
        assert abs(part - exact) < 1


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_units_returned_one_by_one_sum_to_the_whole(total: int, units: int) -> None:
    parts = [part_returned(total, unit, unit + 1, units) for unit in range(units)]
    assert sum(parts) == total


def test_tax_of_three_units_returns_as_r_1_7_says() -> None:
    assert [part_returned(209, unit, unit + 1, 3) for unit in range(3)] == [70, 69, 70]


def test_card_fee_is_the_golden_days() -> None:
    charged = {6418: 177, 1600: 52, 5000: 140, 1089: 38, 4899: 137, 1851: 58}
    assert {amount: card_fee(amount) for amount in charged} == charged


def test_business_day_turns_at_the_cutoff_and_follows_the_zone() -> None:
    turn = datetime(2026, 11, 22, 9, tzinfo=UTC)  # 04:00 in New York
    assert NYC.business_date(turn) == date(2026, 11, 22)
    assert NYC.business_date(turn - timedelta(microseconds=1)) == date(2026, 11, 21)
    assert NYC.day_start(date(2026, 3, 8)) - NYC.day_start(date(2026, 3, 7)) == timedelta(hours=23)


def test_an_exchange_paid_by_card_gives_o7_of_the_golden_day() -> None:
    book = DayBook([NYC])
    receipt = Receipt(
        sold=(Goods("apparel", 2999, 0, 1260),),
        returned=(Goods("apparel", 1999, 0, 840),),
        tax={"NYC sales tax": 266},
        returned_tax={"NYC sales tax": 177},
        tenders={"card": 1089},
        fee_minor=38,
    )
    book.ring("NYC01", NOON, receipt)
    found = entries(book.truth("one"))
    assert found["SALES"] == {
        "clearing.square": 1089,
        "returns.apparel": 1999,
        "sales.apparel": -2999,
        "tax_payable.CITY": -45,
        "tax_payable.DISTRICT": -4,
        "tax_payable.STATE": -40,
    }
    assert found["COGS"] == {"cogs": 420, "inventory": -420}
    assert found["FEES"] == {"merchant_fees.square": 38, "clearing.square": -38}


def test_an_even_exchange_still_gives_an_entry() -> None:
    book = DayBook([NYC])
    mug = Goods("home", 1550, 0, 620)
    tax = {"NYC sales tax": 138}
    book.ring("NYC01", NOON, Receipt((mug,), (mug,), tax, tax, tenders={"card": 0}))
    truth = book.truth("one")
    assert entries(truth)["SALES"] == {"returns.home": 1550, "sales.home": -1550}
    assert truth["store_days"][0]["figures"]["orders"] == 1


def test_golden_drawer_is_short_by_fifty_and_empties_undeposited_cash() -> None:
    book = DayBook([NYC])
    book.ring("NYC01", NOON, Receipt(gift_sold_minor=5657, tenders={"cash": 5657}))
    book.count("NYC01", date(2026, 11, 21), DrawerCount(20000, 1200, 24407, 5657))
    truth = book.truth("one")
    found = entries(truth)
    assert found["CASH"] == {
        "cash_over_short": 50,
        "petty_expense": 1200,
        "undeposited_cash": -1250,
    }
    assert found["DEPOSIT"] == {"bank": 4407, "undeposited_cash": -4407}
    assert truth["store_days"][0]["figures"]["over_short_minor"] == -50


def test_a_payout_is_booked_on_its_own_day() -> None:
    book = DayBook([NYC])
    book.pay_out("NYC01", PayoutMeant("po_1", date(2026, 11, 23), 20556, 658, ("p1",)))
    truth = book.truth("one")
    assert truth["payouts"][0]["net_minor"] == 19898
    assert entries(truth)["PAYOUT"] == {"bank": 19898, "clearing.square": -19898}


def test_a_receipt_that_does_not_add_up_is_refused() -> None:
    book = DayBook([NYC])
    with pytest.raises(ValueError, match="due 100, tendered"):
        book.ring("NYC01", NOON, Receipt((Goods("home", 100),), tenders={"cash": 99}))


def test_a_planted_receipt_says_what_the_ledger_will_miss() -> None:
    book = DayBook([NYC])
    receipt = Receipt((Goods("home", 100, 0, 40),), tenders={"cash": 100})
    book.plant("D16", "NYC01", date(2026, 11, 21), receipt, order_id="o1")
    (row,) = book.truth("one")["planted"]
    assert row["entries"] == [
        {"kind": "SALES", "lines": {"sales.home": -100, "undeposited_cash": 100}},
        {"kind": "COGS", "lines": {"cogs": 40, "inventory": -40}},
    ]
    assert row["order_id"] == "o1"
