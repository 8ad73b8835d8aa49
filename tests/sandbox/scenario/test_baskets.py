from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.sandbox.scenario.baskets import (
    Basket,
    MissingData,
    cents,
    data_folder,
    price,
    read_baskets,
)

PRODUCTS = [
    {"product_id": 1, "department": "GROCERY", "product_type": "APPLE SAUCE"},
    {"product_id": 2, "department": "FUEL", "product_type": "GASOLINE-REG UNLEADED"},
]


def row(**change: object) -> dict[str, object]:
    base: dict[str, object] = {
        "household_id": 7,
        "store_id": 330,
        "basket_id": 100,
        "product_id": 1,
        "quantity": 1,
        "sales_value": 1.0,
        "retail_disc": 0.0,
        "coupon_disc": 0.0,
        "coupon_match_disc": 0.0,
        "transaction_timestamp": datetime(2017, 1, 1, 17),  # as the file: UTC, naive
    }
    return base | change


def read(tmp_path: Path, *rows: dict[str, object], days: int = 1) -> list[Basket]:
    table = pa.Table.from_pylist(list(rows))
    at = table["transaction_timestamp"].cast(pa.timestamp("ns"))
    table = table.set_column(
        table.schema.names.index("transaction_timestamp"), "transaction_timestamp", at
    )
    pq.write_table(table, tmp_path / "transactions.parquet")
    pq.write_table(pa.Table.from_pylist(PRODUCTS), tmp_path / "products.parquet")
    return read_baskets(date(2017, 1, 1), days, tmp_path)


def test_cents_come_from_decimal_text_and_refuse_fractions_of_a_cent() -> None:
    assert cents(20.06) == 2006
    assert cents(2.220446e-16) == 0
    with pytest.raises(ValueError, match="whole number of cents"):
        cents(0.123)


@given(st.integers(0, 100_000), st.integers(1, 90_000), st.booleans())
def test_price_times_quantity_is_gross_plus_remainder(gross: int, units: int, fuel: bool) -> None:
    quantity = Decimal(units).scaleb(-3) if fuel else Decimal(units)
    unit, remainder = price(gross, quantity)
    assert remainder >= 0
    product = (quantity * unit).quantize(Decimal(1), "ROUND_HALF_EVEN")
    assert product == gross + remainder


def test_quantity_that_does_not_divide_the_value_leaves_a_rounding_discount(tmp_path: Path) -> None:
    (basket,) = read(tmp_path, row(quantity=3, sales_value=1.0))
    (line,) = basket.lines
    assert (line.unit_price_minor, line.rounding_minor, line.value_minor) == (34, 2, 100)


def test_gasoline_is_sold_in_thousandths_of_a_gallon_and_small_counts_in_pieces(
    tmp_path: Path,
) -> None:
    fuel, count = read(
        tmp_path,
        row(product_id=2, quantity=8725, sales_value=20.06, retail_disc=0.01),
        row(product_id=2, quantity=1, sales_value=19.0, basket_id=101),
    )
    assert fuel.lines[0].quantity == Decimal("8.725")
    assert fuel.lines[0].gross_minor - fuel.lines[0].discount_minor == 2006
    assert count.lines[0].quantity == 1


def test_manufacturers_coupon_above_the_value_of_its_line_is_no_discount(tmp_path: Path) -> None:
    (basket,) = read(tmp_path, row(sales_value=0.5, coupon_disc=2.0, coupon_match_disc=0.25))
    (line,) = basket.lines
    assert (line.gross_minor, line.discount_minor, line.coupon_minor) == (75, 25, 200)


def test_zero_lines_are_left_out_and_counted_and_valued_ones_are_one_unit(tmp_path: Path) -> None:
    (basket,) = read(
        tmp_path,
        row(quantity=0, sales_value=0.0),
        row(quantity=0, sales_value=0.89),
        row(quantity=1, sales_value=0.0),
    )
    assert basket.zero_lines == 1
    assert [(line.quantity, line.value_minor) for line in basket.lines] == [(1, 89), (1, 0)]


def test_a_day_is_the_local_date_in_new_york(tmp_path: Path) -> None:
    late = datetime(2017, 1, 2, 4, 59, 59)  # 23:59:59 in New York
    next_day = datetime(2017, 1, 2, 5)
    found = read(
        tmp_path,
        row(transaction_timestamp=late),
        row(transaction_timestamp=next_day, basket_id=101),
    )
    assert [basket.occurred_at for basket in found] == [late.replace(tzinfo=UTC)]
    assert found[0].business_date == date(2017, 1, 1)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingData, match="demo-real"):
        data_folder()


def test_every_line_of_a_published_day_is_read_to_the_cent() -> None:
    folder = published()
    baskets = read_baskets(date(2017, 1, 1), 1, folder)
    rows, zero, value = duckdb.sql(
        f"""select count(*), count(*) filter (quantity = 0 and sales_value < 0.005),
                   sum(cast(round(sales_value * 100) as bigint))
            from '{folder}/transactions.parquet'
            where transaction_timestamp >= '2017-01-01 05:00'
              and transaction_timestamp < '2017-01-02 05:00'"""
    ).fetchall()[0]
    lines = [line for basket in baskets for line in basket.lines]
    assert (len(lines), sum(basket.zero_lines for basket in baskets)) == (rows - zero, zero)
    assert sum(line.value_minor for line in lines) == value


def published() -> Path:
    try:
        return data_folder()
    except MissingData as missing:
        pytest.skip(str(missing))
