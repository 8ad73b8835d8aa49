"""INV-02 and R-1.7 for any amount."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cloud_conductor.domain.money import (
    EXPONENTS,
    Money,
    allocate,
    cumulative_share,
    major,
    to_minor,
)

totals = st.integers(-(10**15), 10**15)
weight_lists = st.lists(st.integers(0, 10**12), min_size=1, max_size=50)


@given(totals, weight_lists)
def test_allocation_loses_nothing(total, weights):
    assert sum(allocate(total, weights)) == total


@given(totals, weight_lists)
def test_allocation_of_the_negative_is_the_mirror(total, weights):
    assert allocate(-total, weights) == [-share for share in allocate(total, weights)]


@given(totals, weight_lists)
def test_each_share_is_within_one_unit_of_exact(total, weights):
    whole = sum(weights) or len(weights)
    exact = [Fraction(total * w, whole) for w in (weights if sum(weights) else [1] * len(weights))]
    assert all(abs(s - e) < 1 for s, e in zip(allocate(total, weights), exact, strict=True))


@given(
    totals,
    st.lists(st.tuples(st.uuids(), st.integers(0, 10**6)), min_size=1, max_size=12),
    st.randoms(),
)
def test_allocation_by_key_does_not_depend_on_arrival(total, keyed, chance):
    def by_key(pairs):
        ordered = sorted(pairs)
        shares = allocate(total, [w for _, w in ordered])
        return dict(zip([k for k, _ in ordered], shares, strict=True))

    shuffled = list(keyed)
    chance.shuffle(shuffled)
    assert by_key(shuffled) == by_key(keyed)


@given(totals, weight_lists, st.integers(1, 1000))
def test_allocation_depends_on_proportions_only(total, weights, factor):
    assert allocate(total, [w * factor for w in weights]) == allocate(total, weights)


@given(totals, st.lists(st.fractions(0, 100), min_size=1, max_size=12).filter(sum))
def test_partial_quantities_sum_to_the_whole(total, parts):
    whole, done, given_back = sum(parts), Fraction(0), 0
    for part in parts:
        given_back += cumulative_share(total, done, done + part, whole)
        done += part
    assert given_back == total


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_survives_being_written_and_read(minor, currency):
    from decimal import Decimal

    assert to_minor(Decimal(major(minor, currency)), currency) == minor


@given(totals, totals, st.sampled_from(sorted(EXPONENTS)))
def test_what_is_added_can_be_taken_away(left, right, currency):
    assert (Money(left, currency) + Money(right, currency)) - Money(right, currency) == Money(
        left, currency
    )
