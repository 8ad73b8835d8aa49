"""One Square body to canonical rows: amounts, signs, dates, kinds (R-2.*, R-3.*, R-4.*)."""

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from cloud_conductor.adapters.pos.square.batch import micros
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.adapters.pos.square.rows import ROWS, Head, millionths
from cloud_conductor.adapters.pos.square.taxes import jurisdiction_of, telescope
from cloud_conductor.domain.events import Event
from cloud_conductor.domain.schemas import ARRIVAL_COLUMNS, TABLES
from cloud_conductor.domain.stores import Meanings
from cloud_conductor.ports.pos import Decoded, Parent
from conform_events import PAYLOADS, event, store
from square_payloads import (
    hook,
    item,
    line,
    money,
    offline,
    order,
    payment,
    payout,
    payout_entry,
    returned,
    shift,
)

DAY = date(2026, 11, 21)


def logged(kind: str, body: Any, seq: int = 1, **more: Any) -> Event:
    new = event(kind, body, **more)
    return Event(seq=seq, **{name: getattr(new, name) for name in new.__struct_fields__})


def decode(*events: Event, stores: Any = None, **known: Any) -> Decoded:
    return SquareDecoder().decode(
        events, stores or {"L1": store()}, known.pop("clocks", {}), **known
    )


def rows(kind: str, body: Any, table: str, **more: Any) -> list[dict[str, Any]]:
    found = decode(logged(kind, body, **more))
    assert found.rejected == ()
    return found.tables[table].to_pylist()


def test_every_canonical_table_has_a_row_type_with_its_columns() -> None:
    """Of sale_taxes, which is built by column, every other test here reads the rows."""
    shared = set(Head.__struct_fields__)
    assert ROWS.keys() == TABLES.keys() - {"sale_taxes"}
    for name, kind in ROWS.items():
        own = set(kind.__struct_fields__) - {"head"}
        assert own <= set(TABLES[name].names), name
        assert set(TABLES[name].names) - own <= shared, name


def test_a_sale_adds_up_line_by_line() -> None:
    """Golden day O1: 65.50 less 10 %, tax 5.23, total 64.18 (§5)."""
    body = order(line("a", 5000, discount=500, tax=399), line("b", 1550, discount=155, tax=124))
    (sale,) = rows("order", body, "sales")
    assert (sale["subtotal_minor"], sale["tax_minor"], sale["total_minor"]) == (5895, 523, 6418)
    assert sale["source_total_minor"] == 6418
    assert (sale["store"], sale["business_date"], sale["state"]) == ("NYC01", DAY, "closed")
    first, second = rows("order", body, "sale_lines")
    assert (first["gross_minor"], first["discount_minor"], first["net_minor"]) == (5000, 500, 4500)
    assert (second["tax_minor"], second["is_sale"], second["line_kind"]) == (
        124,
        True,
        "merchandise",
    )


def test_a_combined_tax_is_split_by_statutory_rates_over_the_order() -> None:
    """O3: 1.10 gives 0.49 / 0.56 / 0.05 (R-10.1); O1: 5.23 gives 2.36 / 2.65 / 0.22."""
    for taxes, expected in (([110], (49, 56, 5)), ([399, 124], (236, 265, 22))):
        body = order(*(line(str(n), 5000, tax=tax) for n, tax in enumerate(taxes)))
        found = rows("order", body, "sale_taxes")
        sums = tuple(
            sum(row["amount_minor"] for row in found if row["jurisdiction"] == jurisdiction)
            for jurisdiction in ("STATE", "CITY", "DISTRICT")
        )
        assert sums == expected
        assert all(row["derived"] for row in found)
        for number, tax in enumerate(taxes):
            assert tax == sum(r["amount_minor"] for r in found if r["line_uid"] == str(number))


def test_a_tax_without_a_split_is_its_own_authority() -> None:
    tax = {"uid": "t1", "name": "Café tax (5 %)", "type": "ADDITIVE", "percentage": "5"}
    (row,) = rows("order", order(line("a", 1000, tax=50), taxes=[tax]), "sale_taxes")
    assert (row["jurisdiction"], row["derived"]) == ("CAFE_TAX_5", False)
    assert row["rate_percent"] == 5
    assert jurisdiction_of("%") == "TAX"


