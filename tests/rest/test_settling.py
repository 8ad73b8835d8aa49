"""Breaks settled through REST and the command line: found, matched, approved by another (R-15.3)."""

from collections.abc import Iterator
from datetime import date
from functools import partial

import pytest
from shop_front import Front, said

import made_breaks
from cloud_conductor.accounting.breaks import Break

LONG_AGO = date(2026, 1, 5)


lone = partial(made_breaks.lone, on=LONG_AGO)
BAG, LINE, OTHER = lone("bag 7", 12_000), lone("bank line 3", -12_000), lone("line 4", -11_000)


def record(front: Front, *breaks: Break) -> None:
    made_breaks.record(front.house.books_deps, *breaks, on=LONG_AGO)


@pytest.fixture
def found(front: Front) -> Iterator[None]:
    record(front, BAG, LINE, OTHER)
    yield
    for _ in range(2):
        record(front)


def test_two_records_are_found_matched_by_one_and_approved_by_another(front: Front, found: None):
    with front.browser("finance") as ana, front.browser("approver") as ben:
        asked = ana.get(f"/breaks/{BAG.id}/candidates").json()
        near, far = (one["break"]["id"] for one in asked["items"])
        assert (near, far, asked["suggested"]) == (LINE.id, OTHER.id, [LINE.id])
        assert asked["needs_second"]
        few = ana.get(f"/breaks/{BAG.id}/candidates", q="line 4").json()["items"]
        assert [(one["break"]["id"], one["rest_minor"]) for one in few] == [(OTHER.id, 1_000)]

        wrong = ana.post(f"/breaks/{BAG.id}/match", {"with": [OTHER.id]})
        assert (wrong.status_code, "left over" in wrong.text) == (422, True)
        done = ana.post(f"/breaks/{BAG.id}/match", {"with": [LINE.id], "reason": "same bag"})
        assert {one["state"] for one in done.json()["items"]} == {"proposed"}
        assert ana.post(f"/breaks/{BAG.id}/approve", {}).status_code == 403

        seen = ben.get(f"/breaks/{LINE.id}").json()
        assert (seen["proposed_by"], seen["why_not_approve"]) == ("user:finance", "")
        assert [one["id"] for one in seen["matched_with"]] == [BAG.id]
        approved = ben.post(f"/breaks/{LINE.id}/approve", {}).json()["items"]
        assert {(one["id"], one["state"]) for one in approved} == {
            (BAG.id, "resolved"),
            (LINE.id, "resolved"),
        }
        last = ben.get(f"/breaks/{BAG.id}").json()["history"][-1]
        assert (last["state"], last["actor"]) == ("resolved", "user:approver")


def test_having_both_roles_is_not_being_two_people(front: Front, owner, found: None):
    assert owner.post(f"/breaks/{BAG.id}/accept", {"reason": "ok"}).json()["state"] == "proposed"
    refused = owner.post(f"/breaks/{BAG.id}/approve", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "CC-212")
    with front.browser("approver") as ben:
        declined = ben.post(f"/breaks/{BAG.id}/decline", {"reason": "no"}).json()["items"]
        assert [one["state"] for one in declined] == ["open"]
        assert ben.post(f"/breaks/{BAG.id}/decline", {"reason": "no"}).status_code == 409


def test_the_command_line_matches_and_approves_with_the_same_rule(front: Front, found: None):
    done = said(front, "breaks", "match", BAG.id, LINE.id, "--as", "ana", "--json")["breaks"]
    assert {one["state"] for one in done} == {"proposed"}
    declined = said(
        front, "breaks", "decline", BAG.id, "--as", "ben", "--reason", "why?", "--json"
    )["breaks"]
    assert {one["state"] for one in declined} == {"open"}
    again = said(front, "breaks", "accept", BAG.id, "--as", "ana", "--reason", "x", "--json")
    assert [one["state"] for one in again["breaks"]] == ["proposed"]
    approved = said(front, "breaks", "approve", BAG.id, "--as", "ben", "--json")["breaks"]
    assert [one["state"] for one in approved] == ["resolved"]
