"""Drawer shifts (§8) and payouts (§7): entries and findings by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloud_conductor.accounting.custody import drawers, followed, with_left
from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import DayEntries, day_entries
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import small_tables
from special_days import ACCOUNTS, build, finding, lines

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


def followed_day(*shifts: dict[str, Any], events: list[dict[str, Any]]) -> DayEntries:
    """Entries of a day whose shifts follow each other, the first one nine hours before the next."""
    rows = [one | {"opened_at": OPENED + n * timedelta(hours=9)} for n, one in enumerate(shifts)]
    tables = small_tables((), cash_shifts=rows, cash_events=events)
    pairs = followed(drawers(tables["cash_shifts"], tables["cash_events"]))
    tables["cash_shifts"] = with_left(tables["cash_shifts"], pairs)
    return day_entries(DayFacts.of(golden.STORE, golden.DAY, tables), ACCOUNTS)


def custody_lines(found: DayEntries, shift: str) -> dict[str, int]:
    """What CASH of a shift says of cash in transit and the float."""
    return {
        line.role: line.amount_minor
        for entry in found.entries
        if (entry.kind, entry.source_id) == ("CASH", shift)
        for line in entry.lines
        if line.role in {"cash_custody_diff", "cash_float"}
    }


FIRST = SHIFT | {"paid_in_minor": 0, "expected_minor": 123_00, "counted_minor": 123_00}


@pytest.mark.parametrize(("opening", "gap"), [(50_00, -50_00), (130_00, 30_00), (100_00, 0)])
def test_a_float_that_differs_from_what_was_left_is_posted_and_stays_a_finding_r_8_2(opening, gap):
    second = FIRST | {
        "shift_id": "SI",
        "opening_minor": opening,
        "expected_minor": opening + 23_00,
        "counted_minor": opening + 23_00,
    }
    found = followed_day(FIRST, second, events=[opened("SH"), opened("SI")])
    assert custody_lines(found, "SH") == {}
    wanted = {"cash_custody_diff": -gap, "cash_float": gap}
    assert custody_lines(found, "SI") == {role: amount for role, amount in wanted.items() if amount}
    assert [
        (one.source_id, one.finding.code, one.amount_minor, one.blocks) for one in found.findings
    ] == ([("SI", "D11", gap, False)] if gap else [])
    assert all("posted to Cash in transit" in one.finding.message for one in found.findings)


@pytest.mark.parametrize(
    "events",
    [[opened("SH"), opened("SI", "R2")], [opened("SI")], []],
    ids=["another register", "the first shift of a register", "registers that do not say"],
)
def test_a_shift_that_follows_none_has_no_gap_r_8_2(events):
    found = followed_day(FIRST, FIRST | {"shift_id": "SI", "opening_minor": 50_00}, events=events)
    assert custody_lines(found, "SI") == {}


def test_a_shift_after_an_uncounted_one_is_not_compared_r_8_2():
    second = FIRST | {"shift_id": "SI", "opening_minor": 50_00}
    found = followed_day(
        FIRST | {"counted_minor": None}, second, events=[opened("SH"), opened("SI")]
    )
    assert custody_lines(found, "SI") == {}
    assert not [one for one in found.findings if one.finding.pointer.endswith("opening_minor")]


def test_the_gap_of_a_shift_that_is_not_counted_yet_is_named_and_waits_for_the_count_r_8_2():
    second = FIRST | {"shift_id": "SI", "opening_minor": 50_00, "counted_minor": None}
    found = followed_day(FIRST, second | {"state": "open"}, events=[opened("SH"), opened("SI")])
    assert {entry.source_id for entry in found.entries} == {"SH"}
    (gap,) = found.findings
    assert (gap.source_id, gap.amount_minor, gap.blocks) == ("SI", -50_00, False)
    assert "when the shift is counted" in gap.finding.message


def test_other_facts_of_the_shift_before_give_another_set_of_facts_r_13_1():
    second = FIRST | {"shift_id": "SI"}
    events = [opened("SH"), opened("SI")]
    first, other = (
        followed_day(FIRST | {"counted_minor": counted}, second, events=events)
        for counted in (123_00, 99_00)
    )
    hashes = [
        [one.fact_set_hash for one in found.entries if one.source_id == "SI"]
        for found in (first, other)
    ]
    assert hashes[0][0] != hashes[1][0]
    assert hashes[0][1] == hashes[1][1], "the bag does not ask what was left before"


@pytest.mark.parametrize("change", [-40_00, 60_00])
def test_a_float_that_is_changed_is_no_expense_and_no_gap_r_8_1(change):
    """100.00 opened, 35.00 taken, the change; what was changed stays with the drawer."""
    kind, total = (
        ("float_lowered", "paid_out_minor") if change < 0 else ("float_raised", "paid_in_minor")
    )
    still = FIRST | {"paid_out_minor": 0, "paid_in_minor": 0}
    first = still | {
        total: abs(change), "expected_minor": 135_00 + change, "counted_minor": 135_00 + change,
    }  # fmt: skip
    second = still | {
        "shift_id": "SI", "opening_minor": 100_00 + change, "expected_minor": 135_00 + change,
        "counted_minor": 135_00 + change,
    }  # fmt: skip
    events = [opened("SH"), opened("SI"), cash_event("1", kind, abs(change), "Float")]
    found = followed_day(first, second, events=events)
    assert found.findings == ()
    assert [(entry.kind, entry.source_id) for entry in found.entries] == [
        ("DEPOSIT", "SH"),
        ("DEPOSIT", "SI"),
    ]
    assert {line.amount_minor for entry in found.entries for line in entry.lines} == {
        35_00,
        -35_00,
    }


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


def dispute(name: str, state: str, amount: int) -> dict[str, Any]:
    return {"dispute_id": name, "state": state, "currency": "USD", "amount_minor": amount}


def test_lost_disputes_of_a_day_are_one_entry_and_only_they_r_7_5():
    undecided = [dispute(state, state, 70_00) for state in ("open", "inquiry", "won", "closed")]
    found = build(disputes=[dispute("D1", "lost", 20_00), dispute("D2", "lost", 5_00), *undecided])
    assert lines(found, "DISPUTE") == {"chargeback_loss": 25_00, "dispute_receivable": -25_00}
    (entry,) = found.entries
    assert entry.source_id == golden.DAY.isoformat()
    legs = found.legs["DISPUTE", entry.source_id]
    assert {row["fact_id"] for row in legs.to_pylist()} == {"D1", "D2"}
    assert build(disputes=undecided).entries == ()


def test_an_account_for_losses_is_needed_only_once_a_dispute_is_lost_d10():
    rules = {role: code for role, code in ACCOUNTS.rules.items() if role != "chargeback_loss"}
    accounts = AccountMap.of(rules, "1")
    assert build(disputes=[dispute("D1", "open", 20_00)], accounts=accounts).findings == ()
    found = build(disputes=[dispute("D1", "lost", 20_00)], accounts=accounts)
    assert found.entries == ()
    gap = finding(found, "DISPUTE")
    assert (gap.finding.code, gap.finding.pointer) == ("D10", "/mapping/chargeback_loss")


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
