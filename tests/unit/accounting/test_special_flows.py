"""One small worked day per special flow of §9; lines by hand."""

from datetime import date, time

import msgspec
import pyarrow as pa

from cloud_conductor.accounting.collected import collected
from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import DayEntries, day_entries
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.domain.stores import Store
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import Basket, Line, Service, Tender, small_tables
from special_days import ACCOUNTS, build, finding, lines


def test_an_even_exchange_has_an_entry_without_a_tender_r_9_10():
    swap = Basket(sale_id="E", lines=(Line(gross=19_99), Line(gross=-19_99, event="return")))
    assert lines(build(swap)) == {"returns.*": 19_99, "sales.*": -19_99}


def test_a_refund_without_original_takes_its_tax_from_itself_r_9_11():
    back = Basket(
        sale_id="R",
        lines=(Line(gross=-10_00, event="return", department=None),),
        tax=(("CITY", -45),),
        tenders=(Tender(amount=-10_45, event="refund"),),
    )
    assert lines(build(back)) == {"returns.*": 10_00, "tax_payable.*": 45, "clearing.*": -10_45}


def test_a_refund_to_a_gift_card_raises_the_liability_r_9_12():
    back = Basket(
        sale_id="R",
        lines=(Line(gross=-10_00, event="return"),),
        tenders=(Tender(amount=-10_00, type="gift_card", event="refund"),),
    )
    assert lines(build(back)) == {"returns.*": 10_00, "gift_card_liability refunded": -10_00}


def test_store_credit_is_issued_on_a_return_and_redeemed_later_r_9_5():
    back = Basket(
        sale_id="R",
        lines=(Line(gross=-30_00, event="return"),),
        tenders=(Tender(amount=-30_00, type="store_credit", event="refund"),),
    )
    spent = Basket(
        sale_id="S",
        lines=(Line(gross=12_00),),
        tenders=(Tender(amount=12_00, type="store_credit"),),
    )
    assert lines(build(back, spent)) == {
        "returns.*": 30_00,
        "store_credit_liability redeemed": 12_00,
        "store_credit_liability refunded": -30_00,
        "sales.*": -12_00,
    }


def test_a_comp_has_its_own_contra_account_and_costs_still_move_r_9_13():
    meal = Basket(
        sale_id="C", lines=(Line(gross=12_40, discount=12_40, discount_kind="comp", cost=3_10),)
    )
    found = build(meal)
    assert lines(found) == {"discounts.comp": 12_40, "sales.*": -12_40}
    assert lines(found, "COGS") == {"cogs.*": 3_10, "inventory.*": -3_10}


def test_a_vendor_funded_coupon_is_a_receivable_and_the_sale_stays_at_full_price_r_9_14():
    sale = Basket(
        sale_id="V",
        lines=(Line(gross=8_00, discount=1_50, discount_kind="coupon", funded_by="vendor"),),
        tenders=(Tender(amount=6_50, type="cash"),),
    )
    assert lines(build(sale)) == {
        "undeposited_cash": 6_50,
        "vendor_receivable": 1_50,
        "sales.*": -8_00,
    }


def test_a_donation_is_owed_and_never_revenue_r_9_15():
    sale = Basket(
        sale_id="D",
        lines=(Line(gross=4_60), Line(gross=40, kind="donation", department=None)),
        tenders=(Tender(amount=5_00),),
    )
    assert lines(build(sale)) == {"clearing.*": 5_00, "sales.*": -4_60, "donations_payable": -40}


def test_a_deposit_is_owed_until_pick_up_uses_it_r_9_9():
    taken = Basket(
        sale_id="T",
        lines=(Line(gross=50_00, kind="deposit", department=None),),
        tenders=(Tender(amount=50_00),),
    )
    pick_up = Basket(
        sale_id="P",
        lines=(Line(gross=80_00), Line(gross=-50_00, kind="deposit", department=None)),
        tax=(("CITY", 3_60),),
        tenders=(Tender(amount=33_60),),
    )
    assert lines(build(taken, pick_up)) == {
        "clearing.*": 83_60,
        "customer_deposits used": 50_00,
        "sales.*": -80_00,
        "tax_payable.*": -3_60,
        "customer_deposits taken": -50_00,
    }


