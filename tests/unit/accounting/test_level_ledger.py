"""L5 and L6 over the golden day, with one thing wrong at a time, and the equation of the day."""

from collections import Counter
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from cloud_conductor.accounting.breaks import Break, Scope
from cloud_conductor.accounting.collected import collected
from cloud_conductor.accounting.equation import (
    CodedItem,
    Equation,
    ledger_total,
    store_day_equation,
)
from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import day_entries
from cloud_conductor.accounting.level_books import compare_books
from cloud_conductor.accounting.level_ledger import (
    NO_TRIAL_BALANCE,
    Booked,
    LedgerSide,
    compare_ledger,
    pair_documents,
)
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.ports.ledger import LedgerDocument, LedgerLine
from cloud_conductor.testing import golden_day as golden

ACCOUNTS = AccountMap.of(golden.MAPPING, "1")
SCOPE = Scope(store="NYC01", business_date=golden.DAY, currency="USD")
FACTS = DayFacts.of(golden.STORE, golden.DAY, golden.golden_tables(golden.DAY))
ENTRIES = day_entries(FACTS, ACCOUNTS)
BOOKED = [Booked(f"key-{entry.kind}", "posted", entry) for entry in ENTRIES.entries]
CONTROL = ACCOUNTS.accounts("clearing", "undeposited_cash", "gift_card_liability")
LAST = date(2026, 11, 30)


def document(one: Booked, **changes: object) -> LedgerDocument:
    base = LedgerDocument(
        external_id=f"doc-{one.key}",
        document_type="journal",
        key=one.key,
        ledger_date=one.entry.ledger_date,
        status="posted",
        lines=tuple(LedgerLine(line.account_code, line.amount_minor) for line in one.entry.lines),
        narration=f"CC {one.entry.store} {one.entry.business_date} {one.entry.kind}",
    )
    return replace(base, **changes)


def ledger(**changes: dict) -> list[LedgerDocument]:
    """The documents of all entries; SALES=dict(...) changes that kind's, SALES=None removes it."""
    return [
        document(one, **changes.get(one.entry.kind, {}))
        for one in BOOKED
        if changes.get(one.entry.kind, {}) is not None
    ]


def balances(documents: list[LedgerDocument]) -> dict[str, int]:
    sums = Counter()
    for one in documents:
        if one.status == "posted" and one.ledger_date <= LAST:
            for line in one.lines:
                sums[line.account_code] += line.amount_minor
    return dict(sums)


def l6(
    documents: list[LedgerDocument] | None, *, trial: bool = True, booked=BOOKED, drift: int = 0
):
    trial_balance = balances(documents or []) if trial else None
    if trial_balance is not None:
        trial_balance["110"] = trial_balance.get("110", 0) + drift
    side = LedgerSide(
        documents=documents, control_accounts=CONTROL, on=LAST, trial_balance=trial_balance
    )
    return compare_ledger(booked, side, currency="USD")


def equation_of(documents: list[LedgerDocument], breaks: tuple[Break, ...]) -> Equation:
    return store_day_equation(
        "NYC01",
        golden.DAY,
        pos_minor=golden.COLLECTED_MINOR,
        ledger_minor=ledger_total("NYC01", golden.DAY, pair_documents(BOOKED, documents)),
        breaks=breaks,
    )


def only_break(result) -> Break:
    (found,) = result.breaks
    return found


def l5(booked: list[JournalEntry], day=ENTRIES):
    return compare_books(SCOPE, day, booked, sales_total_minor=golden.COLLECTED_MINOR)


def test_the_golden_day_is_green_on_l5_and_l6():
    books = l5(list(ENTRIES.entries))
    assert (books.state, books.matched, books.breaks) == ("green", 15 + 2 + 2 + 3 + 2, ())
    found = l6(ledger())
    assert (found.state, found.matched, found.breaks) == ("green", 5 + 3, ())
    assert equation_of(ledger(), found.breaks).difference_minor == 0


def test_the_collected_measure_of_the_sales_entry_is_260_64_and_of_others_nothing():
    assert [collected(one.entry) for one in BOOKED if one.entry.kind == "SALES"] == [260_64]
    assert {collected(one.entry) for one in BOOKED if one.entry.kind != "SALES"} == {0}


def test_an_entry_that_never_reached_the_books_is_missing_on_l5():
    found = only_break(l5([entry for entry in ENTRIES.entries if entry.kind != "SALES"]))
    assert (found.code, found.key, found.effect_minor) == ("D01", "SALES:2026-11-21", 260_64)
    assert found.amount_minor == golden.SALES_TOTAL_MINOR


def test_books_without_facts_are_d02_and_different_amounts_a_delta_due_d03():
    extra = replace(ENTRIES.entries[0], source_id="other")
    assert only_break(l5([*ENTRIES.entries, extra])).code == "D02"
    lines = ENTRIES.entries[0].lines
    less = (replace(lines[0], amount_minor=lines[0].amount_minor - 3), *lines[1:])
    found = only_break(l5([replace(ENTRIES.entries[0], lines=less), *ENTRIES.entries[1:]]))
    assert (found.code, found.amount_minor) == ("D03", 3)


def test_an_unmapped_role_is_d10_on_l5_with_its_effect():
    partial = {rule: code for rule, code in golden.MAPPING.items() if rule != "sales.cafe"}
    day = day_entries(FACTS, AccountMap.of(partial, "1"))
    found = only_break(l5(list(day.entries), day))
    assert (found.code, found.amount_minor, found.effect_minor) == ("D10", -20_40, 260_64)
    assert "sales.cafe" in found.message


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (None, "not in the ledger any more"),
        ({"status": "void"}, "void"),
        ({"status": "draft"}, "draft"),
    ],
)
def test_a_document_that_is_gone_is_d01(change, word):
    documents = ledger(SALES=change)
    result = l6(documents)
    found = only_break(result)
    assert (found.code, found.amount_minor, found.effect_minor) == ("D01", 314_68, 260_64)
    assert word in found.message
    assert result.unexplained_minor == 0
    assert equation_of(documents, result.breaks).holds


