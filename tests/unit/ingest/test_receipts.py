import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.ingest.receipts import INTERVALS_MAX, added, gaps


def test_numbers_in_any_order_are_runs_and_what_lies_between_is_missing():
    seen = added([], [7, 3, 1, 2, 9, 8])
    assert seen == [(1, 3), (7, 9)]
    assert gaps(seen) == [(4, 6)]
    assert gaps(added(seen, [5, 4, 6, 3])) == []


@given(st.lists(st.sets(st.integers(0, 60)), max_size=6))
def test_gaps_are_exactly_the_numbers_not_seen_between_the_first_and_the_last(
    batches: list[set[int]],
):
    seen: list[tuple[int, int]] = []
    for batch in batches:
        seen = added(seen, batch)
    numbers = set().union(*batches)
    missing = {n for first, last in gaps(seen) for n in range(first, last + 1)}
    assert missing == ({*range(min(numbers), max(numbers) + 1)} - numbers if numbers else set())
    assert {n for first, last in seen for n in range(first, last + 1)} == numbers


def test_a_numbering_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no receipt numbers"):
        added([], range(0, 2 * INTERVALS_MAX + 2, 2))
