"""One seeded month judged: entries, figures, breaks and events against its truth."""

import tempfile
from pathlib import Path
from typing import Any

from month_rig import (
    assert_every_event_is_accounted_for,
    differences,
    figure_differences,
    open_month,
    unexpected,
)

from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES
from cloud_conductor.sandbox.scenario.retail.play import Season

SQUARE_FAULTS = {
    "error_500_before": 0.02,
    "rate_limited": {"probability": 0.01, "seconds": 0},
    "cut": {"probability": 0.02, "path": "/v2/"},
    "page_shift": 0.1,
    "cursor_reset": 0.01,
}
XERO_FAULTS = {
    "error_500_before": {"probability": 0.02, "path": "/api.xro"},
    "lose_reply": {"probability": 0.03, "path": "/api.xro"},
    "cut": {"probability": 0.01, "path": "/api.xro"},
}


def season_of(number: int, *, days: int = 30, stores: int = 2) -> Season:
    """Months are dealt round the countries, so that each meets its own changes of clocks."""
    country = list(COUNTRIES)[number % len(COUNTRIES)]
    return Season(country=country, seed=number, days=days, stores=stores)


def judged(number: int, *, days: int = 30, stores: int = 2) -> dict[str, Any]:
    """What a month with all faults on came to; `wrong` names every difference, empty when right."""
    season = season_of(number, days=days, stores=stores)
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="month-") as folder,
        open_month(Path(folder), season, faults=SQUARE_FAULTS, ledger_faults=XERO_FAULTS) as month,
    ):
        month.live()
        truth = month.game.truth()
        wrong += [f"entry {key}: {found}" for key, found in differences(month).items()]
        wrong += [f"figure {key}: {found}" for key, found in figure_differences(month).items()]
        outcome = month.town.reconcile()
        found, missed = unexpected(outcome, truth)
        wrong += [f"not planted: {one}" for one in sorted(found)]
        wrong += [f"not found: {one}" for one in sorted(missed)]
        wrong += [f"D15: {outcome.unexplained_minor}"] if outcome.unexplained_minor else []
        try:
            assert_every_event_is_accounted_for(month)
        except AssertionError as lost:
            wrong.append(f"INV-16: {lost}")
        storm = month.storm
        assert storm is not None
        struck = dict(month.seller.state.faults.struck)
        return {
            "month": number,
            "country": season.country,
            "first_day": season.first.isoformat(),
            "wrong": wrong,
            "store_days": len(truth["store_days"]),
            "entries": sum(len(day["entries"]) for day in truth["store_days"]),
            "figures": sum(len(day["figures"]) for day in truth["store_days"]),
            "breaks": len(truth["breaks"]),
            "flows": truth["flows"],
            "webhooks": {
                "delivered": sum(storm.sent.values()),
                "distinct": len(storm.sent),
                "lost": storm.lost,
                "forged": storm.forged,
            },
            "square_faults": struck,
            "xero_faults": dict(month.organisation.faults.struck),
        }
