"""A seeded chain of stores in three time zones, played into a Square seller; gives the truth.

The same seed gives the same calls and the same truth. The clock only moves forward.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from cloud_conductor.sandbox.scenario.catalogue import (
    CATEGORIES,
    ITEMS,
    Item,
    StorePlan,
    chain_stores,
)
from cloud_conductor.sandbox.scenario.daybook import DayBook, StoreMeant
from cloud_conductor.sandbox.scenario.demand import REWARD_MINOR, merged, planted_sale, store_steps
from cloud_conductor.sandbox.scenario.till import REWARD_POINTS, Call, Json, Till

POS_PLANTS = frozenset({"D16"})
FIRST_DAY = date(2026, 11, 20)


@dataclass(frozen=True, slots=True)
class Plant:
    """A break to plant: its code, the store and the trading day.

    D16 is planted here, in the POS; other kinds are carried into the truth for whoever plants them.
    """

    kind: str
    store: str
    day: date


def play(
    square: Call,
    set_clock: Callable[[datetime], None],
    *,
    seed: int,
    stores: int = 3,
    days: int = 2,
    first_day: date = FIRST_DAY,
    orders_per_day: int = 40,
    plants: Sequence[Plant] = (),
) -> dict[str, Any]:
    """Play `days` of `stores` stores and give the truth, schema `sandbox.truth/v1`.

    orders_per_day: ordinary sales per store-day, beside one of each special flow.
    Raises ValueError for a plant outside the stores and days played, or no day at all.
    """
    plans = chain_stores(stores)
    _check(plans, plants, first_day, days)
    set_clock(_day_before(plans, first_day))
    ids = upsert_catalog(square, plans)
    locations = {plan.store: create_location(square, plan.store, plan.time_zone) for plan in plans}
    book = DayBook(
        StoreMeant(
            plan.store,
            locations[plan.store],
            plan.time_zone,
            plan.cutoff,
            {plan.tax_name: plan.tax_split},
        )
        for plan in plans
    )
    program_id, tier_id = _loyalty_program(square)
    steps = {}
    for plan in plans:
        planner = store_steps(plan, seed, first_day, days, orders_per_day)
        steps[plan.store] = planner.all_steps() + [
            planted_sale(planner, plant.day)
            for plant in plants
            if plant.store == plan.store and plant.kind in POS_PLANTS
        ]
    tills = {
        plan.store: Till(
            square,
            book,
            plan,
            locations[plan.store],
            ids,
            (_loyalty_account(square, program_id, number), tier_id),
        )
        for number, plan in enumerate(plans)
    }
    for store, step in merged(steps):
        set_clock(step.at)
        tills[store].play(step)
    for plant in plants:
        if plant.kind not in POS_PLANTS:
            book.plant(plant.kind, plant.store, plant.day, None)
    return book.truth("chain", seed=seed)


def _check(plans: Sequence[StorePlan], plants: Sequence[Plant], first_day: date, days: int) -> None:
    if days < 1:
        msg = f"a chain plays at least one day, not {days}"
        raise ValueError(msg)
    known = {plan.store for plan in plans}
    last_day = first_day + timedelta(days=days - 1)
    for plant in plants:
        if plant.store not in known or not first_day <= plant.day <= last_day:
            msg = (
                f"cannot plant {plant.kind} at {plant.store}/{plant.day}: stores are "
                f"{', '.join(sorted(known))}, days {first_day} to {last_day}"
            )
            raise ValueError(msg)


def _day_before(plans: Sequence[StorePlan], first_day: date) -> datetime:
    """Noon of the day before the first, in the first zone: before any store's first trading day."""
    noon = time(12)
    return datetime.combine(first_day - timedelta(days=1), noon, ZoneInfo(plans[0].time_zone))


def create_location(square: Call, name: str, time_zone: str) -> str:
    """Create a location, give its id."""
    location = {"name": name, "timezone": time_zone}
    return str(square("POST", "/v2/locations", {"location": location})["location"]["id"])


