"""Which days and which cities a seeded chain's seed deals."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES, Place
from cloud_conductor.sandbox.scenario.retail.play import Season
from cloud_conductor.sandbox.stage import Plan

SEEDS = range(300)
DAYS_LEAST = 12
"""Of the seasons that the ordinary tests play through the product."""


def dealt(number: int, *, days: int = 30) -> Season:
    """The seed's season, as the judged months deal countries."""
    return Season(country=list(COUNTRIES)[number % len(COUNTRIES)], seed=number, days=days)


def moves_clocks(season: Season) -> bool:
    """Whether the zone of one of its stores has two offsets from UTC within the season."""
    days = [season.first + timedelta(days=number) for number in range(season.days)]

    def offsets(place: Place) -> set[timedelta | None]:
        zone = ZoneInfo(place.time_zone)
        return {datetime.combine(day, time(12), zone).utcoffset() for day in days}

    return any(len(offsets(place)) > 1 for place in season.places)


@pytest.mark.parametrize("days", [DAYS_LEAST, 30])
def test_every_month_that_is_dealt_has_a_change_of_clocks_but_in_japan(days: int):
    still = {number for number in SEEDS if not moves_clocks(dealt(number, days=days))}
    assert still == {number for number in SEEDS if dealt(number).country == "JP"}


def test_chile_plays_the_day_that_has_no_midnight_r_2_3():
    days = {
        season.first + timedelta(days=number)
        for season in (dealt(seed, days=DAYS_LEAST) for seed in SEEDS)
        if season.country == "CL"
        for number in range(season.days)
    }
    (place,) = Season(country="CL", stores=1).places
    zone = ZoneInfo(place.time_zone)

    def there(day: date) -> datetime:
        return datetime.combine(day, place.cutoff, zone).astimezone(UTC).astimezone(zone)

    assert {day for day in days if there(day).time() != place.cutoff} == {date(2026, 9, 6)}


def test_every_city_is_played_and_by_two_registers_too():
    played = {(place.store[:3], place.registers) for seed in SEEDS for place in dealt(seed).places}
    cities = {city.code for country in COUNTRIES.values() for city in country.cities}
    assert {city for city, _ in played} == cities
    for country in COUNTRIES.values():
        if len(country.cities) > 1:
            assert {(one.code, n) for one in country.cities for n in (1, 2)} <= played


def test_the_first_seven_seeds_begin_at_the_first_city_and_the_next_at_the_second():
    first = [Season(country="US", seed=seed).places[0].store for seed in (0, 6, 7, 14, 28)]
    assert first == ["NYC0001", "NYC0001", "LAX0001", "CHI0001", "NYC0001"]


def test_the_stage_opens_the_stores_that_are_played(tmp_path):
    plan = Plan(tmp_path, scenario="retail", seed=15, country="CA", stores=2)
    assert [one.store for one in plan.season.places] == ["STJ0001", "TOR0001"]
    assert plan.places == plan.season.places


def test_a_countrys_taxes_are_told_apart_by_name_as_its_seller_knows_them():
    for country in COUNTRIES.values():
        taxes = [tax for city in country.cities for tax in city.taxes]
        assert len({tax.name for tax in taxes}) == len({(tax.name, tax.percent) for tax in taxes})
