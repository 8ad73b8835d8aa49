"""What only a till, an issuer or the processor can do, played below /sandbox/ and by refunds."""

import pytest

from cloud_conductor.sandbox.square import Seller
from cloud_conductor.sandbox.square.errors import SquareError


def usd(amount: int) -> dict:
    return {"amount": amount, "currency": "USD"}


class Shop:
    """A seller with one place; every write has a key of its own."""

    def __init__(self) -> None:
        self.seller = Seller()
        made = self.write("/v2/locations", {"location": {"name": "A"}})
        self.place = made["location"]["id"]
        self.writes = 0

    def write(self, path: str, body: dict, method: str = "POST") -> dict:
        self.writes = getattr(self, "writes", 0) + 1
        return self.seller.call(method, path, {"idempotency_key": f"k{self.writes}", **body})

    def order(self, amount: int = 1000, **more) -> dict:
        line = {"uid": "l", "name": "x", "quantity": "1", "base_price_money": usd(amount)}
        order = {"location_id": self.place, "line_items": [line], **more}
        return self.write("/v2/orders", {"order": order})["order"]

    def pay(self, order: dict, source: str = "cnon:ok", **more) -> dict:
        body = {"source_id": source, "order_id": order["id"], "amount_money": usd(1000), **more}
        return self.write("/v2/payments", body)["payment"]

    def get(self, path: str) -> dict:
        return self.seller.call("GET", path)

    def dump(self, name: str) -> list[dict]:
        return self.get("/sandbox/dump")[name]


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_declined_try_to_pay_an_order_is_kept_as_failed_and_takes_no_money(shop):
    order = shop.order()
    with pytest.raises(SquareError, match="CARD_DECLINED"):
        shop.pay(order, "cnon:card-nonce-declined")
    (tried,) = shop.dump("payments")
    assert (tried["status"], tried["order_id"]) == ("FAILED", order["id"])
    assert shop.get(f"/v2/orders/{order['id']}")["order"].get("tenders") is None
    assert shop.dump("balance_entries") == []


def test_a_card_charged_twice_is_two_captured_payments_on_one_order_r_9_17(shop):
    order = shop.order()
    first = shop.pay(order)
    again = shop.write(f"/sandbox/payments/{first['id']}/duplicate", {})["payment"]
    kept = shop.get(f"/v2/orders/{order['id']}")["order"]
    assert [one["payment_id"] for one in kept["tenders"]] == [first["id"], again["id"]]
    assert kept["net_amount_due_money"] == usd(-1000)
    assert len(shop.dump("balance_entries")) == 2


def test_an_offline_payment_closes_its_order_and_may_be_declined_later_r_2_6(shop):
    order = shop.order()
    offline = {"client_created_at": "2026-11-20T10:00:00Z"}
    taken = shop.pay(order, autocomplete=False, offline_payment_details=offline)
    assert shop.get(f"/v2/orders/{order['id']}")["order"]["state"] == "COMPLETED"
    shop.write(f"/sandbox/payments/{taken['id']}/fail", {})
    assert shop.get(f"/v2/payments/{taken['id']}")["payment"]["status"] == "FAILED"
    assert shop.get(f"/v2/orders/{order['id']}")["order"]["state"] == "COMPLETED"
    with pytest.raises(SquareError, match="FAILED"):
        shop.write(f"/sandbox/payments/{taken['id']}/fail", {})


def test_a_tip_is_typed_in_before_capture_only(shop):
    order = shop.order()
    held = shop.pay(order, autocomplete=False)
    change = {"payment": {"tip_money": usd(150)}}
    shop.write(f"/v2/payments/{held['id']}", change, "PUT")
    shop.write(f"/v2/payments/{held['id']}/complete", {})
    kept = shop.get(f"/v2/orders/{order['id']}")["order"]
    assert (kept["state"], kept["total_tip_money"]) == ("COMPLETED", usd(150))
    with pytest.raises(SquareError, match="COMPLETED"):
        shop.write(f"/v2/payments/{held['id']}", change, "PUT")


@pytest.mark.parametrize(("outcome", "left"), [("WON", 1000 - 36), ("LOST", -36)])
def test_a_dispute_holds_its_amount_back_until_it_is_won_r_7_5(shop, outcome, left):
    payment = shop.pay(shop.order())
    found = shop.write("/sandbox/disputes", {"payment_id": payment["id"]})["dispute"]
    shop.write(f"/sandbox/disputes/{found['id']}/resolve", {"state": outcome})
    entries = shop.dump("balance_entries")
    assert sum(one["net_amount_money"]["amount"] for one in entries) == left
    assert [one["type"] for one in entries][:2] == ["CHARGE", "OPEN_DISPUTE"]
    with pytest.raises(SquareError, match=outcome):
        shop.write(f"/sandbox/disputes/{found['id']}/resolve", {"state": "WON"})


