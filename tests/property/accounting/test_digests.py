"""Comparing by digests finds exactly what comparing every row finds, and what was planted."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.accounting.digests import (
    BATCH_ROWS,
    Compared,
    Rows,
    buckets_for,
    compare,
    exactly,
    rows_of,
)

SCHEMA = pa.schema(
    [
        ("store", pa.dictionary(pa.int32(), pa.string())),
        ("sale_id", pa.string()),
        ("business_date", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("quantity", pa.decimal128(18, 6)),
        ("is_void", pa.bool_()),
        ("amount_minor", pa.int64()),
    ]
)
KEY = ["store", "sale_id"]
VALUES = ["business_date", "at", "quantity", "is_void", "amount_minor"]
FEW = 16

Row = tuple[Any, ...]


def _or_none(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ROWS = st.lists(
    st.tuples(
        _or_none(st.sampled_from(["s-1", "s-22", ""])),
        _or_none(
            st.sampled_from(["", "a", "exactly8", "exactly8+", "café", "x" * 30, "a\0", "a\0b"])
        ),
        _or_none(st.sampled_from([date(2026, 11, 21), date(1969, 12, 31)])),
        _or_none(st.sampled_from([datetime(2026, 11, 21, 15, tzinfo=UTC)])),
        _or_none(st.sampled_from([Decimal("1.5"), Decimal("-0.000001"), Decimal(0)])),
        _or_none(st.booleans()),
        _or_none(st.sampled_from([0, 1, -1, 2**62, -(2**62)])),
    ),
    max_size=12,
)


def table(rows: Sequence[Row]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [[]] * len(SCHEMA)
    return pa.table([list(column) for column in columns], schema=SCHEMA)


def in_batches(whole: pa.Table, size: int) -> Rows:
    return lambda: whole.to_batches(max_chunksize=size)


def found(compared: Compared) -> Counter[Row]:
    """Row -> how often more on the left than on the right."""
    result: Counter[Row] = Counter()
    for row in compared.rows.to_pylist():
        sign = 1 if row["side"] == "left" else -1
        result[tuple(row[name] for name in SCHEMA.names)] += sign * row["times"]
    return result


@given(ROWS, ROWS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_what_one_side_has_more_of_is_found_exactly(
    left: list[Row], right: list[Row], size: int, dice: Any
) -> None:
    shared = left + right
    dice.shuffle(shared)
    lefts, rights = left + shared, shared[::-1] + right
    expected = Counter(lefts)
    expected.subtract(Counter(rights))
    expected = Counter({row: times for row, times in expected.items() if times})
    sides = in_batches(table(lefts), size), rows_of(table(rights))
    for way in (compare, exactly):
        compared = way(*sides, key=KEY, values=VALUES, buckets=FEW, rows_max=4)
        assert found(compared) == expected
        assert compared.is_equal == (not expected)
        assert (compared.left_rows, compared.right_rows) == (len(lefts), len(rights))


ZEROS: Row = ("", "", date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC), Decimal(0), False, 0)


@pytest.mark.parametrize("column", range(len(ZEROS)), ids=SCHEMA.names)
def test_nothing_is_not_zero(column: int) -> None:
    lacking = (*ZEROS[:column], None, *ZEROS[column + 1 :])
    sides = rows_of(table([ZEROS])), rows_of(table([lacking]))
    compared = compare(*sides, key=KEY, values=VALUES, buckets=FEW)
    assert found(compared) == {ZEROS: 1, lacking: -1}


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_same_rows_in_any_order_and_batching_open_no_bucket(
    rows: list[Row], dice: Any, size: int
) -> None:
    other = list(rows)
    dice.shuffle(other)
    compared = compare(
        in_batches(table(rows), size), rows_of(table(other)), key=KEY, values=VALUES, buckets=FEW
    )
    assert (compared.is_equal, compared.buckets, compared.opened) == (True, 0, 0)


def _sales(numbers: Sequence[int], amounts: dict[int, int]) -> pa.Table:
    return pa.table(
        {
            "sale_id": [f"sale-{n:08}" for n in numbers],
            "amount_minor": [amounts.get(n, n % 997) for n in numbers],
        }
    )


def test_planted_differences_open_a_few_rows_only_and_are_all_found() -> None:
    count = 3 * BATCH_ROWS
    changed = dict.fromkeys(range(0, count, 4_001), -1)
    lost = set(range(7, count, 9_973)) - changed.keys()
    left = _sales(range(count), {})
    right = _sales([n for n in range(count - 1, -1, -1) if n not in lost], changed)
    compared = compare(
        rows_of(left),
        rows_of(right),
        key=["sale_id"],
        values=["amount_minor"],
        buckets=buckets_for(count),
    )
    told = {(row["sale_id"], row["side"], row["amount_minor"]) for row in compared.rows.to_pylist()}
    assert told == {(f"sale-{n:08}", "left", n % 997) for n in {*changed, *lost}} | {
        (f"sale-{n:08}", "right", -1) for n in changed
    }
    assert compared.opened < count / 50


def test_amounts_exchanged_between_two_sales_do_not_cancel_out() -> None:
    left = _sales([1, 2], {1: 10, 2: 20})
    right = _sales([1, 2], {1: 20, 2: 10})
    compared = compare(
        rows_of(left), rows_of(right), key=["sale_id"], values=["amount_minor"], buckets=1
    )
    assert compared.rows.num_rows == 4


def test_a_side_that_changes_between_its_two_readings_is_an_error() -> None:
    readings = iter([_sales([1, 2], {}), _sales([1], {})])
    with pytest.raises(ValueError, match="read again"):
        compare(
            lambda: next(readings).to_batches(),
            rows_of(_sales([3], {})),
            key=["sale_id"],
            values=["amount_minor"],
        )


def test_a_float_is_not_compared() -> None:
    floats = rows_of(pa.table({"id": ["a"], "amount": [1.5]}))
    with pytest.raises(TypeError, match="double"):
        compare(floats, floats, key=["id"], values=["amount"])
