"""What the shift before left in a drawer, whichever days are read together (R-8.2)."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_conductor.accounting.custody import STOOD_STILL
from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.pipelines.drawers import newest_before, with_drawers
from cloud_conductor.testing.golden_day import as_table

FIRST = date(2026, 9, 1)
DAYS = 60
REGISTERS = ("R1", "R2", "R3")
Rows = list[dict[str, Any]]


def played() -> tuple[Rows, Rows]:
    """Shifts and events of two stores that are closed on some days, for weeks at times.

    R3 does not say who it is. Some shifts are not counted, some change their float.
    """
    dice = random.Random(11)
    shifts: Rows = []
    events: Rows = []
    for store in ("A1", "B2"):
        for register in REGISTERS:
            still, length = dice.randrange(DAYS), dice.choice((3, STOOD_STILL.days + 2))
            for number in range(DAYS):
                on = FIRST + timedelta(days=number)
                if still <= number < still + length or dice.random() < 0.4:
                    continue
                for half in range(dice.choice((1, 1, 2))):
                    shifts.append(row := shift(dice, store, register, on, half))
                    events += said(dice, row, register)
    return shifts, events


def shift(dice: random.Random, store: str, register: str, on: date, half: int) -> dict[str, Any]:
    counted = dice.choice((None, 150_00, 200_00, 260_00, 260_00))
    return {
        "store": store,
        "business_date": on,
        "shift_id": f"{store}-{register}-{on}-{half}",
        "state": "closed" if counted else "ended",
        "opened_at": datetime.combine(on, time(9 + 5 * half), UTC),
        "opening_minor": dice.choice((150_00, 200_00, 200_00)),
        "counted_minor": counted,
    }


def said(dice: random.Random, row: dict[str, Any], register: str) -> Rows:
    head = {name: row[name] for name in ("store", "business_date", "shift_id")}
    name = None if register == "R3" else register
    found = [head | {"event_id": "o", "event_type": "opened", "description": name}]
    if dice.random() < 0.2:
        kind = dice.choice(("float_raised", "float_lowered", "paid_in"))
        found.append(head | {"event_id": "f", "event_type": kind, "amount_minor": 50_00})
    return found


SHIFTS, EVENTS = played()
OPEN_DATES = sorted({row["business_date"] for row in SHIFTS})


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeltaLake]:
    folder: Path = tmp_path_factory.mktemp("drawers")
    found = DeltaLake(folder / "processed")
    for name, rows in (("cash_shifts", SHIFTS), ("cash_events", EVENTS)):
        found.append(name, as_table(name, rows), app=f"conform/{name}/p", lo=0, hi=1)
    return found


def left_on(lake: DeltaLake, dates: list[date]) -> dict[str, tuple[str | None, int | None]]:
    """Shift -> the one before and what it left, of dates that are read together."""
    tables: dict[str, pa.Table] = {
        name: lake.read(name, dates) for name in ("cash_shifts", "cash_events")
    }
    rows = with_drawers(lake, tables)["cash_shifts"].to_pylist()
    return {row["shift_id"]: (row["shift_before"], row["left_before_minor"]) for row in rows}


def by_hand() -> dict[str, tuple[str | None, int | None]]:
    """The same, looked up in everything there is."""
    changes = {"float_raised": 50_00, "float_lowered": -50_00}
    stays = {row["shift_id"]: row["opening_minor"] for row in SHIFTS}
    for event in EVENTS:
        stays[event["shift_id"]] += changes.get(event["event_type"], 0)
    found: dict[str, tuple[str | None, int | None]] = {}
    for row in SHIFTS:
        register = row["shift_id"].rsplit("-", 4)[0]
        earlier = [
            one
            for one in SHIFTS
            if one["shift_id"].startswith(f"{register}-")
            and one["opened_at"] < row["opened_at"]
            and row["business_date"] - one["business_date"] <= STOOD_STILL
        ]
        last = max(earlier, key=lambda one: one["opened_at"], default=None)
        found[row["shift_id"]] = (None, None)
        if last and last["counted_minor"] and not register.endswith("R3"):
            left = min(last["counted_minor"], stays[last["shift_id"]])
            found[row["shift_id"]] = (last["shift_id"], left)
    return found


WANTED = by_hand()


def test_the_days_played_have_every_kind_of_shift() -> None:
    nothing = [shift for shift, (before, _) in WANTED.items() if before is None]
    assert 0 < len(nothing) < len(WANTED)
    far = [
        date.fromisoformat(shift[6:16]) - date.fromisoformat(before[6:16])
        for shift, (before, _) in WANTED.items()
        if before is not None
    ]
    assert {min(far), timedelta(days=1)} <= set(far)
    assert max(far) > timedelta(days=3)


def test_each_day_alone_finds_what_was_left_whenever_that_was(lake: DeltaLake) -> None:
    found: dict[str, tuple[str | None, int | None]] = {}
    for one in OPEN_DATES:
        found |= left_on(lake, [one])
    assert found == WANTED


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(OPEN_DATES), min_size=1, max_size=31, unique=True).map(sorted))
def test_days_read_together_find_what_each_finds_alone(lake: DeltaLake, dates: list[date]) -> None:
    texts = {one.isoformat() for one in dates}
    assert left_on(lake, dates) == {
        shift: found for shift, found in WANTED.items() if shift[6:16] in texts
    }


@given(
    st.sampled_from(OPEN_DATES), st.integers(0, 40), st.sampled_from(["cash_shifts", "cash_events"])
)
def test_a_day_is_due_by_every_day_its_drawers_may_follow_and_no_other(
    on: date, before: int, table: str
) -> None:
    newest = {"cash_shifts": {on: 1}, "cash_events": {on: 1}}
    changed = on - timedelta(days=before)
    newest[table] = newest[table] | {changed: 7}
    is_before = 1 <= before <= STOOD_STILL.days
    assert newest_before(newest, on) == (7 if is_before else 0)
    assert newest_before({"cash_shifts": {}, "cash_events": {changed: 7}}, on) == 0
