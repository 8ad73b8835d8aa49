"""What somebody voided in the ledger comes back as a further version, and never twice (R-13.6)."""

from datetime import timedelta

import pytest

from cloud_conductor.accounting.flow import (
    BooksDeps,
    approve,
    draft_entries,
    post_all,
    repost,
    verify_audit,
)
from cloud_conductor.accounting.level_ledger import Booked, LedgerSide, compare_ledger
from cloud_conductor.domain.errors import ApprovalRefused, RepostRefused
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryRow
from cloud_conductor.testing.ledger import CODES, DAY, MemoryLedger, make_entry


def rows(deps: BooksDeps) -> list[EntryRow]:
    with deps.engine.connect() as connection:
        return books.entries(connection)


def states(deps: BooksDeps) -> list[tuple[int, str, str]]:
    return [(row.version, row.state, row.correction) for row in rows(deps)]


def release(deps: BooksDeps) -> None:
    approve(deps, "boss")
    post_all(deps, 10, lambda _seconds: None)


def balances(ledger: MemoryLedger) -> dict[str, int]:
    return {code: minor for code, minor in ledger.trial_balance(DAY).items() if minor}


@pytest.fixture
def posted(deps: BooksDeps, ledger: MemoryLedger) -> EntryRow:
    draft_entries(deps, [make_entry()], "close")
    release(deps)
    (row,) = rows(deps)
    assert ledger.written
    return row


def test_a_voided_document_is_posted_once_more_as_the_next_version(
    deps: BooksDeps, ledger: MemoryLedger, posted: EntryRow
):
    meant = balances(ledger)
    ledger.change(posted.external_id, status="void")
    (key,) = repost(deps, "user:maria", [posted.posting_key], "voided by mistake")
    assert states(deps) == [(1, "void", ""), (2, "draft", "repost")]
    with pytest.raises(ApprovalRefused, match="prepared"):
        approve(deps, "user:maria")
    release(deps)
    assert [row.posting_key for row in rows(deps) if row.state == "posted"] == [key]
    assert balances(ledger) == meant
    assert verify_audit(deps) is None


def test_afterwards_the_ledger_is_green_and_the_same_facts_draft_nothing(
    deps: BooksDeps, ledger: MemoryLedger, posted: EntryRow
):
    ledger.change(posted.external_id, status="void")
    repost(deps, "user:maria", [posted.posting_key], "voided by mistake")
    release(deps)
    booked = [
        Booked(row.posting_key, row.state, row.entry) for row in rows(deps) if row.version == 2
    ]
    side = LedgerSide(
        documents=ledger.documents(DAY, DAY + timedelta(days=1)),
        control_accounts=set(CODES.values()),
        on=DAY,
        trial_balance=ledger.trial_balance(DAY),
    )
    assert not compare_ledger(booked, side, currency="USD").breaks
    assert draft_entries(deps, [make_entry()], "close").unchanged == 1


def test_facts_that_changed_meanwhile_replace_the_waiting_draft(
    deps: BooksDeps, ledger: MemoryLedger, posted: EntryRow
):
    ledger.change(posted.external_id, status="void")
    repost(deps, "user:maria", [posted.posting_key], "voided by mistake")
    now = make_entry(amount_minor=12_000)
    draft_entries(deps, [now], "close")
    release(deps)
    assert balances(ledger) == {line.account_code: line.amount_minor for line in now.lines}
    assert states(deps) == [(1, "void", ""), (2, "posted", "repost")]


def test_a_voided_correction_comes_back_beside_what_it_corrects(
    deps: BooksDeps, ledger: MemoryLedger, posted: EntryRow
):
    now = make_entry(amount_minor=12_000)
    draft_entries(deps, [now], "close")
    release(deps)
    first, delta = rows(deps)
    ledger.change(first.external_id, status="void")
    repost(deps, "user:maria", [first.posting_key], "voided by mistake")
    draft_entries(deps, [now], "close")
    release(deps)
    assert [row.state for row in rows(deps)] == ["void", "posted", "posted"]
    assert balances(ledger) == {line.account_code: line.amount_minor for line in now.lines}
    ledger.change(delta.external_id, status="void")
    repost(deps, "user:maria", [delta.posting_key], "and this one too")
    release(deps)
    assert balances(ledger) == {line.account_code: line.amount_minor for line in now.lines}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"ledger_date": DAY + timedelta(days=9)},
        {"key": ""},
    ],
    ids=["in force", "dated anew", "without its key"],
)
def test_what_the_ledger_still_holds_is_never_posted_again(
    deps: BooksDeps, ledger: MemoryLedger, posted: EntryRow, change: dict[str, object]
):
    ledger.change(posted.external_id, **change)
    with pytest.raises(RepostRefused, match="would double it"):
        repost(deps, "user:maria", [posted.posting_key], "I cannot see it")
    assert states(deps) == [(1, "posted", "")]


def test_only_what_was_posted_can_come_back(deps: BooksDeps):
    draft_entries(deps, [make_entry()], "close")
    with pytest.raises(RepostRefused, match="is draft"):
        repost(deps, "user:maria", [rows(deps)[0].posting_key], "gone")


def test_a_day_locked_meanwhile_comes_back_on_the_first_open_day_r_13_3(
    deps: BooksDeps, ledger: MemoryLedger, posted: EntryRow
):
    ledger.change(posted.external_id, status="void")
    ledger.locked = DAY + timedelta(days=5)
    repost(deps, "user:maria", [posted.posting_key], "voided by mistake")
    assert rows(deps)[-1].ledger_date == (DAY + timedelta(days=6)).isoformat()
