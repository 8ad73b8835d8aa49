"""The golden day from a simulated Square seller's own objects: decoder, enrichment, entries, levels.

The entries must be those of the hand-typed fixture: two independent records of one day (§5 to §7).
"""

from datetime import date

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from msgspec.structs import replace

from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import day_entries
from cloud_conductor.accounting.level_payouts import Settlement, compare_payouts
from cloud_conductor.accounting.level_sales import Control, compare_records, compare_totals
from cloud_conductor.accounting.level_tenders import compare_tenders
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.conform.enrich import enrich_lines, enrich_tenders
from cloud_conductor.domain.events import Event
from cloud_conductor.ports.pos import Listed
from cloud_conductor.sandbox.scenario import golden as scenario
from cloud_conductor.sandbox.square import Seller
from cloud_conductor.testing import golden_day as golden

KINDS = {
    "orders": "order",
    "payments": "payment",
    "refunds": "refund",
    "payouts": "payout",
    "payout_entries": "payout_entry",
    "cash_drawer_shifts": "cash_shift",
    "gift_card_activities": "gift_card_activity",
}
DATES = (golden.DAY_BEFORE, golden.DAY, golden.PAYOUT_DAY)


@pytest.fixture(scope="module")
def dump() -> dict:
    seller = Seller()
    scenario.play(seller.call, seller.set_clock)
    wanted = {"object_types": ["ITEM", "CATEGORY"]}
    catalog = seller.call("POST", "/v2/catalog/search", wanted)["objects"]
    return seller.call("GET", "/sandbox/dump") | {"catalog": catalog}


@pytest.fixture(scope="module")
def store(dump):
    return replace(golden.STORE, location_id=dump["locations"][0]["id"])


@pytest.fixture(scope="module")
def tables(dump, store) -> dict[str, pa.Table]:
    decoded = SquareDecoder().decode(events(dump), {store.location_id: store}, {})
    assert decoded.rejected == ()
    found = dict(decoded.tables)
    found["sale_lines"] = enrich_lines(found["sale_lines"], found["sales"], found["products"])
    found["tenders"] = enrich_tenders(found["tenders"], found["gift_card_activities"])
    return found


def events(dump: dict) -> list[Event]:
    objects = [(kind, one, "") for name, kind in KINDS.items() for one in dump[name]]
    objects += [
        ("cash_event", one, f"/v2/cash-drawers/shifts/{shift}/events")
        for shift, rows in dump["cash_drawer_events"].items()
        for one in rows
    ]
    objects += [(f"catalog_{one['type'].lower()}", one, "") for one in dump["catalog"]]
    return [
        Event(
            source="square",
            channel="api",
            kind=kind,
            event_id=f"{kind}:{seq}",
            merchant_id="M1",
            received_us=1_800_000_000_000_000,
            body=msgspec.json.encode(one),
            url=url,
            seq=seq,
        )
        for seq, (kind, one, url) in enumerate(objects, 1)
    ]


def facts_of(tables: dict[str, pa.Table], store, day: date) -> DayFacts:
    of_day = {
        name: table.filter(pc.equal(table["business_date"], pa.scalar(day)))
        for name, table in tables.items()
        if name != "products"
    }
    return DayFacts.of(store, day, of_day)


def test_the_entries_are_those_of_the_guide_on_all_three_days(tables, store):
    accounts = AccountMap.of(golden.MAPPING, "1")
    fixture = golden.golden_tables()
    for day in DATES:
        found = day_entries(facts_of(tables, store, day), accounts)
        typed = day_entries(facts_of(fixture, golden.STORE, day), accounts)
        assert [finding for finding in found.findings if finding.blocks] == []
        assert [(e.kind, e.ledger_date, e.lines) for e in found.entries] == [
            (e.kind, e.ledger_date, e.lines) for e in typed.entries
        ]


def test_levels_1_to_4_are_green_against_the_sellers_own_lists(tables, store, dump):
    scope = Scope(store="NYC01", business_date=golden.DAY, currency="USD")
    facts = facts_of(tables, store, golden.DAY)
    own = set(facts.sales["sale_id"].to_pylist())
    rows = [
        Listed(
            one["id"],
            one["version"],
            one.get("net_amounts", one)["total_money"]["amount"],
            one["state"],
            facts.sales["occurred_at"][0].as_py(),
        )
        for one in dump["orders"]
        if one["id"] in own
    ]
    control = Control(scope=scope, interval=store.day_interval(golden.DAY), rows=rows)
    assert compare_records(control, facts.sales).state == "green"
    assert compare_totals(control, facts.sales, tables).state == "green"
    assert compare_tenders(scope, facts.sale_tenders, facts.tenders).state == "green"
    settled = compare_payouts(
        scope,
        Settlement(
            tenders=tables["tenders"],
            payouts=tables["payouts"],
            payout_entries=tables["payout_entries"],
        ),
        golden.PAYOUT_DAY,
    )
    assert (settled.state, settled.explained) == ("green", 1)  # O11 waits for the next batch
