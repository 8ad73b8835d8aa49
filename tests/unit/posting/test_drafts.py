"""Drafts follow the facts, corrections follow postings (R-13.1 to R-13.5), people release (R-15.3)."""

from datetime import date, timedelta

import msgspec
import pytest

from cloud_conductor.accounting.flow import (
    BooksDeps,
    Withheld,
    approve,
    approve_by_policy,
    draft_entries,
    make_batches,
    post_all,
    redraft,
    verify_audit,
)
from cloud_conductor.domain.config import ApprovalConfig
from cloud_conductor.domain.errors import ApprovalRefused
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryRow
from cloud_conductor.testing.ledger import DAY, MemoryLedger, make_entry


def entries(deps: BooksDeps) -> list[EntryRow]:
    with deps.engine.connect() as connection:
        return books.entries(connection)


def post(deps: BooksDeps) -> None:
    approve(deps, "boss")
    assert all(result.state == "done" for result in post_all(deps, 100, lambda _s: None))


def changed(entry: JournalEntry, **fields: object) -> JournalEntry:
    return msgspec.structs.replace(entry, **fields)


def test_drafting_twice_changes_nothing(deps: BooksDeps):
    first = draft_entries(deps, [make_entry()], "close")
    before = entries(deps)
    again = draft_entries(deps, [make_entry()], "close")
    assert len(first.drafted) == 1
    assert again.unchanged == 1
    assert not again.drafted
    assert entries(deps) == before


def test_a_draft_that_was_not_sent_is_replaced_and_needs_approval_again(deps: BooksDeps):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    approve(deps, "boss")
    draft_entries(deps, [make_entry(amount_minor=101)], "close")
    (row,) = entries(deps)
    assert (row.version, row.state, row.approved_by, row.debit_minor) == (1, "draft", "", 101)


def test_late_facts_after_posting_become_a_delta_and_the_posted_entry_stays(deps: BooksDeps):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    post(deps)
    posted = entries(deps)[0]
    draft_entries(deps, [make_entry(amount_minor=130)], "close")
    first, delta = entries(deps)
    assert first == posted
    assert (delta.version, delta.correction, delta.replaces) == (2, "delta", posted.posting_key)
    assert delta.debit_minor == 30
    assert delta.state == "draft"


def test_facts_that_change_back_withdraw_the_delta(deps: BooksDeps):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    post(deps)
    draft_entries(deps, [make_entry(amount_minor=130)], "close")
    result = draft_entries(deps, [make_entry(amount_minor=100)], "close")
    assert len(result.withdrawn) == 1
    assert [row.state for row in entries(deps)] == ["posted"]


def test_several_corrections_sum_to_the_latest_facts(deps: BooksDeps, ledger: MemoryLedger):
    for amount_minor in (100, 130, 90, 400):
        draft_entries(deps, [make_entry(amount_minor=amount_minor)], "close")
        post(deps)
    assert ledger.trial_balance(DAY) == {"110": 400, "200": -400}
    assert [row.version for row in entries(deps)] == [1, 2, 3, 4]


def test_a_new_mapping_reverses_and_rebooks(deps: BooksDeps, ledger: MemoryLedger):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    post(deps)
    entry = make_entry(amount_minor=100)
    moved = tuple(
        changed(line, account_code="202") if line.account_code == "200" else line
        for line in entry.lines
    )
    draft_entries(deps, [changed(entry, lines=moved, mapping_version="2")], "close")
    post(deps)
    assert [row.correction for row in entries(deps)] == ["", "reversal", "rebook"]
    assert ledger.trial_balance(DAY) == {"110": 100, "200": 0, "202": -100}


def test_a_covered_kind_that_the_facts_no_longer_call_for_is_taken_back(
    deps: BooksDeps, ledger: MemoryLedger
):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    post(deps)
    draft_entries(deps, [], "close", covers=[("SALES", "NYC01", DAY)])
    post(deps)
    assert ledger.trial_balance(DAY) == {"110": 0, "200": 0}
    again = draft_entries(deps, [], "close", covers=[("SALES", "NYC01", DAY)])
    assert not again.drafted


def test_nothing_is_drafted_over_an_entry_on_its_way(deps: BooksDeps):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    approve(deps, "boss")
    make_batches(deps)
    result = draft_entries(deps, [make_entry(amount_minor=130)], "close")
    assert len(result.deferred) == 1
    assert [row.state for row in entries(deps)] == ["pending"]


def test_a_line_without_account_blocks_its_entry_only_and_is_named_d10(deps: BooksDeps):
    entry = make_entry(store="S1")
    gap = changed(entry.lines[1], account_code="", role="sales.garden")
    draft_entries(
        deps, [changed(entry, lines=(entry.lines[0], gap)), make_entry(store="S2")], "close"
    )
    blocked, fine = entries(deps)
    assert blocked.state == "blocked"
    assert "D10" in blocked.error
    assert "sales.garden" in blocked.error
    assert fine.state == "draft"


def test_an_entry_that_cannot_be_made_keeps_its_place_until_it_can(deps: BooksDeps):
    frame = changed(make_entry(), lines=())
    result = draft_entries(deps, [], "close", withheld=[Withheld(frame, "D10: no account for x")])
    assert len(result.blocked) == 1
    assert entries(deps)[0].error == "D10: no account for x"
    draft_entries(deps, [make_entry()], "close")
    (row,) = entries(deps)
    assert (row.state, row.error, row.debit_minor) == ("draft", "", 10_000)


