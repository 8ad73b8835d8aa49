"""INV-01 and the identity of entries (R-13.6)."""

from datetime import date

import msgspec
import pytest

from cloud_conductor.domain.journal import JournalEntry, JournalLine, posting_key


def entry(*amounts: int, **changes) -> JournalEntry:
    lines = tuple(JournalLine(f"role{i}", f"{100 + i}", a) for i, a in enumerate(amounts))
    plain = JournalEntry(
        kind="SALES", entity="main", store="NYC01", currency="USD",
        business_date=date(2026, 11, 21), ledger_date=date(2026, 11, 21),
        source_id="2026-11-21", lines=lines,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


@pytest.mark.parametrize(
    ("amounts", "balanced"),
    [
        ((602, -602), True),
        ((50, 1200, -1250), True),  # the golden day's CASH
        ((602, -601), False),
        ((602, -602, 0), False),
        ((0,), False),
        ((), False),
        ((5,), False),
    ],
)
def test_an_entry_balances_without_zero_lines_and_with_two_legs(amounts, balanced):
    assert entry(*amounts).is_balanced is balanced


def test_the_debit_total_counts_one_side():
    assert entry(50, 1200, -1250).debit_minor == 1250


def test_the_posting_key_is_the_same_on_any_machine():
    # SHA-1 of the namespace and "org-1|main|NYC01|USD|SALES|2026-11-21|1", as RFC 9562 says.
    assert posting_key("org-1", entry(5, -5)) == "e6ad8ede-81a7-56ca-9e6e-d031aa4b0dbf"


@pytest.mark.parametrize(
    "change",
    [
        {"entity": "other"}, {"store": "CHI01"}, {"currency": "CAD"}, {"kind": "FEES"},
        {"source_id": "2026-11-22"}, {"version": 2},
    ],
    ids=str,
)  # fmt: skip
def test_the_posting_key_differs_with_each_part_of_the_identity(change):
    assert posting_key("org-1", entry(5, -5, **change)) != posting_key("org-1", entry(5, -5))


def test_the_posting_key_differs_between_organisations():
    assert posting_key("org-1", entry(5, -5)) != posting_key("org-2", entry(5, -5))


def test_the_posting_key_does_not_depend_on_the_content():
    assert posting_key("org-1", entry(5, -5)) == posting_key("org-1", entry(9, -9))


def test_the_content_hash_ignores_the_order_of_legs_and_sees_each_cent():
    lines = entry(50, 1200, -1250).lines
    turned = entry(50, 1200, -1250, lines=lines[::-1])
    assert turned.content_hash == entry(50, 1200, -1250).content_hash
    assert entry(51, 1199, -1250).content_hash != turned.content_hash


@pytest.mark.parametrize(
    "change", [{"ledger_date": date(2026, 12, 1)}, {"currency": "CAD"}], ids=str
)
def test_the_content_hash_sees_date_and_currency(change):
    assert entry(5, -5, **change).content_hash != entry(5, -5).content_hash


def test_an_entry_cannot_be_changed():
    with pytest.raises(AttributeError):
        entry(5, -5).store = "CHI01"