def test_an_entry_not_posted_yet_says_its_state():
    draft = [replace(one, state="approved") if one.entry.kind == "FEES" else one for one in BOOKED]
    found = only_break(l6(ledger(FEES=None), booked=draft))
    assert (found.code, "approved" in found.message) == ("D01", True)


def test_an_edited_amount_is_d03():
    sales = next(one for one in BOOKED if one.entry.kind == "SALES")
    lines = list(document(sales).lines)
    lines[0] = replace(lines[0], amount_minor=lines[0].amount_minor + 7_00)
    lines[-1] = replace(lines[-1], amount_minor=lines[-1].amount_minor - 7_00)
    documents = ledger(SALES={"lines": tuple(lines)})
    result = l6(documents)
    found = only_break(result)
    assert (found.code, found.amount_minor, found.effect_minor) == ("D03", -7_00, -7_00)
    assert result.explained == 2  # the two accounts it touches, explained by the document
    assert equation_of(documents, result.breaks).holds


def test_lines_coded_to_another_account_with_equal_total_are_d12():
    fees = next(one for one in BOOKED if one.entry.kind == "FEES")
    lines = tuple(
        replace(line, account_code="999") if line.account_code == "420" else line
        for line in document(fees).lines
    )
    assert only_break(l6(ledger(FEES={"lines": lines}))).code == "D12"


def test_merged_lines_of_one_account_are_still_our_content():
    sales = next(one for one in BOOKED if one.entry.kind == "SALES")
    sums = Counter()
    for line in document(sales).lines:
        sums[line.account_code] += line.amount_minor
    lines = tuple(LedgerLine(account, amount) for account, amount in sums.items())
    assert l6(ledger(SALES={"lines": lines})).state == "green"


def test_a_document_dated_anew_is_timing_with_both_dates_d05():
    documents = ledger(SALES={"ledger_date": date(2026, 11, 22)})
    result = l6(documents)
    found = only_break(result)
    assert (found.code, found.is_explained, result.state) == ("D05", True, "green")
    assert "2026-11-21" in found.message
    assert "2026-11-22" in found.message
    equation = equation_of(documents, result.breaks)
    assert (equation.difference_minor, equation.unexplained_minor) == (260_64, 0)


@pytest.mark.parametrize("key", ["key-SALES", ""])
def test_a_second_document_with_our_key_or_our_content_is_d04(key):
    sales = next(one for one in BOOKED if one.entry.kind == "SALES")
    documents = [*ledger(), document(sales, external_id="doc-2", key=key, updated_at="2026-11-25")]
    result = l6(documents)
    found = only_break(result)
    assert (found.code, found.amount_minor, found.effect_minor) == ("D04", -314_68, -260_64)
    assert "doc-2" in found.message
    assert equation_of(documents, result.breaks).holds


def test_an_entry_somebody_typed_again_without_our_key_is_found_by_its_content():
    typed = {"key": "", "external_id": "typed"}
    assert only_break(l6(ledger(SALES=typed))).code == "D12"
    later = typed | {"ledger_date": date(2026, 11, 22)}
    assert only_break(l6(ledger(SALES=later))).code == "D05"


def test_a_foreign_document_on_a_control_account_is_d02_and_others_are_not_our_business():
    foreign = LedgerDocument(
        external_id="man-1",
        document_type="journal",
        key="",
        ledger_date=golden.DAY,
        status="posted",
        lines=(LedgerLine("110", -5_00), LedgerLine("430", 5_00)),
        narration="correction NYC01",
    )
    found = only_break(l6([*ledger(), foreign]))
    assert (found.code, found.store, found.amount_minor) == ("D02", "NYC01", 5_00)
    rent = replace(foreign, lines=(LedgerLine("500", 9_00), LedgerLine("090", -9_00)))
    assert l6([*ledger(), rent]).state == "green"


def test_a_balance_no_document_explains_is_d15_and_never_green():
    result = l6(ledger(), drift=-3_69)
    found = only_break(result)
    assert (found.code, found.key, found.amount_minor) == ("D15", "account:110", 3_69)
    assert (result.state, result.unexplained_minor) == ("breaks", 3_69)


def test_without_a_trial_balance_l6_says_so():
    assert l6(ledger(), trial=False).notes == (NO_TRIAL_BALANCE,)
    assert l6(None).state == "not_connected"


def test_the_example_of_the_guide_leaves_minus_3_69_unexplained_r_14_5():
    equation = Equation(
        store="NYC01",
        business_date=golden.DAY,
        pos_minor=184_07,
        ledger_minor=133_86,
        coded=(
            CodedItem("D05", "O11", 18_51),
            CodedItem("D04", "O6", 24_50),
            CodedItem("D01", "O7", 10_89),
        ),
    )
    assert equation.difference_minor == 50_21
    assert equation.coded_minor == 53_90
    assert equation.unexplained_minor == -3_69
    assert not equation.holds


def test_breaks_of_other_store_days_are_not_in_the_equation():
    other = Scope(store="NYC01", business_date=golden.DAY + timedelta(days=1), currency="USD")
    breaks = (other.found("L6", "D01", "k", "x", effect=5_00), SCOPE.found("L6", "D02", "f", "x"))
    equation = store_day_equation("NYC01", golden.DAY, pos_minor=1, ledger_minor=1, breaks=breaks)
    assert equation.coded == ()
