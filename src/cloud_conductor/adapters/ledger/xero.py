"""Xero: manual journals and bank transactions, look-up by our key, reports, bank statement lines.

Docs: "Manual Journals", "Bank Transactions", "Reports", "Idempotent requests", "OAuth 2.0 API
limits" (Xero Developer); official OpenAPI 16.1. The /Journals endpoint is not used: since March
2026 it needs the advanced tier. So `documents` sees manual journals and bank transactions; what
others do through invoices or payments shows in the trial balance.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TypeVar

import msgspec

from cloud_conductor.adapters.http import Auth, HttpEngine, Limits, Response
from cloud_conductor.adapters.ledger import xero_wire as wire
from cloud_conductor.adapters.ledger.xero_auth import ClientCredentials, RotatingToken
from cloud_conductor.adapters.tokens import TokenStore
from cloud_conductor.domain.config import LedgerConfig
from cloud_conductor.domain.errors import (
    ConfigError,
    OutcomeUnknown,
    PostingRejected,
    VendorRefused,
    VendorUnavailable,
)
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.ledger import (
    Account,
    BankLine,
    DocumentType,
    LedgerCapabilities,
    LedgerDocument,
    Posting,
    PostingOutcome,
)

API = "/api.xro/2.0"
FINANCE = "/finance.xro/1.0"
IDENTITY_URL = "https://identity.xero.com"
API_HOST = "https://api.xero.com"
PAGE_SIZE = 1_000
PAGES_MAX = 1_000
READS_MAX = 5
IDEMPOTENCY_WINDOW_S = 360
REMAINING = ("x-minlimit-remaining", "x-daylimit-remaining", "x-appminlimit-remaining")
_T = TypeVar("_T")
_D = TypeVar("_D", wire.ManualJournal, wire.BankTransaction)
_PATHS: dict[DocumentType, str] = {
    "journal": f"{API}/ManualJournals",
    "bank_receipt": f"{API}/BankTransactions",
    "bank_spend": f"{API}/BankTransactions",
}


class Xero:
    """One organisation of Xero. Satisfies ports.ledger.LedgerAdapter.

    remaining: calls left in each window, as the last answer told. identity: closed with the rest.
    """

    def __init__(
        self,
        config: LedgerConfig,
        auth: Auth,
        *,
        limits: Limits | None = None,
        identity: HttpEngine | None = None,
    ) -> None:
        self._config = config
        self._identity = identity
        self._http = HttpEngine(
            config.base_url.removesuffix(API),
            name="Xero",
            auth=auth,
            limits=limits or Limits(calls_per_minute=config.calls_per_minute),
        )
        self._tenant = config.tenant_id
        self._currency = ""
        self.remaining: dict[str, int] = {}
        self.capabilities = LedgerCapabilities(
            documents_per_call_max=config.documents_per_call,
            journals_on_bank_accounts=False,
            idempotency_window_s=IDEMPOTENCY_WINDOW_S,
            bank_lines=config.bank_lines,
        )

    def organisation(self) -> str:
        """The tenant id: configured, or the only one this connection opens."""
        if not self._tenant:
            answer = self._http.request("GET", "/connections")
            tenants = msgspec.json.decode(answer.body, type=list[wire.Connection])
            if len(tenants) != 1:
                names = ", ".join(f"{one.tenant_name} = {one.tenant_id}" for one in tenants)
                raise ConfigError(f"set ledger.tenant_id to one of: {names or 'none connected'}")
            self._tenant = tenants[0].tenant_id
        return self._tenant

    def currency(self) -> str:
        """Base currency: the only one manual journals can have."""
        if not self._currency:
            self._currency = self._organisation().base_currency
        return self._currency

    def document_type(self, entry: JournalEntry) -> DocumentType:
        """Bank transactions for entries with a bank leg, which Xero refuses in journals (R-6.7)."""
        bank_minor = sum(line.amount_minor for line in entry.lines if wire.is_bank(line.role))
        if bank_minor == 0:
            return "journal"
        return "bank_receipt" if bank_minor > 0 else "bank_spend"

    def post(self, postings: Sequence[Posting]) -> list[PostingOutcome]:
        """One PUT; each document has its own outcome. Other currencies are refused unsent."""
        assert 0 < len(postings) <= self.capabilities.documents_per_call_max, "split the batch"
        assert len({posting.document_type for posting in postings}) == 1, "one type per call"
        base = self.currency()
        mine = [posting for posting in postings if posting.entry.currency == base]
        outcomes = {
            posting.key: PostingOutcome(
                posting.key, "rejected", message=f"{posting.entry.currency} is not {base}, the "
                "organisation's base currency",
            )
            for posting in postings
            if posting.entry.currency != base
        }  # fmt: skip
        if mine:
            outcomes |= {outcome.key: outcome for outcome in self._put(mine)}
        return [outcomes[posting.key] for posting in postings]

    def find(self, postings: Sequence[Posting]) -> Mapping[str, LedgerDocument]:
        """By date range, then by key; a document in force wins over a voided one."""
        found: dict[str, LedgerDocument] = {}
        for is_journal in (True, False):
            some = [one for one in postings if (one.document_type == "journal") == is_journal]
            if not some:
                continue
            wanted = {posting.key for posting in some}
            dates = [posting.entry.ledger_date for posting in some]
            read = self._journals if is_journal else self._transactions
            for document in read(min(dates), max(dates) + timedelta(days=1)):
                if document.key in wanted and (
                    document.key not in found or found[document.key].status != "posted"
                ):
                    found[document.key] = document
        return found

    def documents(self, start: date, end: date) -> list[LedgerDocument]:
        return [*self._journals(start, end), *self._transactions(start, end)]

    def trial_balance(self, on: date) -> Mapping[str, int]:
        """Year-to-date balances; earlier years' profit is in retained earnings, as Xero shows it."""
        answer = self._get(f"{API}/Reports/TrialBalance", {"date": on.isoformat()})
        return wire.read_trial_balance(_decode(answer, wire.Reports), self.currency())

    def lock_date(self) -> date | None:
        """The later of period lock and year-end lock (R-13.5)."""
        organisation = self._organisation()
        texts = (organisation.period_lock_date, organisation.end_of_year_lock_date)
        return max((wire.read_date(text) for text in texts if text), default=None)

    def accounts(self) -> list[Account]:
        return [wire.read_account(one) for one in self._accounts()]

    def bank_lines(self, account_code: str, start: date, end: date) -> list[BankLine] | None:
        """Statement lines of the Finance API; None when not connected or not allowed."""
        if not self._config.bank_lines:
            return None
        ids = [one.account_id for one in self._accounts() if one.code == account_code]
        if not ids:
            raise ConfigError(f"Xero has no account {account_code}")
        last = (end - timedelta(days=1)).isoformat()
        query = {"BankAccountID": ids[0], "FromDate": start.isoformat(), "ToDate": last}
        answer = self._get(f"{FINANCE}/BankStatementsPlus/statements", query, expect=(403, 404))
        if answer.status != 200:
            return None
        statements = _decode(answer, wire.Statements).statements
        return [
            wire.read_bank_line(line, account_code, self.currency())
            for statement in statements
            for line in statement.statement_lines
            if not line.is_deleted
            and not line.is_duplicate
            and start <= wire.read_date(line.posted_date) < end
        ]

    def prepare(self, stores: Iterable[str]) -> None:
        """Add the tracking options that are missing for `stores`; nothing without tracking."""
        if not self._config.tracking:
            return
        category = self._tracking_category()
        path = f"{API}/TrackingCategories/{category.tracking_category_id}/Options"
        for store in sorted(set(stores) - {option.name for option in category.options}):
            try:
                self._call("PUT", path, body=msgspec.json.encode({"Name": store}), idempotent=True)
            except VendorRefused:  # the first try may have made it and lost its answer
                if store not in {option.name for option in self._tracking_category().options}:
                    raise

    def _tracking_category(self) -> wire.TrackingCategory:
        answer = self._get(f"{API}/TrackingCategories")
        categories = _decode(answer, wire.TrackingCategories).tracking_categories
        mine = [one for one in categories if one.name == self._config.tracking]
        if not mine:
            raise ConfigError(f"Xero has no tracking category {self._config.tracking!r}")
        return mine[0]

    def close(self) -> None:
        self._http.close()
        if self._identity is not None:
            self._identity.close()

    def _put(self, postings: Sequence[Posting]) -> list[PostingOutcome]:
        kind = postings[0].document_type
        render = wire.journals_body if kind == "journal" else wire.transactions_body
        answer = self._call(
            "PUT",
            _PATHS[kind],
            body=render(postings, self._config.tracking),
            query={"summarizeErrors": "false"},
            headers={"idempotency-key": batch_key(postings)},
            expect=(400,),
        )
        if answer.status == 400:
            raise PostingRejected(f"Xero refused the batch: {_problem(answer)}")
        written = _written(answer, kind)
        if len(written) != len(postings):
            raise OutcomeUnknown(f"Xero answered {len(written)} of {len(postings)} documents")
        return [_outcome(*pair) for pair in zip(postings, written, strict=True)]

    def _journals(self, start: date, end: date) -> Iterator[LedgerDocument]:
        def page(answer: Response) -> tuple[list[wire.ManualJournal], wire.Paging | None]:
            read = _decode(answer, wire.Journals)
            return read.manual_journals, read.pagination

        for one in self._whole(_PATHS["journal"], start, end, page):
            yield wire.read_journal(one, self.currency())

    def _transactions(self, start: date, end: date) -> Iterator[LedgerDocument]:
        def page(answer: Response) -> tuple[list[wire.BankTransaction], wire.Paging | None]:
            read = _decode(answer, wire.Transactions)
            return read.bank_transactions, read.pagination

        for one in self._whole(_PATHS["bank_receipt"], start, end, page):
            yield wire.read_transaction(one, self.currency())

    def _whole(
        self,
        path: str,
        start: date,
        end: date,
        read: Callable[[Response], tuple[list[_D], wire.Paging | None]],
    ) -> list[_D]:
        """Every document dated in [start, end), once, by id; all of them as of one moment.

        Pages are numbered, so a document that comes, goes or is dated anew meanwhile shifts them:
        one is told twice, or never. Then not every page tells as many as there were, and the list
        is read again; VendorUnavailable after READS_MAX times.
        """
        for _ in range(READS_MAX):
            rows, counts = self._pages(path, start, end, read)
            if counts == {None}:
                return rows
            found = {one.external_id: one for one in rows}
            if counts == {len(found)}:
                return list(found.values())
        raise VendorUnavailable(f"{path} was never the same while its pages were read")

    def _pages(
        self,
        path: str,
        start: date,
        end: date,
        read: Callable[[Response], tuple[list[_D], wire.Paging | None]],
    ) -> tuple[list[_D], set[int | None]]:
        """Rows of every page until an empty one or the told last, and how many each says there are."""
        where = f"Date>={_date_time(start)} AND Date<{_date_time(end)}"
        rows: list[_D] = []
        counts: set[int | None] = set()
        for page in range(1, PAGES_MAX + 1):
            query: dict[str, str | int] = {
                "where": where,
                "order": "Date ASC",
                "page": page,
                "pageSize": PAGE_SIZE,
            }
            items, told = read(self._get(path, query))
            rows += items
            counts.add(told.item_count if told is not None else None)
            if not items or (told is not None and page >= told.page_count):
                return rows, counts
        raise VendorRefused(f"{path} has more than {PAGES_MAX} pages for {start}..{end}")

    def _organisation(self) -> wire.Organisation:
        answer = self._get(f"{API}/Organisation")
        organisation = _decode(answer, wire.Organisations).organisations[0]
        self._currency = organisation.base_currency
        return organisation

    def _accounts(self) -> list[wire.AccountWire]:
        return _decode(self._get(f"{API}/Accounts"), wire.Accounts).accounts

    def _get(
        self,
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        expect: tuple[int, ...] = (),
    ) -> Response:
        return self._call("GET", path, query=query, expect=expect)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: tuple[int, ...] = (),
        idempotent: bool | None = None,
    ) -> Response:
        answer = self._http.request(
            method,
            path,
            json=body,
            query=query,
            headers={"xero-tenant-id": self.organisation(), **(headers or {})},
            expect=expect,
            idempotent=idempotent,
        )
        told = {name: answer.headers.get(name, "") for name in REMAINING}
        self.remaining = {name: int(text) for name, text in told.items() if text.isdigit()}
        return answer