def test_gratuity_is_owed_to_staff_and_other_charges_are_revenue_r_9_7():
    meal = Basket(
        sale_id="G",
        lines=(Line(gross=100_00),),
        services=(Service(amount=18_00, name="Party of 8", is_gratuity=True), Service(amount=5_00)),
        tip=2_00,
        tenders=(Tender(amount=125_00, tip=2_00),),
    )
    assert lines(build(meal)) == {
        "clearing.*": 125_00,
        "sales.*": -100_00,
        "service_revenue.*": -5_00,
        "tips_payable": -20_00,
    }


def test_cash_rounding_has_its_own_account_r_4_5():
    sale = Basket(
        sale_id="K",
        lines=(Line(gross=12_92),),
        rounding=-2,
        tenders=(Tender(amount=12_90, type="cash"),),
    )
    assert lines(build(sale)) == {"undeposited_cash": 12_90, "cash_rounding": 2, "sales.*": -12_92}


def test_a_house_account_sale_is_a_receivable_once_r_9_8():
    sale = Basket(
        sale_id="H",
        lines=(Line(gross=40_00),),
        tenders=(Tender(amount=40_00, type="house_account"),),
    )
    assert lines(build(sale)) == {"ar.house": 40_00, "sales.*": -40_00}


def test_shipping_has_its_own_revenue_and_its_return_is_contra():
    sale = Basket(
        sale_id="S",
        lines=(
            Line(gross=6_00, kind="shipping", department=None),
            Line(gross=-2_00, kind="shipping", event="return", department=None),
        ),
        tenders=(Tender(amount=4_00),),
    )
    assert lines(build(sale)) == {"clearing.*": 4_00, "returns.*": 2_00, "shipping_revenue": -6_00}


def test_a_declined_offline_payment_leaves_the_sale_and_clearing_r_2_6():
    sale = Basket(
        sale_id="F", lines=(Line(gross=20_00),), tenders=(Tender(amount=20_00, state="failed"),)
    )
    assert lines(build(sale)) == {"uncollected_offline": 20_00, "sales.*": -20_00}


def test_a_voided_sale_never_reaches_an_entry_r_3_3():
    void = Basket(sale_id="X", lines=(Line(gross=84_00, cost=30_00),), state="voided")
    assert build(void) == DayEntries((), (), {}, ())


def test_a_refund_pending_at_the_processor_counts_on_its_day_and_a_pending_payment_does_not():
    back = Basket(
        sale_id="R",
        lines=(Line(gross=-10_00, event="return"),),
        tenders=(
            Tender(amount=-10_00, event="refund", state="pending"),
            Tender(amount=3_00, state="pending"),
        ),
    )
    assert lines(build(back)) == {"returns.*": 10_00, "clearing.*": -10_00}


def test_a_sale_paid_twice_owes_the_customer_and_says_so_r_9_17():
    sale = Basket(
        sale_id="TW",
        lines=(Line(gross=25_00),),
        tenders=(Tender(amount=25_00), Tender(amount=25_00)),
    )
    found = build(sale)
    assert lines(found) == {"clearing.*": 50_00, "sales.*": -25_00, "due_to_customers": -25_00}
    twice = finding(found)
    assert (twice.finding.code, twice.finding.severity) == ("D04", "warning")
    assert (twice.sale_ids, twice.amount_minor, twice.blocks) == (("TW",), -25_00, False)


def test_a_return_whose_refund_failed_is_owed_to_the_customer():
    back = Basket(
        sale_id="R",
        lines=(Line(gross=-10_00, event="return"),),
        tenders=(Tender(amount=-10_00, event="refund", state="failed"),),
    )
    found = build(back)
    assert lines(found) == {"returns.*": 10_00, "due_to_customers": -10_00}
    assert (finding(found).finding.code, finding(found).blocks) == ("D03", False)
    again = build(msgspec.structs.replace(back, tenders=(*back.tenders, *_given(-10_00))))
    assert lines(again) == {"returns.*": 10_00, "clearing.*": -10_00}


