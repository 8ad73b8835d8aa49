"""Square's own SDK drives every resource; the official description judges both directions."""

import uuid

import httpx
import pytest
from openapi_core.exceptions import OpenAPIError
from square import Square
from square.core.api_error import ApiError
from square_conformance import Conformance, event_problems


def key() -> str:
    return str(uuid.uuid4())


def usd(amount: int) -> dict:
    return {"amount": amount, "currency": "USD"}


def item(name: str, price: int, **more) -> dict:
    variation = {
        "type": "ITEM_VARIATION",
        "id": f"#{name}-v",
        "item_variation_data": {
            "item_id": f"#{name}",
            "name": "Regular",
            "sku": f"SKU-{name}",
            "pricing_type": "FIXED_PRICING",
            "price_money": usd(price),
            **more,
        },
    }
    data = {"name": name, "variations": [variation]}
    return {"type": "ITEM", "id": f"#{name}", "item_data": data}


@pytest.fixture
def shop(sdk: Square) -> dict[str, str]:
    """A location, a tax and two items; ids by name."""
    location = sdk.locations.create(location={"name": "NYC01", "timezone": "America/New_York"})
    tax = {"type": "TAX", "id": "#tax", "tax_data": {"name": "Tax", "percentage": "8.875"}}
    objects = [tax, item("mug", 1500), item("tea", 800, track_inventory=True)]
    made = sdk.catalog.batch_upsert(idempotency_key=key(), batches=[{"objects": objects}])
    ids = {pair.client_object_id[1:]: pair.object_id for pair in made.id_mappings}
    return {"location": location.location.id, **ids}


def writable(value):
    """An object read from the API without what its description calls read-only."""
    if isinstance(value, dict):
        return {k: writable(v) for k, v in value.items() if k not in {"updated_at", "ordinal"}}
    return [writable(one) for one in value] if isinstance(value, list) else value


def order_for(shop: dict[str, str], *names: str, **more) -> dict:
    lines = [{"uid": n, "catalog_object_id": shop[f"{n}-v"], "quantity": "1"} for n in names]
    taxes = [{"uid": "tax", "catalog_object_id": shop["tax"], "scope": "ORDER"}]
    return {"location_id": shop["location"], "line_items": lines, "taxes": taxes, **more}


def sell(sdk: Square, shop: dict[str, str], *names: str, **payment):
    order = sdk.orders.create(idempotency_key=key(), order=order_for(shop, *names)).order
    paid = sdk.payments.create(
        idempotency_key=key(),
        source_id=payment.pop("source_id", "cnon:card-nonce-ok"),
        order_id=order.id,
        location_id=shop["location"],
        amount_money=payment.pop("amount_money", usd(order.total_money.amount)),
        **payment,
    )
    return order, paid.payment


def test_merchant_and_locations(sdk, shop):
    me = sdk.merchants.get("me").merchant
    assert me.main_location_id == shop["location"]
    assert [one.id for one in sdk.merchants.list()] == [me.id]
    assert [one.name for one in sdk.locations.list().locations] == ["NYC01"]
    sdk.locations.update(shop["location"], location={"description": "Corner"})
    assert sdk.locations.get(shop["location"]).location.description == "Corner"


def test_catalog_upsert_get_list_search_retrieve_delete(sdk, shop):
    mug = sdk.catalog.object.get(object_id=shop["mug"]).object
    assert mug.item_data.variations[0].item_variation_data.sku == "SKU-mug"
    changed = writable(mug.model_dump(exclude_none=True, mode="json"))
    changed["item_data"]["name"] = "Big mug"
    fresh = sdk.catalog.object.upsert(idempotency_key=key(), object=changed).catalog_object
    assert (fresh.item_data.name, fresh.version > mug.version) == ("Big mug", True)
    assert {o.type for o in sdk.catalog.list(types="ITEM,TAX")} == {"ITEM", "TAX"}
    found = sdk.catalog.search(object_types=["ITEM"], begin_time="2026-01-01T00:00:00Z").objects
    assert {one.id for one in found} == {shop["mug"], shop["tea"]}
    related = sdk.catalog.batch_get(object_ids=[shop["mug-v"]], include_related_objects=True)
    assert [one.id for one in related.related_objects] == [shop["mug"]]
    sdk.catalog.object.delete(object_id=shop["tea"])
    gone = sdk.catalog.search(object_types=["ITEM"], include_deleted_objects=True).objects
    assert {one.id: one.is_deleted for one in gone} == {shop["mug"]: False, shop["tea"]: True}


