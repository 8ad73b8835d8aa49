"""Plays a seeded chain of one country into a Square seller, as far as asked; gives the truth.

The same plan gives the same calls and the same truth. The clock only moves forward. A catalogue
change falls on the start of every tenth day, so that whoever sweeps before it sees both prices.
"""

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.scenario.catalogue import CATEGORIES, ITEMS
from cloud_conductor.sandbox.scenario.chain import category_object, upsert
from cloud_conductor.sandbox.scenario.daybook import StoreMeant
from cloud_conductor.sandbox.scenario.retail import custody, returns
from cloud_conductor.sandbox.scenario.retail.book import Book, Json
from cloud_conductor.sandbox.scenario.retail.hours import Hours
from cloud_conductor.sandbox.scenario.retail.people import identities
from cloud_conductor.sandbox.scenario.retail.places import COUNTRIES, Country, Place, stores_of
from cloud_conductor.sandbox.scenario.retail.stories import FLOWS, Story
from cloud_conductor.sandbox.scenario.retail.till import Call, Shelf, Till

CHANGE_DAYS = 10
PAYOUT_DAYS_AFTER = 5
PERSONS = 8
STOCKED = 200
assert returns.__name__, "its stories register themselves"


@dataclass(frozen=True)
class Season:
    """What to play. weights: flow -> how often a store-day has it, instead of its own weight.

    forced: flow -> how many of it there must be over all stores. quiet: no flow but the forced
    ones. Raises ValueError for an unknown country or flow, or no day at all.
    """

    country: str = "US"
    seed: int = 0
    stores: int = 2
    days: int = 30
    orders_per_day: float = 4
    first_day: date | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    forced: Mapping[str, int] = field(default_factory=dict)
    quiet: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        unknown = (self.weights.keys() | self.forced.keys()) - FLOWS.keys()
        if self.days < 1 or self.country not in COUNTRIES or unknown:
            msg = f"cannot play {self.days} days of {self.country!r}, flows unknown: {unknown}"
            raise ValueError(msg)

    @property
    def place(self) -> Country:
        """The country's rules."""
        return COUNTRIES[self.country]

    @property
    def places(self) -> tuple[Place, ...]:
        """The stores; every seventh seed, a turn of all countries, begins at the next city."""
        return stores_of(self.place, self.stores, first_city=self.seed // len(COUNTRIES))

    @property
    def first(self) -> date:
        """First day played: as asked, else one soon before a change of the country's clocks."""
        months = self.place.months
        return self.first_day or months[self.seed % len(months)]

    @property
    def last(self) -> date:
        """Last day that has sales."""
        return self.first + timedelta(days=self.days - 1)

    @property
    def stops(self) -> list[datetime]:
        """Instants at which the catalogue changes, and the end."""
        steps = range(CHANGE_DAYS, self.days, CHANGE_DAYS)
        noon = [datetime.combine(self.first + timedelta(days=one), time(12), UTC) for one in steps]
        end = self.last + timedelta(days=PAYOUT_DAYS_AFTER + 3)
        return [*noon, datetime.combine(end, time(12), UTC)]

    def weight(self, flow: str) -> float:
        """How often a store-day has a flow."""
        return 0 if self.quiet else self.weights.get(flow, FLOWS[flow].weight)


class Game:
    """A season being played. Opening it makes stores, catalogue and customers, no sale."""

    def __init__(self, square: Call, set_clock: Callable[[datetime], None], season: Season) -> None:
        """Open the stores; the clock stands at noon two days before the first day."""
        self.season, self._square, self._set_clock = season, square, set_clock
        country = season.place
        before = datetime.combine(season.first - timedelta(days=2), time(12), UTC)
        set_clock(before)
        self._rng = random.Random(f"{season.seed}/{season.country}/{season.first}")
        self.shelf = Shelf(country)
        self.places = season.places
        self._ids = self._catalogue(country)
        self.people = self._people()
        locations = {place.store: self._location(place) for place in self.places}
        self.book = Book(_meant(place, country, locations[place.store]) for place in self.places)
        loyalty = self._loyalty(country)
        self.tills = {
            place.store: Till(
                square,
                self.book,
                country,
                place,
                Hours(country, place, season.first, season.last, season.seed),
                self.shelf,
                locations[place.store],
                self._ids,
                [customer for _, customer in self.people],
                loyalty,
            )
            for place in self.places
        }
        self._heap: list[tuple[datetime, int, Story]] = []
        self._told = 0
        self._marks = self._forced_marks()
        for till in self.tills.values():
            self._plan(till)
        self._plan_forced()
        self._push(self._changes())
        for till in self.tills.values():
            self._push(self._deliveries(till))

    def advance(self, until: datetime | None = None) -> None:
        """Play everything before an instant; without one, to the end of every story."""
        while self._heap and (until is None or self._heap[0][0] < until):
            at, _, story = heapq.heappop(self._heap)
            self._set_clock(at)
            self.book.now = at
            self._push(story)
        if until is not None:
            self._set_clock(until)

    def truth(self) -> Json:
        """Give what was meant so far."""
        season = self.season
        return self.book.truth(
            scenario="retail",
            seed=season.seed,
            country=season.country,
            first_day=season.first.isoformat(),
            people=[{"person": person, "customer_id": one} for person, one in self.people],
        )

    # ---- the plan ------------------------------------------------------------------------------

    def _plan(self, till: Till) -> None:
        season = self.season
        for number in range(season.days):
            day = season.first + timedelta(days=number)
            if till.hours.is_open(day):
                rng = random.Random(f"{season.seed}/{till.store}/{day}")
                self._plan_day(till, rng, day)
        last = season.last + timedelta(days=PAYOUT_DAYS_AFTER)
        self._push(custody.payouts(till, season.first, last))

    def _plan_day(self, till: Till, rng: random.Random, day: date) -> None:
        busy = till.hours.busy(day)
        ordinary = round(self.season.orders_per_day * busy + rng.uniform(-0.5, 0.5))
        marks = set(self._marks.get((till.store, day), ()))
        for _ in range(ordinary):
            self._tell(till, rng, "ordinary", day)
        for name in sorted(FLOWS):
            weight = self.season.weight(name)
            count = int(weight) + (rng.random() < weight % 1)
            for _ in range(count):
                if name in custody.SHIFT_FLOWS:
                    marks.add(name)
                else:
                    self._tell(till, rng, name, day)
        for number in range(till.place.registers):
            register = f"{till.store}-R{number + 1}"
            own = marks if number == 0 else set()
            shifts = custody.shifts(till, random.Random(rng.random()), day, register, own)
            self._push(shifts)
        for mark in marks:
            self.book.told[mark] += 1

    def _dealt(self) -> list[tuple[Till, date]]:
        """Give the stores' open days in turn, from the second day on: where forced flows go."""
        return [
            (till, day)
            for number in range(1, max(self.season.days - 1, 2))
            for till in self.tills.values()
            if till.hours.is_open(day := self.season.first + timedelta(days=number))
        ]

    def _forced_marks(self) -> dict[tuple[str, date], set[str]]:
        found: dict[tuple[str, date], set[str]] = {}
        places = self._dealt()
        for name in custody.SHIFT_FLOWS:
            for number in range(self.season.forced.get(name, 0)):
                till, day = places[number % len(places)]
                found.setdefault((till.store, day), set()).add(name)
        return found

    def _plan_forced(self) -> None:
        places = self._dealt()
        for name, count in sorted(self.season.forced.items()):
            for number in range(count if name not in custody.SHIFT_FLOWS else 0):
                till, day = places[number % len(places)]
                rng = random.Random(f"{self.season.seed}/{till.store}/{day}/{name}/{number}")
                self._tell(till, rng, name, day)

    def _tell(self, till: Till, rng: random.Random, name: str, day: date) -> None:
        at = till.hours.moment(day, rng)
        self.book.told[name] += 1
        own = random.Random(rng.random())
        self._push(_begun(FLOWS[name].tell(till, own, at, day), at))

    def _push(self, story: Story) -> None:
        """Run a story to its next instant and keep it until then."""
        try:
            at = next(story)
        except StopIteration:
            return
        self._told += 1
        heapq.heappush(self._heap, (at, self._told, story))

    def _changes(self) -> Story:
        """Prices and costs move, a tenth up or down, on some items (§3, R-11.5)."""
        for stop in self.season.stops[:-1]:
            yield stop
            for item in self._rng.sample(ITEMS, 5):
                factor = Fraction(self._rng.choice((9, 11)), 10)
                for kept in (self.shelf.prices, self.shelf.costs):
                    kept[item.sku] = max(1, round(kept[item.sku] * factor))
                known = self._square("GET", f"/v2/catalog/object/{self._ids['#' + item.sku]}", None)
                changed = known["object"]
                (variation,) = changed["item_data"]["variations"]
                self._price(variation, item.sku)
                body = {"idempotency_key": f"change-{item.sku}-{stop}", "object": changed}
                self._square("POST", "/v2/catalog/object", body)

    def _deliveries(self, till: Till) -> Story:
        """A count before the first day, then a delivery of everything each week (R-11.1)."""
        first = self.season.first
        for week in range(self.season.days // 7 + 1):
            day = first + timedelta(days=7 * week - 1)
            yield datetime.combine(day, time(9), UTC)
            kind = "ADJUSTMENT" if week else "PHYSICAL_COUNT"
            changes = []
            for item in ITEMS:
                units = STOCKED if not week else 20 + self._rng.randrange(20)
                self.book.stock[till.store, item.sku] += units
                moved = {
                    "catalog_object_id": self._ids[item.sku],
                    "location_id": till.location_id,
                    "quantity": str(units),
                }
                states = {"from_state": "NONE", "to_state": "IN_STOCK"}
                moved |= states if week else {"state": "IN_STOCK"}
                changes.append({"type": kind, kind.lower(): moved})
            till.write("POST", "/v2/inventory/changes/batch-create", {"changes": changes})

    # ---- masters -------------------------------------------------------------------------------

    def _location(self, place: Place) -> str:
        country = self.season.place
        wanted = {
            "name": place.store,
            "timezone": place.time_zone,
            "country": country.code,
            "currency": country.currency,
        }
        return str(self._square("POST", "/v2/locations", {"location": wanted})["location"]["id"])

    def _catalogue(self, country: Country) -> dict[str, str]:
        """Write categories, taxes and items; give ids by SKU, `#SKU` of its item, and tax name."""
        taxes = {tax.name: tax for place in self.places for tax in place.taxes}
        masters = [category_object(slug, name) for slug, name in CATEGORIES.items()]
        for tax in taxes.values():
            data = {
                "name": tax.name,
                "inclusion_type": "INCLUSIVE" if tax.is_inclusive else "ADDITIVE",
                "percentage": tax.percent,
                "enabled": True,
            }
            masters.append({"type": "TAX", "id": f"#{tax.name}", "tax_data": data})
        found = upsert(self._square, masters, f"{country.code}-masters")
        items = [self._item(item.sku, item.name, found[f"#{item.category}"]) for item in ITEMS]
        found |= upsert(self._square, items, f"{country.code}-items")
        ids = {item.sku: found[f"#{item.sku}-each"] for item in ITEMS}
        ids |= {f"#{item.sku}": found[f"#{item.sku}"] for item in ITEMS}
        return ids | {name: found[f"#{name}"] for name in taxes}

    def _item(self, sku: str, name: str, category_id: str) -> Json:
        variation: Json = {
            "type": "ITEM_VARIATION",
            "id": f"#{sku}-each",
            "item_variation_data": {
                "item_id": f"#{sku}",
                "name": "Each",
                "sku": sku,
                "track_inventory": True,
            },
        }
        self._price(variation, sku)
        data = {
            "name": name,
            "categories": [{"id": category_id}],
            "reporting_category": {"id": category_id},
            "variations": [variation],
        }
        return {"type": "ITEM", "id": f"#{sku}", "item_data": data}

    def _price(self, variation: Json, sku: str) -> None:
        country = self.season.place
        cost = country.text(self.shelf.costs[sku])
        attribute = {"key": "unit_cost", "name": "Unit cost", "type": "NUMBER"}
        values = {"unit_cost": {**attribute, "number_value": cost}}
        variation["custom_attribute_values"] = values
        price = {"amount": self.shelf.prices[sku], "currency": country.currency}
        variation["item_variation_data"] |= {"price_money": price, "pricing_type": "FIXED_PRICING"}

    def _people(self) -> list[tuple[int, str]]:
        found = []
        for person, record in identities(self._rng, PERSONS):
            made = self._square("POST", "/v2/customers", dict(record))["customer"]
            found.append((person, str(made["id"])))
        return found

    def _loyalty(self, country: Country) -> tuple[str, str]:
        money = {"amount": country.amount(500), "currency": country.currency}
        discount = {"name": "Reward", "discount_type": "FIXED_AMOUNT", "amount_money": money}
        tier = {"name": "Reward", "points": 100, "discount": discount}
        body = {"reward_tiers": [tier]}
        program = self._square("POST", "/sandbox/loyalty/programs", body)["program"]
        account = {"program_id": program["id"], "mapping": {"phone_number": "+12125550100"}}
        wanted = {"idempotency_key": "loyalty-0", "loyalty_account": account}
        found = self._square("POST", "/v2/loyalty/accounts", wanted)["loyalty_account"]
        return str(found["id"]), str(program["reward_tiers"][0]["id"])


def play(square: Call, set_clock: Callable[[datetime], None], season: Season) -> dict[str, Any]:
    """Play a whole season and give its truth."""
    game = Game(square, set_clock, season)
    game.advance()
    return game.truth()


def tax_splits(place: Place) -> dict[str, dict[str, str]]:
    """Tax name -> statutory parts: what an owner knows and the POS does not say."""
    return {tax.name: dict(tax.split) for tax in place.taxes}


def _meant(place: Place, country: Country, location_id: str) -> StoreMeant:
    splits = tax_splits(place)
    return StoreMeant(
        place.store, location_id, place.time_zone, place.cutoff, splits, country.currency
    )


def _begun(story: Story, at: datetime) -> Story:
    """A story that waits for its first instant."""
    yield at
    yield from story