def test_inclusive_tax_is_taken_out_of_gross_wherever_the_vendor_left_it() -> None:
    """GBP 2,620.63 incl. 20 %: net 2,183.86, tax 436.77 (R-4.3), with gross given either way."""
    tax = {"uid": "t1", "name": "VAT", "type": "INCLUSIVE", "percentage": "20"}
    applied = [{"uid": "x", "tax_uid": "t1", "applied_money": money(43677)}]
    for shown in (262063, 218386):
        part = line("a", 262063) | {
            "gross_sales_money": money(shown),
            "total_tax_money": money(43677),
            "applied_taxes": applied,
            "total_money": money(262063),
        }
        (found,) = rows("order", order(part, taxes=[tax]), "sale_lines")
        assert (found["gross_minor"], found["net_minor"]) == (218386, 218386)
        assert (found["tax_minor"], found["price_includes_tax"]) == (43677, True)


def test_an_exchange_has_both_sides_with_their_signs() -> None:
    """O7: return 19.99 + 1.77, buy 29.99 + 2.66, due 10.89 (§5)."""
    back = {
        "uid": "r",
        "source_order_id": "O0",
        "return_line_items": [returned("b", 1999, tax=177)],
        "return_taxes": [{"uid": "t1", "name": "NYC sales tax", "percentage": "8.875"}],
    }
    body = order(line("a", 2999, tax=266), returns=[back])
    (sale,) = rows("order", body, "sales")
    assert (sale["subtotal_minor"], sale["tax_minor"], sale["total_minor"]) == (1000, 89, 1089)
    sold, given_back = rows("order", body, "sale_lines")
    assert (given_back["event"], given_back["quantity"]) == ("return", -1)
    assert (given_back["gross_minor"], given_back["tax_minor"]) == (-1999, -177)
    assert (given_back["return_of_sale_id"], given_back["return_of_line_uid"]) == ("O0", "b")
    assert sold["return_of_sale_id"] is None
    taxes = rows("order", body, "sale_taxes")
    by_side = {
        side: tuple(row["amount_minor"] for row in taxes if row["event"] == side)
        for side in ("sale", "return")
    }
    assert by_side == {"sale": (120, 135, 11), "return": (-80, -90, -7)}


def test_service_tip_and_rounding_reach_the_total() -> None:
    """O8's alteration 5.00 taxed 0.44, a gratuity, a tip, and Canadian cash rounding (R-4.5)."""
    charges = [
        {
            "uid": "s1",
            "name": "Alteration",
            "applied_money": money(500),
            "total_tax_money": money(44),
            "total_money": money(544),
            "applied_taxes": [{"uid": "x", "tax_uid": "t1", "applied_money": money(44)}],
        },
        {
            "uid": "s2",
            "type": "AUTO_GRATUITY",
            "applied_money": money(300),
            "total_money": money(300),
        },
    ]
    rounding = {"amount_money": money(-2)}
    body = order(
        line("a", 4000, tax=355), tip=250, service_charges=charges, rounding_adjustment=rounding
    )
    (sale,) = rows("order", body, "sales")
    assert (sale["service_minor"], sale["tip_minor"], sale["rounding_minor"]) == (800, 250, -2)
    assert sale["total_minor"] == sale["source_total_minor"] == 4000 + 800 + 399 + 250 - 2
    first, second = rows("order", body, "sale_services")
    assert (first["amount_minor"], first["tax_minor"], first["is_gratuity"]) == (500, 44, False)
    assert second["is_gratuity"]
    assert {row["line_uid"] for row in rows("order", body, "sale_taxes")} == {"a", "s1"}


def test_gift_cards_are_sold_but_are_no_sale() -> None:
    (row,) = rows("order", order(line("a", 5000, item_type="GIFT_CARD")), "sale_lines")
    assert (row["line_kind"], row["is_sale"], row["net_minor"]) == ("gift_card", False, 5000)


