from datetime import timedelta

import pytest

from cloud_conductor.accounting.day import STATES, ControlTotals, may_close, next_state
from cloud_conductor.testing.golden_day import DAY, STORE

INTERVAL = STORE.day_interval(DAY)
END = INTERVAL[1]
AGREES = ControlTotals(listed_count=10, listed_minor=260_64, held_count=10, held_minor=260_64)
DIFFERS = ControlTotals(listed_count=11, listed_minor=282_42, held_count=10, held_minor=260_64)
NOTHING = ControlTotals(listed_count=0, listed_minor=0, held_count=0, held_minor=0)
SECOND = timedelta(seconds=1)


def test_a_day_is_open_until_its_last_instant_and_ended_from_the_next():
    assert next_state("OPEN", END - SECOND, INTERVAL, AGREES) == "OPEN"
    assert next_state("OPEN", END, INTERVAL, None) == "ENDED"


def test_a_day_is_complete_as_soon_as_the_control_totals_agree():
    assert next_state("ENDED", END, INTERVAL, AGREES) == "COMPLETE"
    assert next_state("ENDED", END, INTERVAL, DIFFERS) == "ENDED"


def test_after_the_grace_period_a_day_is_complete_even_if_they_differ():
    grace = timedelta(hours=6)
    assert next_state("ENDED", END + grace - SECOND, INTERVAL, DIFFERS) == "ENDED"
    assert next_state("ENDED", END + grace, INTERVAL, DIFFERS) == "COMPLETE"
    assert next_state("ENDED", END + grace, INTERVAL, None) == "COMPLETE"


def test_empty_is_proven_by_a_zero_control_total_never_by_absence_of_data():
    assert next_state("ENDED", END, INTERVAL, NOTHING) == "EMPTY"
    assert next_state("ENDED", END + timedelta(days=2), INTERVAL, None) != "EMPTY"


def test_a_day_without_sales_but_with_a_shift_or_payout_is_not_empty():
    assert next_state("ENDED", END, INTERVAL, NOTHING, has_other_facts=True) == "COMPLETE"


def test_posted_and_locked_follow_the_ledger():
    assert next_state("COMPLETE", END, INTERVAL, AGREES, posted=True) == "POSTED"
    assert next_state("POSTED", END, INTERVAL, AGREES, posted=True, locked=True) == "LOCKED"
    assert next_state("COMPLETE", END, INTERVAL, AGREES, locked=True) == "COMPLETE"


@pytest.mark.parametrize("state", STATES)
def test_late_events_move_nothing_backwards(state):
    after = next_state(state, END - SECOND, INTERVAL, DIFFERS)
    assert STATES.index(after) >= STATES.index(state)


def test_a_late_sale_wakes_an_empty_day():
    late = ControlTotals(listed_count=1, listed_minor=5_00, held_count=1, held_minor=5_00)
    assert next_state("EMPTY", END, INTERVAL, late) == "COMPLETE"


def test_entries_are_built_only_for_complete_days():
    assert [state for state in STATES if may_close(state)] == ["COMPLETE", "POSTED", "LOCKED"]
