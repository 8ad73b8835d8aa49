"""Card payments that are contested: held back, then given back or lost, booked to the end (R-7.5)."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from house_rig import open_breaks
from month_rig import Month, differences, figure_differences, open_month

from cloud_conductor.sandbox.scenario.retail.play import Season
from cloud_conductor.sandbox.square.errors import SquareError


def disputes(month: Month) -> list[dict[str, Any]]:
    """All there are, as the seller's processor holds them."""
    return list(month.seller.call("GET", "/sandbox/dump")["disputes"])


def states(month: Month) -> Counter[str]:
    return Counter(one["state"] for one in disputes(month))


def left_on(month: Month) -> Counter[str]:
    """Signed sum of every role over all that is booked."""
    left: Counter[str] = Counter()
    for entry in month.town.entries():
        for line in entry["lines"]:
            left[line["role"]] += line["amount_minor"]
    return left


def test_disputes_are_booked_to_the_end_and_leave_nothing_receivable(tmp_path: Path) -> None:
    season = Season(
        country="US", seed=7, days=18, orders_per_day=0.5, quiet=True, forced={"dispute": 12}
    )
    first, *_, last = season.stops
    with open_month(tmp_path, season) as month:
        month.game.advance(first)
        month.bank()
        month.wake(first)
        month.town.close_due()
        assert set(month.town.post()) == {"posted"}
        assert states(month)["EVIDENCE_REQUIRED"], "some are open"
        outcome = month.town.reconcile()
        assert (open_breaks(outcome), outcome.unexplained_minor) == (set(), 0)
        assert left_on(month)["dispute_receivable"] > 0

        month.game.advance(last)
        month.game.advance()
        month.bank()
        month.wake(last)
        month.town.close_due()
        assert set(month.town.post()) == {"posted"}
        assert set(states(month)) == {"WON", "LOST", "ACCEPTED"}
        assert (differences(month), figure_differences(month)) == ({}, {})
        outcome = month.town.reconcile()
        assert (open_breaks(outcome), outcome.unexplained_minor) == (set(), 0)

        for till in month.game.tills.values():
            with suppress(SquareError):  # nothing is due there
                month.seller.call("POST", "/sandbox/payouts", {"location_id": till.location_id})
        month.wake(month.seller.state.instant() + timedelta(days=2))
        month.town.close_due()
        assert set(month.town.post()) <= {"posted"}
        left = left_on(month)
        lost = [one["amount_money"]["amount"] for one in disputes(month) if one["state"] != "WON"]
        assert (left["dispute_receivable"], left["chargeback_loss"]) == (0, sum(lost))