def test_a_loyalty_reward_is_a_discount_of_its_own_kind() -> None:
    cut = {"uid": "d1", "type": "FIXED_AMOUNT", "reward_ids": ["R1"]}
    (row,) = rows("order", order(line("a", 2200, discount=500), discounts=[cut]), "sale_discounts")
    assert (row["discount_kind"], row["amount_minor"]) == ("loyalty", 500)


def test_a_voided_ticket_reaches_no_money_fact() -> None:
    """O9 (R-3.3): one row of zeros that keeps what it would have been."""
    found = decode(logged("order", order(line("a", 8400), state="CANCELED")))
    assert found.tables.keys() == {"sales"}
    (sale,) = found.tables["sales"].to_pylist()
    assert (sale["state"], sale["total_minor"], sale["source_total_minor"]) == ("voided", 0, 8400)


def test_open_tickets_are_ignored() -> None:
    found = decode(logged("order", order(line("a", 8400), state="OPEN")))
    assert (found.ignored, found.tables, found.rejected) == ((1,), {}, ())


def test_the_business_date_is_the_stores_own() -> None:
    """O10 at 01:30 on 11-22 is of 11-21 with a cut-off at 04:00 (R-2.2)."""
    body = order(line("a", 800), closed_at="2026-11-22T06:30:00.000Z")
    assert rows("order", body, "sales")[0]["business_date"] == DAY


def test_fractional_quantities_and_prices_are_exact() -> None:
    body = order(line("a", 1234, quantity="0.345"))
    (row,) = rows("order", body, "sale_lines")
    assert (str(row["quantity"]), str(row["unit_price"])) == ("0.345000", "12.340000")


@pytest.mark.parametrize("text", ["", ".", "1.", ".5", "-1", "1e3", "two", "1.1234567", "1" * 13])
def test_texts_that_are_no_quantity_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        millionths(text)


def test_telescoped_shares_sum_both_ways() -> None:
    shares = telescope([399, 124, 0, 7], (4000, 4500, 375))
    assert [sum(shares[at : at + 3]) for at in (0, 3, 6, 9)] == [399, 124, 0, 7]
    assert [sum(shares[at::3]) for at in range(3)] == [239, 269, 22]


def test_a_payment_is_the_same_in_its_webhook_and_from_the_api() -> None:
    body = payment(processing_fee=[{"amount_money": money(177)}], tip_money=money(250))
    webhook = hook("payment.updated", "payment", body)
    found = decode(
        logged("payment", body), logged("payment.updated", webhook, 2, channel="webhook")
    )
    one, two = found.tables["tenders"].drop_columns(list(ARRIVAL_COLUMNS)).to_pylist()
    assert one == two
    assert (one["tender_type"], one["processor"], one["state"]) == ("card", "square", "captured")
    assert (one["amount_minor"], one["tip_minor"], one["fee_minor"]) == (1000, 250, 177)


def test_digests_see_content_not_spelling() -> None:
    body = payment()
    spaced = json.dumps(dict(reversed(body.items())), indent=3).encode()
    other = payment(note="a field that is not read")
    found = decode(logged("payment", body), logged("payment", spaced), logged("payment", other))
    assert len(set(found.tables["tenders"]["version_digest"].to_pylist())) == 1


def test_tender_types_say_what_settles() -> None:
    gift = {"card": {"card_brand": "SQUARE_GIFT_CARD"}}
    cases = {
        ("CARD", "gift_card", ""): {"card_details": gift},
        ("CASH", "cash", ""): {
            "cash_details": {
                "buyer_supplied_money": money(3000),
                "change_back_money": money(25),
            }
        },
        ("WALLET", "wallet", "square"): {},
        ("BUY_NOW_PAY_LATER", "bnpl", "square"): {},
        ("BANK_ACCOUNT", "bank", "square"): {},
        ("EXTERNAL", "external", ""): {},
        ("HOUSE_ACCOUNT", "house_account", ""): {},
    }
    for (source_type, kind, processor), more in cases.items():
        (row,) = rows("payment", payment(source_type=source_type, **more), "tenders")
        assert (row["tender_type"], row["processor"]) == (kind, processor)
        if kind == "cash":
            assert (row["cash_given_minor"], row["change_minor"]) == (3000, 25)


