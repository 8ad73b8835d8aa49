"""One ledger document per entry version, whatever is lost on the way (R-13.6, INV-18)."""

from datetime import timedelta

import msgspec
import pytest

from cloud_conductor.accounting import posting
from cloud_conductor.accounting.flow import (
    BooksDeps,
    approve,
    draft_entries,
    make_batches,
    post_all,
    post_batch,
    read_back,
    sweep_duplicates,
)
from cloud_conductor.domain.errors import VendorRefused
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryRow
from cloud_conductor.testing.ledger import DAY, MemoryLedger, make_entry


def ready(deps: BooksDeps, *, stores: int = 1, days: int = 1) -> list[str]:
    """Approve SALES of stores x days and freeze them; gives the batch ids."""
    entries = [
        make_entry(store=f"S{store:02d}", day=DAY + timedelta(days=day))
        for store in range(stores)
        for day in range(days)
    ]
    draft_entries(deps, entries, "close")
    approve(deps, "boss")
    return [batch.batch_id for batch in make_batches(deps)]


def rows(deps: BooksDeps) -> list[EntryRow]:
    with deps.engine.connect() as connection:
        return books.entries(connection)


def finish(deps: BooksDeps, batch_id: str) -> None:
    for _ in range(20):
        if post_batch(deps, batch_id).state == "done":
            return
    raise AssertionError("the batch does not end")


class Killed(BaseException):
    """The process dies here."""


def dying_at(deps: BooksDeps, border: str) -> BooksDeps:
    def die(name: str) -> None:
        if name == border:
            raise Killed

    return BooksDeps(deps.engine, deps.ledger, deps.clock, settle_s=0.0, checkpoint=die)


@pytest.mark.parametrize(
    "border",
    [
        "before_sending_commit",
        "after_sending_commit",
        "after_call",
        "before_record",
        "after_record",
    ],
)
def test_dying_at_any_border_leaves_one_document_per_entry(
    deps: BooksDeps, ledger: MemoryLedger, border: str
):
    (batch,) = ready(deps, stores=3)
    with pytest.raises(Killed):
        post_batch(dying_at(deps, border), batch)
    finish(deps, batch)
    assert sorted(one.key for one in ledger.written) == sorted(
        row.posting_key for row in rows(deps)
    )
    assert {row.state for row in rows(deps)} == {"posted"}


def test_dying_after_a_look_up_or_a_read_back_is_harmless(deps: BooksDeps, ledger: MemoryLedger):
    (batch,) = ready(deps)
    ledger.lose_replies = 1
    post_batch(deps, batch)
    with pytest.raises(Killed):
        post_batch(dying_at(deps, "after_look_up"), batch)
    finish(deps, batch)
    keys = [row.posting_key for row in rows(deps)]
    with pytest.raises(Killed):
        read_back(dying_at(deps, "after_readback"), keys)
    assert read_back(deps, keys).verified == tuple(keys)
    assert len(ledger.written) == 1


def test_a_lost_reply_is_looked_up_and_not_sent_again(deps: BooksDeps, ledger: MemoryLedger):
    (batch,) = ready(deps, stores=2)
    ledger.lose_replies = 1
    assert post_batch(deps, batch).state == "wait"
    assert {row.state for row in rows(deps)} == {"sending"}
    finish(deps, batch)
    assert len(ledger.calls) == 1
    assert len(ledger.written) == 2


def test_a_look_up_waits_until_the_call_must_have_landed(deps: BooksDeps, ledger: MemoryLedger):
    (batch,) = ready(deps)
    ledger.lose_replies = 1
    patient = BooksDeps(deps.engine, deps.ledger, deps.clock, settle_s=30.0)
    post_batch(patient, batch)
    result = post_batch(patient, batch)
    assert result.state == "wait"
    assert 0 < result.retry_after_s <= 30
    assert {row.state for row in rows(deps)} == {"sending"}


def test_only_what_the_ledger_does_not_hold_is_sent_again(deps: BooksDeps, ledger: MemoryLedger):
    (batch,) = ready(deps, stores=3)
    ledger.lose_replies = 1
    post_batch(deps, batch)
    landed = ledger.written.pop(1)
    finish(deps, batch)
    assert ledger.calls[1] == [landed.key]
    assert len({one.key for one in ledger.written}) == len(ledger.written) == 3


def test_a_rate_limit_puts_entries_back_unsent_and_tells_when(
    deps: BooksDeps, ledger: MemoryLedger
):
    (batch,) = ready(deps)
    ledger.refusals = 1
    result = post_batch(deps, batch)
    (row,) = rows(deps)
    assert (result.state, result.retry_after_s) == ("wait", 0.01)
    assert (row.state, row.attempts, row.first_sent_us) == ("pending", 0, None)


