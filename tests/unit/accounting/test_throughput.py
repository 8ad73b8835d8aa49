import pytest

from cloud_conductor.accounting.throughput import ApiLimits, api_bound, api_ways


def test_a_small_run_takes_as_many_minutes_as_it_has_calls_over_sixty():
    found = api_bound(4_000, 1_000)
    assert (found.calls, found.elapsed_s, found.minutes) == (80 + 4, 84, 1.4)


def test_a_run_beyond_the_days_allowance_waits_for_the_next_day():
    found = api_bound(250_000, 38_400)
    assert found.calls == 5_000 + 250
    assert found.elapsed_s == 86_400 + 250  # 5,000 on the first day, 250 at one a second
    assert found.days == pytest.approx(1.0, abs=0.01)


def test_the_last_call_of_an_allowance_needs_no_further_day():
    limits = ApiLimits(calls_per_day=150, documents_per_page=100)
    assert api_bound(5_000, 1, limits=limits).elapsed_s == 150
    assert api_bound(5_001, 1, limits=limits).elapsed_s == 86_400 + 2


def test_the_ceiling_is_the_allowance_over_what_a_store_day_costs():
    """4 documents a store-day are 0.08 calls to write and 0.004 to read back."""
    assert api_bound(4_000, 1_000).stores_max == 59_523
    assert api_bound(4_000, 1_000, other_calls_per_day=4_580).stores_max == 5_000


def test_without_batches_a_store_day_costs_a_call_a_document_and_a_month_costs_a_thirtieth():
    as_it_is, alone, monthly = api_ways(120_000, 30_000, store_months=1_000, kinds=4)
    assert (as_it_is.calls, alone.calls, monthly.documents) == (2_520, 120_120, 4_000)
    assert alone.stores_max < as_it_is.stores_max < monthly.stores_max
    assert monthly.elapsed_s == 84


def test_a_month_is_never_more_documents_than_its_days():
    assert api_ways(3, 2, store_months=1, kinds=6)[2].documents == 3


def test_nothing_to_post_takes_no_time():
    nothing = api_bound(0, 0)
    assert (nothing.calls, nothing.elapsed_s, nothing.stores_max) == (0, 0, 0)


def test_an_allowance_that_is_used_up_is_refused():
    with pytest.raises(ValueError, match="use up"):
        api_bound(1, 1, other_calls_per_day=5_000)