def connect(
    config: LedgerConfig,
    *,
    client_id: str,
    client_secret: str,
    refresh_token: str = "",
    store: TokenStore | None = None,
    clock: Clock | None = None,
    limits: Limits | None = None,
) -> Xero:
    """An adapter from configuration and resolved secrets.

    store and clock are needed for the grant refresh_token. Raises ConfigError without them.
    """
    default = IDENTITY_URL if config.base_url.startswith(API_HOST) else config.base_url
    identity = HttpEngine((config.identity_url or default).removesuffix(API), name="Xero identity")
    if config.grant == "client_credentials":
        auth: Auth = ClientCredentials(identity, client_id, client_secret, config.scopes)
    elif store is None or clock is None:
        raise ConfigError("the grant refresh_token needs a place for its rotating tokens")
    else:
        auth = RotatingToken(
            identity,
            client_id,
            client_secret,
            store=store,
            configured=refresh_token,
            clock=clock,
        )
    return Xero(config, auth, limits=limits, identity=identity)


def batch_key(postings: Sequence[Posting]) -> str:
    """Idempotency-Key of a call: the same documents give the same key, any other body another.

    So a body that shrank, because some documents were found, never meets the key of the first.
    """
    parts = [f"{posting.key}:{posting.entry.content_hash}" for posting in postings]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _written(answer: Response, kind: DocumentType) -> Sequence[wire.Written]:
    """Documents of an answered PUT. What cannot be read may have been written: OutcomeUnknown."""
    try:
        found = _decode(answer, wire.WrittenDocuments)
    except VendorRefused as error:
        raise OutcomeUnknown(error.message) from error
    return found.manual_journals if kind == "journal" else found.bank_transactions


def _outcome(posting: Posting, written: wire.Written) -> PostingOutcome:
    """In the order sent. One that has an id and no text was written: it is never sent again."""
    text = written.text
    refused = written.status_attribute_string == "ERROR" or bool(written.validation_errors)
    is_known = refused or bool(written.external_id)
    if wire.key_in(text) != posting.key and (text or not is_known):
        return PostingOutcome(posting.key, "unknown", message="answered out of order")
    if refused:
        messages = "; ".join(one.message for one in written.validation_errors)
        entry = posting.entry
        return PostingOutcome(
            posting.key,
            "rejected",
            message=f"Xero rejected {entry.kind} {entry.store} {entry.business_date}: {messages}",
        )
    return PostingOutcome(posting.key, "posted", written.external_id)


def _date_time(day: date) -> str:
    return f"DateTime({day.year},{day.month:02d},{day.day:02d})"


def _problem(answer: Response) -> str:
    return answer.body[:500].decode("utf-8", "replace")


def _decode(answer: Response, kind: type[_T]) -> _T:
    """Raises VendorRefused for an answer that is not what the documentation says."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise VendorRefused(
            f"Xero's answer from {answer.url} is not understood: {error}"
        ) from error


ADAPTER = Xero
