"""Live over REST: a past day is whole and final, and the band is what the same weekdays sold."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from shop_front import DAYS, Caller, Front
from sqlalchemy import delete, insert

from cloud_conductor.state.tables.windows import STORE
from cloud_conductor.windows.flow import run_windows

DAY = DAYS[1]
HOUR_US = 3_600_000_000
SOLD_MINOR = (1_000, 2_000, 3_000)


@pytest.fixture
def weeks(front: Front) -> Iterator[int]:
    """Three weeks before, one sale an hour for three hours; the offset of the last, in seconds."""
    place = front.api.desk.store("NYC01")
    assert place is not None
    days = [DAY - timedelta(weeks=number) for number in range(1, len(SOLD_MINOR) + 1)]
    starts = [int(place.day_interval(day)[0].timestamp()) * 1_000_000 for day in days]
    rows = [
        {"store": "NYC01", "start_us": start_us + hour * HOUR_US, "currency": "USD",
         "business_date": day.isoformat(), "day_start_us": start_us, "sales": 1, "returns": 0,
         "net_minor": sold_minor, "tax_minor": 0, "total_minor": sold_minor, "version": 1, "seq": 0}
        for day, start_us, sold_minor in zip(days, starts, SOLD_MINOR, strict=True)
        for hour in (6, 7, 8)
    ]  # fmt: skip
    with front.house.worker.begin() as connection:
        connection.execute(insert(STORE), rows)
    yield 8 * 3_600 + 300
    with front.house.worker.begin() as connection:
        connection.execute(delete(STORE).where(STORE.c.seq == 0))


def test_a_past_day_is_shown_whole_and_final(front: Front, owner: Caller):
    run_windows(front.house.windows_deps)
    shown = owner.get("/live", date=DAY.isoformat()).json()
    today = owner.get("/today", date=DAY.isoformat()).json()
    assert (shown["business_date"], shown["is_over"]) == (DAY.isoformat(), True)
    assert {one["state"] for one in shown["totals"] + shown["windows"]} == {"final"}
    net_minor = today["sales"]["net_minor"]
    assert net_minor > 0
    assert sum(one["net_minor"] for one in shown["totals"]) == net_minor
    assert sum(one["net_minor"] for one in shown["windows"]) == net_minor
    assert sum(one["orders"] for one in shown["totals"]) == today["sales"]["orders"]


def test_a_store_narrows_windows_departments_and_course(front: Front, owner: Caller):
    run_windows(front.house.windows_deps)
    both = owner.get("/live", date=DAY.isoformat()).json()
    each = [
        owner.get("/live", date=DAY.isoformat(), store=one["store"]).json()
        for one in both["stores"]
    ]
    assert len(each) == 2
    for part in ("totals", "windows", "departments", "tenders"):
        name = "amount_minor" if part == "tenders" else "net_minor"
        sums = [sum(row[name] for row in one[part]) for one in (both, *each)]
        assert sums[0] == sums[1] + sums[2], part


def test_the_band_is_drawn_from_the_same_weekdays(front: Front, owner: Caller, weeks: int):
    question = {"date": DAY.isoformat(), "store": "NYC01"}
    course = owner.get("/live", **question).json()["course"]
    last = course["expected"][-1]
    assert last == {
        "offset_s": weeks, "low_minor": 3_000, "mid_minor": 6_000, "high_minor": 9_000, "days": 3
    }  # fmt: skip
    band = owner.get("/live/NYC01/band", date=DAY.isoformat()).json()
    assert (band["expected"], band["actual"]) == (course["expected"], course["actual"])
    (store,) = owner.get("/live", **question).json()["stores"]
    assert course["actual"][-1]["net_minor"] == store["net_minor"] > 0
    assert (store["expected_low_minor"], store["expected_high_minor"]) == (3_000, 9_000)


def test_one_weekday_makes_no_band(owner: Caller):
    far = {"date": date(2027, 3, 6).isoformat()}
    assert owner.get("/live", **far, store="NYC01").json()["course"]["expected"] == []


def test_stores_whose_days_begin_apart_have_no_course_together(owner: Caller):
    assert owner.get("/live", date=DAY.isoformat()).json()["course"] is None
