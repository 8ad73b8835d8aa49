"""Breaks that people settle: alone up to an amount, by two above it; records matched by hand."""

import msgspec
import pytest

from cloud_conductor.accounting import by_hand
from cloud_conductor.accounting.breaks import Break
from cloud_conductor.accounting.flow import (
    BooksDeps,
    accept_break,
    approve_break,
    assign_break,
    decline_break,
    match_breaks,
    verify_audit,
)
from cloud_conductor.domain.config import ApprovalConfig
from cloud_conductor.domain.errors import ApprovalRefused, BadRequest, Conflict, NotFound
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BreakRow
from made_breaks import lone, record

ANA, BEN = "user:ana", "user:ben"


BAG, LINE = lone("bag 7", 12_000), lone("bank line 3", -12_000)


def now(deps: BooksDeps, one: Break) -> BreakRow:
    with deps.engine.connect() as connection:
        return books.break_history(connection, one.id)[-1]


def test_a_small_break_is_settled_by_one_person_and_a_large_one_by_two(deps: BooksDeps):
    small, large = lone("small", 500), lone("large", 501)
    record(deps, small, large)
    assert accept_break(deps, small.id, ANA, "agreed").state == "resolved"
    assert accept_break(deps, large.id, ANA, "agreed").state == "proposed"
    with pytest.raises(ApprovalRefused, match=r"R-15\.3"):
        approve_break(deps, large.id, ANA)
    assert now(deps, large).state == "proposed"
    approve_break(deps, large.id, BEN)
    done = now(deps, large)
    assert (done.state, done.actor, done.reason) == ("resolved", BEN, "accepted: agreed")
    record(deps, small, large)
    assert [now(deps, one).state for one in (small, large)] == ["resolved", "resolved"]
    assert verify_audit(deps) is None


def test_what_nobody_can_explain_takes_two_whatever_its_amount(deps: BooksDeps):
    one = lone("rest", 1, code="D15")
    record(deps, one)
    assert accept_break(deps, one.id, ANA, "one cent").state == "proposed"


def test_the_amount_for_one_person_is_configured(deps: BooksDeps):
    wide = BooksDeps(
        deps.engine, deps.ledger, deps.clock, approval=ApprovalConfig(break_minor_max=12_000)
    )
    record(deps, BAG)
    assert accept_break(wide, BAG.id, ANA, "agreed").state == "resolved"


@pytest.mark.parametrize("nameless", ["", "user:", "policy:auto"])
def test_nobody_and_no_policy_approves_a_break(deps: BooksDeps, nameless: str):
    record(deps, BAG)
    accept_break(deps, BAG.id, ANA, "agreed")
    with pytest.raises(ApprovalRefused):
        approve_break(deps, BAG.id, nameless)


def test_a_proposal_outlives_a_run_and_falls_when_the_amount_changes(deps: BooksDeps):
    record(deps, BAG)
    accept_break(deps, BAG.id, ANA, "agreed")
    record(deps, BAG)
    assert (now(deps, BAG).state, now(deps, BAG).actor) == ("proposed", ANA)
    record(deps, lone("bag 7", 12_000, message="told in other words"))
    assert (now(deps, BAG).state, now(deps, BAG).actor) == ("proposed", ANA)
    record(deps, lone("bag 7", 13_000))
    assert now(deps, BAG).state == "open"
    with pytest.raises(Conflict):
        approve_break(deps, BAG.id, BEN)


def test_a_declined_or_assigned_proposal_is_open_again(deps: BooksDeps):
    record(deps, BAG)
    accept_break(deps, BAG.id, ANA, "agreed")
    decline_break(deps, BAG.id, BEN, "ask the bank first")
    assert now(deps, BAG).state == "open"
    accept_break(deps, BAG.id, ANA, "the bank says so")
    assign_break(deps, BAG.id, ANA, "cleo")
    with pytest.raises(Conflict):
        approve_break(deps, BAG.id, BEN)


