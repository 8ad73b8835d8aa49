"""The golden day: every figure here is typed from the domain guide (sections 5 to 8), none computed."""

from datetime import datetime

import httpx
import pytest
from square_conformance import Conformance, event_problems

from cloud_conductor.sandbox.scenario import golden
from cloud_conductor.sandbox.square import Seller


@pytest.fixture
def truth(http: httpx.Client, conformance: Conformance) -> dict:
    """The golden day played over HTTP; every answer judged by the official description."""
    conformance.judge_requests = False  # returns and unit costs go beyond the public API

    def call(method: str, path: str, body: dict | None) -> dict:
        answer = http.request(method, path, json=body)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def set_clock(instant: datetime) -> None:
        call("POST", "/sandbox/clock", {"now": instant.isoformat()})

    return golden.play(call, set_clock)


def day(truth: dict, business_date: str) -> dict:
    return next(one for one in truth["store_days"] if one["business_date"] == business_date)


def entry(truth: dict, business_date: str, kind: str) -> dict:
    entries = day(truth, business_date)["entries"]
    return next(one["lines"] for one in entries if one["kind"] == kind)


def test_figures_are_the_domain_guides(truth):
    figures = day(truth, "2026-11-21")["figures"]
    assert figures == {
        "gross_sales_minor": 240_87,
        "discounts_minor": 9_05,
        "returns_minor": 44_99,
        "net_sales_minor": 186_83,
        "service_minor": 5_00,
        "tax_minor": {"STATE": 7_35, "CITY": 8_28, "DISTRICT": 68},
        "tips_minor": 2_50,
        "gift_cards_sold_minor": 50_00,
        "gift_cards_redeemed_minor": 20_00,
        "card_minor": 184_07,
        "cash_minor": 56_57,
        "external_minor": 0,
        "cash_rounding_minor": 0,
        "fees_minor": 6_02,
        "cogs_minor": 77_50,
        "over_short_minor": -50,
        "paid_out_minor": 12_00,
        "deposit_minor": 44_07,
        "orders": 8,
    }
    assert figures["net_sales_minor"] + figures["service_minor"] == 191_83
    assert sum(figures[f"{n}_minor"] for n in ("card", "cash", "gift_cards_redeemed")) == 260_64


def test_sales_entry_is_the_domain_guides(truth):
    lines = entry(truth, "2026-11-21", "SALES")
    assert lines == {
        "clearing.square": 184_07,
        "undeposited_cash": 56_57,
        "gift_card_liability:redeemed": 20_00,
        "discounts": 9_05,
        "returns.apparel": 44_99,
        "sales.apparel": -99_98,
        "sales.home": -112_50,
        "sales.grocery": -7_99,
        "sales.cafe": -20_40,
        "service_revenue": -5_00,
        "tax_payable.STATE": -7_35,
        "tax_payable.CITY": -8_28,
        "tax_payable.DISTRICT": -68,
        "tips_payable": -2_50,
        "gift_card_liability:sold": -50_00,
    }
    assert sum(amount for amount in lines.values() if amount > 0) == 314_68


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("CASH", {"cash_over_short": 50, "petty_expense": 12_00, "undeposited_cash": -12_50}),
        ("DEPOSIT", {"bank": 44_07, "undeposited_cash": -44_07}),
        ("FEES", {"merchant_fees.square": 6_02, "clearing.square": -6_02}),
        ("COGS", {"cogs": 77_50, "inventory": -77_50}),
    ],
)
def test_the_other_entries_are_the_domain_guides(truth, kind, lines):
    assert entry(truth, "2026-11-21", kind) == lines


def test_payout_po1_has_the_entries_and_net_of_the_domain_guide(truth):
    po0, po1 = truth["payouts"]
    assert (po0["sent_date"], po0["gross_minor"], po0["fee_minor"], po0["net_minor"]) == (
        "2026-11-20",
        24_50,
        74,
        23_76,
    )
    assert (po1["sent_date"], po1["gross_minor"], po1["fee_minor"], po1["net_minor"]) == (
        "2026-11-23",
        205_56,
        6_58,
        198_98,
    )
    assert len(po1["entry_payment_ids"]) == 7
    assert entry(truth, "2026-11-23", "PAYOUT") == {"bank": 198_98, "clearing.square": -198_98}


