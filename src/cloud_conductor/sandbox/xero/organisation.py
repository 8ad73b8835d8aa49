"""One Xero organisation behind one entry: `Organisation.call`.

Idempotency keys as Xero keeps them: the same key with the same request within six minutes gives the
stored answer again, errors too; after that the key is forgotten and the request is carried out anew.
Sources: Xero Developer, "Accounting API", "Idempotency", "OAuth 2.0 API limits".
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.xero import (
    accounts,
    bank,
    contacts,
    journals,
    ledger,
    reports,
    statements,
    tracking,
)
from cloud_conductor.sandbox.xero.books import Books, Call, StoredAnswer, TrackingCategory
from cloud_conductor.sandbox.xero.dump import dump
from cloud_conductor.sandbox.xero.pace import Pace
from cloud_conductor.sandbox.xero.wire import (
    Ask,
    XeroError,
    decode,
    encode,
    ms_date,
    ms_instant,
    not_found,
    parse_date,
    post_data_invalid,
    problem,
    refusal,
)

ACCOUNTING = "/api.xro/2.0"
FINANCE = "/finance.xro/1.0"
KEY_WINDOW_S = 6 * 60
KEY_LENGTH_MAX = 128
WRITES = ("PUT", "POST")
JOURNALS_TIER = "The Journals endpoint needs the Advanced app tier"

Handler = Callable[[Books, Ask], dict[str, Any]]


def _organisation(books: Books, _ask: Ask) -> dict[str, Any]:
    """GET /Organisation, with the lock dates that are set."""
    shown: dict[str, Any] = {
        "Name": books.name,
        "LegalName": books.name,
        "PaysTax": True,
        "Version": "US" if books.country == "US" else "GLOBAL",
        "OrganisationType": "COMPANY",
        "OrganisationEntityType": "COMPANY",
        "BaseCurrency": books.currency,
        "CountryCode": books.country,
        "IsDemoCompany": True,
        "OrganisationStatus": "ACTIVE",
        "FinancialYearEndDay": 31,
        "FinancialYearEndMonth": books.year_end_month,
        "SalesTaxBasis": "ACCRUAL",
        "SalesTaxPeriod": "MONTHLY",
        "CreatedDateUTC": ms_instant(books.created_at),
        "Timezone": "EASTERNSTANDARDTIME",
        "ShortCode": "!sbox1",
        "OrganisationID": books.organisation_id,
        "Edition": "BUSINESS",
        "Class": "DEMO",
        "Addresses": [],
        "Phones": [],
        "ExternalLinks": [],
        "PaymentTerms": {},
    }
    if books.period_lock is not None:
        shown["PeriodLockDate"] = ms_date(books.period_lock)
    if books.year_lock is not None:
        shown["EndOfYearLockDate"] = ms_date(books.year_lock)
    return {"Organisations": [shown]}


_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", f"{ACCOUNTING}/Organisation", _organisation),
    ("GET", f"{ACCOUNTING}/Accounts", accounts.read_many),
    ("PUT", f"{ACCOUNTING}/Accounts", accounts.create),
    ("GET", f"{ACCOUNTING}/Accounts/{{AccountID}}", accounts.read_one),
    ("POST", f"{ACCOUNTING}/Accounts/{{AccountID}}", accounts.update),
    ("GET", f"{ACCOUNTING}/TrackingCategories", tracking.read_many),
    ("PUT", f"{ACCOUNTING}/TrackingCategories", tracking.create),
    ("GET", f"{ACCOUNTING}/TrackingCategories/{{TrackingCategoryID}}", tracking.read_one),
    ("POST", f"{ACCOUNTING}/TrackingCategories/{{TrackingCategoryID}}", tracking.update),
    (
        "PUT",
        f"{ACCOUNTING}/TrackingCategories/{{TrackingCategoryID}}/Options",
        tracking.create_options,
    ),
    (
        "POST",
        f"{ACCOUNTING}/TrackingCategories/{{TrackingCategoryID}}/Options/{{TrackingOptionID}}",
        tracking.update_option,
    ),
    ("GET", f"{ACCOUNTING}/ManualJournals", journals.read_many),
    ("PUT", f"{ACCOUNTING}/ManualJournals", journals.write_many),
    ("POST", f"{ACCOUNTING}/ManualJournals", journals.write_many),
    ("GET", f"{ACCOUNTING}/ManualJournals/{{ManualJournalID}}", journals.read_one),
    ("POST", f"{ACCOUNTING}/ManualJournals/{{ManualJournalID}}", journals.write_many),
    ("GET", f"{ACCOUNTING}/BankTransactions", bank.read_many),
    ("PUT", f"{ACCOUNTING}/BankTransactions", bank.write_many),
    ("POST", f"{ACCOUNTING}/BankTransactions", bank.write_many),
    ("GET", f"{ACCOUNTING}/BankTransactions/{{BankTransactionID}}", bank.read_one),
    ("POST", f"{ACCOUNTING}/BankTransactions/{{BankTransactionID}}", bank.write_many),
    ("GET", f"{ACCOUNTING}/Contacts", contacts.read_many),
    ("PUT", f"{ACCOUNTING}/Contacts", contacts.write_many),
    ("POST", f"{ACCOUNTING}/Contacts", contacts.write_many),
    ("GET", f"{ACCOUNTING}/Contacts/{{ContactID}}", contacts.read_one),
    ("GET", f"{ACCOUNTING}/Journals", ledger.read_many),
    ("GET", f"{ACCOUNTING}/Reports/TrialBalance", reports.trial_balance),
    ("GET", f"{ACCOUNTING}/Reports/BankSummary", reports.bank_summary),
    ("GET", f"{ACCOUNTING}/Reports/ProfitAndLoss", reports.profit_and_loss),
    ("GET", f"{FINANCE}/BankStatementsPlus/statements", statements.read_many),
)
_COMPILED = tuple(
    (method, path, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), handler)
    for method, path, handler in _ROUTES
)


class Organisation:
    """The books of one company and the rules they are kept by.

    clock: stamps documents. pace: vendor time for idempotency keys. Not thread safe: one caller.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        name: str = "Corner Shop (sandbox)",
        currency: str = "USD",
        chart: Iterable[tuple[str, ...]] = accounts.DEFAULT_CHART,
        clock: SandboxClock | None = None,
        pace: Pace | None = None,
        advanced_tier: bool = False,
    ) -> None:
        """Open new books with a chart and the tracking category "Store", still without options."""
        self.clock = clock or SandboxClock()
        self.pace = pace or Pace()
        self.advanced_tier = advanced_tier
        self.revision = 0
        self._answered = 0
        self._kept: dict[tuple[str, ...], list[Any]] = {}
        self._kept_at = -1
        now = self.clock.now()
        self.books = Books(
            seed=seed,
            name=name,
            currency=currency,
            country="US" if currency == "USD" else "GB",
            organisation_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox-xero:{seed}")),
            created_at=now,
        )
        accounts.open_chart(self.books, chart, now)
        store = TrackingCategory(category_id=self.books.guid(), name="Store")
        self.books.tracking[store.category_id] = store

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and JSON body of one API call; every refusal is an answer, none is raised.

        path: from `/api.xro/2.0` or `/finance.xro/1.0`. body: JSON value, fractions as Decimal.
        """
        named = {name.lower(): value for name, value in (headers or {}).items()}
        if self._kept_at != self.revision:
            self._kept_at, self._kept = self.revision, {}
        ask = Ask(method, path, {}, dict(query or {}), named, body, self.clock.now(), self._kept)
        try:
            template, handler, params = self._route(method, path)
            self._count(method, template)
            ask = replace(ask, params=params)
            if handler is ledger.read_many and not self.advanced_tier:
                raise problem(403, "Forbidden", JOURNALS_TIER)
            if method not in WRITES:
                return 200, {}, self._enveloped(path, handler(self.books, ask))
            return self._write(handler, ask)
        except XeroError as error:
            return error.status, dict(error.headers), error.body

    def lock(self, period: date | None, year: date | None = None) -> None:
        """Set the lock dates; documents dated on or before are refused. None lifts one."""
        self.books.period_lock, self.books.year_lock = period, year
        self.revision += 1

    def load_bank_lines(self, rows: Any) -> list[str]:
        """Import lines of the bank's statement; see statements.load."""
        ids = statements.load(self.books, rows, self.clock.now())
        self.revision += 1
        return ids

    def shift_journals(self, query: dict[str, str]) -> None:
        """Let a stranger make a draft before all that a list shows, or date it out of there again.

        So a page that is read later begins a row sooner, or a row later.
        """
        ask = Ask("GET", "", {}, query, {}, None, self.clock.now())
        journals.shift(self.books, ask)
        self.revision += 1

    def set_lock(self, body: Any) -> dict[str, Any]:
        """The lock dates of `{"date"}` (period) and `{"year_end"}`, ISO days or null."""
        if not isinstance(body, dict):
            raise post_data_invalid('{"date": "2026-10-31"} is needed')
        try:
            period, year = (
                parse_date(body[name]) if body.get(name) else None for name in ("date", "year_end")
            )
        except ValueError:
            raise post_data_invalid(f"not a day: {body}") from None
        self.lock(period, year)
        return {"period_lock_date": period, "end_of_year_lock_date": year}

    def dump(self) -> dict[str, Any]:
        """Everything the organisation holds, for a judge outside; see dump.dump."""
        return dump(self.books)

    def _write(self, handler: Handler, ask: Ask) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Carry out a write, or give the stored answer of its idempotency key."""
        key = ask.idempotency_key
        if key is not None and not 0 < len(key) <= KEY_LENGTH_MAX:
            message = f"The Idempotency-Key may have 1 to {KEY_LENGTH_MAX} characters"
            raise refusal(10, "ValidationException", message)
        self.revision += 1
        fingerprint = _fingerprint(ask)
        if key is not None and (stored := self._stored(key)):
            if stored.fingerprint != fingerprint:
                message = "The Idempotency-Key was used with a different request"
                raise refusal(10, "ValidationException", message)
            answer: dict[str, Any] = decode(stored.body)
            self._log(ask, stored.status, answer, replayed=True)
            return stored.status, {}, answer
        try:
            status, answer = 200, self._enveloped(ask.path, handler(self.books, ask))
        except XeroError as error:
            status, answer = error.status, error.body
        if key is not None:
            self.books.answers[key] = StoredAnswer(
                at_s=self.pace.elapsed_s(),
                fingerprint=fingerprint,
                status=status,
                body=encode(answer),
            )
        self._log(ask, status, answer, replayed=False)
        return status, {}, answer

    def _stored(self, key: str) -> StoredAnswer | None:
        """The stored answer of a key still inside its window; older keys are forgotten."""
        oldest = self.pace.elapsed_s() - KEY_WINDOW_S
        answers = self.books.answers
        for name in [name for name, one in answers.items() if one.at_s <= oldest]:
            del answers[name]
        return answers.get(key)

    def _log(self, ask: Ask, status: int, answer: dict[str, Any], *, replayed: bool) -> None:
        documents = [
            str(item[name])
            for collection, name in (
                ("ManualJournals", "ManualJournalID"),
                ("BankTransactions", "BankTransactionID"),
            )
            for item in answer.get(collection, ())
            if item.get("StatusAttributeString") != "ERROR"
        ]
        call = Call(
            seq=len(self.books.calls) + 1,
            at=ask.now,
            method=ask.method,
            path=ask.path,
            status=status,
            idempotency_key=ask.idempotency_key,
            replayed=replayed,
            documents=documents,
        )
        self.books.calls.append(call)

    def _count(self, method: str, template: str) -> None:
        name = f"{method} {template}"
        self.books.call_counts[name] = self.books.call_counts.get(name, 0) + 1

    def _route(self, method: str, path: str) -> tuple[str, Handler, dict[str, str]]:
        """Template, handler and `{Names}` of a path; XeroError 404 or 405 if there is none."""
        allowed = False
        for verb, template, pattern, handler in _COMPILED:
            if found := pattern.fullmatch(path.rstrip("/")):
                if verb == method:
                    return template, handler, found.groupdict()
                allowed = True
        if allowed:
            raise problem(405, "Method Not Allowed", f"{method} is not supported here")
        raise not_found()

    def _enveloped(self, path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if not path.startswith(ACCOUNTING):
            return answer
        self._answered += 1
        head = {
            "Id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"answer:{self._answered}")),
            "Status": "OK",
            "ProviderName": "Cloud Conductor sandbox",
            "DateTimeUTC": ms_instant(self.clock.now()),
        }
        return {**head, **answer}

    def snapshot(self) -> bytes:
        """The state as JSON bytes."""
        return msgspec.json.encode(self.books)

    def restore(self, data: bytes) -> None:
        """Take up the state of a snapshot."""
        self.books = msgspec.json.decode(data, type=Books)
        self._kept_at = -1


def read_chart(data: bytes) -> list[tuple[str, ...]]:
    """Rows for `chart` from JSON: `[{"code", "name", "type", "system_account"?}]` or lists of them.

    Raises ValueError for anything else.
    """
    rows = msgspec.json.decode(data)
    if not isinstance(rows, list) or not rows:
        raise ValueError("a chart is a JSON list of accounts")
    chart: list[tuple[str, ...]] = []
    names = ("code", "name", "type", "system_account")
    for given in rows:
        row = [given[n] for n in names if given.get(n)] if isinstance(given, dict) else given
        if not isinstance(row, list) or len(row) < 3 or not all(isinstance(v, str) for v in row):
            raise ValueError(f"not an account: {given}")
        chart.append(tuple(row))
    return chart


def _fingerprint(ask: Ask) -> str:
    """What makes two requests the same: method, path, query and body."""
    parts = [ask.method, ask.path, sorted(ask.query.items()), ask.body]
    return hashlib.sha256(encode(parts)).hexdigest()
