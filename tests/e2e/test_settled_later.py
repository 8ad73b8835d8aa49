"""A date compared two weeks after a payout still knows the tenders that payout settled (L4)."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from house_rig import open_breaks, open_town

from cloud_conductor.adapters.clock import RehearsalClock
from cloud_conductor.pipelines import reconcile
from cloud_conductor.state import accounting as books

LATER = date(2026, 12, 6)  # thirteen days after the payout of 11-23


def test_a_payout_near_the_date_may_settle_tenders_far_from_it(tmp_path: Path):
    with open_town(tmp_path, "golden") as town:
        town.close_due()
        town.post()
        later = RehearsalClock(datetime(2026, 12, 10, 12, tzinfo=UTC))
        deps = replace(town.house.close_deps, clock=later)
        outcome = reconcile.reconcile(deps, [LATER])
        assert "D02" not in {code for code, _, _ in open_breaks(outcome)}


def test_a_break_found_by_one_span_is_moved_on_by_another(tmp_path: Path):
    with open_town(tmp_path, "golden") as town:
        town.close_due()
        town.post()
        town.plant(("D04", "NYC01", "2026-11-21"))
        town.reconcile([date(2026, 11, 21)])
        with town.house.books.connect() as connection:
            (found,) = books.current_breaks(connection, states=("open",))
        assert (found.code, found.scope) == ("D04", "L6:*")
        town.reconcile()
        with town.house.books.connect() as connection:
            (again,) = books.current_breaks(connection, states=("open",))
        assert (again.break_id, again.detected_us) == (found.break_id, found.detected_us)