def test_clearing_ends_at_o11_net_of_its_fee_and_no_cash_is_left(truth):
    roles = truth["balances"][0]["roles"]
    assert roles["clearing.square"] == 17_93
    assert roles["undeposited_cash"] == 0


def test_orders_carry_the_amounts_of_the_domain_guide(truth, http):
    orders = http.get("/sandbox/dump").json()["orders"]
    shown = [
        (
            order["created_at"][5:16],
            order["total_money"]["amount"],
            order["net_amounts"]["tax_money"]["amount"],
            order["net_amounts"]["total_money"]["amount"],
            order["state"],
        )
        for order in orders
    ]
    assert shown == [
        ("11-20T20:00", 24_50, 2_00, 24_50, "COMPLETED"),
        ("11-21T01:30", 40_00, 0, 40_00, "COMPLETED"),
        ("11-21T15:05", 64_18, 5_23, 64_18, "COMPLETED"),
        ("11-21T16:30", 29_75, 1_77, 29_75, "COMPLETED"),
        ("11-21T17:15", 16_00, 1_10, 16_00, "COMPLETED"),
        ("11-21T18:00", 50_00, 0, 50_00, "COMPLETED"),
        ("11-21T19:20", 38_11, 3_11, 38_11, "COMPLETED"),
        ("11-21T20:00", 0, -2_00, -24_50, "COMPLETED"),
        ("11-21T21:00", 32_65, 89, 10_89, "COMPLETED"),
        ("11-21T22:00", 48_99, 3_99, 48_99, "COMPLETED"),
        ("11-21T23:10", 91_46, 7_46, 91_46, "CANCELED"),
        ("11-22T02:10", 18_51, 1_51, 18_51, "COMPLETED"),
        ("11-22T06:30", 8_71, 71, 8_71, "COMPLETED"),
    ]


def test_order_discount_of_o1_falls_on_lines_as_in_the_domain_guide(truth, http):
    lines = http.get("/sandbox/dump").json()["orders"][2]["line_items"]
    assert [line["total_discount_money"]["amount"] for line in lines] == [5_00, 1_55]


def test_drawer_expected_is_the_domain_guides(truth, http):
    (shift,) = http.get("/sandbox/dump").json()["cash_drawer_shifts"]
    assert shift["expected_cash_money"]["amount"] == 244_57
    assert shift["closed_cash_money"]["amount"] == 244_07
    assert shift["cash_payment_money"]["amount"] == 56_57


def test_every_event_of_the_day_fits_the_official_description(truth, http):
    events = http.get("/sandbox/dump").json()["events"]
    assert {"order.created", "payout.paid", "gift_card.activity.created"} <= {
        e["type"] for e in events
    }
    assert [problem for event in events for problem in event_problems(event)] == []


def test_the_same_seed_gives_the_same_day_in_process_and_over_http(truth, http):
    over_http = http.get("/sandbox/dump").json()
    seller = Seller()
    golden.play(seller.call, seller.set_clock)
    first = seller.call("GET", "/sandbox/dump")
    again = Seller()
    golden.play(again.call, again.set_clock)
    assert again.call("GET", "/sandbox/dump") == first
    totals = [[order["total_money"] for order in dump["orders"]] for dump in (first, over_http)]
    assert totals[0] == totals[1]


def test_items_show_their_variation_with_sku_price_and_unit_cost(truth, http):
    objects = http.get("/v2/catalog/list?types=ITEM").json()["objects"]
    shown = {
        one["item_data"]["name"]: (
            variation["item_variation_data"]["sku"],
            variation["item_variation_data"]["price_money"]["amount"],
            variation["custom_attribute_values"]["unit_cost"]["number_value"],
        )
        for one in objects
        for variation in one["item_data"]["variations"]
    }
    assert len(shown) == 11
    assert shown["Wool scarf"] == ("APP-02500", 25_00, "10.50")
    assert shown["Coffee and cake"] == ("CAF-00800", 8_00, "2.00")