def test_an_upsert_based_on_an_old_version_is_refused(sdk, shop):
    mug = sdk.catalog.object.get(object_id=shop["mug"]).object
    mug = writable(mug.model_dump(exclude_none=True, mode="json"))
    with pytest.raises(ApiError) as refusal:
        sdk.catalog.object.upsert(
            idempotency_key=key(),
            object={**mug, "version": 1},
            request_options={"max_retries": 0},
        )
    assert refusal.value.status_code == 409


def test_order_paid_by_card_completes_and_costs_a_fee_later(sdk, shop):
    order, answered = sell(sdk, shop, "mug", "tea", tip_money=usd(250))
    assert (order.total_money.amount, order.state) == (2504, "OPEN")
    assert answered.processing_fee is None
    payment = sdk.payments.get(answered.id).payment
    assert payment.total_money.amount == 2754
    assert payment.processing_fee[0].amount_money.amount == 82  # 27.54 x 2.6 % + 0.10 = 0.816
    done = sdk.orders.get(order.id).order
    assert (done.state, done.version, done.total_tip_money.amount) == ("COMPLETED", 2, 250)
    assert done.tenders[0].amount_money.amount == 2754
    assert done.net_amount_due_money.amount == 0


def test_cash_gives_change_and_costs_nothing(sdk, shop):
    cash = {"buyer_supplied_money": usd(1700)}
    _, payment = sell(sdk, shop, "mug", source_id="CASH", cash_details=cash)
    assert payment.cash_details.change_back_money.amount == 67
    assert sdk.payments.get(payment.id).payment.processing_fee is None


def test_delayed_capture_completes_the_order_on_capture_only(sdk, shop):
    order, payment = sell(sdk, shop, "mug", autocomplete=False)
    assert sdk.orders.get(order.id).order.state == "OPEN"
    sdk.payments.complete(payment.id)
    assert sdk.orders.get(order.id).order.state == "COMPLETED"
    order, payment = sell(sdk, shop, "mug", autocomplete=False)
    paid = sdk.orders.pay(order.id, idempotency_key=key(), payment_ids=[payment.id]).order
    assert paid.state == "COMPLETED"
    order, payment = sell(sdk, shop, "mug", autocomplete=False)
    assert sdk.payments.cancel(payment.id).payment.status == "CANCELED"
    assert sdk.orders.get(order.id).order.net_amount_due_money.amount == order.total_money.amount


def test_external_and_offline_payments(sdk, shop, conformance):
    paid_at = "2026-11-21T13:59:59Z"
    order = sdk.orders.create(idempotency_key=key(), order=order_for(shop, "mug")).order
    payment = sdk.payments.create(
        idempotency_key=key(),
        source_id="EXTERNAL",
        external_details={"type": "CHECK", "source": "paper"},
        order_id=order.id,
        amount_money=usd(order.total_money.amount),
    ).payment
    assert payment.source_type == "EXTERNAL"
    order = sdk.orders.create(idempotency_key=key(), order=order_for(shop, "tea")).order
    conformance.judge_requests = False  # offline details are read-only in the public API
    body = {"offline_payment_details": {"client_created_at": paid_at}}
    payment = sdk.payments.create(
        idempotency_key=key(),
        source_id="cnon:card-nonce-ok",
        order_id=order.id,
        amount_money=usd(order.total_money.amount),
        request_options={"additional_body_parameters": body},
    ).payment
    assert payment.is_offline_payment
    assert payment.offline_payment_details.client_created_at == "2026-11-21T13:59:59.000Z"