def test_matched_records_are_approved_and_kept_together(deps: BooksDeps):
    record(deps, BAG, LINE)
    match_breaks(deps, [BAG.id, LINE.id], ANA, "same bag")
    with pytest.raises(ApprovalRefused):
        approve_break(deps, LINE.id, ANA)
    done = approve_break(deps, LINE.id, BEN)
    assert {row.break_id for row in done} == {BAG.id, LINE.id}
    record(deps, BAG, LINE)
    assert [now(deps, one).state for one in (BAG, LINE)] == ["resolved", "resolved"]
    record(deps)
    assert [now(deps, one).state for one in (BAG, LINE)] == ["verified", "verified"]
    assert verify_audit(deps) is None


@pytest.mark.parametrize("later", [(), (lone("bank line 3", -11_000),)])
@pytest.mark.parametrize("approved", [False, True])
def test_a_match_falls_when_one_of_its_records_goes_or_changes(
    deps: BooksDeps, later: tuple[Break, ...], approved: bool
):
    record(deps, BAG, LINE)
    match_breaks(deps, [BAG.id, LINE.id], ANA)
    if approved:
        approve_break(deps, BAG.id, BEN)
    record(deps, BAG, *later)
    assert (now(deps, BAG).state, now(deps, BAG).match_id) == ("open", "")
    record(deps, BAG, *later)
    assert now(deps, BAG).state == "open"


def test_small_records_are_matched_by_one_person(deps: BooksDeps):
    one, two, three = lone("a", 300), lone("b", 100), lone("c", -400)
    record(deps, one, two, three)
    done = match_breaks(deps, [one.id, two.id, three.id], ANA)
    assert {row.state for row in done} == {"resolved"}
    assert len({row.match_id for row in done}) == 1


def test_a_match_is_of_both_sides_of_one_level_and_comes_to_nothing(deps: BooksDeps):
    short = lone("short", -11_999)
    euro = lone("euro", -12_000, currency="EUR")
    both = lone("both", -12_000, code="D03", left="x", right="y")
    record(deps, BAG, LINE, short, euro, both)
    for ids, why in (
        ([BAG.id, short.id], "left over"),
        ([BAG.id, euro.id], "one currency"),
        ([BAG.id, both.id], "without a counterpart"),
        ([BAG.id, BAG.id], "different breaks"),
        ([BAG.id], "different breaks"),
    ):
        with pytest.raises(BadRequest, match=why):
            match_breaks(deps, ids, ANA)
    with pytest.raises(NotFound):
        match_breaks(deps, [BAG.id, "0" * 16], ANA)
    accept_break(deps, LINE.id, ANA, "agreed")
    with pytest.raises(Conflict):
        match_breaks(deps, [BAG.id, LINE.id], ANA)
    assert now(deps, BAG).state == "open"


def rows_of(deps: BooksDeps, *breaks: Break) -> list[BreakRow]:
    record(deps, *breaks)
    return [now(deps, one) for one in breaks]


def test_candidates_come_nearest_first_and_from_the_other_side_only(deps: BooksDeps):
    near, far, same_side = lone("n", -11_990), lone("f", -2_000), lone("s", 11_999)
    bag, *others = rows_of(deps, BAG, far, LINE, near, same_side)
    found = by_hand.candidates(bag, others)
    assert [row.item for row in found] == ["bank line 3", "n", "f"]


def test_a_suggestion_is_the_only_choice_that_makes_up_the_amount(deps: BooksDeps):
    parts = [lone("p1", -7_000), lone("p2", -5_000), lone("p3", -1_000), lone("p4", -400)]
    bag, *others = rows_of(deps, BAG, *parts)
    assert {row.item for row in by_hand.suggested(bag, others)} == {"p1", "p2"}
    bag, *more = rows_of(deps, BAG, *parts, lone("p5", -6_000))
    assert by_hand.suggested(bag, more) == []  # p2 + p5 + p3 would do as well
    many = [msgspec.structs.replace(others[0], break_id=str(n)) for n in range(20)]
    assert by_hand.suggested(bag, many) == []
