"""One seeded month judged: entries, figures, breaks and events against its truth."""

import tempfile
from collections import Counter
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from month_rig import (
    Month,
    assert_every_event_is_accounted_for,
    differences,
    figure_differences,
    open_month,
    unexpected,
)

from cloud_conductor.inventory.flow import run_inventory
from cloud_conductor.inventory.movements import MILLION
from cloud_conductor.sandbox.scenario.retail import weather
from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES
from cloud_conductor.sandbox.scenario.retail.play import Season
from cloud_conductor.state import inventory as state

SQUARE_FAULTS = {**weather.SQUARE, **weather.SHIFTING}


def season_of(number: int, *, days: int = 30, stores: int = 2) -> Season:
    """Months are dealt round the countries, so that each meets its own changes of clocks."""
    country = list(COUNTRIES)[number % len(COUNTRIES)]
    return Season(country=country, seed=number, days=days, stores=stores)


def clock_changes(season: Season) -> set[tuple[str, date]]:
    """(store, day played) on which the clocks of a store's zone go forward or back (R-2.3)."""

    def offset(zone: str, day: date) -> timedelta | None:
        return datetime.combine(day, time(12), ZoneInfo(zone)).utcoffset()

    days = [season.first + timedelta(days=number) for number in range(season.days)]
    return {
        (place.store, day)
        for place in season.places
        for day in days
        if offset(place.time_zone, day) != offset(place.time_zone, day - timedelta(days=1))
    }


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


def stock_differences(month: Month) -> dict[tuple[str, str], tuple[int, int]]:
    """(store, SKU) -> (ours, meant) units on hand, where they differ (R-11.1).

    What was counted and delivered the owner enters by hand, so it is no movement of ours: it is
    added from the seller's own book of changes.
    """
    month.again(lambda: run_inventory(month.house.inventory_deps))
    seller = month.seller.state
    places = {one["id"]: one["name"] for one in seller.table("locations").values()}
    ours: Counter[tuple[str, str]] = Counter()
    with month.house.worker.connect() as connection:
        for row in state.stock(connection):
            ours[row.store, row.sku] += row.quantity
    skus = {
        one["id"]: one["item_variation_data"]["sku"]
        for one in seller.table("catalog").values()
        if one["type"] == "ITEM_VARIATION"
    }
    for change in seller.table("inventory_changes").values():
        kind = change["type"].lower()
        if kind == "physical_count" or change[kind]["from_state"] == "NONE":
            told = change[kind]
            key = places[told["location_id"]], skus[told["catalog_object_id"]]
            ours[key] += MILLION * int(told["quantity"])
    meant = {(row["store"], row["sku"]): row["units"] for row in month.game.truth()["stock"]}
    return {
        key: (ours[key] // MILLION, meant.get(key, 0))
        for key in sorted(ours.keys() | meant.keys())
        if ours[key] != MILLION * meant.get(key, 0)
    }


def judged(number: int, *, days: int = 30, stores: int = 2) -> dict[str, Any]:
    """What a month with all faults on came to; `wrong` names every difference, empty when right."""
    season = season_of(number, days=days, stores=stores)
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="month-") as folder,
        open_month(
            Path(folder), season, faults=SQUARE_FAULTS, ledger_faults=dict(weather.XERO)
        ) as month,
    ):
        month.live()
        # Or what is compared changes meanwhile, and the seller, who has played to the end of every
        # story and is ahead of the house, tells a time before its newest changes.
        month.seller.state.faults.plan({"page_shift": 0, "clock_skew": 0})
        month.again(month.town.close_due)
        month.posted()
        truth = month.game.truth()
        wrong += [f"entry {key}: {found}" for key, found in differences(month).items()]
        wrong += [f"figure {key}: {found}" for key, found in figure_differences(month).items()]
        wrong += [f"stock {key}: {found}" for key, found in stock_differences(month).items()]
        wrong += [*month.wrong, *_compared(month, truth)]
        try:
            assert_every_event_is_accounted_for(month)
        except AssertionError as lost:
            wrong.append(f"INV-16: {lost}")
        storm, sky = month.storm, month.weather
        assert storm is not None
        assert sky is not None
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
            "stock": len(truth["stock"]),
            "flows": truth["flows"],
            "webhooks": {
                "delivered": sum(storm.sent.values()),
                "distinct": len(storm.sent),
                "lost": storm.lost,
                "shed": storm.shed,
                "forged": storm.forged,
            },
            "weather": {
                f"schema: {sky.name}": 1,
                f"clock: {sky.skew_hours:+} h": 1,
                "zone of a store": 1,
                "clocks of a store go forward or back": len(clock_changes(season)),
                "quarantined": sky.broken,
            },
            "square_faults": struck,
            "xero_faults": dict(month.organisation.faults.struck),
        }
