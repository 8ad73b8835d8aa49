"""Which days and which cities a seeded chain's seed deals."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario.retail.hours import Hours
from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES, STORES_MAX, Place
from cloud_conductor.sandbox.scenario.retail.play import Season, play
from cloud_conductor.sandbox.square import Seller, Settings
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


def played(season: Season) -> tuple[dict[str, Any], Seller]:
    """(truth, the seller that traded)."""
    settings = Settings(seed=season.seed, country=season.country)
    seller = Seller(settings, clock=SandboxClock(scale=0))
    return play(seller.call, seller.set_clock, season), seller


@pytest.mark.parametrize("seed", [0, 14, 16])
def test_nothing_ordinary_is_sold_outside_opening_hours(seed: int):
    """By two registers in each of two stores, one of which closes after midnight or on a weekday."""
    country = dealt(seed).country
    season = Season(country=country, seed=seed, days=21, orders_per_day=6, quiet=True)
    _, seller = played(season)
    places = {place.store: place for place in season.places}
    names = {one["id"]: one["name"] for one in seller.state.table("locations").values()}
    for order in seller.state.table("orders").values():
        place = places[names[order["location_id"]]]
        hours = Hours(season.place, place, season.first, season.last, season.seed)
        at = datetime.fromisoformat(order["closed_at"])
        day = (at.astimezone(hours.zone) - OPENS_EARLIEST).date()
        assert hours.is_open(day), (place.store, at)
        assert hours.opens(day) <= at <= hours.closes(day)
    days = {(one["store"], one["business_date"]) for one in seller_days(season, seller)}
    shut = {place.store: place.closed_weekday for place in season.places}
    assert not [one for one in days if date.fromisoformat(one[1]).weekday() == shut[one[0]]]


OPENS_EARLIEST = timedelta(hours=8)


def seller_days(season: Season, seller: Seller) -> list[dict[str, str]]:
    """Store and local date of each order, its small hours under the day before."""
    zones = {place.store: ZoneInfo(place.time_zone) for place in season.places}
    names = {one["id"]: one["name"] for one in seller.state.table("locations").values()}
    found = []
    for order in seller.state.table("orders").values():
        store = names[order["location_id"]]
        at = datetime.fromisoformat(order["closed_at"]).astimezone(zones[store])
        found.append({"store": store, "business_date": str((at - OPENS_EARLIEST).date())})
    return found


def test_saturdays_are_busier_than_mondays_and_a_city_shares_its_weather():
    season = Season(country="GB", seed=2, stores=4, days=56)
    assert [place.store for place in season.places] == ["LON0001", "EDI0001", "LON0002", "EDI0002"]
    london, edinburgh, again, _ = (
        Hours(season.place, place, season.first, season.last, season.seed)
        for place in season.places
    )
    days = [season.first + timedelta(days=number) for number in range(season.days)]
    demand: dict[int, float] = {}
    for day in days:
        demand[day.weekday()] = demand.get(day.weekday(), 0) + london.busy(day)
    assert demand[5] > 1.5 * demand[0]
    assert [london.busy(day) for day in days] == [again.busy(day) for day in days]
    assert [london.busy(day) for day in days] != [edinburgh.busy(day) for day in days]


def test_a_person_is_known_under_several_records_and_spellings():
    truth, seller = played(Season(country="CA", seed=1, days=1, quiet=True))
    records: dict[int, list[dict[str, Any]]] = {}
    for row in truth["people"]:
        known = seller.call("GET", f"/v2/customers/{row['customer_id']}")["customer"]
        records.setdefault(row["person"], []).append(known)
    several = [found for found in records.values() if len(found) > 1]
    assert len(several) >= len(records) // 3
    for found in several:
        spelt = {(one.get("given_name"), one.get("email_address")) for one in found}
        assert len(spelt) == len(found)
    assert len({row["customer_id"] for row in truth["people"]}) == len(truth["people"])


def test_a_chain_of_five_thousand_stores_trades_a_day():
    stores = STORES_MAX
    season = Season(country="US", stores=stores, days=1, orders_per_day=0.6, quiet=True)
    truth, seller = played(season)
    assert len(truth["stores"]) == stores == len(seller.state.table("locations"))
    orders = seller.state.table("orders").values()
    assert sum(day["figures"].get("orders", 0) for day in truth["store_days"]) == len(orders)
    assert stores / 5 < len(orders) < 2 * stores
    assert len({order["location_id"] for order in orders}) > stores / 5
    for day in truth["store_days"]:
        assert all(sum(entry["lines"].values()) == 0 for entry in day["entries"])