def test_a_refund_is_negative_on_its_own_day() -> None:
    body = {
        "id": "P1_R1",
        "location_id": "L1",
        "status": "COMPLETED",
        "created_at": "2026-11-21T20:00:00Z",
        "updated_at": "2026-11-21T20:00:01Z",
        "destination_type": "CARD",
        "amount_money": money(2450),
        "payment_id": "P1",
        "order_id": "O6",
    }
    (row,) = rows("refund", body, "tenders")
    assert (row["event"], row["amount_minor"], row["state"]) == ("refund", -2450, "captured")
    assert row["original_tender_id"] == "P1"
    assert row["version_rank"] == micros(datetime(2026, 11, 21, 20, 0, 1, tzinfo=UTC))


def test_only_a_return_order_owns_the_refunds_it_lists() -> None:
    refunds = [{"id": "R1", "tender_id": "PO1", "amount_money": money(1000), "status": "APPROVED"}]
    sold = order(line("a", 1000), refunds=refunds)
    assert [row["event"] for row in rows("order", sold, "sale_tenders")] == ["payment"]
    entry = {"uid": "r", "return_line_items": [returned("a", 1000)]}
    back = order(returns=[entry], refunds=refunds)
    (row,) = rows("order", back, "sale_tenders")
    assert (row["event"], row["tender_id"], row["amount_minor"]) == ("refund", "R1", -1000)


def test_a_payout_and_its_entries_share_the_calendar_date_it_was_sent() -> None:
    """R-2.8: 01:00 in New York is the 24th, whatever the store's cut-off."""
    sent = payout(created_at="2026-11-24T06:00:00Z")
    found = decode(logged("payout", sent), logged("payout_entry", payout_entry(), 2))
    (one,) = found.tables["payouts"].to_pylist()
    (entry,) = found.tables["payout_entries"].to_pylist()
    assert one["business_date"] == entry["business_date"] == date(2026, 11, 24)
    assert (entry["store"], entry["tender_id"], entry["fee_minor"]) == ("NYC01", "PO1", 29)


def test_an_entry_before_its_payout_says_what_it_waits_for() -> None:
    (rejected,) = decode(logged("payout_entry", payout_entry())).rejected
    assert (rejected.waits_for, rejected.object_id) == ("payout:po_1", "poe_1")
    assert rejected.findings[0].code == "missing_parent"
    known = {"payout:po_1": Parent("payout:po_1", "L1", datetime(2026, 11, 23, tzinfo=UTC))}
    assert decode(logged("payout_entry", payout_entry()), parents=known).rejected == ()


def test_a_drawer_shift_gives_the_terms_of_the_drawer_equation() -> None:
    """R-8.1: 200.00 + 56.57 - 12.00 = 244.57, counted 244.07, whichever sign the vendor uses."""
    for paid_out in (1200, -1200):
        body = shift(cash_paid_out_money=money(paid_out))
        (row,) = rows("cash_shift", body, "cash_shifts")
        expected = (
            row["opening_minor"]
            + row["cash_sales_minor"]
            - row["cash_refunds_minor"]
            + row["paid_in_minor"]
            - row["paid_out_minor"]
        )
        assert expected == row["expected_minor"] == 24_457
        assert (row["counted_minor"], row["business_date"]) == (24_407, DAY)


