from datetime import UTC, datetime, timedelta

from cloud_conductor.ingest.sweep import EPOCH, SweepPlan, due, window

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLAN = SweepPlan(interval=MINUTE, overlap=5 * MINUTE, start=START)


def test_the_first_sweep_begins_at_the_start_and_of_standing_things_at_1970():
    assert window(PLAN, None, NOW, standing=False) == (START, NOW)
    assert window(PLAN, None, NOW, standing=True) == (EPOCH, NOW)


def test_a_later_sweep_reaches_back_over_the_watermark():
    assert window(PLAN, NOW, NOW + MINUTE, standing=False) == (NOW - 5 * MINUTE, NOW + MINUTE)


def test_a_sweep_never_reaches_back_over_the_start():
    assert window(PLAN, START + MINUTE, NOW, standing=False) == (START, NOW)
    assert window(PLAN, START + MINUTE, NOW, standing=True) == (START - 4 * MINUTE, NOW)


def test_a_clock_that_was_set_back_loses_no_span():
    earlier = NOW - timedelta(hours=2)
    assert window(PLAN, NOW, earlier, standing=False) == (earlier - 5 * MINUTE, NOW)


def test_due_is_what_never_ran_or_ran_an_interval_ago_in_the_adapters_order():
    kinds = {"square": ("catalog", "order", "payment")}
    finished = {("square", "order"): NOW - MINUTE, ("square", "payment"): NOW - MINUTE / 2}
    plans = {"square": PLAN}
    assert due(plans, kinds, finished, NOW) == [("square", "catalog"), ("square", "order")]
    assert len(due(plans, kinds, finished, NOW - timedelta(days=1))) == 3
