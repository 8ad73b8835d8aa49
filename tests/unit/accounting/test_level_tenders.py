"""L3 and L4 over the golden day, with one thing wrong at a time."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.level_payouts import (
    NO_BANK_LINES,
    Settlement,
    compare_payouts,
    deposit_dates,
    expected_arrival,
)
from cloud_conductor.accounting.level_tenders import compare_tenders
from cloud_conductor.ports.ledger import BankLine
from cloud_conductor.testing import golden_day as golden

DAY = golden.golden_tables(golden.DAY)
ALL = golden.golden_tables()
SCOPE = Scope(store="NYC01", business_date=golden.DAY, currency="USD")


def edited(table: pa.Table, id_column: str, key: str, **changes: object) -> pa.Table:
    rows = [row | changes if row[id_column] == key else row for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=table.schema)


def dropped(table: pa.Table, id_column: str, key: str) -> pa.Table:
    rows = [row for row in table.to_pylist() if row[id_column] != key]
    return pa.Table.from_pylist(rows, schema=table.schema)


def l3(tenders: pa.Table, named: pa.Table = DAY["sale_tenders"], **more: object):
    return compare_tenders(SCOPE, named, tenders, **more)


def settlement(**changes: object) -> Settlement:
    tables = {name: ALL[name] for name in ("tenders", "payouts", "payout_entries")}
    return Settlement(**(tables | changes))


def l4(today: date = golden.PAYOUT_DAY, **changes: object):
    return compare_payouts(SCOPE, settlement(**changes), today)


def only_break(result):
    (found,) = [one for one in result.breaks if not one.is_explained]
    return found


def test_every_tender_of_the_golden_day_is_matched_on_l3():
    result = l3(DAY["tenders"])
    assert (result.state, result.matched, result.breaks) == ("green", 11, ())


def test_a_tender_the_processor_has_not_is_missing_or_in_quarantine():
    tenders = dropped(DAY["tenders"], "tender_id", "T-O7")
    assert (only_break(l3(tenders)).code, only_break(l3(tenders)).amount_minor) == ("D01", 10_89)
    assert only_break(l3(tenders, quarantined=("T-O7",))).code == "D16"


def test_a_declined_tender_says_so_r_2_6():
    found = only_break(l3(edited(DAY["tenders"], "tender_id", "T-O7", state="failed")))
    assert found.code == "D01"
    assert "failed" in found.message


def test_a_tip_changed_at_the_processor_is_an_amount_break():
    found = only_break(l3(edited(DAY["tenders"], "tender_id", "T-O3", tip_minor=3_00)))
    assert (found.code, found.key, found.amount_minor) == ("D03", "payment:T-O3", -50)


def test_a_payment_no_sale_names_is_missing_in_pos():
    named = dropped(DAY["sale_tenders"], "tender_id", "T-O10")
    found = only_break(l3(DAY["tenders"], named))
    assert (found.code, found.amount_minor) == ("D02", -8_71)


def test_a_payment_recorded_twice_is_a_duplicate():
    twice = pa.concat_tables([DAY["tenders"], DAY["tenders"].slice(0, 1)])
    assert only_break(l3(twice)).code == "D04"


def test_a_tender_of_another_day_is_explained_with_both_dates():
    tomorrow = golden.DAY + timedelta(days=1)
    result = l3(edited(DAY["tenders"], "tender_id", "T-O10", business_date=tomorrow))
    (found,) = result.breaks
    assert (found.code, result.state) == ("D05", "green")
    assert "2026-11-22" in found.message


def test_on_monday_only_o11_is_in_transit_and_the_bank_half_says_it_is_not_connected():
    result = l4()
    assert result.state == "green"
    assert [(found.code, found.key, found.amount_minor) for found in result.breaks] == [
        ("D05", "payment:T-O11", 18_51)
    ]
    assert result.notes == (NO_BANK_LINES,)
    assert (result.left.matched, result.left.explained) == (8 + 2, 1)


def test_a_tender_not_paid_out_by_its_due_date_is_overdue_r_7_3():
    due = expected_arrival(golden.DAY)
    assert due == date(2026, 11, 26)
    assert l4(due).state == "green"
    found = only_break(l4(due + timedelta(days=1)))
    assert (found.code, found.amount_minor) == ("D01", 18_51)


def test_a_fee_that_differs_in_the_payout_is_d07():
    entries = edited(ALL["payout_entries"], "entry_id", "B-O8", fee_minor=1_40, net_minor=47_59)
    codes = {found.code: found.amount_minor for found in l4(payout_entries=entries).breaks}
    assert codes == {"D07": 3, "D05": 18_51, "D03": 3}  # D03: the payout is no longer its entries


def test_a_charge_paid_out_for_another_amount_is_d03():
    entries = edited(ALL["payout_entries"], "entry_id", "B-O8", gross_minor=49_00, fee_minor=1_38)
    found = only_break(l4(payout_entries=entries))
    assert (found.code, found.key, found.amount_minor) == ("D03", "payment:T-O8", -1)


def test_an_entry_for_a_tender_we_do_not_hold_is_d02_unless_it_is_older_than_the_books():
    tenders = dropped(ALL["tenders"], "tender_id", "T-S2")
    assert only_break(l4(tenders=tenders)).code == "D02"
    assert l4(tenders=tenders, known={"T-S2"}).state == "green"


def test_a_tender_paid_out_twice_is_a_duplicate():
    twice = pa.concat_tables([ALL["payout_entries"], ALL["payout_entries"].slice(1, 1)])
    assert "D04" in {found.code for found in l4(payout_entries=twice).breaks}


def test_a_payout_without_its_entries_does_not_add_up_inv_11():
    gone = dropped(ALL["payout_entries"], "payout_id", "PO0")
    tenders = dropped(ALL["tenders"], "tender_id", "T-S1")
    found = only_break(l4(payout_entries=gone, tenders=tenders))
    assert (found.code, found.key, found.amount_minor) == ("D03", "payout:PO0", 23_76)


def bank(line_id: str, day: date, amount: int, reference: str = "") -> BankLine:
    return BankLine(line_id, "090", day, amount, reference)


def test_payouts_are_followed_to_the_bank_by_reference_then_by_amount_and_date():
    lines = [
        bank("1", date(2026, 11, 24), 23_76, "SQUARE PO0"),
        bank("2", date(2026, 11, 25), 198_98, "SQUARE INC"),
        bank("3", date(2026, 11, 25), 44_07, "DEPOSIT"),
    ]
    result = l4(bank_lines=lines)
    assert (result.state, result.notes) == ("green", ())
    assert result.matched == 8 + 2 + 2


@pytest.mark.parametrize(("days", "code"), [(1, "D05"), (2, "D01")])
def test_a_payout_not_at_the_bank_is_in_transit_then_overdue(days, code):
    lines = [bank("1", date(2026, 11, 24), 23_76, "PO0")]
    result = l4(today=date(2026, 11, 24) + timedelta(days=days), bank_lines=lines)
    assert {found.code for found in result.breaks if found.key == "payout:PO1"} == {code}


def test_a_payout_of_nothing_is_not_looked_for_at_the_bank():
    payouts = edited(ALL["payouts"], "payout_id", "PO1", net_minor=0)
    lines = [bank("1", date(2026, 11, 24), 23_76, "PO0")]
    late = l4(today=date(2026, 12, 24), payouts=payouts, bank_lines=lines)
    assert not [found for found in late.breaks if "not at the bank" in found.message]


def test_a_bag_takes_the_date_of_its_bank_line_within_five_days_r_8_4():
    inside = [bank("1", date(2026, 11, 26), 44_07)]
    assert deposit_dates(SCOPE, {"SH1": 44_07}, inside) == {"SH1": date(2026, 11, 26)}
    outside = [bank("1", date(2026, 11, 27), 44_07), bank("2", date(2026, 11, 23), 44_00)]
    assert deposit_dates(SCOPE, {"SH1": 44_07}, outside) == {}
    two = [*inside, bank("2", date(2026, 11, 23), 44_07)]
    assert deposit_dates(SCOPE, {"SH1": 44_07}, two) == {}


def test_a_store_without_tenders_or_payouts_is_not_connected():
    empty = {name: ALL[name].slice(0, 0) for name in ("tenders", "payouts", "payout_entries")}
    assert l4(**empty).state == "not_connected"
