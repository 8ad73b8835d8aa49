from datetime import UTC, date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.sandbox.scenario.catalogue import ITEMS, chain_stores
from cloud_conductor.sandbox.scenario.demand import (
    Cancelled,
    Discount,
    DrawerClosed,
    DrawerEvent,
    DrawerOpened,
    Exchange,
    GiftCardSale,
    PayoutSent,
    Redemption,
    Return,
    Sale,
    Step,
    StoreDays,
    TicketOpened,
    store_steps,
)
from cloud_conductor.sandbox.scenario.till import work_out

DAY = date(2026, 11, 20)
BY_SKU = {item.sku: item for item in ITEMS}


def planned(
    store: int = 0, seed: int = 1, days: int = 2, orders: int = 20
) -> tuple[StoreDays, list[Step]]:
    planner = store_steps(chain_stores(3)[store], seed, DAY, days, orders)
    return planner, planner.all_steps()


def test_a_short_run_meets_every_kind_of_step() -> None:
    _, steps = planned()
    kinds = {type(step) for step in steps}
    assert kinds == {
        Cancelled,
        DrawerClosed,
        DrawerEvent,
        DrawerOpened,
        Exchange,
        GiftCardSale,
        PayoutSent,
        Redemption,
        Return,
        Sale,
        TicketOpened,
    }


@pytest.mark.parametrize("store", [0, 1, 2])
def test_one_sale_is_paid_just_before_and_one_just_after_each_cutoff(store: int) -> None:
    planner, steps = planned(store)
    sales = [step for step in steps if isinstance(step, Sale)]
    seconds = {
        (sale.at - planner.local(DAY + timedelta(days=day), planner.plan.cutoff)).total_seconds()
        for sale in sales
        for day in (-1, 0, 1)
    }
    assert {-30.0, 30.0} <= seconds


@given(st.integers(0, 10_000), st.integers(0, 2))
def test_goods_come_back_after_they_were_sold_and_cash_moves_in_an_open_drawer(
    seed: int, store: int
) -> None:
    _, steps = planned(store, seed, days=1 + seed % 2, orders=5)
    sold: dict[str, int] = {}
    is_open = False
    for step in steps:
        if isinstance(step, DrawerOpened | DrawerClosed):
            is_open = isinstance(step, DrawerOpened)
        if isinstance(step, Sale):
            assert step.tender == "card" or is_open
            if step.label:
                assert len(step.basket) == 1
                sold[step.label] = step.basket[0][1]
        if isinstance(step, Return):
            assert is_open
            sold[step.label] -= step.units
            assert sold[step.label] >= 0
        if isinstance(step, Exchange):
            sold[step.label] -= 1
            assert sold[step.label] >= 0
    assert [step.at for step in steps] == sorted(step.at for step in steps)


def test_same_seed_plans_the_same_steps_and_another_seed_others() -> None:
    assert planned(seed=4)[1] == planned(seed=4)[1]
    assert planned(seed=4)[1] != planned(seed=5)[1]


def test_a_chain_has_at_least_one_store() -> None:
    assert [plan.store for plan in chain_stores(4)] == ["NYC01", "CHI01", "LAX01", "NYC02"]
    with pytest.raises(ValueError, match="stores"):
        chain_stores(0)


def test_tax_splits_sum_to_the_combined_rate() -> None:
    for plan in chain_stores(3):
        assert sum(Fraction(rate) for rate in plan.tax_split.values()) == plan.tax_rate * 100


def test_o1_of_the_golden_day_is_worked_out_alike() -> None:
    basket = [(BY_SKU["APP-TEE"], 2), (BY_SKU["HOM-MUG"], 1)]
    bill = work_out(basket, Fraction("0.08875"), Discount("Weekday", percent="10"))
    assert [line.discount_minor for line in bill.goods] == [500, 155]
    assert (bill.tax_minor, bill.total_minor) == (523, 6418)


def test_o2_and_o8_of_the_golden_day_exempt_groceries_and_tax_the_service() -> None:
    grocery = work_out([(BY_SKU["GRO-HNY"], 1), (BY_SKU["APP-CAP"], 1)], Fraction("0.08875"))
    service = work_out([(BY_SKU["HOM-LMP"], 1)], Fraction("0.08875"), service_minor=500)
    assert (grocery.tax_minor, grocery.total_minor) == (177, 2975)
    assert (service.tax_minor, service.total_minor) == (399, 4899)


def test_a_discount_larger_than_the_basket_is_clipped() -> None:
    bill = work_out([(BY_SKU["CAF-ESP"], 1)], Fraction(0), Discount("Reward", amount_minor=500))
    assert bill.total_minor == 0


def test_steps_are_aware_utc() -> None:
    assert {step.at.tzinfo for step in planned()[1]} == {UTC}
