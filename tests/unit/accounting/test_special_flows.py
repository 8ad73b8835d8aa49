"""One small worked day per special flow of §9; lines by hand."""

from datetime import date, time

import pytest

from cloud_conductor.accounting.custody import closed_shifts, custody_gap
from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import DayEntries, day_entries
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.domain.stores import Store
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import Basket, Line, Service, Tender, small_tables

ACCOUNTS = AccountMap.of(
    {
        "clearing.*": "110",
        "undeposited_cash": "115",
        "cash_float": "118",
        "ar.house": "610",
        "bank": "090",
        "sales.*": "200",
        "returns.*": "230",
        "discounts.*": "220",
        "discounts.comp": "221",
        "service_revenue.*": "210",
        "shipping_revenue": "211",
        "tax_payable.*": "820",
        "tips_payable": "830",
        "gift_card_liability": "840",
        "store_credit_liability": "841",
        "customer_deposits": "842",
        "donations_payable": "850",
        "due_to_customers": "855",
        "vendor_receivable": "620",
        "uncollected_offline": "630",
        "merchant_fees.*": "420",
        "dispute_receivable": "860",
        "cash_over_short": "425",
        "cash_rounding": "435",
        "petty_expense.*": "430",
        "cogs.*": "310",
        "inventory.*": "140",
    },
    "1",
)


def build(*baskets: Basket, accounts: AccountMap = ACCOUNTS, **more: list) -> DayEntries:
    facts = DayFacts.of(golden.STORE, golden.DAY, small_tables(baskets, **more))
    return day_entries(facts, accounts)


def lines(found: DayEntries, kind: str = "SALES") -> dict[str, int]:
    (entry,) = [entry for entry in found.entries if entry.kind == kind]
    assert entry.is_balanced
    return {
        line.role + (f" {line.movement}" if line.movement else ""): line.amount_minor
        for line in entry.lines
    }


def finding(found: DayEntries, kind: str = "SALES"):
    (only,) = [finding for finding in found.findings if finding.kind == kind]
    return only


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


def test_a_double_payment_is_seen_when_another_sale_lacks_as_much_r_9_17():
    twice = Basket(
        sale_id="TW",
        lines=(Line(gross=25_00),),
        tenders=(Tender(amount=25_00), Tender(amount=25_00)),
    )
    found = build(twice, Basket(sale_id="NO", lines=(Line(gross=25_00),)))
    assert found.entries == ()
    named = {one.finding.code: (one.sale_ids, one.blocks) for one in found.findings}
    assert named == {"D04": (("TW",), False), "D03": (("NO",), True)}


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


SHIFT = {
    "shift_id": "SH",
    "state": "closed",
    "currency": "USD",
    "opening_minor": 100_00,
    "cash_sales_minor": 40_00,
    "cash_refunds_minor": 5_00,
    "paid_in_minor": 20_00,
    "paid_out_minor": 12_00,
    "expected_minor": 143_00,
    "counted_minor": 143_25,
}


def cash_event(uid: str, kind: str, amount: int, text: str | None) -> dict:
    return {
        "event_id": uid,
        "shift_id": "SH",
        "event_type": kind,
        "amount_minor": amount,
        "description": text,
    }


def test_a_shift_books_over_paid_outs_by_reason_and_paid_ins_r_8():
    found = build(
        cash_shifts=[SHIFT],
        cash_events=[
            cash_event("1", "paid_out", 7_00, "Window cleaner"),
            cash_event("2", "paid_in", 20_00, "change"),
        ],
        accounts=AccountMap.of(
            {
                "bank": "090",
                "undeposited_cash": "115",
                "cash_float": "118",
                "cash_over_short": "425",
                "petty_expense.window_cleaner": "431",
                "petty_expense.to_be_explained": "439",
            },
            "1",
        ),
    )
    assert lines(found, "CASH") == {
        "undeposited_cash": 25 - 12_00 + 20_00,
        "petty_expense.window_cleaner": 7_00,
        "petty_expense.to_be_explained": 5_00,  # no event names it
        "cash_over_short": -25,
        "cash_float": -20_00,
    }
    assert lines(found, "DEPOSIT") == {"bank": 43_25, "undeposited_cash": -43_25}


def test_each_shift_has_entries_of_its_own_never_netted_r_8_3():
    other = SHIFT | {"shift_id": "SI", "counted_minor": 142_75}
    found = build(cash_shifts=[SHIFT, other])
    cash = {entry.source_id: entry for entry in found.entries if entry.kind == "CASH"}
    over = {
        shift: line.amount_minor
        for shift, entry in cash.items()
        for line in entry.lines
        if line.role == "cash_over_short"
    }
    assert over == {"SH": -25, "SI": 25}


