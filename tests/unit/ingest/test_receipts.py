import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.ingest.receipts import RUNS_MAX, Gap, Run, added, gaps


def at(*numbers: int) -> dict[int, int]:
    """Each number with an instant of its own."""
    return {number: 100 + number for number in numbers}


def test_numbers_in_any_order_are_runs_and_what_lies_between_is_missing():
    seen = added([], at(7, 3, 1, 2, 9, 8))
    assert seen == [Run(1, 3, 101), Run(7, 9, 107)]
    assert gaps(seen) == [Gap(4, 6, until_us=107)]
    assert gaps(added(seen, at(5, 4, 6, 3))) == []


def test_a_gap_half_filled_is_told_when_the_sale_after_it_was():
    seen = added([Run(1, 3, 101), Run(7, 9, 107)], at(6))
    assert gaps(seen) == [Gap(4, 5, until_us=106)]


@given(st.lists(st.sets(st.integers(0, 60)), max_size=6))
def test_gaps_are_exactly_the_numbers_not_seen_between_the_first_and_the_last(
    batches: list[set[int]],
):
    seen: list[Run] = []
    for batch in batches:
        seen = added(seen, at(*batch))
    numbers = set().union(*batches)
    missing = {n for gap in gaps(seen) for n in range(gap.first, gap.last + 1)}
    assert missing == ({*range(min(numbers), max(numbers) + 1)} - numbers if numbers else set())
    assert {n for run in seen for n in range(run.first, run.last + 1)} == numbers
    assert all(gap.until_us == 101 + gap.last for gap in gaps(seen))


def test_a_numbering_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no receipt numbers"):
        added([], at(*range(0, 2 * RUNS_MAX + 2, 2)))