def _given(amount: int) -> tuple[Tender, ...]:
    return (Tender(amount=amount, event="refund"),)


def test_a_double_payment_is_seen_when_another_sale_lacks_as_much_r_9_17():
    twice = Basket(
        sale_id="TW",
        lines=(Line(gross=25_00),),
        tenders=(Tender(amount=25_00), Tender(amount=25_00)),
    )
    found = build(twice, Basket(sale_id="NO", lines=(Line(gross=25_00),)))
    assert found.entries == ()
    sales = [one for one in found.findings if one.kind == "SALES"]
    named = {one.finding.code: (one.sale_ids, one.blocks) for one in sales}
    assert named == {"D04": (("TW",), False), "D03": (("NO",), True)}


def test_a_double_payment_given_back_the_same_day_is_owed_no_more_r_9_17():
    tables = small_tables(
        [
            Basket(
                sale_id="TW",
                lines=(Line(gross=25_00),),
                tenders=(Tender(amount=25_00), Tender(amount=25_00)),
            ),
            Basket(sale_id="", tenders=(Tender(amount=-25_00, event="refund"),), state="voided"),
        ]
    )
    at = tables["tenders"].schema.get_field_index("sale_id")
    sales = [name or None for name in tables["tenders"]["sale_id"].to_pylist()]
    tenders = tables["tenders"].set_column(at, "sale_id", pa.array(sales, pa.string()))
    at = tenders.schema.get_field_index("original_tender_id")
    of = pa.array([None if name else "p2" for name in sales], pa.string())
    tables["tenders"] = tenders.set_column(at, "original_tender_id", of)
    found = day_entries(DayFacts.of(golden.STORE, golden.DAY, tables), ACCOUNTS)
    assert lines(found) == {"clearing.*": 25_00, "sales.*": -25_00}
    assert [one for one in found.findings if one.kind == "SALES"] == []


def test_gift_card_balances_changed_without_a_sale_or_tender_are_named_r_9_2():
    moves = {"adjust_increment": 5_00, "adjust_decrement": -2_00, "activate": 50_00, "block": 0}
    rows = [
        {"activity_id": kind, "activity_type": kind, "currency": "USD", "amount_minor": amount}
        for kind, amount in moves.items()
    ]
    found = build(gift_card_activities=rows)
    assert found.entries == ()
    moved = finding(found)
    assert (moved.finding.code, moved.blocks, moved.amount_minor) == ("D03", False, 3_00)
    assert "adjust_decrement -200, adjust_increment 500" in moved.finding.message


def test_tenders_that_do_not_add_up_block_the_entry_and_name_the_sale_inv_06():
    good = Basket(sale_id="A", lines=(Line(gross=10_00),), tenders=(Tender(amount=10_00, fee=36),))
    short = Basket(sale_id="B", lines=(Line(gross=10_00),), tenders=(Tender(amount=9_98),))
    found = build(good, short)
    assert [entry.kind for entry in found.entries] == ["FEES"]
    short_paid = finding(found)
    assert (short_paid.finding.code, short_paid.blocks) == ("D03", True)
    assert (short_paid.sale_ids, short_paid.amount_minor) == (("B",), -2)


def test_a_payment_without_a_sale_blocks_the_entry_and_names_no_sale_inv_06():
    lone = {
        "tender_id": "T", "event": "payment", "tender_type": "card", "processor": "square",
        "state": "captured", "currency": "USD", "amount_minor": 5_00, "fee_minor": 0,
    }  # fmt: skip
    (alone,) = build(tenders=[lone]).findings
    assert (alone.finding.code, alone.blocks, alone.sale_ids) == ("D03", True, ())
    assert "sales concerned: none that we hold." in alone.finding.message


