from datetime import UTC, date, datetime, timedelta

from cloud_conductor.accounting.matching import Item, match

DAY = date(2026, 11, 21)
AT = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)


def item(key: str, amount: int = 10_00, **more: object) -> Item:
    fields = {"currency": "USD", "store": "NYC01", "business_date": DAY} | more
    return Item(key=key, amount_minor=amount, **fields)


def test_tier_1_matches_keys_and_shows_the_difference():
    found = match([item("a", 10_00), item("b")], [item("a", 9_98), item("c", 7_00)])
    (pair,) = found.matches
    assert (pair.tier, pair.difference_minor) == (1, 2)
    assert [one.key for one in found.left_open] == ["b"]
    assert [one.key for one in found.right_open] == ["c"]


def test_a_second_record_under_a_key_is_a_duplicate_and_the_equal_one_is_used():
    found = match([item("a", 10_00)], [item("a", 12_00), item("a", 10_00)])
    (pair,) = found.matches
    assert pair.difference_minor == 0
    ((extra, first),) = found.right_twice
    assert (extra.amount_minor, first.amount_minor) == (12_00, 10_00)


def test_tier_2_matches_the_same_card_and_amount_within_ten_minutes():
    left = item("x", trait="card 1234", at=AT)
    near = item("y", trait="card 1234", at=AT + timedelta(minutes=10))
    late = item("y", trait="card 1234", at=AT + timedelta(minutes=10, seconds=1))
    assert [pair.tier for pair in match([left], [near]).matches] == [2]
    assert match([left], [late]).matches == ()


def test_tier_2_with_two_candidates_matches_nothing():
    left = item("x", trait="card 1234", at=AT)
    rights = [item(key, trait="card 1234", at=AT) for key in ("y", "z")]
    found = match([left], rights)
    assert found.matches == ()
    assert len(found.left_open) + len(found.right_open) == 3


def test_tier_3_matches_groups_with_equal_sums_many_to_one():
    lefts = [item("a", 6_00, group="bag 7"), item("b", 4_00, group="bag 7")]
    assert [pair.tier for pair in match(lefts, [item("c", 10_00, group="bag 7")]).matches] == [3]
    assert match(lefts, [item("c", 10_01, group="bag 7")]).matches == ()


def test_groups_of_two_currencies_never_add():
    lefts = [item("a", 6_00, group="g"), item("b", 4_00, group="g", currency="CAD")]
    assert match(lefts, [item("c", 10_00, group="g")]).matches == ()


def test_tier_4_runs_only_with_a_window_and_only_when_unique():
    bag = item("bag")
    line = item("line", store="", business_date=DAY + timedelta(days=5))
    assert match([bag], [line]).matches == ()
    assert [pair.tier for pair in match([bag], [line], window=(0, 5)).matches] == [4]
    assert match([bag], [line], window=(0, 4)).matches == ()
    twin = item("twin", store="", business_date=DAY)
    assert match([bag], [line, twin], window=(0, 5)).matches == ()


def test_a_record_is_used_once():
    left = [item("a"), item("b", trait="card", at=AT)]
    right = [item("a", trait="card", at=AT)]
    found = match(left, right)
    assert [pair.left[0].key for pair in found.matches] == ["a"]
    assert [one.key for one in found.left_open] == ["b"]