def test_search_pages_through_orders_in_both_directions(sdk, shop):
    made = [sell(sdk, shop, "mug")[0].id for _ in range(5)]
    for direction, wanted in (("ASC", made), ("DESC", made[::-1])):
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = sdk.orders.search(
                location_ids=[shop["location"]],
                limit=2,
                query={
                    "filter": {
                        "date_time_filter": {"updated_at": {"start_at": "2026-11-21T00:00:00Z"}},
                        "state_filter": {"states": ["COMPLETED"]},
                    },
                    "sort": {"sort_field": "UPDATED_AT", "sort_order": direction},
                },
                **more,
            )
            found += [one.id for one in page.orders]
            cursor = page.cursor
            if not cursor:
                break
        assert sorted(found) == sorted(wanted)
        assert len(found) == 5
    got = sdk.orders.batch_get(order_ids=made).orders
    assert [one.id for one in got] == made


def test_orders_are_updated_by_version_and_cancelled(sdk, shop):
    order = sdk.orders.create(idempotency_key=key(), order=order_for(shop, "mug")).order
    change = {"location_id": shop["location"], "version": 1}
    line = {"uid": "mug", "quantity": "2"}
    two = sdk.orders.update(order.id, order={**change, "line_items": [line]}).order
    assert (two.version, two.line_items[0].gross_sales_money.amount) == (2, 3000)
    with pytest.raises(ApiError):
        sdk.orders.update(order.id, order={**change, "state": "CANCELED"})
    gone = sdk.orders.update(order.id, order={**change, "version": 2, "state": "CANCELED"}).order
    assert gone.state == "CANCELED"
    with pytest.raises(ApiError):
        sdk.payments.create(
            idempotency_key=key(), source_id="cnon:ok", order_id=order.id, amount_money=usd(1)
        )


def test_calculate_keeps_nothing(sdk, shop, seller):
    priced = sdk.orders.calculate(order=order_for(shop, "mug")).order
    assert priced.total_money.amount == 1633
    assert seller.call("GET", "/sandbox/dump")["orders"] == []


def test_bare_refund_makes_a_completed_return_order(sdk, shop):
    _, payment = sell(sdk, shop, "mug")
    refund = sdk.refunds.refund_payment(
        idempotency_key=key(), payment_id=payment.id, amount_money=usd(500), reason="Chipped"
    ).refund
    assert refund.status == "PENDING"
    kept = sdk.refunds.get(refund.id).refund
    assert kept.status == "COMPLETED"
    order = sdk.orders.get(kept.order_id).order
    assert (order.state, order.net_amounts.total_money.amount) == ("COMPLETED", -500)
    assert order.returns[0].return_line_items[0].item_type == "CUSTOM_AMOUNT"
    assert [one.id for one in sdk.refunds.list(location_id=shop["location"])] == [refund.id]
    assert sdk.payments.get(payment.id).payment.refunded_money.amount == 500
    with pytest.raises(ApiError) as refusal:
        sdk.refunds.refund_payment(
            idempotency_key=key(), payment_id=payment.id, amount_money=usd(1200)
        )
    assert refusal.value.body["errors"][0]["code"] == "REFUND_AMOUNT_INVALID"


def test_payments_list_by_update_time_and_cursor(sdk, shop):
    made = {sell(sdk, shop, "mug")[1].id for _ in range(5)}
    listed = sdk.payments.list(
        location_id=shop["location"],
        updated_at_begin_time="2026-11-21T00:00:00Z",
        sort_field="UPDATED_AT",
        sort_order="ASC",
        limit=2,
    )
    assert {one.id for one in listed} == made