def test_an_accepted_dispute_is_decided_and_moves_no_money_r_7_5(shop):
    payment = shop.pay(shop.order())
    found = shop.write("/sandbox/disputes", {"payment_id": payment["id"]})["dispute"]
    accepted = shop.write(f"/v2/disputes/{found['id']}/accept", {})["dispute"]
    assert (accepted["state"], accepted["version"]) == ("ACCEPTED", 2)
    assert [one["type"] for one in shop.dump("balance_entries")] == ["CHARGE", "OPEN_DISPUTE"]
    with pytest.raises(SquareError, match="ACCEPTED"):
        shop.write(f"/v2/disputes/{found['id']}/accept", {})


def test_an_instant_payout_takes_everything_and_costs_an_entry_of_its_own_r_7_4(shop):
    shop.pay(shop.order())
    sent = shop.write("/sandbox/payouts", {"location_id": shop.place, "instant": True})
    assert sent["payout"]["type"] == "SIMPLE"
    assert {one["type"] for one in sent["entries"]} == {"CHARGE", "DEPOSIT_FEE"}
    assert sent["payout"]["amount_money"] == usd(1000 - 36 - 14)


def test_a_refund_of_no_payment_goes_to_cash_and_names_no_order_r_9_11(shop):
    opened = {"location_id": shop.place, "opened_cash_money": usd(0)}
    shop.write("/sandbox/cash-drawers/shifts", opened)
    body = {"unlinked": True, "location_id": shop.place, "destination_id": "CASH"}
    refund = shop.write("/v2/refunds", {**body, "amount_money": usd(700)})["refund"]
    assert (refund["unlinked"], refund["status"], "order_id" in refund) == (
        True,
        "COMPLETED",
        False,
    )
    (shift,) = shop.dump("cash_drawer_shifts")
    assert shift["cash_refunds_money"] == usd(-700)


def test_a_return_without_a_receipt_is_priced_as_a_sale_of_today_r_10_3(shop):
    tax = {"uid": "t", "name": "T", "percentage": "10", "scope": "LINE_ITEM"}
    line = {"name": "x", "quantity": "1", "base_price_money": usd(1000)}
    line["applied_taxes"] = [{"tax_uid": "t"}]
    entry = {"return_line_items": [line], "return_taxes": [tax]}
    order = {"location_id": shop.place, "returns": [entry]}
    made = shop.write("/v2/orders", {"order": order})["order"]
    assert made["net_amount_due_money"] == usd(-1100)
    assert made["return_amounts"]["tax_money"] == usd(100)
    assert "source_order_id" not in made["returns"][0]
    body = {"unlinked": True, "location_id": shop.place, "destination_id": "cnon:ok"}
    shop.write("/v2/refunds", {**body, "amount_money": usd(1100), "order_id": made["id"]})
    assert shop.get(f"/v2/orders/{made['id']}")["order"]["state"] == "COMPLETED"


def test_a_card_payment_is_given_back_onto_a_gift_card_or_outside_square_r_9_12(shop):
    payment = shop.pay(shop.order())
    wanted = {"location_id": shop.place, "gift_card": {"type": "DIGITAL"}}
    card = shop.write("/v2/gift-cards", wanted)["gift_card"]
    activity = {"type": "ACTIVATE", "location_id": shop.place, "gift_card_id": card["id"]}
    activity["activate_activity_details"] = {"amount_money": usd(100)}
    shop.write("/v2/gift-cards/activities", {"gift_card_activity": activity})
    body = {"payment_id": payment["id"], "amount_money": usd(300)}
    onto = shop.write("/v2/refunds", {**body, "destination_id": card["id"]})["refund"]
    brand = onto["destination_details"]["card_details"]["card"]["card_brand"]
    assert brand == "SQUARE_GIFT_CARD"
    assert shop.get(f"/v2/gift-cards/{card['id']}")["gift_card"]["balance_money"] == usd(400)
    named = {"destination_id": "EXTERNAL", "external_details": {"source": "Store credit"}}
    outside = shop.write("/v2/refunds", {**body, **named})["refund"]
    assert outside["destination_details"]["external_details"]["source"] == "Store credit"
    assert [one["type"] for one in shop.dump("balance_entries")] == ["CHARGE"]


def test_each_register_has_a_drawer_of_its_own_and_one_may_end_uncounted_r_8_1(shop):
    for number in (1, 2):
        body = {"location_id": shop.place, "opened_cash_money": usd(0)}
        body["device"] = {"id": f"R{number}"}
        shop.write("/sandbox/cash-drawers/shifts", body)
    with pytest.raises(SquareError, match="already open"):
        shop.write("/sandbox/cash-drawers/shifts", {**body, "device": {"id": "R2"}})
    cash = {"cash_details": {"buyer_supplied_money": usd(1000)}}
    shop.pay(shop.order(), "CASH", device_details={"device_id": "R2"}, **cash)
    first, second = shop.dump("cash_drawer_shifts")
    assert (first["cash_payment_money"], second["cash_payment_money"]) == (usd(0), usd(1000))
    shop.write(f"/sandbox/cash-drawers/shifts/{second['id']}/end", {})
    assert shop.dump("cash_drawer_shifts")[1]["state"] == "ENDED"
    closed = {"closed_cash_money": usd(1000)}
    shop.write(f"/sandbox/cash-drawers/shifts/{second['id']}/close", closed)
    assert shop.dump("cash_drawer_shifts")[1]["state"] == "CLOSED"
