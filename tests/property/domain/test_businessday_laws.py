"""INV-08: each instant belongs to exactly one business day, whatever the zone does."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.domain.businessday import business_date, day_interval

ZONES = [
    "America/New_York", "America/Chicago", "America/Los_Angeles", "America/St_Johns",
    "America/Santiago", "America/Havana", "America/Sao_Paulo", "Europe/London", "Europe/Berlin",
    "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Apia", "Pacific/Kiritimati",
    "Africa/Casablanca", "Africa/Cairo", "Antarctica/Troll", "Asia/Gaza", "Asia/Tehran",
    "Asia/Kathmandu", "UTC",
]  # fmt: skip
zones = st.sampled_from(ZONES)
cutoffs = st.sampled_from([time(0), time(2), time(2, 30), time(3), time(4), time(5, 55)])
days = st.dates(date(2005, 1, 1), date(2037, 12, 30))
instants = st.datetimes(datetime(2005, 1, 2), datetime(2037, 12, 29), timezones=st.just(UTC))


@given(days, zones, cutoffs)
def test_the_end_of_a_day_is_the_start_of_the_next(day, zone, cutoff):
    assert (
        day_interval(day, zone, cutoff)[1] == day_interval(day + timedelta(days=1), zone, cutoff)[0]
    )


@given(days, zones, cutoffs)
def test_days_never_run_backwards_and_are_about_24_hours(day, zone, cutoff):
    start, end = day_interval(day, zone, cutoff)
    skipped = zone == "Pacific/Apia" and day in {date(2011, 12, 29), date(2011, 12, 30)}
    assert start <= end
    if not skipped:
        assert timedelta(hours=22) <= end - start <= timedelta(hours=26)


@given(instants, zones, cutoffs)
def test_an_instant_is_inside_the_day_it_is_given(instant, zone, cutoff):
    start, end = day_interval(business_date(instant, zone, cutoff), zone, cutoff)
    assert start <= instant < end


@given(instants, zones, cutoffs)
def test_no_other_day_claims_the_instant(instant, zone, cutoff):
    own = business_date(instant, zone, cutoff)
    for step in (-2, -1, 1, 2):
        start, end = day_interval(own + timedelta(days=step), zone, cutoff)
        assert not start <= instant < end


@given(instants, st.timedeltas(timedelta(0), timedelta(days=3)), zones, cutoffs)
def test_a_later_instant_never_has_an_earlier_date(instant, later, zone, cutoff):
    assert business_date(instant, zone, cutoff) <= business_date(instant + later, zone, cutoff)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cutoff", [time(0), time(2, 30), time(4)])
def test_every_border_of_two_years_belongs_to_the_day_it_begins(zone, cutoff):
    for number in range(730):
        day = date(2026, 1, 1) + timedelta(days=number)
        start, _ = day_interval(day, zone, cutoff)
        assert business_date(start, zone, cutoff) == day
        assert business_date(start - timedelta(microseconds=1), zone, cutoff) == day - timedelta(1)
