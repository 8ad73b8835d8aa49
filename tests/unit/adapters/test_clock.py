from datetime import UTC, datetime, timedelta

from cloud_conductor.adapters.clock import RehearsalClock, SystemClock


def test_the_system_clock_is_aware_utc():
    assert SystemClock().now().tzinfo is UTC


def test_a_rehearsal_begins_at_its_start_and_runs_at_real_speed():
    seconds = iter([100.0, 100.0, 102.5])
    start = datetime(2026, 11, 21, 9, tzinfo=UTC)
    clock = RehearsalClock(start, elapsed=lambda: next(seconds))
    assert clock.now() == start
    assert clock.now() == start + timedelta(seconds=2.5)