def _loyalty_program(square: Call) -> tuple[str, str]:
    """Create the one program, 100 points for 5.00 off an order; give its and its tier's id."""
    discount = {
        "name": "Loyalty reward",
        "discount_type": "FIXED_AMOUNT",
        "amount_money": {"amount": REWARD_MINOR, "currency": "USD"},
    }
    tier = {"name": "5.00 off", "points": REWARD_POINTS, "discount": discount}
    program = square("POST", "/sandbox/loyalty/programs", {"reward_tiers": [tier]})["program"]
    return str(program["id"]), str(program["reward_tiers"][0]["id"])


def _loyalty_account(square: Call, program_id: str, number: int) -> str:
    account = {
        "program_id": program_id,
        "mapping": {"phone_number": f"+1212555{number + 100:04d}"},
    }
    body = {"idempotency_key": f"loyalty-{number}", "loyalty_account": account}
    return str(square("POST", "/v2/loyalty/accounts", body)["loyalty_account"]["id"])


def upsert_catalog(square: Call, plans: Sequence[StorePlan]) -> dict[str, str]:
    """Write categories, items and one tax per city; give catalog object ids by SKU and tax name."""
    taxes = {plan.tax_name: plan for plan in plans}
    objects = [category_object(slug, name) for slug, name in CATEGORIES.items()]
    objects += [_tax_object(plan) for plan in taxes.values()]
    found = upsert(square, objects, "chain-masters")
    found |= upsert(square, [_item_object(item, found) for item in ITEMS], "chain-items")
    wanted = {item.sku: found[f"#{item.sku}-each"] for item in ITEMS}
    return wanted | {name: found[f"#{name}"] for name in taxes}


def upsert(square: Call, objects: list[Json], key: str) -> dict[str, str]:
    """Write catalog objects in batches of 1,000 that do not refer to each other; give real ids."""
    ids: dict[str, str] = {}
    for start in range(0, len(objects), 1000):
        part = objects[start : start + 1000]
        body = {"idempotency_key": f"{key}-{start}", "batches": [{"objects": part}]}
        answer = square("POST", "/v2/catalog/batch-upsert", body)
        ids |= {row["client_object_id"]: row["object_id"] for row in answer["id_mappings"]}
    return ids


def category_object(slug: str, name: str) -> Json:
    """Give a CATEGORY object with the client id `#<slug>`."""
    return {"type": "CATEGORY", "id": f"#{slug}", "category_data": {"name": name}}


def item_object(  # one row of a price list
    *, sku: str, name: str, category_id: str, price_minor: int, cost_minor: int, taxable: bool
) -> Json:
    """Give an ITEM with one fixed-price variation `#<sku>-each` and its unit cost.

    Square's catalog has no cost field: it is the custom attribute `unit_cost`, in dollars.
    """
    cost = Fraction(cost_minor, 100)
    attribute = {
        "key": "unit_cost",
        "name": "Unit cost",
        "type": "NUMBER",
        "number_value": f"{int(cost)}.{cost_minor % 100:02d}",
    }
    variation = {
        "type": "ITEM_VARIATION",
        "id": f"#{sku}-each",
        "custom_attribute_values": {"unit_cost": attribute},
        "item_variation_data": {
            "item_id": f"#{sku}",
            "name": "Each",
            "sku": sku,
            "pricing_type": "FIXED_PRICING",
            "price_money": {"amount": price_minor, "currency": "USD"},
        },
    }
    return {
        "type": "ITEM",
        "id": f"#{sku}",
        "item_data": {
            "name": name,
            "is_taxable": taxable,
            "categories": [{"id": category_id}],
            "reporting_category": {"id": category_id},
            "variations": [variation],
        },
    }


def _item_object(item: Item, ids: Mapping[str, str]) -> Json:
    return item_object(
        sku=item.sku,
        name=item.name,
        category_id=ids[f"#{item.category}"],
        price_minor=item.price_minor,
        cost_minor=item.cost_minor,
        taxable=item.taxed,
    )


def _tax_object(plan: StorePlan) -> Json:
    return tax_object(plan.tax_name, plan.tax_percent)


def tax_object(name: str, percent: str) -> Json:
    """Give a TAX added to prices, of the whole order's taxed base."""
    data = {
        "name": name,
        "calculation_phase": "TAX_SUBTOTAL_PHASE",
        "inclusion_type": "ADDITIVE",
        "percentage": percent,
        "enabled": True,
    }
    return {"type": "TAX", "id": f"#{name}", "tax_data": data}