def test_payouts_and_their_entries(sdk, shop, http):
    sell(sdk, shop, "mug")
    _, payment = sell(sdk, shop, "tea")
    sdk.refunds.refund_payment(idempotency_key=key(), payment_id=payment.id, amount_money=usd(871))
    made = http.post("/sandbox/payouts", json={"location_id": shop["location"]}).json()["payout"]
    (payout,) = sdk.payouts.list(location_id=shop["location"])
    assert payout == sdk.payouts.get(made["id"]).payout
    entries = list(sdk.payouts.list_entries(payout.id, sort_order="ASC", limit=2))
    assert {one.type for one in entries} == {"CHARGE", "REFUND"}
    # 16.33 - 0.52, 8.71 - 0.33, -8.71: fees 2.6 % + 0.10, half to even, kept on the refund.
    assert payout.amount_money.amount == 1581 + 838 - 871
    assert sum(one.net_amount_money.amount for one in entries) == payout.amount_money.amount
    again = http.post("/sandbox/payouts", json={"location_id": shop["location"]})
    assert again.status_code == 400


def test_disputes_and_their_outcomes(sdk, shop, http):
    opened = []
    for _ in range(3):
        _, payment = sell(sdk, shop, "tea")
        body = {"payment_id": payment.id}
        opened.append(http.post("/sandbox/disputes", json=body).json()["dispute"])
    won, lost, accepted = (one["id"] for one in opened)
    for name, outcome in ((won, "WON"), (lost, "LOST")):
        http.post(f"/sandbox/disputes/{name}/resolve", json={"state": outcome})
    assert sdk.disputes.accept(accepted).dispute.state == "ACCEPTED"
    states = {one.id: one.state for one in sdk.disputes.list(location_id=shop["location"])}
    assert states == {won: "WON", lost: "LOST", accepted: "ACCEPTED"}
    assert [one.id for one in sdk.disputes.list(states="LOST")] == [lost]
    kept = sdk.disputes.get(lost).dispute
    assert (kept.version, kept.disputed_payment.payment_id) == (
        2,
        opened[1]["disputed_payment"]["payment_id"],
    )
    events = [one for one in http.get("/sandbox/dump").json()["events"] if "dispute" in one["type"]]
    assert len(events) == 6
    assert [problem for event in events for problem in event_problems(event)] == []


def test_cash_drawer_counts_cash_and_paid_outs(sdk, shop, http):
    opened = {"location_id": shop["location"], "opened_cash_money": usd(20000)}
    shift = http.post("/sandbox/cash-drawers/shifts", json=opened).json()["cash_drawer_shift"]
    _, paid = sell(
        sdk, shop, "mug", source_id="CASH", cash_details={"buyer_supplied_money": usd(2000)}
    )
    sdk.refunds.refund_payment(idempotency_key=key(), payment_id=paid.id, amount_money=usd(633))
    out = {"event_type": "PAID_OUT", "event_money": usd(500), "description": "ice"}
    http.post(f"/sandbox/cash-drawers/shifts/{shift['id']}/events", json=out)
    counted = {"closed_cash_money": usd(20400)}
    http.post(f"/sandbox/cash-drawers/shifts/{shift['id']}/close", json=counted)
    (summary,) = sdk.cash_drawers.shifts.list(location_id=shop["location"])
    assert summary.expected_cash_money.amount == 20000 + 1633 - 633 - 500
    full = sdk.cash_drawers.shifts.get(shift["id"], location_id=shop["location"]).cash_drawer_shift
    assert full.cash_refunds_money.amount == -633
    events = sdk.cash_drawers.shifts.list_events(shift["id"], location_id=shop["location"], limit=2)
    assert [one.event_type for one in events] == [
        "CASH_TENDER_PAYMENT",
        "CASH_TENDER_REFUND",
        "PAID_OUT",
    ]


