"""Ten seeds of a chain: what was meant is in the books, and what was planted is found (§14)."""

import random
from pathlib import Path

import pytest
from house_rig import breaks_of, open_breaks, open_town

from cloud_conductor.cli import demo_truth
from cloud_conductor.pipelines.reconcile import Reconciliation

KINDS = ("D01", "D03", "D04", "D05", "D16")
STORE_DAYS = [
    (store, day) for store in ("CHI01", "LAX01", "NYC01") for day in ("2026-11-20", "2026-11-21")
]


def drawn(seed: int) -> list[tuple[str, str, str]]:
    """One break of each kind, each at a store-day of its own; one store-day stays clean."""
    places = random.Random(seed).sample(STORE_DAYS, len(KINDS))
    return [(kind, *place) for kind, place in zip(KINDS, places, strict=True)]


def assert_green(outcome: Reconciliation) -> None:
    assert {level.level: level.state for level in outcome.levels} == dict.fromkeys(
        ("L1", "L2", "L3", "L4", "L5", "L6"), "green"
    )
    assert open_breaks(outcome) == set()
    assert outcome.unexplained_minor == 0


@pytest.mark.parametrize("seed", range(1, 11))
def test_planted_breaks_are_found_with_their_codes_and_nothing_else(seed: int, tmp_path: Path):
    """R-14.4, R-14.4a: five kinds at five of six store-days."""
    plants = drawn(seed)
    with open_town(tmp_path, seed=seed, plants=plants) as town:
        town.close_due()
        assert set(town.post()) == {"posted"}
        assert demo_truth.booked(town.entries()) == demo_truth.meant(town.truth)
        town.plant(*(one for one in plants if one[0] != "D16"))
        outcome = town.reconcile()

    timing = {one for one in plants if one[0] == "D05"}
    assert open_breaks(outcome) == set(plants) - timing
    assert {one for one in breaks_of(outcome, "L6") if one[0] == "D05"} == timing
    assert outcome.unexplained_minor == 0


def test_nothing_is_found_where_nothing_was_planted(tmp_path: Path):
    with open_town(tmp_path, seed=11) as town:
        town.close_due()
        town.post()
        outcome = town.reconcile()
        assert_green(outcome)
        assert demo_truth.booked(town.entries()) == demo_truth.meant(town.truth)
        store_days = {(one.store, one.business_date.isoformat()) for one in outcome.equations}
    assert store_days >= set(STORE_DAYS)
