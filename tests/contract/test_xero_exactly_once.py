"""Posting to Xero's simulator when its idempotency keys have expired or a document is refused."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from cloud_conductor.accounting.flow import (
    BooksDeps,
    approve,
    draft_entries,
    make_batches,
    post_all,
    post_batch,
)
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.http import Limits
from cloud_conductor.adapters.ledger import xero_wire as wire
from cloud_conductor.adapters.ledger.xero import IDEMPOTENCY_WINDOW_S, batch_key, connect
from cloud_conductor.domain.config import LedgerConfig
from cloud_conductor.domain.journal import JournalLine
from cloud_conductor.sandbox.xero.app import XeroSandbox, build, start
from cloud_conductor.sandbox.xero.auth import CLIENT_ID, CLIENT_SECRET
from cloud_conductor.state import accounting as books
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import migrate
from cloud_conductor.testing.ledger import DAY, make_entry, make_posting

LOST = {"lose_reply": {"next": 1, "methods": ["PUT"]}}


@pytest.fixture
def sandbox() -> XeroSandbox:
    return build(clock="2026-11-23T15:00:00Z", time_scale=60)


@pytest.fixture
def deps(sandbox: XeroSandbox, tmp_path: Path) -> Iterator[BooksDeps]:
    running = start(sandbox)
    engine = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    migrate(engine, "books")
    ledger = connect(
        LedgerConfig(vendor="xero", base_url=running.url),
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        limits=Limits(attempts_max=3, backoff_s=0.01),
    )
    yield BooksDeps(engine=engine, ledger=ledger, clock=SystemClock(), settle_s=0.0)
    ledger.close()
    engine.dispose()
    running.stop()


def frozen(deps: BooksDeps, stores: int) -> str:
    draft_entries(deps, [make_entry(store=f"S{n:02d}") for n in range(stores)], "close")
    approve(deps, "boss")
    (batch,) = make_batches(deps)
    return batch.batch_id


def journals(sandbox: XeroSandbox) -> list[str]:
    return [journal.narration for journal in sandbox.organisation.books.journals.values()]


def test_after_the_key_has_expired_the_look_up_prevents_the_duplicate(
    deps: BooksDeps, sandbox: XeroSandbox
):
    batch = frozen(deps, 3)
    sandbox.faults.plan(LOST)
    assert post_batch(deps, batch).state == "wait"
    sandbox.organisation.pace.advance(IDEMPOTENCY_WINDOW_S + 60)
    assert post_batch(deps, batch).state == "done"
    assert len(journals(sandbox)) == len(set(journals(sandbox))) == 3


def test_a_blind_re_send_after_the_key_has_expired_would_duplicate(
    deps: BooksDeps, sandbox: XeroSandbox
):
    posting = make_posting(deps.ledger, make_entry())
    deps.ledger.post([posting])
    deps.ledger.post([posting])
    assert len(journals(sandbox)) == 1
    sandbox.organisation.pace.advance(IDEMPOTENCY_WINDOW_S + 60)
    deps.ledger.post([posting])
    assert len(journals(sandbox)) == 2


def test_one_archived_account_of_fifty_refuses_one_and_posts_49(
    deps: BooksDeps, sandbox: XeroSandbox
):
    for account in sandbox.organisation.books.accounts.values():
        if account.code == "201":
            account.status = "ARCHIVED"
    entries = [make_entry(store=f"S{n:02d}") for n in range(49)]
    draft_entries(deps, [*entries, make_entry(store="S49", role="sales.home")], "close")
    approve(deps, "boss")
    (result,) = post_all(deps, 1, lambda _s: None)
    with deps.engine.connect() as connection:
        counts = books.entry_counts(connection)
        (refused,) = books.entries(connection, states=("rejected",))
    assert result.state == "done"
    assert counts == {("SALES", "posted"): 49, ("SALES", "rejected"): 1}
    assert "201" in refused.error
    assert len(journals(sandbox)) == 49


def test_a_server_error_after_the_write_is_looked_up(deps: BooksDeps, sandbox: XeroSandbox):
    batch = frozen(deps, 2)
    sandbox.faults.plan({"error_500_after": {"next": 1, "methods": ["PUT"]}})
    assert post_batch(deps, batch).state == "wait"
    assert post_batch(deps, batch).state == "done"
    assert len(journals(sandbox)) == 2


def test_a_different_set_of_documents_never_reuses_an_idempotency_key(deps: BooksDeps):
    postings = [make_posting(deps.ledger, make_entry(store=f"S{n}")) for n in range(3)]
    keys = {batch_key(postings[:n]) for n in (1, 2, 3)} | {batch_key(postings[1:])}
    assert len(keys) == 4
    assert batch_key(postings) == batch_key(list(postings))
    assert all(len(key) <= 128 for key in keys)


def test_amounts_are_sent_as_exact_decimals(deps: BooksDeps):
    posting = make_posting(deps.ledger, make_entry(amount_minor=1_234_567_890_123_45))
    body = wire.journals_body([posting], "")
    assert b'"LineAmount":1234567890123.45,' in body
    assert b'"LineAmount":-1234567890123.45,' in body


def test_a_settlement_with_fees_is_one_bank_transaction_of_all_its_legs(
    deps: BooksDeps, sandbox: XeroSandbox
):
    lines = (
        JournalLine("bank", "090", 19_898),
        JournalLine("merchant_fees.square", "420", 575),
        JournalLine("clearing.square", "110", -20_473),
    )
    entry = msgspec.structs.replace(make_entry("PAYOUT"), lines=lines)
    posting = make_posting(deps.ledger, entry)
    (outcome,) = deps.ledger.post([posting])
    assert outcome.outcome == "posted"
    assert deps.ledger.trial_balance(DAY) == {"090": 19_898, "420": 575, "110": -20_473}
    (document,) = deps.ledger.documents(DAY, DAY + timedelta(days=1))
    assert document.document_type == "bank_receipt"
    assert sum(line.amount_minor for line in document.lines) == 0


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("/Date(1795219200000+0000)/", date(2026, 11, 21)),
        ("/Date(-86400000)/", date(1969, 12, 31)),
        ("2026-11-21T00:00:00", date(2026, 11, 21)),
        ("2026-11-21", date(2026, 11, 21)),
    ],
)
def test_both_forms_of_xeros_dates_are_read(text: str, day: date):
    assert wire.read_date(text) == day


def test_an_amount_with_more_digits_than_the_currency_is_refused():
    assert wire.read_minor(Decimal("12.3400"), "USD") == 1234
    with pytest.raises(ValueError, match="more digits"):
        wire.read_minor(Decimal("12.345"), "USD")
