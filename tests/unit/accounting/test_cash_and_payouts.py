"""Drawer shifts (§8) and payouts (§7): entries and findings by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud_conductor.accounting.custody import custody_gaps
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.testing.small_day import small_tables
from special_days import build, finding, lines

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


OPENED = datetime(2026, 11, 21, 14, tzinfo=UTC)


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


def opened(shift: str, register: str = "R1") -> dict[str, Any]:
    return {
        "event_id": f"{shift}:opened",
        "shift_id": shift,
        "event_type": "opened",
        "description": register,
    }


def gaps_of(shifts: list[dict[str, Any]], events: list[dict[str, Any]]) -> dict[str, int]:
    tables = small_tables((), cash_shifts=shifts, cash_events=events)
    found = custody_gaps(tables["cash_shifts"], tables["cash_events"])
    return {one.shift_id: one.gap_minor for one in found}


def test_float_that_went_missing_between_shifts_of_a_register_is_a_custody_gap_r_8_2():
    first, later = SHIFT | {"opened_at": OPENED}, OPENED + timedelta(hours=9)
    second = SHIFT | {"shift_id": "SI", "opening_minor": 50_00, "opened_at": later}
    events = [opened(first["shift_id"]), opened("SI")]
    assert gaps_of([first, second], events) == {"SI": -50_00}
    assert gaps_of([first, second | {"opening_minor": 100_00}], events) == {}
    elsewhere = [opened(first["shift_id"]), opened("SI", "R2")]
    assert gaps_of([first, second], elsewhere) == {}
    assert gaps_of([first, second], []) == {}, "registers that do not say who they are"


def test_a_shift_after_an_uncounted_one_is_not_compared_r_8_2():
    later = OPENED + timedelta(hours=9)
    second = SHIFT | {"shift_id": "SI", "opening_minor": 50_00, "opened_at": later}
    events = [opened(SHIFT["shift_id"]), opened("SI")]
    assert gaps_of([SHIFT | {"opened_at": OPENED, "counted_minor": None}, second], events) == {}


def test_cash_dropped_into_the_safe_is_no_expense_and_part_of_the_bag_r_8_1():
    drop = {"event_id": "E9", "shift_id": SHIFT["shift_id"], "event_type": "drop"}
    shift = SHIFT | {"paid_out_minor": 52_00, "counted_minor": 103_25, "expected_minor": 103_00}
    found = build(cash_shifts=[shift], cash_events=[drop | {"amount_minor": 40_00}])
    plain = build(cash_shifts=[SHIFT])
    assert lines(found, "CASH") == lines(plain, "CASH")
    assert lines(found, "DEPOSIT") == lines(plain, "DEPOSIT")


def test_a_shift_that_ended_uncounted_says_so_r_8_1():
    found = build(cash_shifts=[SHIFT | {"state": "ended", "counted_minor": None}])
    assert finding(found, "CASH").finding.code == "D11"
    assert finding(found, "CASH").blocks


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
