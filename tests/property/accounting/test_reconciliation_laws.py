"""Laws of matching and of the levels: INV-28, permutation, planted breaks found exactly (R-14.5)."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud_conductor.accounting.equation import ledger_total, store_day_equation
from cloud_conductor.accounting.level_ledger import (
    Booked,
    LedgerSide,
    compare_ledger,
    pair_documents,
)
from cloud_conductor.accounting.matching import Item, match
from cloud_conductor.domain.journal import JournalEntry, JournalLine
from cloud_conductor.ports.ledger import LedgerDocument, LedgerLine

START = date(2026, 11, 1)
ITEMS = st.builds(
    Item,
    key=st.sampled_from("abcdefgh"),
    amount_minor=st.integers(1, 4),
    currency=st.just("USD"),
    store=st.sampled_from(["S1", "S2"]),
    business_date=st.integers(0, 6).map(lambda days: START + timedelta(days=days)),
    trait=st.sampled_from(["", "card 1"]),
    group=st.sampled_from(["", "g1", "g2"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ITEMS, max_size=8), st.lists(ITEMS, max_size=8), st.randoms(use_true_random=False))
def test_matching_covers_both_sides_and_does_not_see_the_order(left, right, random):
    first = match(left, right, window=(0, 3))
    lefts, rights = list(left), list(right)
    random.shuffle(lefts)
    random.shuffle(rights)
    assert match(lefts, rights, window=(0, 3)) == first
    used = [item for pair in first.matches for item in pair.left]
    used += [item for item, _ in first.left_twice] + list(first.left_open)
    assert sorted(map(repr, used)) == sorted(map(repr, left))  # INV-28
    assert all(pair.difference_minor == 0 for pair in first.matches if pair.tier > 1)


PLANTS = ("none", "D01", "D03", "D04", "D05", "D12")


def booked_day(n: int, amount: int) -> Booked:
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
            JournalLine("clearing.square", "110", amount),
            JournalLine("sales.*", "200", -amount),
        ),
    )
    return Booked(f"key-{n}", "posted", entry)


def planted(one: Booked, plant: str) -> list[LedgerDocument]:
    """What the ledger holds for an entry after somebody did `plant` to it."""
    lines = tuple(LedgerLine(line.account_code, line.amount_minor) for line in one.entry.lines)
    clean = LedgerDocument(
        external_id=f"doc-{one.key}",
        document_type="journal",
        key=one.key,
        ledger_date=one.entry.ledger_date,
        status="posted",
        lines=lines,
        narration="",
    )
    return {
        "none": [clean],
        "D01": [replace(clean, status="void")],
        "D03": [
            replace(clean, lines=tuple(replace(x, amount_minor=x.amount_minor * 2) for x in lines))
        ],
        "D04": [clean, replace(clean, external_id=f"again-{one.key}", updated_at="later")],
        "D05": [replace(clean, ledger_date=clean.ledger_date + timedelta(days=40))],
        "D12": [replace(clean, lines=(lines[0], replace(lines[1], account_code="999")))],
    }[plant]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(PLANTS), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_planted_breaks_are_found_with_their_codes_and_no_others(plants, random):
    booked = [booked_day(n, 100_00 + n) for n in range(len(plants))]
    documents = [
        found for one, plant in zip(booked, plants, strict=True) for found in planted(one, plant)
    ]
    random.shuffle(documents)
    control = {"110", "200"}
    balances = dict.fromkeys(control, 0)
    last = START + timedelta(days=20)
    for found in documents:
        for line in found.lines:
            if (
                found.status == "posted"
                and found.ledger_date <= last
                and line.account_code in control
            ):
                balances[line.account_code] += line.amount_minor
    side = LedgerSide(
        documents=documents, control_accounts=control, on=last, trial_balance=balances
    )
    result = compare_ledger(booked, side, currency="USD")
    expected = {
        (one.entry.business_date, plant)
        for one, plant in zip(booked, plants, strict=True)
        if plant != "none"
    }
    assert {(found.business_date, found.code) for found in result.breaks} == expected
    assert len(result.breaks) == len(expected)
    assert result.unexplained_minor == 0
    assert result.state == ("breaks" if {"D01", "D03", "D04", "D12"} & set(plants) else "green")
    pairing = pair_documents(booked, documents)
    for one in booked:
        day = one.entry.business_date
        equation = store_day_equation(
            "S1",
            day,
            pos_minor=one.entry.debit_minor,
            ledger_minor=ledger_total("S1", day, pairing),
            breaks=result.breaks,
        )
        assert equation.holds
