"""INV-01 for any set of lines."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.domain.journal import JournalEntry, JournalLine, posting_key

amounts = st.lists(st.integers(-(10**12), 10**12), max_size=20)


def entry(values: list[int]) -> JournalEntry:
    lines = tuple(JournalLine("sales", str(i), v) for i, v in enumerate(values))
    day = date(2026, 11, 21)
    return JournalEntry("SALES", "main", "NYC01", "USD", day, day, str(day), lines)


@given(amounts)
def test_an_entry_is_balanced_only_if_its_lines_sum_to_zero(values):
    claims = entry(values).is_balanced
    assert claims == (sum(values) == 0 and 0 not in values and len(values) >= 2)


@given(amounts.filter(lambda v: v and 0 not in v and sum(v)))
def test_one_closing_line_balances_any_entry(values):
    closed = entry([*values, -sum(values)])
    assert closed.is_balanced
    assert closed.debit_minor == -sum(
        line.amount_minor for line in closed.lines if line.amount_minor < 0
    )


@given(amounts, st.randoms())
def test_the_content_hash_does_not_depend_on_the_order_of_lines(values, chance):
    lines = list(entry(values).lines)
    chance.shuffle(lines)
    day = date(2026, 11, 21)
    turned = JournalEntry("SALES", "main", "NYC01", "USD", day, day, str(day), tuple(lines))
    assert turned.content_hash == entry(values).content_hash


@given(st.text(min_size=1, max_size=40), amounts)
def test_the_posting_key_is_the_same_every_time(organisation, values):
    assert posting_key(organisation, entry(values)) == posting_key(organisation, entry(values))
