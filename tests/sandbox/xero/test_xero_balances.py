"""Laws of the books, over random documents."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.xero import Organisation

PATH = "/api.xro/2.0"
DAY = date(2026, 3, 1)
CODES = ("110", "115", "200", "201", "310", "420", "820", "840")

cents = st.integers(-10_000_000, 10_000_000)
journals = st.tuples(
    st.integers(0, 60),
    st.lists(st.tuples(st.sampled_from(CODES), cents), min_size=1, max_size=6),
    st.sampled_from(CODES),
    st.sampled_from(["POSTED", "DRAFT", "VOIDED", "CHANGED"]),
)
receipts = st.tuples(
    st.integers(0, 60),
    st.sampled_from(["RECEIVE", "SPEND"]),
    st.integers(0, 10_000_000),
    st.sampled_from(CODES),
    st.booleans(),
)


def money(minor):
    return Decimal(minor).scaleb(-2)


def write_journal(organisation, expected, drawn):
    offset, legs, balancing, fate = drawn
    legs = [*legs, (balancing, -sum(minor for _, minor in legs))]
    day = DAY + timedelta(days=offset)
    body = {
        "Narration": "n",
        "Date": day.isoformat(),
        "Status": "DRAFT" if fate == "DRAFT" else "POSTED",
        "JournalLines": [{"LineAmount": money(m), "AccountCode": c} for c, m in legs],
    }
    status, _, answer = organisation.call("PUT", f"{PATH}/ManualJournals", body)
    assert status == 200, answer
    path = f"{PATH}/ManualJournals/{answer['ManualJournals'][0]['ManualJournalID']}"
    if fate == "VOIDED":
        assert organisation.call("POST", path, {"Narration": "n", "Status": "VOIDED"})[0] == 200
    if fate == "CHANGED":
        day += timedelta(days=1)
        legs = [(code, 2 * minor) for code, minor in legs]
        lines = [{"LineAmount": money(m), "AccountCode": c} for c, m in legs]
        changed = {"Narration": "n", "Date": day.isoformat(), "JournalLines": lines}
        assert organisation.call("POST", path, changed)[0] == 200
    if fate in {"POSTED", "CHANGED"}:
        for code, minor in legs:
            expected[day, code] += minor


def write_receipt(organisation, expected, drawn):
    offset, kind, minor, code, deleted = drawn
    day = DAY + timedelta(days=offset)
    body = {
        "Type": kind,
        "Contact": {"Name": "Square"},
        "BankAccount": {"Code": "090"},
        "LineAmountTypes": "NoTax",
        "Date": day.isoformat(),
        "LineItems": [{"Description": "p", "UnitAmount": money(minor), "AccountCode": code}],
    }
    status, _, answer = organisation.call("PUT", f"{PATH}/BankTransactions", body)
    assert status == 200, answer
    key = answer["BankTransactions"][0]["BankTransactionID"]
    if deleted:
        path = f"{PATH}/BankTransactions/{key}"
        assert organisation.call("POST", path, {**body, "Status": "DELETED"})[0] == 200
    else:
        sign = 1 if kind == "RECEIVE" else -1
        expected[day, "090"] += sign * minor
        expected[day, code] -= sign * minor


def trial_balance(organisation, day):
    """Signed cents by account code, and the totals of the two YTD columns."""
    query = {"date": day.isoformat()}
    _, _, answer = organisation.call("GET", f"{PATH}/Reports/TrialBalance", query=query)
    *sections, total = answer["Reports"][0]["Rows"][1:]
    found = {}
    for row in (row for section in sections for row in section["Rows"]):
        name, _, _, debit, credit = (cell["Value"] for cell in row["Cells"])
        code = name.rpartition("(")[2].removesuffix(")")
        found[code] = int(100 * (Decimal(debit or 0) - Decimal(credit or 0)))
    debits, credits_ = (Decimal(cell["Value"]) for cell in total["Rows"][0]["Cells"][3:])
    return found, debits, credits_


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(journals, receipts), max_size=12), st.integers(0, 62))
def test_trial_balance_is_the_sum_of_documents_in_force_at_any_day(drawn, offset):
    clock = SandboxClock(parse_instant("2026-11-23T15:00:00Z"), scale=0)
    organisation = Organisation(clock=clock)
    expected = defaultdict(int)
    for one in drawn:
        write = write_journal if isinstance(one[1], list) else write_receipt
        write(organisation, expected, one)
    day = DAY + timedelta(days=offset)
    by_code = defaultdict(int)
    for (at, code), minor in expected.items():
        by_code[code] += minor if at <= day else 0
    found, debits, credits_ = trial_balance(organisation, day)
    assert {c: m for c, m in found.items() if m} == {c: m for c, m in by_code.items() if m}
    assert debits == credits_
    numbered = defaultdict(int)
    for journal in organisation.books.ledger:
        assert sum(leg.net for leg in journal.postings) == 0
        for leg in journal.postings if journal.date <= day else ():
            numbered[organisation.books.accounts[leg.account_id].code] += int(leg.net * 100)
    assert {c: m for c, m in numbered.items() if m} == {c: m for c, m in by_code.items() if m}


NAMES = (
    "ManualJournals", "BankTransactions", "Contacts", "Accounts", "Narration", "Date", "Status",
    "JournalLines", "LineItems", "LineAmount", "UnitAmount", "Quantity", "AccountCode", "Tracking",
    "Contact", "Name", "BankAccount", "Code", "Type", "Reference", "LineAmountTypes", "TaxAmount",
    "TaxType", "Description", "Option", "Options", "CurrencyRate", "ContactID", "IsReconciled",
)  # fmt: skip
VALUES = (
    *CODES, "090", "610", "POSTED", "VOIDED", "RECEIVE", "SPEND", "Exclusive", "Inclusive",
    "OUTPUT", "Square", "Store", "2026-11-21", "/Date(1795219200000)/", "1.00", "",
)  # fmt: skip
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-100, 100),
    st.decimals(-(10**6), 10**6, allow_nan=False, places=3),
    st.sampled_from(VALUES),
)
bodies = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=15,
)
NOUNS = ("ManualJournals", "BankTransactions", "Contacts", "Accounts", "TrackingCategories")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NOUNS), st.sampled_from(["PUT", "POST"]), bodies, st.booleans())
def test_any_json_is_answered_and_an_answer_other_than_200_wrote_nothing(noun, method, body, each):
    organisation = Organisation(clock=SandboxClock(parse_instant("2026-11-23T15:00:00Z"), scale=0))
    before = organisation.dump()
    query = {"summarizeErrors": "false"} if each else {}
    wrapped = {noun: body if isinstance(body, list) else [body]}
    status, _, _ = organisation.call(method, f"{PATH}/{noun}", wrapped, query=query)
    assert status in {200, 400, 405}
    after = organisation.dump()
    if status != 200:
        del before["calls"], after["calls"]
        assert after == before
