"""INV-07: refunded amount, quantity and tax never exceed the original, cumulatively."""

from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.accounting.returned import (
    originals,
    over_returned,
    paid_back,
    refunded_tenders,
    returned_lines,
)
from cloud_conductor.domain.schemas import SALE_LINES, TENDERS
from cloud_conductor.testing import golden_day as golden

DAY = date(2026, 11, 21)


def line(sale: str, event: str, quantity: str, net: int, tax: int, **fields):
    row = dict.fromkeys(SALE_LINES.names) | {
        "store": "NYC01",
        "business_date": DAY,
        "sale_id": sale,
        "line_uid": "1",
        "event": event,
        "quantity": Decimal(quantity),
        "net_minor": net,
        "tax_minor": tax,
    }
    return row | fields


def back(name: str, quantity: str, net: int, tax: int, **fields):
    named = {"line_uid": name, "return_of_sale_id": "S1", "return_of_line_uid": "1"}
    return line(f"R{name}", "return", quantity, net, tax, **named | fields)


def lines(*rows) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SALE_LINES)


def tender(name: str, event: str, amount: int, **fields):
    row = dict.fromkeys(TENDERS.names) | {
        "store": "NYC01",
        "business_date": DAY,
        "tender_id": name,
        "event": event,
        "state": "captured",
        "currency": "USD",
        "amount_minor": amount,
        "tip_minor": 0,
    }
    return row | fields


def tenders(*rows) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TENDERS)


def test_the_golden_returns_are_within_what_was_sold():
    found = [golden.golden_tables(one) for one in (DAY - timedelta(days=1), DAY)]
    sold = pa.concat_tables([one["sale_lines"] for one in found])
    paid = pa.concat_tables([one["tenders"] for one in found])
    assert originals(sold) == ["S1"]
    assert len(returned_lines(sold)) == 1
    assert over_returned([*returned_lines(sold), *refunded_tenders(paid)], "USD") == []


def test_a_line_returned_once_too_often_is_a_break_with_both_sides():
    sold = line("S1", "sale", "2", 50_00, 4_44)
    first = back("a", "-1", -25_00, -2_22)
    second = back("b", "-1.5", -37_50, -3_33, business_date=DAY + timedelta(days=3))
    (found,) = over_returned(returned_lines(lines(second, sold, first)), "USD")
    assert (found.level, found.code, found.key) == ("L2", "D03", "line:S1:1")
    assert (found.business_date, found.amount_minor) == (DAY + timedelta(days=3), 12_50 + 1_11)
    assert found.left == "quantity 2, amount 50.00, tax 4.44"
    assert found.right == "quantity 2.5, amount 62.50, tax 5.55"
    assert found.message == "more came back of line:S1:1 than was sold: quantity, amount, tax"


def test_more_tax_back_than_was_charged_is_found_though_the_goods_agree():
    sold, came = line("S1", "sale", "1", 10_00, 88), back("a", "-1", -10_00, -89)
    (found,) = over_returned(returned_lines(lines(sold, came)), "USD")
    assert (found.amount_minor, found.message.rpartition(": ")[2]) == (1, "tax")


def test_a_return_of_a_sale_before_the_books_has_nothing_to_be_held_against():
    assert returned_lines(lines(back("a", "-1", -10_00, -89))) == []
    without_original = back("a", "-1", -10_00, -89, return_of_sale_id=None, return_of_line_uid=None)
    assert originals(lines(without_original)) == []
    assert returned_lines(lines(without_original)) == []


def test_refunds_are_held_against_the_payment_with_its_tip_and_failed_ones_are_not():
    paid = tender("P1", "payment", 20_00, tip_minor=3_00)
    whole = tender("F1", "refund", -23_00, original_tender_id="P1")
    failed = tender("F2", "refund", -5_00, original_tender_id="P1", state="failed")
    again = tender("F3", "refund", -1, original_tender_id="P1")
    assert paid_back(tenders(paid, whole, failed)) == ["P1"]
    assert over_returned(refunded_tenders(tenders(paid, whole, failed)), "USD") == []
    (found,) = over_returned(refunded_tenders(tenders(paid, whole, again)), "USD")
    assert (found.key, found.amount_minor, found.left) == ("payment:P1", 1, "amount 23.00")


@given(
    sold=st.tuples(st.integers(1, 9), st.integers(0, 10_000), st.integers(0, 999)),
    parts=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 10_000), st.integers(0, 999))),
)
def test_a_break_is_found_exactly_when_a_sum_exceeds_what_was_sold(sold, parts):
    table = lines(
        line("S1", "sale", str(sold[0]), sold[1], sold[2]),
        *(back(str(n), str(-q), -net, -tax) for n, (q, net, tax) in enumerate(parts)),
    )
    sums = [sum(part[n] for part in parts) for n in range(3)]
    is_over = any(total > most for total, most in zip(sums, sold, strict=True))
    assert bool(over_returned(returned_lines(table), "USD")) == is_over
    assert pc.sum(table["net_minor"]).as_py() == sold[1] - sums[1]
