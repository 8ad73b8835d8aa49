"""Whatever fails in whatever order, the ledger ends with one document per entry (INV-18, INV-15)."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

from cloud_conductor.accounting.flow import (
    BooksDeps,
    approve,
    draft_entries,
    post_all,
    post_batch,
    verify_audit,
)
from cloud_conductor.adapters.clock import RehearsalClock
from cloud_conductor.state import accounting as books
from cloud_conductor.state.tables import BOOKS
from cloud_conductor.testing.ledger import DAY, MemoryLedger, make_entry

BORDERS = ("before_sending_commit", "after_sending_commit", "after_call", "after_look_up",
           "before_record", "after_record", "before_readback_record", "after_readback")  # fmt: skip
TROUBLES = ("lose_reply", "refuse", *BORDERS)


class Killed(BaseException):
    pass


def open_books() -> BooksDeps:
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", lambda raw, _: raw.execute("pragma synchronous=OFF"))
    BOOKS.create_all(engine)
    return BooksDeps(
        engine=engine,
        ledger=MemoryLedger(),
        clock=RehearsalClock(datetime(2026, 11, 23, tzinfo=UTC)),
        settle_s=0.0,
    )


def suffer(deps: BooksDeps, trouble: str) -> None:
    """One run of the poster, with one thing going wrong."""
    ledger = deps.ledger
    assert isinstance(ledger, MemoryLedger)
    ledger.lose_replies = int(trouble == "lose_reply")
    ledger.refusals = int(trouble == "refuse")

    def die(border: str) -> None:
        if border == trouble:
            raise Killed

    dying = BooksDeps(deps.engine, ledger, deps.clock, settle_s=0.0, checkpoint=die)
    with deps.engine.connect() as connection:
        batches = books.open_batches(connection)
    try:
        if batches:
            post_batch(dying, batches[0].batch_id)
        else:
            post_all(dying, 1, lambda _s: None)
    except Killed:
        pass
    ledger.lose_replies = ledger.refusals = 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(TROUBLES), max_size=12),
    st.integers(1, 4),
    st.sampled_from([("SALES",), ("SALES", "DEPOSIT")]),
)
def test_any_sequence_of_troubles_ends_with_one_document_per_entry(troubles, days, kinds):
    deps = open_books()
    entries = [
        make_entry(kind, store=store, day=DAY + timedelta(days=day))
        for store in ("A", "B")
        for day in range(days)
        for kind in kinds
    ]
    draft_entries(deps, entries, "close")
    approve(deps, "boss")
    for trouble in troubles:
        suffer(deps, trouble)
    post_all(deps, 100, lambda _s: None)
    with deps.engine.connect() as connection:
        rows = books.entries(connection)
    ledger = deps.ledger
    assert isinstance(ledger, MemoryLedger)
    assert sorted(one.key for one in ledger.written) == sorted(row.posting_key for row in rows)
    assert {row.state for row in rows} == {"posted"}
    by_key = {row.posting_key: row for row in rows}
    for store in ("A", "B"):
        order = [by_key[one.key] for one in ledger.written if by_key[one.key].store == store]
        assert [row.business_date for row in order] == sorted(row.business_date for row in order)
    assert verify_audit(deps) is None
    deps.engine.dispose()


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(1, 5_000), st.booleans()), min_size=1, max_size=8))
def test_versions_sum_to_the_latest_facts_whatever_was_posted_in_between(changes):
    deps = open_books()
    for amount_minor, is_posted in changes:
        draft_entries(deps, [make_entry(amount_minor=amount_minor)], "close")
        if is_posted:
            approve(deps, "boss")
            post_all(deps, 100, lambda _s: None)
    approve(deps, "boss")
    post_all(deps, 100, lambda _s: None)
    latest = changes[-1][0]
    assert deps.ledger.trial_balance(DAY) == {"110": latest, "200": -latest}
    with deps.engine.connect() as connection:
        rows = books.entries(connection)
    assert [row.version for row in rows] == list(range(1, len(rows) + 1))
    assert all(row.readback_hash == row.content_hash for row in rows)
    deps.engine.dispose()
