from datetime import date

import pytest
from msgspec.structs import replace

from cloud_conductor.accounting.breaks import KINDS, PRECEDENCE, Scope, age_bucket, primary
from cloud_conductor.accounting.levels import Tally, combined, not_connected

SCOPE = Scope(store="NYC01", business_date=date(2026, 11, 21), currency="USD")


def test_every_code_has_a_place_in_the_precedence():
    assert sorted(PRECEDENCE) == sorted(KINDS) == [f"D{n:02}" for n in range(1, 17)]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"D03", "D16"}, "D16"),
        ({"D05", "D12"}, "D05"),
        ({"D01", "D02", "D10"}, "D02"),
        (set(), "D15"),
    ],
)
def test_the_primary_code_follows_r_14_4a(codes, expected):
    assert primary(codes) == expected


def test_a_break_keeps_its_id_when_seen_again_and_within_its_family_r_14_7():
    first = SCOPE.found("L6", "D03", "key-1", "edited", amount=5)
    assert first.id == replace(first, amount_minor=7, message="edited again").id
    assert first.id == replace(first, code="D07").id
    assert first.id != replace(first, code="D04").id
    assert first.id != replace(first, key="key-2").id
    assert (first.owner, first.hint) == ("finance ops", KINDS["D03"].hint)


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (0, "0-1"),
        (1, "0-1"),
        (2, "2-3"),
        (7, "4-7"),
        (8, "8-30"),
        (60, "31-60"),
        (90, "61-90"),
        (91, "> 90"),
    ],
)
def test_age_counts_from_the_business_date(days, bucket):
    assert (
        age_bucket(date(2026, 1, 1), date.fromordinal(date(2026, 1, 1).toordinal() + days))
        == bucket
    )


def test_a_level_without_its_second_source_is_never_green_r_14_4b():
    assert not_connected("L6", "the ledger is not connected").state == "not_connected"
    green = Tally("L6").result(0, 0)
    assert combined([green, not_connected("L6", "x")]).state == "not_connected"
    assert combined([green, green]).state == "green"


def test_a_tally_that_forgets_a_record_is_a_bug_inv_28():
    tally = Tally("L1")
    tally.match()
    with pytest.raises(AssertionError, match="INV-28"):
        tally.result(2, 1)


def test_explained_items_leave_a_level_green_and_open_ones_do_not():
    tally = Tally("L1")
    tally.record(SCOPE.found("L1", "D05", "a", "late", is_explained=True), lefts=1)
    assert tally.result(1, 0).state == "green"
    tally.record(SCOPE.found("L1", "D15", "b", "?", amount=-3), rights=1)
    report = tally.result(1, 1)
    assert (report.state, report.explained, report.open) == ("breaks", 1, 1)
    assert report.unexplained_minor == 3
