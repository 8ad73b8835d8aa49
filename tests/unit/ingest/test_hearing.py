from cloud_conductor.ingest.hearing import LOST_AFTER_US, Heard

MINUTE = 60 * 1_000_000


def test_a_sweep_that_brings_what_a_webhook_told_says_nothing_new():
    row = Heard().told(2, 10).swept(2, 20).swept(1, 30)
    assert row == Heard(told_version=2, told_us=10)
    assert row.verdict(10**12) == "on_time"


def test_a_version_that_only_the_sweep_brought_waits_and_is_lost_in_the_end():
    row = Heard().told(1, 10).swept(2, MINUTE)
    assert row.verdict(2 * MINUTE) == "waiting"
    assert row.verdict(MINUTE + LOST_AFTER_US) == "lost"


def test_a_webhook_after_the_sweep_is_late_by_so_much_even_after_it_was_lost():
    row = Heard().swept(2, MINUTE).told(3, 40 * MINUTE)
    assert row.verdict(10**12) == "late"
    assert row.late_us == 39 * MINUTE


def test_a_stale_webhook_does_not_make_up_for_a_lost_one():
    row = Heard().told(1, 10).swept(3, 20).told(2, 30)
    assert row.verdict(20 + LOST_AFTER_US) == "lost"
