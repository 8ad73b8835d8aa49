"""Every ledger keeps the port's promises: the one in memory, and Xero against its simulator."""

from collections.abc import Iterator
from datetime import date, timedelta

import httpx
import pytest

from cloud_conductor.adapters.http import Limits
from cloud_conductor.adapters.ledger.xero import Xero, connect
from cloud_conductor.domain.config import LedgerConfig
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.sandbox.xero.app import XeroSandbox, build, start
from cloud_conductor.sandbox.xero.auth import CLIENT_ID, CLIENT_SECRET
from cloud_conductor.testing.ledger import (
    DAY,
    LedgerContract,
    MemoryLedger,
    make_entry,
    make_posting,
)


class MemoryBooks:
    def __init__(self):
        self.ledger = MemoryLedger()

    def lose_reply(self):
        self.ledger.lose_replies = 1

    def refuse_calls(self):
        self.ledger.refusals = 1

    def archive(self, code: str):
        self.ledger.archived.add(code)

    def lock(self, through: date):
        self.ledger.locked = through

    def void(self, external_id: str):
        self.ledger.change(external_id, status="void")


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def books(self) -> MemoryBooks:
        return MemoryBooks()


class XeroBooks:
    def __init__(self, url: str, sandbox: XeroSandbox, ledger: Xero):
        self.ledger = ledger
        self.url = url
        self.sandbox = sandbox

    def lose_reply(self):
        self._fault("lose_reply")

    def refuse_calls(self):
        self._fault("rate_limited")

    def archive(self, code: str):
        account = next(
            one for one in self.sandbox.organisation.books.accounts.values() if one.code == code
        )
        account.status = "ARCHIVED"

    def lock(self, through: date):
        httpx.post(
            f"{self.url}/sandbox/lock", json={"date": through.isoformat()}
        ).raise_for_status()

    def void(self, external_id: str):
        token = self.ledger._http._auth.header()
        answer = httpx.post(
            f"{self.url}/api.xro/2.0/ManualJournals/{external_id}",
            json={"ManualJournals": [{"ManualJournalID": external_id, "Status": "VOIDED"}]},
            headers={
                "authorization": token,
                "accept": "application/json",
                "xero-tenant-id": self.ledger.organisation(),
            },
        )
        answer.raise_for_status()

    def _fault(self, kind: str):
        plan = {kind: {"next": 1, "methods": ["PUT"]}}
        httpx.post(f"{self.url}/sandbox/faults", json=plan).raise_for_status()


@pytest.fixture
def xero_books() -> Iterator[XeroBooks]:
    sandbox = build(clock="2026-11-23T15:00:00Z", time_scale=1_000)
    running = start(sandbox)
    config = LedgerConfig(
        vendor="xero", base_url=running.url, bank_lines=True, tracking="Store",
        calls_per_minute=60_000,
    )  # fmt: skip
    ledger = connect(
        config,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        limits=Limits(attempts_max=3, backoff_s=0.01),
    )
    ledger.prepare(["NYC01", "S0", "S1", "S2"])
    yield XeroBooks(running.url, sandbox, ledger)
    ledger.close()
    running.stop()


class TestXero(LedgerContract):
    @pytest.fixture
    def books(self, xero_books: XeroBooks) -> XeroBooks:
        return xero_books

    def test_a_document_of_somebody_else_has_no_key(self, books: XeroBooks):
        posting = make_posting(books.ledger, make_entry())
        books.ledger.post([posting])
        (journal,) = books.sandbox.organisation.books.journals.values()
        journal.narration = "Month end adjustment"
        (document,) = books.ledger.documents(DAY, DAY + timedelta(days=1))
        assert document.key == ""

    def test_the_lines_carry_the_store_as_tracking(self, books: XeroBooks):
        books.ledger.post([make_posting(books.ledger, make_entry())])
        (journal,) = books.sandbox.organisation.books.journals.values()
        assert all(len(line.tracking) == 1 for line in journal.lines)

    def test_a_store_whose_option_was_made_without_an_answer_is_made_once(self, books: XeroBooks):
        books.lose_reply()
        books.ledger.prepare(["S9"])
        books.ledger.prepare(["S9"])
        answer = httpx.get(f"{books.url}/sandbox/dump", timeout=10).raise_for_status()
        assert answer.text.count('"S9"') == 1

    def test_an_entry_in_another_currency_is_refused_unsent(self, books: XeroBooks):
        entry = make_entry()
        entry = type(entry)(
            **{name: getattr(entry, name) for name in entry.__struct_fields__} | {"currency": "EUR"}
        )
        (outcome,) = books.ledger.post([make_posting(books.ledger, entry)])
        assert outcome.outcome == "rejected"
        assert "base currency" in outcome.message
        assert not books.sandbox.organisation.books.journals

    def test_bank_lines_are_read_with_their_signs(self, books: XeroBooks):
        rows = [
            {"bank_account_code": "090", "date": "2026-11-22", "amount": 44.07, "reference": "bag"},
            {"bank_account_code": "090", "date": "2026-11-22", "amount": -5.5, "payee": "bank"},
            {"bank_account_code": "090", "date": "2026-11-25", "amount": 198.98},
        ]
        httpx.post(f"{books.url}/sandbox/bank-lines", json=rows).raise_for_status()
        lines = books.ledger.bank_lines("090", DAY, date(2026, 11, 25))
        assert lines is not None
        assert [(line.amount_minor, line.reference) for line in lines] == [
            (4407, "bag"),
            (-550, ""),
        ]

    def test_bank_lines_of_an_unknown_account_are_a_configuration_error(self, books: XeroBooks):
        with pytest.raises(ConfigError, match="091"):
            books.ledger.bank_lines("091", DAY, DAY)

    def test_the_calls_left_are_read_from_every_answer(self, books: XeroBooks):
        books.ledger.accounts()
        assert 0 < books.ledger.remaining["x-daylimit-remaining"] < 5000

    def test_a_listing_longer_than_a_page_is_read_whole(self, books: XeroBooks):
        for first in range(0, 120, 40):
            entries = [make_entry(source_id=f"shift-{n}") for n in range(first, first + 40)]
            books.ledger.post([make_posting(books.ledger, entry) for entry in entries])
        assert len(books.ledger.documents(DAY, DAY + timedelta(days=1))) == 120
