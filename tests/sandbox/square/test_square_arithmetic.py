"""Order arithmetic: the domain guide's worked numbers, and laws over random orders."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_conductor.sandbox.square import Seller
from cloud_conductor.sandbox.square.errors import SquareError
from cloud_conductor.sandbox.square.money import allocate, half_even, nickel, part_of

NYC = {"uid": "tax", "name": "NYC", "percentage": "8.875", "scope": "ORDER"}


def usd(amount: int) -> dict:
    return {"amount": amount, "currency": "USD"}


def line(price: int, quantity: str = "1", **more) -> dict:
    return {"name": "x", "quantity": quantity, "base_price_money": usd(price), **more}


def shop(**more) -> tuple[Seller, str]:
    seller = Seller()
    made = seller.call("POST", "/v2/locations", {"location": {"name": "A", **more}})
    return seller, made["location"]["id"]


def create(seller: Seller, place: str, **order) -> dict:
    return seller.call("POST", "/v2/orders", {"order": {"location_id": place, **order}})["order"]


def pay(seller: Seller, order: dict, amount: int, source: str = "cnon:ok", **more) -> dict:
    body = {
        "source_id": source,
        "idempotency_key": f"k{order['id']}{amount}",
        "order_id": order["id"],
        "amount_money": {**order["total_money"], "amount": amount},
        **more,
    }
    return seller.call("POST", "/v2/payments", body)["payment"]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (1000, [1000, 1000, 1000], [334, 333, 333]),
        (500, [1999, 501, 99], [385, 96, 19]),
        (100, [1, 1, 1], [34, 33, 33]),
        (1000, [1, 2, 4], [143, 286, 571]),
        (-100, [1, 1, 1], [-34, -33, -33]),
    ],
)
def test_allocation_is_the_domain_guides_table(total, weights, parts):
    assert allocate(total, weights) == parts


def test_three_partial_returns_of_a_tax_of_209():
    parts = [part_of(209, before=Fraction(k), now=Fraction(1), whole=Fraction(3)) for k in range(3)]
    assert parts == [70, 69, 70]


@pytest.mark.parametrize(("prices", "tax"), [((1880, 695), 229), ((1500, 800, 695, 695), 327)])
def test_exclusive_tax_is_computed_on_the_order(prices, tax):
    seller, place = shop()
    order = create(seller, place, line_items=[line(p) for p in prices], taxes=[NYC])
    assert order["total_tax_money"]["amount"] == tax
    assert sum(one["total_tax_money"]["amount"] for one in order["line_items"]) == tax


@pytest.mark.parametrize(("country", "gross"), [("US", 2183_86), ("GB", 2620_63)])
def test_inclusive_tax_is_taken_out_net_first(country, gross):
    seller, place = shop(country=country)
    vat = {"name": "VAT", "percentage": "20", "type": "INCLUSIVE"}
    order = create(seller, place, line_items=[line(2620_63)], taxes=[vat])
    (one,) = order["line_items"]
    assert order["total_tax_money"]["amount"] == 436_77
    assert order["total_money"]["amount"] == 2620_63
    assert one["gross_sales_money"]["amount"] == gross


def test_inclusive_tax_of_three_lines_is_the_orders():
    seller, place = shop()
    vat = {"name": "VAT", "percentage": "20", "type": "INCLUSIVE"}
    order = create(seller, place, line_items=[line(999)] * 3, taxes=[vat])
    assert order["total_tax_money"]["amount"] == 4_99  # by order


def test_cash_in_canada_rounds_to_the_nickel():
    seller, place = shop(country="CA", currency="CAD", timezone="America/Toronto")
    price = {"amount": 1292, "currency": "CAD"}
    order = create(seller, place, line_items=[{**line(0), "base_price_money": price}])
    given = {"buyer_supplied_money": {"amount": 2000, "currency": "CAD"}}
    pay(seller, order, 1290, "CASH", cash_details=given)
    done = seller.call("GET", f"/v2/orders/{order['id']}")["order"]
    assert done["state"] == "COMPLETED"
    assert done["rounding_adjustment"]["amount_money"]["amount"] == -2
    assert done["total_money"]["amount"] == 1290


def test_gift_card_lines_take_no_discount_and_no_tax():
    seller, place = shop()
    cut = {"name": "half", "percentage": "50", "scope": "ORDER"}
    gift = line(5000, item_type="GIFT_CARD")
    order = create(seller, place, line_items=[line(1000), gift], discounts=[cut], taxes=[NYC])
    assert order["line_items"][1]["total_money"]["amount"] == 5000
    assert order["total_money"]["amount"] == 5000 + 500 + 44  # 5.00 x 8.875 % = 0.44


def test_a_discount_larger_than_its_lines_is_clipped():
    seller, place = shop()
    cut = {"name": "huge", "amount_money": usd(9999), "scope": "ORDER"}
    order = create(seller, place, line_items=[line(1000), line(1)], discounts=[cut])
    assert order["total_money"]["amount"] == 0
    paid = seller.call("POST", f"/v2/orders/{order['id']}/pay", {"idempotency_key": "k"})["order"]
    assert paid["state"] == "COMPLETED"


def test_line_discounts_come_before_order_discounts_and_modifiers_count():
    seller, place = shop()
    extra = {"name": "cheese", "base_price_money": usd(150)}
    first = line(1000, "2", uid="a", modifiers=[extra], applied_discounts=[{"discount_uid": "l"}])
    cuts = [
        {"uid": "o", "name": "order", "percentage": "10", "scope": "ORDER"},
        {"uid": "l", "name": "line", "amount_money": usd(300), "scope": "LINE_ITEM"},
    ]
    order = create(seller, place, line_items=[first, line(1000)], discounts=cuts)
    # (20.00 + 3.00 - 3.00) and 10.00, then 10 % of 30.00 = 3.00 as 2.00 and 1.00.
    assert [one["total_money"]["amount"] for one in order["line_items"]] == [1800, 900]


def test_gratuity_and_fee_after_tax():
    seller, place = shop()
    tip = {"name": "Gratuity", "percentage": "18", "type": "AUTO_GRATUITY", "taxable": False}
    bag = {"name": "Bag", "amount_money": usd(10), "calculation_phase": "TOTAL_PHASE"}
    order = create(seller, place, line_items=[line(1000)], taxes=[NYC], service_charges=[tip, bag])
    assert order["total_money"]["amount"] == 1000 + 180 + 89 + 10
    assert order["total_service_charge_money"]["amount"] == 190


def test_an_even_exchange_is_paid_with_nothing():
    seller, place = shop()
    sold = create(seller, place, line_items=[line(1999, uid="a")], taxes=[NYC])
    pay(seller, sold, 2176)
    back = [{"source_line_item_uid": "a", "quantity": "1"}]
    swap = create(
        seller,
        place,
        line_items=[line(1999)],
        taxes=[NYC],
        returns=[{"source_order_id": sold["id"], "return_line_items": back}],
    )
    assert swap["net_amount_due_money"]["amount"] == 0
    paid = seller.call("POST", f"/v2/orders/{swap['id']}/pay", {"idempotency_key": "k"})["order"]
    assert paid["state"] == "COMPLETED"
    with pytest.raises(SquareError):  # given back already
        create(seller, place, returns=[{"source_order_id": sold["id"], "return_line_items": back}])


@st.composite
def orders(draw):
    """A random order: lines with decimal quantities, cuts, one or two taxes."""
    lines = [
        line(
            draw(st.integers(0, 50_000)),
            draw(st.sampled_from(["1", "2", "3", "7", "0.5", "1.25", "0.333"])),
            uid=f"l{i}",
            item_type=draw(st.sampled_from(["ITEM", "ITEM", "ITEM", "GIFT_CARD"])),
        )
        for i in range(draw(st.integers(1, 6)))
    ]
    cuts = draw(
        st.lists(
            st.one_of(
                st.integers(1, 100).map(lambda p: {"name": "p", "percentage": str(p)}),
                st.integers(1, 9000).map(lambda a: {"name": "a", "amount_money": usd(a)}),
            ),
            max_size=2,
        )
    )
    kind = draw(st.sampled_from(["ADDITIVE", "INCLUSIVE"]))
    rates = draw(st.lists(st.sampled_from(["8.875", "20", "0.5"]), max_size=2))
    taxes = [
        {"uid": f"t{i}", "name": f"t{i}", "percentage": r, "type": kind}
        for i, r in enumerate(rates)
    ]
    return {"line_items": lines, "discounts": cuts, "taxes": taxes}


@settings(max_examples=150, deadline=None)
@given(orders())
def test_lines_sum_to_the_order_and_every_part_is_accounted_for(wanted):
    seller, place = shop()
    order = create(seller, place, **wanted)
    for name in ("total_money", "total_tax_money", "total_discount_money"):
        assert sum(one[name]["amount"] for one in order["line_items"]) == order[name]["amount"]
    for tax in order.get("taxes", []):
        parts = [
            applied["applied_money"]["amount"]
            for one in order["line_items"]
            for applied in one.get("applied_taxes", [])
            if applied["tax_uid"] == tax["uid"]
        ]
        assert sum(parts) == tax["applied_money"]["amount"]
    for one in order["line_items"]:
        assert one["total_money"]["amount"] >= 0
        quantity, base = Fraction(one["quantity"]), one["base_price_money"]["amount"]
        assert one["variation_total_price_money"]["amount"] == half_even(quantity * base)


@settings(max_examples=100, deadline=None)
@given(orders(), st.randoms(use_true_random=False))
def test_partial_returns_sum_to_the_whole(wanted, dice):
    seller, place = shop()
    sold = create(seller, place, **wanted)
    if sold["total_money"]["amount"]:
        pay(seller, sold, sold["total_money"]["amount"])
    else:
        seller.call("POST", f"/v2/orders/{sold['id']}/pay", {"idempotency_key": "k"})
    units = [(one["uid"], Fraction(one["quantity"]) / 3) for one in sold["line_items"]] * 3
    units = [(uid, part) for uid, part in units if part.denominator in {1, 2, 4}]
    dice.shuffle(units)
    sums = dict.fromkeys((one["uid"] for one in sold["line_items"]), 0)
    for uid, part in units:
        back = [{"source_line_item_uid": uid, "quantity": f"{float(part):g}"}]
        entry = {"source_order_id": sold["id"], "return_line_items": back}
        made = create(seller, place, returns=[entry])["returns"][0]["return_line_items"][0]
        sums[uid] += made["total_money"]["amount"]
        assert made["total_money"]["amount"] == (
            made["gross_return_money"]["amount"]
            - made["total_discount_money"]["amount"]
            + _tax_outside(sold, made)
        )
    given_back = {uid for uid, _ in units}
    for one in sold["line_items"]:
        if one["uid"] in given_back:
            assert sums[one["uid"]] == one["total_money"]["amount"]


def _tax_outside(sold: dict, made: dict) -> int:
    """Tax of a return line that is not in its gross: all of it, since US gross excludes it."""
    assert sold["location_id"]
    return made["total_tax_money"]["amount"]


@given(st.integers(-(10**6), 10**6))
def test_the_nickel_is_near(amount):
    assert nickel(amount) % 5 == 0
    assert abs(nickel(amount) - amount) <= 2