def test_an_unmapped_department_blocks_its_entry_only_and_names_the_role_d10():
    accounts = AccountMap.of(
        {"sales.home": "201", "clearing.square": "110", "merchant_fees.square": "420"}, "1"
    )
    baskets = (
        Basket(sale_id="A", lines=(Line(gross=5_00),), tenders=(Tender(amount=5_00, fee=23),)),
        Basket(
            sale_id="B",
            lines=(Line(gross=7_00, department="Toys"),),
            tenders=(Tender(amount=7_00, fee=28),),
        ),
    )
    found = build(*baskets, accounts=accounts)
    assert [entry.kind for entry in found.entries] == ["FEES"]
    gap = finding(found)
    assert (gap.finding.code, gap.finding.pointer) == ("D10", "/mapping/sales.toys")
    assert gap.amount_minor == -7_00
    (entry,) = found.unmapped
    assert [(line.role, line.account_code) for line in entry.lines] == [
        ("clearing.square", "110"),
        ("sales.home", "201"),
        ("sales.toys", ""),
    ]


def test_lines_without_a_cost_are_listed_and_no_cost_is_invented():
    sale = Basket(
        sale_id="A",
        lines=(Line(gross=5_00, cost=2_00), Line(gross=3_00)),
        tenders=(Tender(amount=8_00),),
    )
    found = build(sale)
    assert lines(found, "COGS") == {"cogs.*": 2_00, "inventory.*": -2_00}
    missing = finding(found, "COGS")
    assert (missing.finding.code, missing.blocks, missing.sale_ids) == ("D14", False, ("A",))


def test_facts_keep_stores_apart():
    tables = golden.golden_tables(date(2026, 11, 21))
    other = DayFacts.of(
        Store(
            store="LON02",
            source="square",
            location_id="L2",
            time_zone="Europe/London",
            cutoff=time(0),
            currency="GBP",
        ),
        golden.DAY,
        tables,
    )
    assert day_entries(other, ACCOUNTS).entries == ()


def orderless(amount: int) -> dict[str, pa.Table]:
    """A refund that names neither sale nor payment, on a day with nothing else."""
    tables = small_tables(
        [Basket(sale_id="", tenders=(Tender(amount=-amount, event="refund"),), state="voided")]
    )
    at = tables["tenders"].schema.get_field_index("sale_id")
    nobody = pa.nulls(tables["tenders"].num_rows, pa.string())
    return tables | {"tenders": tables["tenders"].set_column(at, "sale_id", nobody)}


def test_money_given_back_with_nothing_rung_up_is_a_return_of_nobody_knows_what_r_9_11():
    found = day_entries(DayFacts.of(golden.STORE, golden.DAY, orderless(7_00)), ACCOUNTS)
    assert lines(found) == {"returns.*": 7_00, "clearing.*": -7_00}
    assert [one for one in found.findings if one.blocks] == []


def test_a_payment_that_waits_for_its_capture_is_owed_by_the_processor():
    sale = Basket(
        sale_id="OFF", lines=(Line(gross=9_00),), tenders=(Tender(amount=9_00, state="authorised"),)
    )
    found = build(sale)
    assert lines(found) == {"clearing.*": 9_00, "sales.*": -9_00}
    assert [one for one in found.findings if one.kind == "SALES"] == []


def test_tenders_a_till_has_a_name_for_have_accounts_of_their_own():
    sale = Basket(
        sale_id="N",
        lines=(Line(gross=30_00),),
        tenders=(
            Tender(amount=10_00, type="deposit"),
            Tender(amount=15_00, type="vendor_coupon"),
            Tender(amount=5_00, type="house_account"),
        ),
    )
    assert lines(build(sale)) == {
        "customer_deposits used": 10_00,
        "vendor_receivable tendered": 15_00,
        "ar.house": 5_00,
        "sales.*": -30_00,
    }


def test_a_house_account_that_is_paid_is_no_sale_and_collected_once_r_9_8():
    paid = Basket(
        sale_id="P",
        lines=(Line(gross=12_00, kind="account_payment"),),
        tenders=(Tender(amount=12_00),),
    )
    found = build(paid)
    assert lines(found) == {"clearing.*": 12_00, "ar.house settled": -12_00}
    (entry,) = [entry for entry in found.entries if entry.kind == "SALES"]
    assert collected(entry) == 12_00