def test_one_refused_entry_of_fifty_does_not_stop_the_other_49(
    deps: BooksDeps, ledger: MemoryLedger
):
    ledger.archived.add("201")
    entries = [make_entry(store=f"S{n:02d}") for n in range(49)]
    entries.append(make_entry(store="S49", role="sales.home"))
    draft_entries(deps, entries, "close")
    approve(deps, "boss")
    (result,) = post_all(deps, 10, lambda _s: None)
    states = [row.state for row in rows(deps)]
    assert result.state == "done"
    assert (states.count("posted"), states.count("rejected")) == (49, 1)
    (refused,) = [row for row in rows(deps) if row.state == "rejected"]
    assert "201 is archived" in refused.error


def test_a_document_with_our_key_and_other_content_is_dead_and_says_d12(
    deps: BooksDeps, ledger: MemoryLedger
):
    (batch,) = ready(deps)
    ledger.lose_replies = 1
    post_batch(deps, batch)
    (document,) = ledger.written
    ledger.change(document.external_id, ledger_date=DAY + timedelta(days=1))
    finish(deps, batch)
    (row,) = rows(deps)
    assert row.state == "dead"
    assert "D12" in row.error
    assert len(ledger.written) == 1


def test_a_document_that_somebody_voided_is_not_written_again(
    deps: BooksDeps, ledger: MemoryLedger
):
    (batch,) = ready(deps)
    ledger.lose_replies = 1
    post_batch(deps, batch)
    ledger.change(ledger.written[0].external_id, status="void")
    finish(deps, batch)
    assert rows(deps)[0].state == "dead"
    assert len(ledger.calls) == 1


def test_read_back_keeps_the_hash_of_what_is_there_and_names_an_edit(
    deps: BooksDeps, ledger: MemoryLedger
):
    (batch,) = ready(deps, stores=2)
    finish(deps, batch)
    lines = ledger.written[1].lines
    edited = tuple(msgspec.structs.replace(line, account_code="299") for line in lines)
    ledger.change(ledger.written[1].external_id, lines=edited)
    result = read_back(deps, [row.posting_key for row in rows(deps)])
    first, second = rows(deps)
    assert (result.verified, result.differing) == ((first.posting_key,), (second.posting_key,))
    assert first.readback_hash == first.content_hash
    assert second.readback_hash != second.content_hash
    assert "D12" in second.error
    assert second.state == "posted"


def test_read_back_tells_what_is_missing(deps: BooksDeps, ledger: MemoryLedger):
    (batch,) = ready(deps)
    finish(deps, batch)
    ledger.written.clear()
    (row,) = rows(deps)
    assert read_back(deps, [row.posting_key]).missing == (row.posting_key,)


def test_the_sweep_finds_a_second_document_without_asking_the_outbox(
    deps: BooksDeps, ledger: MemoryLedger
):
    (batch,) = ready(deps, stores=2)
    finish(deps, batch)
    again = msgspec.structs.replace(ledger.written[0], external_id="x", updated_at="999999999")
    ledger.written.append(again)
    (found,) = sweep_duplicates(deps, DAY, DAY + timedelta(days=1))
    assert found.posting_key == again.key
    assert [one.external_id for one in found.extra] == ["x"]


def test_entries_of_a_store_post_in_business_date_order_over_types(
    deps: BooksDeps, ledger: MemoryLedger
):
    entries = [
        make_entry(kind, store=store, day=DAY + timedelta(days=day))
        for day in range(4)
        for store in ("S1", "S2")
        for kind in ("SALES", "DEPOSIT")
    ]
    draft_entries(deps, entries, "close")
    approve(deps, "boss")
    post_all(deps, 100, lambda _s: None)
    by_key = {row.posting_key: row for row in rows(deps)}
    for store in ("S1", "S2"):
        order = [by_key[one.key] for one in ledger.written if by_key[one.key].store == store]
        dates = [row.business_date for row in order]
        assert dates == sorted(dates)
    assert len(ledger.written) == 16


class RefusingLedger(MemoryLedger):
    def post(self, postings):
        raise VendorRefused(f"403 for PUT of {len(postings)} documents")


def test_a_call_the_vendor_refuses_as_a_whole_waits_for_a_person(deps: BooksDeps):
    refusing = BooksDeps(deps.engine, RefusingLedger(), deps.clock, settle_s=0.0)
    ready(refusing, stores=2)
    (result,) = post_all(refusing, 10, lambda _s: None)
    assert result.state == "refused"
    assert "403" in result.message
    assert {(row.state, row.attempts) for row in rows(deps)} == {("pending", 0)}


def test_a_step_that_the_life_of_an_entry_does_not_know_is_a_bug():
    with pytest.raises(AssertionError, match=r"R-13\.7"):
        posting.check_move("posted", "draft")
