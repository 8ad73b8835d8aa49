"""Disputes as Square tells them: which day they are of, and which version is believed (R-7.5)."""

import itertools
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.schemas import ARRIVAL_COLUMNS
from conform_events import House, event, store
from square_payloads import dispute, hook

OPENED, DECIDED = date(2026, 11, 21), date(2026, 11, 30)
LOST_AT = "2026-12-01T07:00:00Z"  # 02:00 in New York, whose day begins at 04:00
LATER = "2026-12-03T17:00:00Z"


def rows(kind: str, body: Any) -> list[dict[str, Any]]:
    new = event(kind, body)
    logged = Event(seq=1, **{name: getattr(new, name) for name in new.__struct_fields__})
    found = SquareDecoder().decode([logged], {"L1": store()}, {})
    assert found.rejected == ()
    return found.tables["disputes"].to_pylist()


@pytest.mark.parametrize(
    ("told", "state", "day"),
    [
        ("INQUIRY_EVIDENCE_REQUIRED", "inquiry", OPENED),
        ("INQUIRY_PROCESSING", "inquiry", OPENED),
        ("INQUIRY_CLOSED", "closed", DECIDED),
        ("EVIDENCE_REQUIRED", "open", OPENED),
        ("PROCESSING", "open", OPENED),
        ("WON", "won", DECIDED),
        ("LOST", "lost", DECIDED),
        ("ACCEPTED", "lost", DECIDED),
    ],
)
def test_a_dispute_is_of_the_day_it_was_decided_until_then_of_its_opening(
    told: str, state: str, day: date
) -> None:
    (row,) = rows("dispute", dispute(state=told, updated_at=LOST_AT, version=4))
    assert (row["state"], row["business_date"]) == (state, day)
    assert (row["decided_at"] is not None) == (day == DECIDED)
    assert (row["amount_minor"], row["tender_id"], row["store"]) == (1000, "PO1", "NYC01")


def test_a_webhook_and_the_list_tell_the_same_dispute() -> None:
    body = dispute(state="LOST", updated_at=LOST_AT, version=3)
    (told,) = rows("dispute.state.updated", hook("dispute.state.updated", "dispute", body))
    (listed,) = rows("dispute", body)
    differ = {name for name in told if told[name] != listed[name]}
    assert differ <= set(ARRIVAL_COLUMNS)


def test_a_state_that_is_not_known_waits_for_a_person() -> None:
    new = event("dispute", dispute(state="ARBITRATION"))
    logged = Event(seq=1, **{name: getattr(new, name) for name in new.__struct_fields__})
    (rejected,) = SquareDecoder().decode([logged], {"L1": store()}, {}).rejected
    assert [(one.code, one.pointer) for one in rejected.findings] == [("contract", "/state")]


def test_an_outcome_dated_ahead_is_believed_by_nobody_r_2_5() -> None:
    new = event("dispute", dispute(state="LOST", updated_at="2027-03-01T12:00:00Z"))
    logged = Event(seq=1, **{name: getattr(new, name) for name in new.__struct_fields__})
    (rejected,) = SquareDecoder().decode([logged], {"L1": store()}, {}).rejected
    assert [(one.code, one.pointer) for one in rejected.findings] == [
        ("clock_suspect", "/updated_at")
    ]


VERSIONS = [
    dispute(),
    dispute(state="PROCESSING", updated_at="2026-11-25T12:00:00Z", version=2),
    dispute(state="LOST", updated_at=LOST_AT, version=3),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_versions_in_any_order_and_twice_leave_one_row_of_the_newest_inv_14(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    with House(tmp_path, [store()]) as house:
        for at in (*order, *order):
            body = VERSIONS[at]
            told = hook("dispute.state.updated", "dispute", body)
            house.take([event("dispute", body), event("dispute.state.updated", told)])
        held = house.lake.read("disputes").to_pylist()
        assert [(row["business_date"], row["state"]) for row in held] == [(DECIDED, "lost")]
        house.seal()
        assert house.lake.read("disputes")["business_date"].to_pylist() == [DECIDED]
        assert house.lake.dates("disputes") == [DECIDED]


def test_a_dispute_that_is_won_after_all_leaves_the_day_it_was_lost_on(tmp_path: Path) -> None:
    with House(tmp_path, [store()]) as house:
        house.take([event("dispute", VERSIONS[2])])
        house.seal()
        house.take([event("dispute", dispute(state="WON", updated_at=LATER, version=4))])
        assert house.lake.read("disputes", [DECIDED]).num_rows == 0
        (row,) = house.lake.read("disputes").to_pylist()
        assert (row["business_date"], row["state"]) == (date(2026, 12, 3), "won")
