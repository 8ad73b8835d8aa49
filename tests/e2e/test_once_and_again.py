"""What happens again changes nothing, and what comes late makes a delta (INV-23, R-13.2)."""

from datetime import date, datetime
from typing import Any

import httpx
import pytest
from demo_rig import BANK, CLEARING, Ledger, assert_golden
from house_rig import Town, open_breaks, open_town

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines import close
from cloud_conductor.sandbox.scenario.chain import item_object

DAY = date(2026, 11, 21)


def digests(town: Town) -> dict[tuple[str, date], str]:
    """Table and business date -> digest of its rows without arrival columns (INV-14)."""
    lake = town.house.lake
    return {
        (table, one): lake.digest_rows(table, conform.fact(lake, table, one))
        for table in PARTITIONED
        for one in lake.dates(table)
    }


def offline_sale(town: Town, *, sold_at: str, arrives_at: str) -> None:
    """An apparel sale of 20.00 taken offline by card, which Square hears of days later."""

    def call(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = town.seller.call("POST", path, body)
        return answer

    town.seller.set_clock(datetime.fromisoformat(arrives_at))
    found = town.seller.call("GET", "/v2/catalog/list")["objects"]
    named = {
        one[f"{one['type'].lower()}_data"]["name"]: one["id"]
        for one in found
        if one["type"] in {"CATEGORY", "TAX"}
    }
    belt = item_object(
        sku="belt",
        name="Belt",
        category_id=named["Apparel"],
        price_minor=2000,
        cost_minor=800,
        taxable=True,
    )
    made = call(
        "/v2/catalog/batch-upsert", {"idempotency_key": "belt", "batches": [{"objects": [belt]}]}
    )
    ids = {one["client_object_id"]: one["object_id"] for one in made["id_mappings"]}
    location = town.truth["stores"][0]["location_id"]
    order = {
        "location_id": location,
        "line_items": [{"uid": "belt", "catalog_object_id": ids["#belt-each"], "quantity": "1"}],
        "taxes": [{"uid": "tax", "catalog_object_id": named["NYC sales tax"], "scope": "ORDER"}],
    }
    rung = call("/v2/orders", {"idempotency_key": "o12", "order": order})["order"]
    payment = {
        "idempotency_key": "o12-paid",
        "source_id": "cnon:card-nonce-ok",
        "order_id": rung["id"],
        "location_id": location,
        "amount_money": {"amount": 2178, "currency": "USD"},
        "offline_payment_details": {"client_created_at": sold_at},
    }
    call("/v2/payments", payment)
    payout = call("/sandbox/payouts", {"location_id": location})["payout"]
    line = {
        "bank_account_code": BANK,
        "date": "2026-11-23",
        "amount": "39.04",  # 17.93 in clearing after PO1, and 21.78 less its fee of 0.67
        "payee": "SQUARE",
        "reference": payout["id"],
    }
    httpx.post(f"{town.xero_url}/sandbox/bank-lines", json=[line]).raise_for_status()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_town(tmp_path_factory.mktemp("town"), "golden", seed=1) as opened:
        opened.close_due()
        assert set(opened.post()) == {"posted"}
        yield opened


def test_the_golden_figures_come_from_the_sweep_alone(town: Town):
    """No webhook was delivered: the poll is a second way to the same books."""
    assert_golden(Ledger(town.ledger()))
    assert town.reconcile().is_green


def test_closing_and_posting_again_changes_nothing(town: Town):
    before, entries, ledger = digests(town), town.entries(), Ledger(town.ledger()).documents
    for business_date in close.closed_dates(town.house.close_deps, since=date.min):
        done = close.close_date(town.house.close_deps, business_date)
        assert (done.drafted, done.blocked) == (0, 0)
    town.post()
    assert digests(town) == before
    assert town.entries() == entries
    assert Ledger(town.ledger()).documents == ledger


def test_a_backfill_of_closed_dates_adds_nothing(town: Town):
    """INV-23: what the sources tell again is known, byte for byte."""
    before, entries = digests(town), town.entries()
    store = town.house.stores[0]
    start, end = store.day_interval(date(2026, 11, 20))[0], store.day_interval(DAY)[1]
    swept = ingest.run_span(town.house.ingest_deps, "square", start, end)
    assert (swept.objects > 0, swept.new) == (True, 0)
    close.catch_up(town.house.close_deps)
    assert close.close_date(town.house.close_deps, DAY).drafted == 0
    assert digests(town) == before
    assert town.entries() == entries


def test_a_late_offline_sale_makes_a_delta_of_its_day(town: Town):
    """R-13.2, R-13.4: O12 of 21.78 on 2026-11-21 is heard of on the 23rd, after v1 was posted."""
    first = town.entries()
    offline_sale(town, sold_at="2026-11-21T19:00:00-05:00", arrives_at="2026-11-23T12:00:00-05:00")
    assert DAY in town.close_due()
    assert set(town.post()) == {"posted"}

    entries = town.entries()
    assert [one for one in entries if one in first] == first
    late = {one["kind"]: one for one in entries if one["version"] == 2}
    lines = {
        kind: {line["role"]: line["amount_minor"] for line in one["lines"]}
        for kind, one in late.items()
    }
    assert lines == {
        "SALES": {
            "clearing.square": 21_78,
            "sales.apparel": -20_00,
            "tax_payable.STATE": -80,
            "tax_payable.CITY": -90,
            "tax_payable.DISTRICT": -8,
        },
        "FEES": {"merchant_fees.square": 67, "clearing.square": -67},
        "COGS": {"cogs.*": 8_00, "inventory.*": -8_00},
    }
    assert {(one["business_date"], one["ledger_date"]) for one in late.values()} == {
        (DAY.isoformat(), DAY.isoformat())
    }
    assert Ledger(town.ledger()).balance(CLEARING) == 0
    (uploaded,) = town.reconcile([date(2026, 11, 23)]).breaks  # alone: its own day is not read
    assert (uploaded.code, uploaded.level, uploaded.is_explained) == ("D05", "L1", True)
    outcome = town.reconcile()
    assert open_breaks(outcome) == set()
    assert outcome.is_green


def test_a_second_return_of_what_was_returned_is_found_whatever_the_till_allowed(town: Town):
    """INV-07: S1's line comes back again; the simulated till is made to forget the first time."""
    town.seller.state.table("returns_of").clear()
    call = town.seller.call
    location = town.truth["stores"][0]["location_id"]
    search = {"location_ids": [location], "query": {}}
    orders = call("POST", "/v2/orders/search", search)["orders"]
    returns = [one for order in orders for one in order.get("returns", ())]
    first = next(one for one in returns if one["return_line_items"][0]["name"] == "Wool scarf")
    (sold,) = first["return_line_items"]
    again = {"source_line_item_uid": sold["source_line_item_uid"], "quantity": sold["quantity"]}
    back = {"source_order_id": first["source_order_id"], "return_line_items": [again]}
    order = {"location_id": location, "returns": [back]}
    call("POST", "/v2/orders", {"idempotency_key": "again", "order": order})
    source = call("GET", f"/v2/orders/{first['source_order_id']}")["order"]
    payment = town.seller.state.table("payments")[source["tenders"][0]["payment_id"]]
    refunded = payment.pop("refunded_money")
    refund = {"idempotency_key": "r", "payment_id": payment["id"], "amount_money": refunded}
    call("POST", "/v2/refunds", refund)
    town.seller.set_clock(datetime.fromisoformat("2026-11-25T12:00:00-05:00"))
    town.close_due()

    found = {
        (one.code, one.key.partition(":")[0], one.business_date)
        for one in town.reconcile([date(2026, 11, 23)]).breaks
        if one.level == "L2"
    }
    assert found == {
        ("D03", "line", date(2026, 11, 23)),
        ("D03", "payment", date(2026, 11, 23)),
    }
