"""Seeded weeks of a chain with every flow and all faults, against their truth to the cent (§14).

`make soak` runs 300 whole months of the same (tests/soak/test_months.py).
"""

from pathlib import Path
from typing import Any

import pytest
from house_rig import open_breaks
from month_judge import SQUARE_FAULTS, clock_changes, judged, season_of
from month_rig import (
    assert_every_event_is_accounted_for,
    differences,
    figure_differences,
    open_month,
    unexpected,
)

from cloud_conductor.sandbox.scenario.retail.play import Season
from cloud_conductor.sandbox.scenario.retail.stories import FLOWS
from cloud_conductor.sandbox.square import Seller

BREAKING = (
    "double_charge",
    "offline_declined",
    "float_missing",
    "uncounted_shift",
    "receipt_lost",
    "receipt_late",
)
"""Flows that leave a break on purpose."""
CASH_BACK = ("return_for_cash", "return_without_receipt", "refund_without_order", "paid_in")
"""Flows that may leave a drawer with less than its float, which is a break (R-8.2)."""


def even_exchanges(seller: Seller) -> list[str]:
    """Orders that give goods and take goods back for the same amount."""
    return [
        one["id"]
        for one in seller.state.table("orders").values()
        if one.get("returns") and one.get("line_items") and not due(one)
    ]


def due(order: dict[str, Any]) -> int:
    """What is paid for an order, less what is paid back."""
    return int(order["net_amounts"]["total_money"]["amount"])


@pytest.mark.parametrize("country", ["US", "AU"])
def test_every_flow_of_trade_is_entered_as_meant_and_only_what_is_wrong_is_found(
    country: str, tmp_path: Path
):
    season = Season(
        country=country,
        seed=4,
        days=12,
        orders_per_day=1,
        quiet=True,
        forced=dict.fromkeys(FLOWS, 2) | {"exchange": 6},
    )
    assert clock_changes(season)
    with open_month(tmp_path, season) as month:
        month.live()
        truth = month.game.truth()
        assert {name: truth["flows"].get(name, 0) >= 2 for name in FLOWS} == dict.fromkeys(
            FLOWS, True
        )
        assert even_exchanges(month.seller), "R-9.10: nothing due, goods both ways"
        assert differences(month) == {}
        assert figure_differences(month) == {}
        outcome = month.town.reconcile()
        assert unexpected(outcome, truth) == (set(), set())
        assert outcome.unexplained_minor == 0
        assert_every_event_is_accounted_for(month)


@pytest.mark.parametrize("number", [1, 5])
def test_days_with_all_faults_on_equal_their_truth(number: int):
    """Two of the soak's months, shorter: CA, and CL whose midnight does not exist (R-2.3)."""
    assert clock_changes(season_of(number, days=12))
    told = judged(number, days=12)
    assert told["wrong"] == []
    assert told["stock"] > 0
    assert told["webhooks"]["lost"], "the storm lost some"
    assert told["square_faults"]["drift"]
    assert told["square_faults"]["expire_token"]


def test_nothing_is_found_where_nothing_was_planted_whatever_happens_on_the_way(tmp_path: Path):
    quiet = dict.fromkeys((*BREAKING, *CASH_BACK), 0.0)
    season = Season(country="GB", seed=1, days=9, weights=quiet)
    assert clock_changes(season)
    with open_month(tmp_path, season, faults=SQUARE_FAULTS) as month:
        month.live()
        assert differences(month) == {}
        outcome = month.town.reconcile()
        assert open_breaks(outcome) == {tuple(one) for one in month.game.truth()["breaks"]} == set()
        assert outcome.unexplained_minor == 0
