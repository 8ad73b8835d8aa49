"""R-2.2 to R-2.5: the guide's table of odd days, typed by hand."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from cloud_conductor.domain.businessday import business_date, day_interval, is_clock_suspect


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "cutoff", "day", "start", "end", "hours"),
    [
        ("America/New_York", "04:00", "2026-03-07", "2026-03-07T09:00", "2026-03-08T08:00", 23),
        ("America/New_York", "00:00", "2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00", 23),
        ("America/New_York", "04:00", "2026-10-31", "2026-10-31T08:00", "2026-11-01T09:00", 25),
        ("America/New_York", "02:30", "2026-03-07", "2026-03-07T07:30", "2026-03-08T07:30", 24),
        ("America/New_York", "02:30", "2026-03-08", "2026-03-08T07:30", "2026-03-09T06:30", 23),
        ("America/Santiago", "00:00", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00", 23),
        (
            "Australia/Lord_Howe",
            "04:00",
            "2026-04-04",
            "2026-04-03T17:00",
            "2026-04-04T17:30",
            24.5,
        ),
        (
            "Australia/Lord_Howe",
            "04:00",
            "2026-10-03",
            "2026-10-02T17:30",
            "2026-10-03T17:00",
            23.5,
        ),
    ],
)
def test_a_day_has_the_hours_of_r_2_3(zone, cutoff, day, start, end, hours):
    interval = day_interval(date.fromisoformat(day), zone, time.fromisoformat(cutoff))
    assert interval == (utc(start), utc(end))
    assert interval[1] - interval[0] == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-21T15:05", "2026-11-21"),  # O1, 10:05 in New York
        ("2026-11-22T06:30", "2026-11-21"),  # O10, 01:30 the next morning, before the cut-off
        ("2026-11-22T08:59:59.999999", "2026-11-21"),
        ("2026-11-22T09:00", "2026-11-22"),  # half-open: the cut-off begins the next day
        ("2026-11-21T09:00", "2026-11-21"),
        ("2026-11-21T08:59:59.999999", "2026-11-20"),
    ],
)
def test_an_instant_of_the_golden_day_falls_on_its_date(instant, day):
    found = business_date(utc(instant), "America/New_York", time(4))
    assert found == date.fromisoformat(day)


def test_the_hour_that_happens_twice_stays_on_one_date():
    for hour in ("05:30", "06:30"):  # 01:30 EDT and 01:30 EST
        found = business_date(utc(f"2026-11-01T{hour}"), "America/New_York", time(4))
        assert found == date(2026, 10, 31)


def test_apia_skips_a_whole_date_and_that_day_is_empty():
    start, end = day_interval(date(2011, 12, 30), "Pacific/Apia", time(0))
    assert start == end == utc("2011-12-30T10:00")


def test_a_naive_time_has_no_business_date():
    with pytest.raises(ValueError):
        business_date(datetime(2026, 11, 21, 10), "America/New_York", time(4))


@pytest.mark.parametrize(
    ("ahead", "suspect"),
    [
        (timedelta(minutes=5), False),
        (timedelta(minutes=5, microseconds=1), True),
        (-timedelta(days=9), False),
    ],
)
def test_a_clock_is_suspect_when_more_than_five_minutes_ahead(ahead, suspect):
    now = utc("2026-11-21T15:00")
    assert is_clock_suspect(now + ahead, now) is suspect
