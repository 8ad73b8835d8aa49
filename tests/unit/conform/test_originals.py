"""What a return says only beside its sale: original cost, and money that was owed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cloud_conductor.conform.originals import (
    ORIGINAL_COLUMNS,
    costed_as_sold,
    returned_money,
    told_as_repayments,
)
from cloud_conductor.domain.schemas import SALE_LINES, SALE_TENDERS, SALES

AT = datetime(2026, 11, 21, 15, tzinfo=UTC)


def rows(schema: pa.Schema, *some: dict[str, Any]) -> pa.Table:
    head = {"source": "square", "merchant_id": "M", "store": "NYC01"}
    return pa.Table.from_pylist([head | one for one in some], schema=schema)


def returned(**more: Any) -> dict[str, Any]:
    return {
        "sale_id": "R",
        "line_uid": "r1",
        "event": "return",
        "line_kind": "merchandise",
        "is_sale": True,
        "product_id": "V1",
        "quantity": Decimal(-2),
        "unit_cost": Decimal("9.00"),
        "cost_minor": -18_00,
        "return_of_sale_id": "S",
        "return_of_line_uid": "l1",
        "occurred_at": AT,
        **more,
    }


def originals(unit_cost: Decimal | None) -> pa.Table:
    sold = {"sale_id": "S", "line_uid": "l1", "event": "sale", "unit_cost": unit_cost}
    return rows(SALE_LINES, sold).select(ORIGINAL_COLUMNS)


SALE = rows(SALES, {"sale_id": "R", "currency": "USD", "state": "closed"})


def test_goods_come_back_at_what_they_cost_when_sold_r_11_7():
    found = costed_as_sold(rows(SALE_LINES, returned()), originals(Decimal("8.10")), SALE)
    assert found["cost_minor"].to_pylist() == [-16_20]
    assert found["unit_cost"].to_pylist() == [Decimal("8.100000")]
    assert found.schema == SALE_LINES


def test_goods_whose_sale_is_not_known_come_back_at_todays_cost():
    lines = rows(SALE_LINES, returned(), returned(line_uid="r2", return_of_line_uid="other"))
    found = costed_as_sold(lines, originals(None), SALE)
    assert found["cost_minor"].to_pylist() == [-18_00, -18_00]


def money(sale_id: str, gross: int, hours: int) -> dict[str, Any]:
    return returned(
        sale_id=sale_id,
        product_id=None,
        return_of_line_uid=None,
        gross_minor=-gross,
        cost_minor=None,
        unit_cost=None,
        occurred_at=AT + timedelta(hours=hours),
    )


def kinds(lines: pa.Table, paid: int) -> list[str]:
    sales = rows(SALES, {"sale_id": "S", "total_minor": 25_00})
    tender = {"sale_id": "S", "event": "payment", "amount_minor": paid, "tender_id": "p"}
    tenders = rows(SALE_TENDERS, tender)
    found = told_as_repayments(lines, sales, tenders, returned_money(lines))
    told: list[str] = found["line_kind"].to_pylist()
    assert [kind == "merchandise" for kind in told] == found["is_sale"].to_pylist()
    return told


def test_what_was_paid_twice_is_given_back_before_anything_is_a_return_r_9_17():
    lines = rows(SALE_LINES, money("R2", 25_00, 2), money("R1", 25_00, 1), money("R3", 5_00, 3))
    assert kinds(lines, paid=50_00) == ["merchandise", "repayment", "merchandise"]


def test_money_given_back_on_a_sale_paid_once_is_a_return():
    assert kinds(rows(SALE_LINES, money("R1", 5_00, 1)), paid=25_00) == ["merchandise"]


def test_goods_given_back_are_never_a_repayment():
    assert returned_money(rows(SALE_LINES, returned())).num_rows == 0
