"""Something down on a ticket that closes days later: of no day until then, of that day after (R-2.8)."""

from pathlib import Path

from house_rig import open_breaks
from month_rig import differences, figure_differences, open_month

from cloud_conductor.sandbox.scenario.retail.play import Season


def test_a_payment_on_an_open_ticket_blocks_no_day_and_is_of_the_day_it_closes(tmp_path: Path):
    season = Season(
        country="GB",
        seed=4,
        days=14,
        orders_per_day=0.5,
        quiet=True,
        forced={"part_payment": 16},
    )
    first, last = season.stops
    with open_month(tmp_path, season) as month:
        month.game.advance(first)
        month.bank()
        month.wake(first)
        month.town.close_due()
        assert set(month.town.post()) == {"posted"}
        outcome = month.town.reconcile()
        open_tickets = [one for one in outcome.breaks if "which is open" in one.message]
        assert open_tickets
        assert {(one.code, one.level, one.is_explained) for one in open_tickets} == {
            ("D05", "L3", True)
        }
        assert open_breaks(outcome) == set()

        month.game.advance(last)
        month.game.advance()
        month.bank()
        month.wake(last)
        month.town.close_due()
        assert set(month.town.post()) == {"posted"}
        assert (differences(month), figure_differences(month)) == ({}, {})
        outcome = month.town.reconcile()
        assert not [one for one in outcome.breaks if "which is open" in one.message]
        assert open_breaks(outcome) == set()