def test_a_shift_that_is_not_counted_yet_makes_no_entry():
    assert build(cash_shifts=[SHIFT | {"state": "ended", "counted_minor": None}]).entries == ()


def test_a_closed_shift_without_a_count_is_named_and_blocks_its_own_entry_d11():
    found = build(cash_shifts=[SHIFT | {"counted_minor": None}, SHIFT | {"shift_id": "SI"}])
    assert {entry.source_id for entry in found.entries} == {"SI"}
    (uncounted,) = [one for one in found.findings if one.blocks]
    assert (uncounted.source_id, uncounted.finding.code) == ("SH", "D11")


def test_a_register_that_expects_another_sum_is_a_warning_d11():
    found = build(cash_shifts=[SHIFT | {"expected_minor": 150_00}])
    assert finding(found, "CASH").finding.code == "D11"
    assert finding(found, "CASH").amount_minor == 7_00
    assert {entry.kind for entry in found.entries} == {"CASH", "DEPOSIT"}


def test_a_drawer_that_does_not_cover_its_float_deposits_nothing_r_8_2():
    found = build(cash_shifts=[SHIFT | {"counted_minor": 90_00}])
    assert [entry.kind for entry in found.entries] == ["CASH"]
    assert (finding(found, "CASH").finding.code, finding(found, "CASH").amount_minor) == (
        "D11",
        -10_00,
    )


def test_float_that_went_missing_between_shifts_is_a_custody_gap_r_8_2():
    tables = small_tables(
        (), cash_shifts=[SHIFT, SHIFT | {"shift_id": "SI", "opening_minor": 50_00}]
    )
    first, second = closed_shifts(DayFacts.of(golden.STORE, golden.DAY, tables))
    assert custody_gap(first, second) == -50_00
    assert custody_gap(first, first) == 0


def payout(net: int, *entries: tuple[str, int, int]) -> dict[str, list]:
    return {
        "payouts": [{"payout_id": "P", "state": "sent", "currency": "USD", "net_minor": net}],
        "payout_entries": [
            {
                "entry_id": f"B{n}",
                "payout_id": "P",
                "entry_type": kind,
                "currency": "USD",
                "gross_minor": gross,
                "fee_minor": fee,
                "net_minor": gross - fee,
            }
            for n, (kind, gross, fee) in enumerate(entries)
        ],
    }


def test_a_payout_that_is_not_the_sum_of_its_entries_is_blocked_inv_11():
    found = build(**payout(99_00, ("charge", 100_00, 2_70)))
    assert found.entries == ()
    gap = finding(found, "PAYOUT")
    assert (gap.finding.code, gap.amount_minor) == ("D03", 1_70)


def test_payout_entries_whose_errors_cancel_are_blocked_too_inv_11():
    facts = payout(50_00, ("charge", 60_00, 0), ("fee", -10_00, 0))
    for row, error in zip(facts["payout_entries"], (1, -1), strict=True):
        row["net_minor"] += error
    found = build(**facts)
    assert found.entries == ()
    assert finding(found, "PAYOUT").finding.code == "D03"


def test_disputes_and_processor_fees_in_a_payout_have_their_own_accounts_r_7_5():
    found = build(
        **payout(58_80, ("charge", 100_00, 2_70), ("dispute", -20_00, 15_00), ("fee", -3_50, 0))
    )
    assert lines(found, "PAYOUT") == {
        "bank": 58_80,
        "dispute_receivable": 20_00,
        "merchant_fees.*": 18_50,
        "clearing.*": -97_30,
    }


def test_an_unknown_type_of_payout_entry_is_a_gap_that_names_it_r_7_4():
    found = build(**payout(90_00, ("charge", 100_00, 0), ("loan_repayment", -10_00, 0)))
    assert found.entries == ()
    assert [one.finding.pointer for one in found.findings] == [
        "/mapping/payout_entry.loan_repayment"
    ]


@pytest.mark.parametrize("net", [-5_00])
def test_a_negative_payout_takes_money_from_the_bank(net):
    found = build(**payout(net, ("refund", -5_00, 0)))
    assert lines(found, "PAYOUT") == {"clearing.*": 5_00, "bank": -5_00}


def test_a_failed_payout_moved_no_money():
    facts = payout(5_00, ("charge", 5_00, 0))
    facts["payouts"][0]["state"] = "failed"
    assert build(**facts).entries == ()


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
