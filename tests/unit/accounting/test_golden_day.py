"""The golden day to the cent: figures of §5 to §8, typed by hand in `testing.golden_day`."""

from datetime import date

import pyarrow.compute as pc
import pytest

from cloud_conductor.accounting.facts import DayFacts, total
from cloud_conductor.accounting.journal import DayEntries, day_entries, lineage_of
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.testing import golden_day as golden

ACCOUNTS = AccountMap.of(golden.MAPPING, "1")


def entries_of(business_date: date, fees_at: str = "sale") -> DayEntries:
    facts = DayFacts.of(golden.STORE, business_date, golden.golden_tables(business_date))
    return day_entries(facts, ACCOUNTS, fees_at=fees_at)


def by_kind(found: DayEntries) -> dict[str, JournalEntry]:
    return {entry.kind: entry for entry in found.entries}


def legs_of(entry: JournalEntry) -> dict[tuple[str, str], int]:
    return {(line.role, line.movement): line.amount_minor for line in entry.lines}


@pytest.mark.parametrize("kind", ["SALES", "FEES", "COGS", "CASH", "DEPOSIT"])
def test_each_entry_of_the_day_has_the_lines_of_the_guide(kind):
    found = entries_of(golden.DAY)
    assert found.findings == ()
    assert legs_of(by_kind(found)[kind]) == golden.ENTRIES[kind]


def test_the_sales_entry_totals_314_68_on_each_side():
    entry = by_kind(entries_of(golden.DAY))["SALES"]
    assert entry.debit_minor == golden.SALES_TOTAL_MINOR == 314_68
    assert entry.is_balanced
    assert (entry.business_date, entry.ledger_date) == (golden.DAY, golden.DAY)
    assert entry.source_id == "2026-11-21"


def test_discounts_are_one_line_and_gift_cards_are_two():
    lines = by_kind(entries_of(golden.DAY))["SALES"].lines
    assert [line.description for line in lines if line.role == "discounts.*"] == ["Discounts given"]
    assert [line.description for line in lines if line.role == "gift_card_liability"] == [
        "Gift card liability (redeemed)",
        "Gift card liability (sold)",
    ]


def test_the_payout_relieves_clearing_of_198_98():
    entry = by_kind(entries_of(golden.PAYOUT_DAY))["PAYOUT"]
    assert legs_of(entry) == golden.ENTRIES["PAYOUT"]
    assert (entry.source_id, entry.ledger_date) == ("PO1", golden.PAYOUT_DAY)


def test_fees_at_payout_book_the_fee_with_the_payout_and_never_at_the_sale():
    assert "FEES" not in by_kind(entries_of(golden.DAY, "payout"))
    entry = by_kind(entries_of(golden.PAYOUT_DAY, "payout"))["PAYOUT"]
    assert legs_of(entry) == {
        ("bank", ""): 198_98,
        ("merchant_fees.square", ""): 6_58,
        ("clearing.square", ""): -205_56,
    }


def test_the_fee_of_a_sale_in_quarantine_waits_with_what_was_paid_for_it():
    """Else it would stay in FEES when the order is released as an open ticket, of no day yet."""
    tables = golden.golden_tables(golden.DAY)
    tables["sales"] = tables["sales"].filter(pc.not_equal(tables["sales"]["sale_id"], "O1"))
    paid = tables["tenders"].filter(pc.equal(tables["tenders"]["sale_id"], "O1"))
    fee = total(paid["fee_minor"])
    held = by_kind(day_entries(DayFacts.of(golden.STORE, golden.DAY, tables), ACCOUNTS))
    facts = DayFacts.of(golden.STORE, golden.DAY, tables, quarantined={"O1"})
    waits = by_kind(day_entries(facts, ACCOUNTS))
    assert fee > 0
    assert waits["FEES"].debit_minor == held["FEES"].debit_minor == 6_02 - fee


def test_clearing_ends_at_17_93_which_is_the_one_unpaid_charge():
    days = (golden.DAY_BEFORE, golden.DAY, golden.PAYOUT_DAY)
    clearing = sum(
        line.amount_minor
        for day in days
        for entry in entries_of(day).entries
        for line in entry.lines
        if line.role == "clearing.square"
    )
    assert clearing == golden.CLEARING_AFTER_PO1_MINOR == 18_51 - 58


def test_undeposited_cash_is_zero_after_the_bag():
    cash = sum(
        line.amount_minor
        for entry in entries_of(golden.DAY).entries
        for line in entry.lines
        if line.role == "undeposited_cash"
    )
    assert cash == 0


def test_a_bag_is_dated_by_its_bank_line_when_one_matched():
    facts = DayFacts.of(golden.STORE, golden.DAY, golden.golden_tables(golden.DAY))
    assert by_kind(day_entries(facts, ACCOUNTS))["DEPOSIT"].ledger_date == date(2026, 11, 22)
    dated = day_entries(facts, ACCOUNTS, bank_dates={"SH1": date(2026, 11, 24)})
    assert by_kind(dated)["DEPOSIT"].ledger_date == date(2026, 11, 24)


def test_lineage_of_every_line_sums_to_the_line_inv_17():
    found = entries_of(golden.DAY)
    for entry in found.entries:
        legs = found.legs[entry.kind, entry.source_id]
        for line in entry.lines:
            own = lineage_of(line, legs, ACCOUNTS)
            assert total(own["amount_minor"]) == line.amount_minor
    sales = found.legs["SALES", "2026-11-21"]
    (tips,) = [line for line in by_kind(found)["SALES"].lines if line.role == "tips_payable"]
    assert lineage_of(tips, sales, ACCOUNTS)["fact_id"].to_pylist() == ["O3"]


def test_the_fixture_is_the_table_of_the_guide():
    tables = golden.golden_tables(golden.DAY)
    lines = tables["sale_lines"]
    lines = lines.filter(pc.and_(pc.equal(lines["event"], "sale"), lines["is_sale"]))
    lines = lines.filter(pc.not_equal(lines["sale_id"], "O9"))
    assert total(lines["gross_minor"]) == 240_87
    assert total(tables["tenders"]["fee_minor"]) == 6_02
    sales = tables["sales"].filter(pc.equal(tables["sales"]["state"], "closed"))
    assert total(sales["total_minor"]) == golden.COLLECTED_MINOR == 260_64
