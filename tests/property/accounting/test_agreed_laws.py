"""What is settled by comparing sets is what the levels say record by record (L1, L2, L3, L6)."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud_conductor.accounting.agreed import agreed, green
from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.digests import compare, exactly
from cloud_conductor.accounting.facts import DayFacts, StoreDay
from cloud_conductor.accounting.level_ledger import Booked, LedgerSide, compare_ledger
from cloud_conductor.accounting.level_payouts import bank_index
from cloud_conductor.accounting.level_sales import Control, compare_records, compare_totals
from cloud_conductor.accounting.level_tenders import compare_tenders
from cloud_conductor.accounting.sifting import Sieve
from cloud_conductor.domain.journal import POSTING_NAMESPACE, JournalEntry, JournalLine, posting_key
from cloud_conductor.ports.ledger import BankLine, LedgerDocument, LedgerLine
from cloud_conductor.ports.pos import Listed
from cloud_conductor.state.accounting import EntryHead
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import Basket, Line, Tender, small_tables

START = date(2026, 11, 1)
CHILDREN = ("sale_lines", "sale_services", "sale_taxes")
NOON = datetime(2026, 11, 21, 17, tzinfo=UTC)
SCOPE = Scope(store=golden.STORE.store, business_date=golden.DAY, currency="USD")


@st.composite
def a_basket(draw, sale_id: str) -> Basket:
    amount = draw(st.integers(1, 50_00))
    paid = draw(st.sampled_from([amount, amount, amount, amount + 1]))
    return Basket(
        sale_id=sale_id,
        lines=(Line(gross=amount, cost=1),),
        tenders=(Tender(amount=paid),) if draw(st.integers(0, 5)) else (),
        state=draw(st.sampled_from(["closed", "closed", "closed", "voided"])),
    )


@st.composite
def a_listing(draw, sales: pa.Table) -> list[Listed]:
    """What the source lists: mostly what we hold, with rows missing, doubled or of other versions."""
    rows: list[Listed] = []
    for row in sales.to_pylist():
        state = "COMPLETED" if row["state"] == "closed" else "CANCELED"
        listed = Listed(row["sale_id"], row["version_rank"], row["total_minor"], state, NOON)
        change = draw(st.sampled_from(["", "", "", "", "lost", "twice", "newer", "other"]))
        rows += {
            "lost": [],
            "twice": [listed, listed],
            "newer": [replace(listed, version=listed.version + 1)],
            "other": [replace(listed, total_minor=listed.total_minor + 1)],
        }.get(change, [listed])
    return rows


DAYS = (golden.DAY, golden.DAY + timedelta(days=1))


@settings(max_examples=60)
@given(st.data())
def test_a_store_day_whose_sets_are_equal_is_as_green_as_its_records(data):
    """Whichever way the sets were compared; a payment may be held on both days (D04)."""
    by_day, listed = [], {}
    for place, day in enumerate(DAYS):
        names = data.draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True))
        own = small_tables([data.draw(a_basket(f"{name}{place}")) for name in names])
        listed[place] = data.draw(a_listing(own["sales"]))
        twice = data.draw(st.sampled_from([[], [], [own], by_day[:1]]))
        own["tenders"] = pa.concat_tables([own["tenders"], *(one["tenders"][:1] for one in twice)])
        for column, value in (("store", SCOPE.store), ("business_date", day)):
            own = {name: _filled(table, column, value) for name, table in own.items()}
        by_day.append(own)
    whole = {name: pa.concat_tables([own[name] for own in by_day]) for name in by_day[0]}
    facts = DayFacts.of_span([StoreDay.of(golden.STORE, day) for day in DAYS], whole)
    found = agreed(facts, listed, compare)
    assert not found.differing(agreed(facts, listed, exactly))
    for place, day in enumerate(DAYS):
        scope = replace(SCOPE, business_date=day)
        interval = golden.STORE.day_interval(day)
        control = Control(scope=scope, interval=interval, rows=listed[place])
        own = facts.of_day(place)
        children = {name: getattr(own, name) for name in CHILDREN}
        named = own.of_closed_sales(own.sale_tenders)
        for level, pairs, one_by_one in (
            ("L1", found.records, compare_records(control, whole["sales"])),
            ("L2", found.totals, compare_totals(control, own.sales, children)),
            ("L3", found.tenders, compare_tenders(scope, named, whole["tenders"])),
        ):
            event(f"{level} {'agreed' if place in pairs else one_by_one.state}")
            if place in pairs:
                assert green(level, pairs[place]) == one_by_one


def test_a_store_day_that_could_not_be_asked_agrees_in_its_payments_alone():
    tables = small_tables([Basket(sale_id="a", lines=(Line(gross=1, cost=1),), tenders=())])
    days = {name: _filled(table, "business_date", golden.DAY) for name, table in tables.items()}
    whole = {name: _filled(table, "store", SCOPE.store) for name, table in days.items()}
    facts = DayFacts.of_span([StoreDay.of(golden.STORE, golden.DAY)], whole)
    found = agreed(facts, {}, compare)
    assert (found.records, found.totals, found.tenders) == ({}, {}, {0: 0})
    assert green("L1", found.records.get(0)) is None


def _filled(table: pa.Table, column: str, value: object) -> pa.Table:
    at = table.schema.get_field_index(column)
    kind = table.schema.field(at).type
    return table.set_column(
        at, table.schema.field(at), pa.repeat(pa.scalar(value, kind), len(table))
    )


def booked_day(n: int, amount: int, state: str) -> Booked:
    day = START + timedelta(days=n)
    entry = JournalEntry(
        kind="SALES",
        entity="main",
        store="S1",
        currency="USD",
        business_date=day,
        ledger_date=day,
        source_id=day.isoformat(),
        lines=(
            JournalLine("clearing.square", "110", amount + 5),
            JournalLine("undeposited_cash", "110", -5),
            JournalLine("sales.*", "200", -amount),
        ),
    )
    return Booked(posting_key("org", entry), state, entry)


def head_of(one: Booked) -> EntryHead:
    entry = one.entry
    return EntryHead(
        posting_key=one.key,
        seq=1,
        kind=entry.kind,
        store=entry.store,
        currency=entry.currency,
        business_date=entry.business_date.isoformat(),
        ledger_date=entry.ledger_date.isoformat(),
        source_id=entry.source_id,
        version=1,
        document_type="journal",
        state=one.state,
        debit_minor=entry.debit_minor,
        content_hash=entry.content_hash,
        created_by="x",
        mapping_version="1",
    )


def held(one: Booked, what: str) -> list[LedgerDocument]:
    """Documents of an entry in the ledger after somebody did `what` there."""
    clean = LedgerDocument(
        external_id=f"doc-{one.key}",
        document_type="journal",
        key=one.key,
        ledger_date=one.entry.ledger_date,
        status="posted",
        lines=tuple(LedgerLine(line.account_code, line.amount_minor) for line in one.entry.lines),
        narration="",
    )
    merged = (LedgerLine("110", clean.lines[0].amount_minor - 5), clean.lines[2])
    return {
        "as posted": [clean],
        "merged": [replace(clean, lines=merged)],
        "void": [replace(clean, status="void")],
        "void beside": [clean, replace(clean, external_id="v", status="void")],
        "twice": [clean, replace(clean, external_id="again", updated_at="later")],
        "copied": [clean, replace(clean, external_id="copy", key="", narration="S1 by hand")],
        "copied, merged": [clean, replace(clean, external_id="copy", key="", lines=merged)],
        "key lost": [replace(clean, key="")],
        "moved": [replace(clean, ledger_date=clean.ledger_date + timedelta(days=3))],
        "other account": [replace(clean, lines=(*clean.lines[:2], LedgerLine("999", -1)))],
        "foreign": [
            clean,
            replace(
                clean, external_id="f", key="", lines=(LedgerLine("110", 7), LedgerLine("9", -7))
            ),
        ],
        "gone": [],
    }[what]


WHAT = st.sampled_from(
    ["as posted"] * 4
    + ["merged", "void", "void beside", "twice", "copied", "copied, merged", "key lost", "moved"]
    + ["other account", "foreign", "gone"]
)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(WHAT, st.sampled_from(["posted", "posted", "sending"]), st.integers(100, 102)),
        min_size=1,
        max_size=7,
    ),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)
def test_a_sifted_ledger_says_what_the_whole_one_says(entries, cut, random):
    booked = [booked_day(n, amount, state) for n, (_, state, amount) in enumerate(entries)]
    documents = [
        found
        for one, (what, _, _) in zip(booked, entries, strict=True)
        for found in held(one, what)
    ]
    random.shuffle(documents)
    told = {
        "control_accounts": {"110"},
        "on": START + timedelta(days=30),
        "trial_balance": {"110": 1_000},
    }
    whole = compare_ledger(booked, LedgerSide(documents=documents, **told), currency="USD")
    sieve = Sieve({one.key: head_of(one) for one in booked})
    sieve.take(documents[:cut])
    sieve.take(documents[cut:])
    near = {one.key: one.entry for one in booked if one.entry.ledger_date in sieve.foreign_dates()}
    doubtful = sieve.doubtful() | sieve.copied(near)
    left = [one for one in booked if one.key in doubtful]
    side = sieve.side({one.key: one.entry for one in left}, **told)
    assert compare_ledger(left, side, currency="USD") == whole


@given(
    st.lists(st.text("ab1", min_size=1, max_size=4), max_size=5, unique=True),
    st.lists(st.text("ab1 ", max_size=8), max_size=5),
)
def test_a_bank_line_names_the_payouts_whose_ids_stand_in_its_reference(ids, references):
    lines = [
        BankLine(f"L{n}", "090", START, 1, reference) for n, reference in enumerate(references)
    ]
    index = bank_index(lines, ids)
    for line in lines:
        named = sorted(one for one in ids if one in line.reference)
        assert list(index.of_line.get(line.line_id, ())) == named
        assert all(line in index.of_payout[one] for one in named)


@pytest.mark.parametrize("plain", ["", "x", "org|main|S1|USD|SALES|2026-11-21|1", "é"])
def test_posting_keys_are_uuids_of_the_namespace(plain):
    """R-13.6: computed by hand for speed, the same as the standard library's."""
    entry = JournalEntry("SALES", plain, "S", "USD", START, START, "1", ())
    name = f"org|{plain}|S|USD|SALES|1|1"
    assert posting_key("org", entry) == str(uuid.uuid5(POSTING_NAMESPACE, name))
