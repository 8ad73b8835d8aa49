"""The truth: its own business days and its own balance, on days unlike the golden one."""

from datetime import date
from fractions import Fraction

import pytest

from cloud_conductor.sandbox.clock import parse_instant
from cloud_conductor.sandbox.scenario.truth import Store, slug, split, truth_of
from cloud_conductor.sandbox.square import Seller


def money(amount: int, currency: str = "CAD") -> dict:
    return {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("zone", "cutoff", "instant", "day"),
    [  # the first instant of a day, and the last of the day before
        ("America/New_York", "04:00", "2026-03-08T07:59:59Z", "2026-03-07"),
        ("America/New_York", "04:00", "2026-03-08T08:00:00Z", "2026-03-08"),
        ("America/New_York", "02:30", "2026-03-08T07:29:59Z", "2026-03-07"),
        ("America/New_York", "02:30", "2026-03-08T07:30:00Z", "2026-03-08"),
        ("America/New_York", "04:00", "2026-11-01T08:59:59Z", "2026-10-31"),
        ("America/Santiago", "00:00", "2026-09-06T03:59:59Z", "2026-09-05"),
        ("America/Santiago", "00:00", "2026-09-06T04:00:00Z", "2026-09-06"),
        ("Australia/Lord_Howe", "04:00", "2026-10-03T17:00:00Z", "2026-10-04"),
    ],
)
def test_business_dates_are_the_domain_guides(zone, cutoff, instant, day):
    store = Store("A", "L", zone, cutoff)
    assert store.business_date(instant) == date.fromisoformat(day)


PARTS = [Fraction("4.000"), Fraction("4.500"), Fraction("0.375")]


def test_names_and_splits():
    assert slug("Café") == "cafe"
    assert split(523, PARTS) == [236, 265, 22]  # O1
    assert split(-200, PARTS) == [-90, -101, -9]  # O6


class Counter:
    """A Canadian till: inclusive tax, coins without cents, gratuities, an outside terminal."""

    def __init__(self) -> None:
        self.seller = Seller()
        self.seller.set_clock(parse_instant("2026-11-21T15:00:00Z"))
        wanted = {"name": "YYZ", "timezone": "America/Toronto", "country": "CA", "currency": "CAD"}
        made = self.seller.call("POST", "/v2/locations", {"location": wanted})
        self.place = made["location"]["id"]
        self.count = 0

    def order(self, **order) -> dict:
        order["location_id"] = self.place
        return self.seller.call("POST", "/v2/orders", {"order": order})["order"]

    def pay(self, order: dict, amount: int, source: str, **more) -> dict:
        self.count += 1
        body = {
            "source_id": source,
            "idempotency_key": f"k{self.count}",
            "order_id": order["id"],
            "amount_money": money(amount),
            **more,
        }
        return self.seller.call("POST", "/v2/payments", body)["payment"]

    def truth(self) -> dict:
        store = Store("YYZ", self.place, "America/Toronto", "00:00", "CAD")
        return truth_of(self.seller.call("GET", "/sandbox/dump"), [store], scenario="till")


def test_inclusive_tax_gratuity_rounding_and_partial_returns_balance():
    till = Counter()
    vat = {"uid": "t", "name": "HST", "percentage": "13", "type": "INCLUSIVE", "scope": "ORDER"}
    cut = {"uid": "d", "name": "d", "percentage": "15", "scope": "ORDER"}
    tip = {"uid": "g", "name": "Party", "percentage": "18", "type": "AUTO_GRATUITY"}
    line = {"uid": "a", "name": "x", "quantity": "3", "base_price_money": money(433)}
    sold = till.order(line_items=[line], taxes=[vat], discounts=[cut], service_charges=[tip])
    # 12.99 - 15 % (1.95) = 11.04 with 1.27 tax inside; gratuity 18 % of 11.04 = 1.99.
    assert sold["total_money"]["amount"] == 1104 + 199
    given = {"buyer_supplied_money": money(2000)}
    till.pay(sold, 500, "EXTERNAL", external_details={"type": "OTHER", "source": "terminal"})
    till.pay(sold, 805, "CASH", cash_details=given)  # 8.03 to the nickel
    for _ in range(3):
        back = [{"source_line_item_uid": "a", "quantity": "1"}]
        one = till.order(returns=[{"source_order_id": sold["id"], "return_line_items": back}])
        payments = till.seller.call("GET", f"/v2/payments?location_id={till.place}")["payments"]
        cash = next(p for p in payments if p["source_type"] == "CASH")
        due = -one["net_amount_due_money"]["amount"]
        if due <= cash["total_money"]["amount"] - cash.get("refunded_money", money(0))["amount"]:
            refund = {"idempotency_key": one["id"], "payment_id": cash["id"]}
            till.seller.call("POST", "/v2/refunds", {**refund, "amount_money": money(due)})
    (day,) = till.truth()["store_days"]
    figures = day["figures"]
    assert (figures["external_minor"], figures["cash_rounding_minor"]) == (500, 2)
    assert figures["tips_minor"] == 199
    # 12.99 - 1.95 - 1.27 = 9.77 net of tax sold; two of three units are back.
    assert figures["gross_sales_minor"] == 977 + 195
    assert figures["orders"] == 1
    (sales,) = (one["lines"] for one in day["entries"] if one["kind"] == "SALES")
    assert sum(sales.values()) == 0
    assert sales["clearing.external"] == 500


def test_offline_sales_belong_to_the_day_of_the_device():
    till = Counter()
    line = {"name": "x", "quantity": "1", "base_price_money": money(1000)}
    late = {"client_created_at": "2026-11-21T04:30:00Z"}  # 23:30 on the 20th in Toronto
    till.pay(till.order(line_items=[line]), 1000, "cnon:ok", offline_payment_details=late)
    assert [day["business_date"] for day in till.truth()["store_days"]] == ["2026-11-20"]


def test_a_dump_whose_money_does_not_add_up_is_refused():
    till = Counter()
    line = {"name": "x", "quantity": "1", "base_price_money": money(1000)}
    till.pay(till.order(line_items=[line]), 1000, "cnon:ok")
    dump = till.seller.call("GET", "/sandbox/dump")
    dump["orders"][0]["tenders"][0]["amount_money"]["amount"] = 999
    store = Store("YYZ", till.place, "America/Toronto", "00:00", "CAD")
    with pytest.raises(AssertionError):
        truth_of(dump, [store], scenario="till")
