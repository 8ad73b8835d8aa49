"""Batches keep every store's order, lose nothing and never mix document types (R-13.8)."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.accounting.outbox import Waiting, batch_id, batches
from cloud_conductor.domain import audit
from cloud_conductor.domain.audit import Act, Link

DAY = date(2026, 11, 1)
AT = datetime(2026, 11, 23, tzinfo=UTC)
TYPES = {"SALES": "journal", "COGS": "journal", "DEPOSIT": "bank_receipt", "PAYOUT": "bank_spend"}


@st.composite
def waiting(draw: st.DrawFn) -> list[Waiting]:
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(TYPES)), st.sampled_from("ABC"), st.integers(0, 6)),
            max_size=40,
        )
    )
    return [
        Waiting(
            posting_key=f"k{seq}",
            seq=seq,
            document_type=TYPES[kind],
            store=store,
            business_date=DAY + timedelta(days=day),
            kind=kind,
            version=1,
        )
        for seq, (kind, store, day) in enumerate(drawn)
    ]


@given(waiting(), st.integers(1, 50))
def test_every_entry_is_in_exactly_one_batch_of_one_type(entries: list[Waiting], size: int):
    made = batches(entries, size)
    keys = [entry.posting_key for batch in made for entry in batch]
    assert sorted(keys) == sorted(entry.posting_key for entry in entries)
    assert all(len({entry.document_type for entry in batch}) == 1 for batch in made)
    assert all(1 <= len(batch) <= size for batch in made)


@given(waiting(), st.integers(1, 50))
def test_each_store_posts_in_business_date_order(entries: list[Waiting], size: int):
    order = [entry for batch in batches(entries, size) for entry in batch]
    for store in "ABC":
        dates = [entry.business_date for entry in order if entry.store == store]
        assert dates == sorted(dates)


@given(waiting(), st.randoms())
def test_the_batches_do_not_depend_on_the_order_of_reading(entries, dice):
    shuffled = entries.copy()
    dice.shuffle(shuffled)
    assert batches(shuffled, 7) == batches(entries, 7)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_names_of_batches_sort_in_posting_order(first: int, second: int):
    names = batch_id("org", first), batch_id("org", second)
    assert (names[0] < names[1]) == (first < second)


acts = st.lists(
    st.builds(Act, actor=st.text(max_size=8), act=st.text(max_size=8), subject=st.text(max_size=8)),
    min_size=1,
    max_size=12,
)


@given(acts)
def test_an_untouched_chain_verifies(some: list[Act]):
    links = audit.extend(0, audit.GENESIS, some, AT)
    assert audit.verify(links, links[-1].seq, links[-1].hash) is None


@given(acts, st.data())
def test_removing_any_record_is_detected(some: list[Act], data: st.DataObject):
    links = audit.extend(0, audit.GENESIS, some, AT)
    gone = data.draw(st.integers(0, len(links) - 1))
    left = links[:gone] + links[gone + 1 :]
    assert audit.verify(left, links[-1].seq, links[-1].hash) is not None


@given(acts, st.data(), st.text(min_size=1, max_size=4))
def test_editing_any_record_is_detected(some: list[Act], data: st.DataObject, text: str):
    links = audit.extend(0, audit.GENESIS, some, AT)
    place = data.draw(st.integers(0, len(links) - 1))
    edited = Link(links[place].seq, links[place].record + text, links[place].hash)
    flaw = audit.verify(
        [*links[:place], edited, *links[place + 1 :]], links[-1].seq, links[-1].hash
    )
    assert flaw is not None
    assert flaw.seq == links[place].seq


@given(acts, acts)
def test_a_chain_continued_later_is_the_same_chain(first: list[Act], second: list[Act]):
    whole = audit.extend(0, audit.GENESIS, [*first, *second], AT)
    start = audit.extend(0, audit.GENESIS, first, AT)
    assert [*start, *audit.extend(start[-1].seq, start[-1].hash, second, AT)] == whole
