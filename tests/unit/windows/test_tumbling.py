"""Windows are half-open, aligned, and their sums are the lines' (R-22.1)."""

from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.windows.sales import (
    Catalogue,
    Line,
    ProductVersion,
    SaleVersion,
    is_closed,
    watermark,
)
from cloud_conductor.windows.tumbling import (
    CELLS,
    LINES,
    SUMS,
    WINDOW_US,
    lines_of_json,
    start_of,
    tumbling,
)

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
NINE_US = 1_795_251_600_000_000  # 2026-11-21 09:00 UTC


def line(**changes: Any) -> dict[str, Any]:
    plain = {
        "store": "A", "department": "Toys", "currency": "USD", "occurred_us": NINE_US,
        "sale_id": "S1", "event": "sale", "quantity": 1_000_000, "gross_minor": 1_000,
        "discount_minor": 100, "net_minor": 900, "tax_minor": 72,
    }  # fmt: skip
    return plain | changes


def cells(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    return tumbling(pa.Table.from_pylist(list(lines), schema=LINES)).to_pylist()


def test_an_instant_on_a_border_belongs_to_the_window_that_begins_there() -> None:
    before, on, last = NINE_US - 1, NINE_US, NINE_US + WINDOW_US - 1
    found = cells(*(line(occurred_us=at) for at in (before, on, last)))
    assert [(one["start_us"], one["net_minor"]) for one in found] == [
        (NINE_US - WINDOW_US, 900),
        (NINE_US, 1_800),
    ]


def test_orders_are_counted_once_and_an_exchange_is_a_sale_and_a_return() -> None:
    (cell,) = cells(
        line(),
        line(),
        line(sale_id="S2"),
        line(sale_id="S2", event="return", quantity=-1_000_000, net_minor=-900),
    )
    assert (cell["sales"], cell["returns"], cell["quantity"]) == (2, 1, 2_000_000)
    assert cell["net_minor"] == 3 * 900 - 900


def test_no_lines_give_no_windows() -> None:
    assert tumbling(LINES.empty_table()).schema == CELLS
    assert cells() == []


@given(
    st.lists(
        st.builds(
            line,
            store=st.sampled_from("AB"),
            department=st.sampled_from(["Toys", ""]),
            occurred_us=st.integers(-3 * WINDOW_US, 3 * WINDOW_US),
            sale_id=st.sampled_from(["S1", "S2", "S3"]),
            event=st.sampled_from(["sale", "return"]),
            net_minor=st.integers(-(10**12), 10**12),
        )
    )
)
def test_sums_of_windows_are_the_sums_of_the_lines(lines: list[dict[str, Any]]) -> None:
    found = cells(*lines)
    for name in SUMS:
        assert sum(one[name] for one in found) == sum(one[name] for one in lines)
    for one in found:
        inside = [
            at
            for at in lines
            if (at["store"], at["department"]) == (one["store"], one["department"])
            and one["start_us"] <= at["occurred_us"] < one["start_us"] + WINDOW_US
        ]
        sold = {at["sale_id"] for at in inside if at["event"] == "sale"}
        assert (one["sales"], one["net_minor"]) == (
            len(sold),
            sum(at["net_minor"] for at in inside),
        )
        assert one["start_us"] == start_of(one["start_us"])


def test_lines_are_read_from_json_as_they_were_written() -> None:
    lines = [line(), line(store="B", net_minor=-7)]
    text = b"\n".join(msgspec.json.encode(one | {"more": 1}) for one in lines)
    assert lines_of_json(text).to_pylist() == lines


def test_a_window_takes_late_sales_for_a_day_after_its_end_by_the_watermark() -> None:
    end_us = NINE_US + WINDOW_US
    closes_us = end_us + 24 * HOUR_US + 10 * MINUTE_US
    assert watermark(closes_us) == end_us + 24 * HOUR_US
    assert not is_closed(NINE_US, closes_us - 1)
    assert is_closed(NINE_US, closes_us)


@pytest.mark.parametrize(
    ("occurred_us", "department"),
    [(5, "Old"), (10, "Old"), (19, "Old"), (20, "New"), (35, "Renamed")],
)
def test_a_department_is_that_of_the_sale_s_time(occurred_us: int, department: str) -> None:
    catalogue = Catalogue(
        {
            ("square", "M", "p"): [
                ProductVersion(20, "category:2", "p"),
                ProductVersion(10, "category:1", "p"),
            ],
            ("square", "M", "category:1"): [ProductVersion(1, "", "Old")],
            ("square", "M", "category:2"): [
                ProductVersion(1, "", "New"),
                ProductVersion(30, "", "Renamed"),
            ],
        }
    )
    sale = SaleVersion(
        source="square", merchant_id="M", sale_id="S", version_rank=1, version_digest="d",
        store="A", business_date="2026-11-21", day_start_us=0, currency="USD",
        occurred_us=occurred_us, total_minor=0,
    )  # fmt: skip
    named = Line("sale", "p", "", 1, 1, 0, 1, 0)
    assert catalogue.department(sale, named) == department
    assert catalogue.department(sale, msgspec.structs.replace(named, product_id="q")) == ""
    own = msgspec.structs.replace(named, product_id="", department="Own")
    assert catalogue.department(sale, own) == "Own"