def test_gift_card_is_sold_redeemed_and_refunded(sdk, shop):
    line = {
        "uid": "gift",
        "name": "Gift card",
        "quantity": "1",
        "item_type": "GIFT_CARD",
        "base_price_money": usd(2000),
    }
    order = sdk.orders.create(
        idempotency_key=key(), order={**order_for(shop), "line_items": [line]}
    ).order
    assert order.total_money.amount == 2000  # never taxed
    sdk.payments.create(
        idempotency_key=key(), source_id="cnon:ok", order_id=order.id, amount_money=usd(2000)
    )
    card = sdk.gift_cards.create(
        idempotency_key=key(), location_id=shop["location"], gift_card={"type": "DIGITAL"}
    ).gift_card
    activity = {
        "type": "ACTIVATE",
        "location_id": shop["location"],
        "gift_card_id": card.id,
        "activate_activity_details": {"order_id": order.id, "line_item_uid": "gift"},
    }
    sdk.gift_cards.activities.create(idempotency_key=key(), gift_card_activity=activity)
    _, payment = sell(sdk, shop, "mug", source_id=card.id)
    assert payment.card_details.card.card_brand == "SQUARE_GIFT_CARD"
    assert sdk.payments.get(payment.id).payment.processing_fee is None
    assert sdk.gift_cards.get(card.id).gift_card.balance_money.amount == 2000 - 1633
    with pytest.raises(ApiError) as refusal:
        sell(sdk, shop, "mug", source_id=card.id)
    assert refusal.value.body["errors"][0]["code"] == "INSUFFICIENT_FUNDS"
    sdk.refunds.refund_payment(idempotency_key=key(), payment_id=payment.id, amount_money=usd(633))
    listed = list(sdk.gift_cards.activities.list(gift_card_id=card.id, sort_order="ASC"))
    assert sorted(one.type for one in listed) == ["ACTIVATE", "REDEEM", "REFUND"]
    (kept,) = sdk.gift_cards.list()
    assert kept.balance_money.amount == 2000 - 1633 + 633


def test_loyalty_reward_becomes_a_discount_and_is_used_up(sdk, shop, http):
    tier = {"name": "5 off", "points": 100, "discount": {"amount_money": usd(500)}}
    made = http.post("/sandbox/loyalty/programs", json={"reward_tiers": [tier]}).json()["program"]
    program = sdk.loyalty.programs.get("main").program
    assert program.id == made["id"]
    account = sdk.loyalty.accounts.create(
        idempotency_key=key(),
        loyalty_account={"program_id": program.id, "mapping": {"phone_number": "+12125550100"}},
    ).loyalty_account
    sdk.loyalty.accounts.adjust(account.id, idempotency_key=key(), adjust_points={"points": 120})
    order = sdk.orders.create(idempotency_key=key(), order=order_for(shop, "mug")).order
    wanted = {
        "loyalty_account_id": account.id,
        "reward_tier_id": program.reward_tiers[0].id,
        "order_id": order.id,
    }
    reward = sdk.loyalty.rewards.create(idempotency_key=key(), reward=wanted).reward
    priced = sdk.orders.get(order.id).order
    assert (priced.total_discount_money.amount, priced.total_money.amount) == (500, 1089)
    assert priced.discounts[0].reward_ids == [reward.id]
    sdk.payments.create(
        idempotency_key=key(), source_id="cnon:ok", order_id=order.id, amount_money=usd(1089)
    )
    assert sdk.loyalty.rewards.get(reward.id).reward.status == "REDEEMED"
    assert sdk.loyalty.accounts.get(account.id).loyalty_account.balance == 20
    events = sdk.loyalty.search_events(limit=30).events
    assert {one.type for one in events} == {"ADJUST_POINTS", "CREATE_REWARD", "REDEEM_REWARD"}