def test_an_entry_in_a_locked_period_is_blocked_and_its_date_is_not_moved(
    deps: BooksDeps, ledger: MemoryLedger
):
    ledger.locked = DAY
    draft_entries(deps, [make_entry()], "close")
    (row,) = entries(deps)
    assert (row.state, row.ledger_date) == ("blocked", DAY.isoformat())
    ledger.locked = DAY - timedelta(days=1)
    draft_entries(deps, [make_entry()], "close")
    assert entries(deps)[0].state == "draft"


def test_a_lock_after_approval_blocks_before_anything_is_sent(
    deps: BooksDeps, ledger: MemoryLedger
):
    draft_entries(deps, [make_entry()], "close")
    approve(deps, "boss")
    ledger.locked = DAY
    assert make_batches(deps) == []
    assert entries(deps)[0].state == "blocked"
    assert not ledger.written


def test_a_delta_for_a_locked_period_is_dated_on_its_first_open_day(
    deps: BooksDeps, ledger: MemoryLedger
):
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    post(deps)
    ledger.locked = date(2026, 11, 30)
    draft_entries(deps, [make_entry(amount_minor=130)], "close")
    delta = entries(deps)[1]
    assert (delta.state, delta.ledger_date) == ("draft", "2026-12-01")
    assert delta.business_date == DAY.isoformat()


def test_the_preparer_cannot_approve_and_nothing_is_approved(deps: BooksDeps):
    draft_entries(deps, [make_entry(store="S1")], "ann")
    draft_entries(deps, [make_entry(store="S2")], "ben")
    with pytest.raises(ApprovalRefused, match="ann prepared"):
        approve(deps, "ann")
    assert {row.state for row in entries(deps)} == {"draft"}


@pytest.mark.parametrize("name", ["", "  ", "policy:auto"])
def test_an_approver_has_a_name_of_their_own(deps: BooksDeps, name: str):
    draft_entries(deps, [make_entry()], "close")
    with pytest.raises(ApprovalRefused, match="name of their own"):
        approve(deps, name)


def test_only_a_draft_can_be_approved(deps: BooksDeps):
    draft_entries(deps, [make_entry()], "close")
    keys = approve(deps, "boss")
    with pytest.raises(ApprovalRefused, match="approved"):
        approve(deps, "chief", keys=keys)


def test_approval_selects_by_store_and_day(deps: BooksDeps):
    for store in ("S1", "S2"):
        for days in (0, 1):
            draft_entries(deps, [make_entry(store=store, day=DAY + timedelta(days=days))], "close")
    approve(deps, "boss", store="S2", business_date=DAY)
    approved = [(row.store, row.business_date) for row in entries(deps) if row.state == "approved"]
    assert approved == [("S2", DAY.isoformat())]


def test_the_policy_never_approves_the_first_posting_of_a_mapping_version(deps: BooksDeps):
    policy = ApprovalConfig(auto_kinds=("SALES",), auto_amount_minor_max=1_000)
    deps = BooksDeps(deps.engine, deps.ledger, deps.clock, approval=policy, settle_s=0.0)
    draft_entries(deps, [make_entry(store="S1", amount_minor=100)], "close")
    assert approve_by_policy(deps) == []
    post(deps)
    draft_entries(deps, [make_entry(store="S2", amount_minor=100)], "close")
    draft_entries(deps, [make_entry(store="S3", amount_minor=1_001)], "close")
    draft_entries(deps, [make_entry("PAYOUT", store="S4", amount_minor=100)], "close")
    other_map = changed(make_entry(store="S5", amount_minor=100), mapping_version="2")
    draft_entries(deps, [other_map], "close")
    assert len(approve_by_policy(deps)) == 1
    approved = [row for row in entries(deps) if row.state == "approved"]
    assert [(row.store, row.approved_by) for row in approved] == [("S2", "policy:auto")]


def test_what_the_policy_posted_does_not_open_the_way_for_itself(deps: BooksDeps):
    policy = ApprovalConfig(auto_kinds=("SALES",), auto_amount_minor_max=1_000)
    deps = BooksDeps(deps.engine, deps.ledger, deps.clock, approval=policy, settle_s=0.0)
    draft_entries(deps, [make_entry(amount_minor=100)], "close")
    with books.writing(deps.engine) as writer:
        (row,) = books.entries(writer.connection)
        writer.update_entry(row.posting_key, state="posted", approved_by="policy:auto")
    draft_entries(deps, [make_entry(store="S2", amount_minor=100)], "close")
    assert approve_by_policy(deps) == []


def test_a_rejected_entry_goes_again_only_when_a_person_says_so(
    deps: BooksDeps, ledger: MemoryLedger
):
    ledger.archived.add("200")
    draft_entries(deps, [make_entry()], "close")
    post(deps)
    assert draft_entries(deps, [make_entry()], "close").unchanged == 1
    (row,) = entries(deps)
    assert row.state == "rejected"
    ledger.archived.clear()
    redraft(deps, "ann", [row.posting_key], "account 200 is open again")
    post(deps)
    assert entries(deps)[0].state == "posted"
    assert len(ledger.written) == 1


def test_every_act_is_in_the_audit_chain(deps: BooksDeps):
    draft_entries(deps, [make_entry()], "close")
    post(deps)
    with deps.engine.connect() as connection:
        acts = [msgspec.json.decode(row.record)["act"] for row in books.audit_rows(connection)]
    assert acts == ["entry.draft", "entry.approved", "entry.posted", "entry.read_back"]
    assert verify_audit(deps) is None
