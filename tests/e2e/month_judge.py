"""One seeded month judged: entries, figures, breaks and events against its truth."""

import tempfile
from pathlib import Path
from typing import Any

from month_rig import (
    Month,
    assert_every_event_is_accounted_for,
    differences,
    figure_differences,
    open_month,
    unexpected,
)

from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES
from cloud_conductor.sandbox.scenario.retail.play import Season

EVERY_CALL = {"path": "/v2/", "methods": ("GET", "POST")}
SQUARE_FAULTS = {
    "error_500_before": {"probability": 0.02, **EVERY_CALL},
    "error_500_after": {"probability": 0.01, **EVERY_CALL},
    "rate_limited": {"probability": 0.02, "seconds": 0, **EVERY_CALL},
    "cut": {"probability": 0.02, **EVERY_CALL},
    "lose_reply": {"probability": 0.02, **EVERY_CALL},
    "slow": {"probability": 0.01, "seconds": 0.01, **EVERY_CALL},
    "slow_reply": {"probability": 0.01, "seconds": 0.01, **EVERY_CALL},
    "slow_body": {"probability": 0.02, "seconds": 0.02, **EVERY_CALL},
    "expire_token": {"probability": 0.005, **EVERY_CALL},
    "small_pages": {"probability": 0.1, "path": "/v2/"},
    "page_shift": {"probability": 0.2, "path": "/v2/"},
    "cursor_reset": {"probability": 0.1, "path": "/v2/"},
}
"""Fractions of the calls. What is slow is so in a rehearsal's time: real waits are 1,000 times it."""
XERO_FAULTS = {
    "error_500_before": {"probability": 0.02, "path": "/api.xro"},
    "error_500_after": {"probability": 0.02, "path": "/api.xro"},
    "rate_limited": {"probability": 0.02, "seconds": 0, "path": "/api.xro"},
    "lose_reply": {"probability": 0.03, "path": "/api.xro"},
    "cut": {"probability": 0.01, "path": "/api.xro"},
    "slow_body": {"probability": 0.02, "seconds": 0.02, "path": "/api.xro"},
    "expire_token": {"probability": 0.01, "path": "/api.xro"},
}


def season_of(number: int, *, days: int = 30, stores: int = 2) -> Season:
    """Months are dealt round the countries, so that each meets its own changes of clocks."""
    country = list(COUNTRIES)[number % len(COUNTRIES)]
    return Season(country=country, seed=number, days=days, stores=stores)


def _compared(month: Month, truth: dict[str, Any]) -> list[str]:
    """What comparing found and nobody planted, did not find, or left unexplained."""
    outcome = month.again(month.town.reconcile)
    found, missed = unexpected(outcome, truth)
    said = {
        (one.code, one.store, one.business_date.isoformat()): one.message for one in outcome.breaks
    }
    return [
        *(f"not planted: {one}: {said[one]}" for one in sorted(found)),
        *(f"not found: {one}" for one in sorted(missed)),
        *([f"D15: {outcome.unexplained_minor}"] if outcome.unexplained_minor else []),
    ]


def judged(number: int, *, days: int = 30, stores: int = 2) -> dict[str, Any]:
    """What a month with all faults on came to; `wrong` names every difference, empty when right."""
    season = season_of(number, days=days, stores=stores)
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="month-") as folder,
        open_month(Path(folder), season, faults=SQUARE_FAULTS, ledger_faults=XERO_FAULTS) as month,
    ):
        month.live()
        # Or what is compared changes meanwhile, and the seller, who has played to the end of every
        # story and is ahead of the house, tells a time before its newest changes.
        month.seller.state.faults.plan({"page_shift": 0, "clock_skew": 0})
        month.again(month.town.close_due)
        month.again(month.town.post)
        truth = month.game.truth()
        wrong += [f"entry {key}: {found}" for key, found in differences(month).items()]
        wrong += [f"figure {key}: {found}" for key, found in figure_differences(month).items()]
        wrong += [*month.wrong, *_compared(month, truth)]
        try:
            assert_every_event_is_accounted_for(month)
        except AssertionError as lost:
            wrong.append(f"INV-16: {lost}")
        storm, weather = month.storm, month.weather
        assert storm is not None
        assert weather is not None
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
                "shed": storm.shed,
                "forged": storm.forged,
            },
            "weather": {
                f"schema: {weather.name}": 1,
                f"clock: {weather.skew_hours:+} h": 1,
                "zone of a store": 1,
                "quarantined": weather.broken,
            },
            "square_faults": struck,
            "xero_faults": dict(month.organisation.faults.struck),
        }