def test_a_drawer_event_is_filed_with_the_shift_its_address_names() -> None:
    body = {"id": "E1", "event_type": "PAID_OUT", "created_at": "2026-11-22T10:00:00Z"}
    body |= {"event_money": money(1200), "description": "window cleaner"}
    url = "https://connect.example/v2/cash-drawers/shifts/S1/events?location_id=L1"
    found = decode(logged("cash_shift", shift()), logged("cash_event", body, 2, url=url))
    (row,) = found.tables["cash_events"].to_pylist()
    assert (row["shift_id"], row["business_date"]) == ("S1", DAY)
    assert (row["event_type"], row["amount_minor"]) == ("paid_out", 1200)


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        ("PAID_OUT", "Safe drop 3", "drop"),
        ("PAID_OUT", "Float lowered", "float_lowered"),
        ("PAID_IN", "float raised to 250", "float_raised"),
        ("PAID_OUT", "Float raised", "paid_out"),
        ("PAID_IN", "Safe drop", "paid_in"),
        ("NO_SALE", "Float lowered", "no_sale"),
    ],
)
def test_a_drawer_event_means_what_its_owner_says_r_8_1(kind: str, name: str, meant: str) -> None:
    meanings = Meanings(
        paid_outs=(("drop", ("Safe drop*",)), ("float", ("Float lowered",))),
        paid_ins=(("float", ("Float raised*",)),),
    )
    body = {"id": "E1", "event_type": kind, "created_at": "2026-11-22T10:00:00Z"}
    body |= {"event_money": money(5000), "description": name}
    url = "https://connect.example/v2/cash-drawers/shifts/S1/events?location_id=L1"
    events = logged("cash_shift", shift()), logged("cash_event", body, 2, url=url)
    owned = msgspec.structs.replace(store(), meanings=meanings)
    (row,) = decode(*events, stores={"L1": owned}).tables["cash_events"].to_pylist()
    assert (row["event_type"], row["amount_minor"]) == (meant, 5000)


def test_catalog_items_give_a_row_per_variation_and_categories_one_of_their_own() -> None:
    (row,) = rows("catalog_item", item("V1", cost="10.50"), "products")
    assert (row["product_id"], row["department"], row["sku"]) == ("V1", "category:C1", "SKU-V1")
    assert (str(row["unit_cost"]), str(row["unit_price"])) == ("10.500000", "10.000000")
    assert (row["store"], row["business_date"]) == (None, None)


def test_a_till_clock_dates_the_sale_and_outranks_the_vendors() -> None:
    """Taken offline at 23:00 on the 20th, uploaded at noon on the 21st (R-2.5)."""
    at = "2026-11-21T04:00:00Z"
    found = decode(logged("payment", offline("O1", at)), logged("order", order(line("a", 1000)), 2))
    (sale,) = found.tables["sales"].to_pylist()
    assert sale["business_date"] == date(2026, 11, 20)
    assert (sale["clock_suspect"], found.clocks[0].object_id) == (False, "O1")
    (plain,) = rows("order", order(line("a", 1000)), "sales")
    assert sale["version_digest"] > plain["version_digest"]
    assert sale["version_rank"] == plain["version_rank"]


def test_a_till_clock_that_runs_ahead_is_suspect() -> None:
    found = decode(
        logged("payment", offline("O1", "2026-11-23T00:00:00Z")),
        logged("order", order(line("a", 1000)), 2),
    )
    (sale,) = found.tables["sales"].to_pylist()
    assert (sale["clock_suspect"], sale["business_date"]) == (True, DAY)
    codes = [(warned.seq, warned.findings[0].code) for warned in found.warnings]
    assert codes == [(1, "clock_suspect"), (2, "clock_suspect")]


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
def test_the_vendors_own_examples_decode(path: Any) -> None:
    """Square's published examples: every one gives rows, is open, or carries no facts."""
    example = json.loads(path.read_text())
    body = example["body"]
    found = next(iter(body["data"]["object"].values())) if "data" in body else body
    place = found.get("location_id", "L1")
    at = datetime(2026, 11, 21, tzinfo=UTC)
    names = (f"payout:{found.get('payout_id')}", "cash_shift:S1")
    parents = {name: Parent(name, place, at) for name in names}
    currency = "EUR" if b'"EUR"' in path.read_bytes() else "USD"
    stores = {place: store(place, currency=currency)}
    url = f"https://connect.example/v2/cash-drawers/shifts/S1/events?location_id={place}"
    given = decode(logged(example["kind"], body, url=url), stores=stores, parents=parents)
    if path.stem in WITHOUT_DESTINATION:
        assert given.rejected[0].findings[0].pointer.endswith("/destination_type")
        return
    assert given.rejected == ()
    assert (
        given.ignored
        or pa.concat_tables([table.select(["log_seq"]) for table in given.tables.values()]).num_rows
    )


WITHOUT_DESTINATION = ("webhook_refund_created",)  # from 2020: no destination, no fee yet
