"""What stays in a drawer from shift to shift: floats that change, and floats that go missing (R-8.2)."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from house_rig import open_breaks
from month_rig import Month, differences, figure_differences, open_month, unexpected

from cloud_conductor.sandbox.scenario.retail.play import Season

DIFFERENCES = "cash_custody_diff"


def test_a_changed_float_is_no_gap_and_a_missing_one_is_posted_and_found(tmp_path: Path):
    season = Season(
        country="GB",
        seed=4,
        days=12,
        orders_per_day=1,
        quiet=True,
        forced={"float_change": 8, "float_missing": 8},
    )
    with open_month(tmp_path, season) as month:
        month.live()
        truth = month.game.truth()
        assert (differences(month), figure_differences(month)) == ({}, {})
        outcome = month.town.reconcile()
        assert unexpected(outcome, truth) == (set(), set())
        missing = _missing(truth)
        assert len(missing) > 2
        assert open_breaks(outcome) == missing, "no drawer whose float was changed is in doubt"
        assert set(_posted(month).values()) == {40_00}
        told = [one for one in outcome.breaks if one.code == "D11"]
        assert all("posted to Cash in transit differences" in one.message for one in told)


def test_a_count_that_comes_after_the_next_day_was_closed_gives_that_day_a_delta(tmp_path: Path):
    season = Season(
        country="GB",
        seed=2,
        days=5,
        orders_per_day=1,
        quiet=True,
        forced={"uncounted_shift": 2, "paid_in": 24},
    )
    evening = datetime.combine(season.last + timedelta(days=1), time(20), UTC)
    with open_month(tmp_path, season) as month:
        month.game.advance(evening)
        month.bank()
        month.wake(evening)
        month.town.close_due()
        assert set(month.town.post()) == {"posted", "blocked"}
        assert _posted(month) == {}
        waiting, following = _uncounted(month)
        _count(month, waiting, less=30_00)

        month.wake(evening + timedelta(hours=2))
        closed = month.town.close_due()
        assert set(month.town.post()) == {"posted", "blocked"}, "the other is not counted yet"
        (first, delta) = [
            row for row in month.town.entries("CASH") if row["source_id"] == following["id"]
        ]
        assert (first["version"], delta["version"]) == (1, 2)
        assert delta["business_date"] in {one.isoformat() for one in closed}
        assert {line["role"]: line["amount_minor"] for line in delta["lines"]} == {
            DIFFERENCES: -30_00,
            "cash_float": 30_00,
        }
        outcome = month.town.reconcile()
        assert ("D11", delta["store"], delta["business_date"]) in open_breaks(outcome)
        assert {code for code, _, _ in open_breaks(outcome)} == {"D11"}
        assert not [one for one in month.town.close_due() if one < season.last]


def _missing(truth: dict[str, Any]) -> set[tuple[str, str, str]]:
    """The breaks of days whose drawers were opened with other cash than was left."""
    return {
        ("D11", day["store"], day["business_date"])
        for day in truth["store_days"]
        for entry in day["entries"]
        if DIFFERENCES in entry["lines"]
    }


def _posted(month: Month) -> dict[str, int]:
    """Shift -> what its CASH entry says went missing."""
    return {
        row["source_id"]: line["amount_minor"]
        for row in month.town.entries("CASH")
        for line in row["lines"]
        if line["role"] == DIFFERENCES
    }


def _uncounted(month: Month) -> tuple[dict[str, Any], dict[str, Any]]:
    """A shift that was left uncounted, and the next one on its register, which has an entry."""
    shifts = month.seller.call("GET", "/sandbox/dump")["cash_drawer_shifts"]
    ordered = sorted(shifts, key=lambda one: (one["device"]["id"], one["opened_at"]))
    return next(
        (one, after)
        for one, after in pairwise(ordered)
        if (one["state"], one["device"]) == ("ENDED", after["device"])
        and after["cash_paid_in_money"]["amount"]
    )


def _count(month: Month, shift: dict[str, Any], *, less: int) -> None:
    """Count a drawer an hour from now: less than its float."""
    money = shift["opened_cash_money"]
    counted = {"closed_cash_money": {**money, "amount": money["amount"] - less}}
    month.seller.set_clock(month.seller.state.instant() + timedelta(hours=1))
    month.seller.call("POST", f"/sandbox/cash-drawers/shifts/{shift['id']}/close", counted)