def test_inventory_counts_are_the_sum_of_changes_and_sales(sdk, shop):
    count = {
        "catalog_object_id": shop["tea-v"],
        "state": "IN_STOCK",
        "location_id": shop["location"],
        "quantity": "10",
        "occurred_at": "2026-11-21T10:00:00Z",
    }
    change = {"type": "PHYSICAL_COUNT", "physical_count": count}
    sdk.inventory.batch_create_changes(idempotency_key=key(), changes=[change])
    sell(sdk, shop, "tea")
    waste = {**count, "from_state": "IN_STOCK", "to_state": "WASTE", "quantity": "1.5"}
    del waste["state"]
    sdk.inventory.batch_create_changes(
        idempotency_key=key(), changes=[{"type": "ADJUSTMENT", "adjustment": waste}]
    )
    (left,) = sdk.inventory.batch_get_counts(location_ids=[shop["location"]], states=["IN_STOCK"])
    assert left.quantity == "7.5"
    kinds = [
        one.type for one in sdk.inventory.batch_get_changes(catalog_object_ids=[shop["tea-v"]])
    ]
    assert sorted(kinds) == ["ADJUSTMENT", "ADJUSTMENT", "PHYSICAL_COUNT"]


def test_customers(sdk):
    ana = sdk.customers.create(given_name="Ana", email_address="ana@example.com").customer
    sdk.customers.create(given_name="Lee", phone_number="+12125550100")
    assert len(list(sdk.customers.list(limit=1))) == 2
    found = sdk.customers.search(
        query={"filter": {"email_address": {"exact": "ana@example.com"}}}
    ).customers
    assert [one.id for one in found] == [ana.id] == [sdk.customers.get(ana.id).customer.id]


def test_events_are_kept_for_gap_filling(sdk, shop):
    order, _ = sell(sdk, shop, "mug")
    found = sdk.events.search_events(
        query={"filter": {"event_types": ["order.updated"], "location_ids": [shop["location"]]}}
    ).events
    assert [one.data.id for one in found] == [order.id]


def test_subscriptions_are_managed_by_the_api(sdk):
    wanted = {"notification_url": "https://example.com/hook", "event_types": ["order.updated"]}
    made = sdk.webhooks.subscriptions.create(subscription={"name": "x", **wanted}).subscription
    assert made.signature_key
    assert [one.id for one in sdk.webhooks.subscriptions.list()] == [made.id]
    changed = sdk.webhooks.subscriptions.update(made.id, subscription={"enabled": False})
    assert changed.subscription.enabled is False
    assert list(sdk.webhooks.subscriptions.list()) == []
    assert sdk.webhooks.subscriptions.get(made.id).subscription.id == made.id
    rolled = sdk.webhooks.subscriptions.update_signature_key(made.id, idempotency_key=key())
    assert rolled.signature_key != made.signature_key
    assert "order.updated" in sdk.webhooks.event_types.list().event_types
    sdk.webhooks.subscriptions.delete(made.id)


def test_oauth_code_and_refresh_give_living_tokens(sdk, http):
    query = {"client_id": "app", "redirect_uri": "http://127.0.0.1/back", "state": "s1"}
    sent = http.get("/oauth2/authorize", params=query)
    assert sent.status_code == 302
    assert "state=s1" in sent.headers["location"]
    code = sent.headers["location"].split("code=")[1].split("&")[0]
    first = sdk.o_auth.obtain_token(
        client_id="app", client_secret="secret", grant_type="authorization_code", code=code
    )
    with pytest.raises(ApiError):
        sdk.o_auth.obtain_token(
            client_id="app", client_secret="secret", grant_type="authorization_code", code=code
        )
    second = sdk.o_auth.obtain_token(
        client_id="app",
        client_secret="secret",
        grant_type="refresh_token",
        refresh_token=first.refresh_token,
    )
    assert second.refresh_token == first.refresh_token
    http.headers["authorization"] = f"Bearer {second.access_token}"
    assert http.get("/v2/merchants/me").json()["merchant"]["id"] == second.merchant_id
    http.post("/sandbox/clock", json={"now": "2027-01-01T00:00:00Z"})
    assert http.get("/v2/merchants/me").status_code == 401


def test_the_judge_sees_wrong_answers_and_invented_fields(conformance: Conformance):
    request = httpx.Request("GET", "http://sandbox/v2/locations")
    for wrong in ('{"locations": [{"id": 5}]}', '{"locations": [{"invented": "x"}]}'):
        with pytest.raises(OpenAPIError):
            conformance.judge(request, httpx.Response(200, content=wrong))
