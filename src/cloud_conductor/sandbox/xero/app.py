"""The HTTP side of the Xero simulator: tokens, tenant, rate limits, faults, the sandbox's own doors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from cloud_conductor.sandbox import http
from cloud_conductor.sandbox.clock import SandboxClock, format_instant, parse_instant
from cloud_conductor.sandbox.faults import DRIFT, REQUEST_FAULTS, WRITES, FaultPlan
from cloud_conductor.sandbox.http import Answer, Request
from cloud_conductor.sandbox.till import document
from cloud_conductor.sandbox.xero.accounts import DEFAULT_CHART
from cloud_conductor.sandbox.xero.auth import CLIENT_ID, CLIENT_SECRET, Grants, Identity
from cloud_conductor.sandbox.xero.limits import Limits
from cloud_conductor.sandbox.xero.organisation import (
    ACCOUNTING,
    FINANCE,
    Organisation,
    read_chart,
)
from cloud_conductor.sandbox.xero.pace import Pace
from cloud_conductor.sandbox.xero.wire import (
    XeroError,
    decode,
    encode,
    post_data_invalid,
    problem,
)

BODY_BYTES_MAX = 3_500_000
API = (f"{ACCOUNTING}/", f"{FINANCE}/")
KINDS = (*(kind for kind in REQUEST_FAULTS if kind != "cursor_reset"), DRIFT)
"""Faults that can strike: its lists have numbered pages, no cursors, and it sends no webhooks."""
JOURNALS = f"{ACCOUNTING}/ManualJournals"
PAGE_ROWS_SMALL = "3"
Question = tuple[str, str, str]
"""Path, `where` and `order`: what makes two pages those of one list."""


class Saved(msgspec.Struct, kw_only=True):
    """The state file: books as Organisation.snapshot gives them, grants, vendor seconds."""

    books: msgspec.Raw
    grants: Grants
    elapsed_s: float
    now: str | None


@dataclass
class XeroSandbox:
    """One organisation on HTTP; satisfies http.Persistent."""

    organisation: Organisation
    identity: Identity
    limits: Limits
    faults: FaultPlan = field(default_factory=lambda: FaultPlan(kinds=KINDS))
    clock_is_set: bool = False
    _revision: int = 0
    _small: set[Question] = field(default_factory=set)

    @property
    def revision(self) -> int:
        """Changes whenever `snapshot` would, vendor time aside."""
        return self._revision + self.organisation.revision + self.identity.revision

    @revision.setter
    def revision(self, value: int) -> None:
        self._revision = value

    def snapshot(self) -> bytes:
        """Books, tokens and clocks, as JSON."""
        saved = Saved(
            books=msgspec.Raw(self.organisation.snapshot()),
            grants=self.identity.grants,
            elapsed_s=self.organisation.pace.elapsed_s(),
            now=format_instant(self.organisation.clock.now()) if self.clock_is_set else None,
        )
        return msgspec.json.encode(saved)

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot. The documents' clock is taken up only if a scenario had set it."""
        saved = msgspec.json.decode(data, type=Saved)
        self.organisation.restore(bytes(saved.books))
        self.identity.grants = saved.grants
        if saved.now is not None:
            self.clock_is_set = True
            self.organisation.clock.set(parse_instant(saved.now))
        pace = self.organisation.pace
        pace.advance(max(0.0, saved.elapsed_s - pace.elapsed_s()))

    async def handle(self, request: Request) -> Answer:
        """Answer one request; refusals are answers."""
        try:
            if request.path.startswith(API):
                return self._call(request)
            if request.path.startswith("/sandbox/"):
                return self._control(request)
            return self._identify(request)
        except XeroError as error:
            return _answer(error.status, error.body, error.headers)

    def _call(self, request: Request) -> Answer:
        """One API call: token, tenant, form, limits, then the organisation."""
        if self.faults.draw("expire_token", request.method, request.path):
            self.identity.expire(request.headers.get("authorization", ""))
        access = self.identity.check(request.headers.get("authorization", ""))
        tenant = request.headers.get("xero-tenant-id", "")
        if tenant != self.organisation.books.organisation_id and (tenant or not access.custom):
            raise problem(403, "Forbidden", "AuthenticationUnsuccessful: xero-tenant-id")
        if "application/json" not in request.headers.get("accept", ""):
            detail = "Send `Accept: application/json`; without it Xero answers XML, this does not"
            raise problem(406, "Not Acceptable", detail)
        try:
            self.limits.take()
            if len(request.body) > BODY_BYTES_MAX:
                raise problem(413, "Content Too Large", "A request may have 3.5 MB at most")
            body = decode(request.body) if request.body else None
        except XeroError as error:
            return _answer(error.status, error.body, error.headers | self.limits.headers())
        status, headers, answer = self.organisation.call(
            request.method, request.path, body, self._between_pages(request), request.headers
        )
        return _answer(status, answer, headers | self.limits.headers())

    def _between_pages(self, request: Request) -> dict[str, str]:
        """What may happen while a client reads one page after another; the query as it counts.

        Pages that are small are so from a list's first page to its last, or rows would be skipped.
        """
        query, draw = request.query, self.faults.draw
        if request.method != "GET" or "page" not in query:
            return query
        question = (request.path, query.get("where", ""), query.get("order", ""))
        if query["page"] == "1":
            self._small.discard(question)
            if draw("small_pages", request.method, request.path):
                self._small.add(question)
        elif request.path == JOURNALS and draw("page_shift", request.method, request.path):
            self.organisation.shift_journals(query)
        return {**query, "pageSize": PAGE_ROWS_SMALL} if question in self._small else query

    def _identify(self, request: Request) -> Answer:
        """The identity service and GET /connections."""
        authorization = request.headers.get("authorization", "")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        match request.method, request.path.rstrip("/").lower():
            case "GET", "/identity/connect/authorize":
                target = self.identity.authorize(request.query)
                return Answer(302, b"", {"location": target})
            case "POST", "/connect/token":
                return _answer(200, self.identity.token(form, authorization))
            case "POST", "/connect/revocation":
                self.identity.revoke(form, authorization)
                return _answer(200, {})
            case "GET", "/connections":
                self.identity.check(authorization)
                return _answer(200, [self._connection()])
            case _:
                raise problem(404, "Not Found", f"{request.method} {request.path}")

    def _connection(self) -> dict[str, Any]:
        books = self.organisation.books
        made = f"{books.created_at:%Y-%m-%dT%H:%M:%S}.0000000Z"
        return {
            "id": books.organisation_id,
            "authEventId": books.organisation_id,
            "tenantId": books.organisation_id,
            "tenantType": "ORGANISATION",
            "tenantName": books.name,
            "createdDateUtc": made,
            "updatedDateUtc": made,
        }

    def _control(self, request: Request) -> Answer:
        """Doors that the real vendor does not have: health, dump, clock, lock, bank lines, pages."""
        if request.path.startswith(document.PREFIX):
            return self._document(request.path.removeprefix(document.PREFIX))
        match request.method, request.path:
            case "GET", "/sandbox/health":
                return _answer(200, self._health())
            case "GET", "/sandbox/dump":
                return _answer(200, self.organisation.dump())
            case "POST", "/sandbox/clock":
                return _answer(200, self._set_clock(decode(request.body)))
            case "POST", "/sandbox/lock":
                return _answer(200, self.organisation.set_lock(decode(request.body)))
            case "POST", "/sandbox/bank-lines":
                ids = self.organisation.load_bank_lines(decode(request.body))
                return _answer(200, {"imported": ids})
            case _:
                raise problem(404, "Not Found", f"{request.method} {request.path}")

    def _document(self, id_: str) -> Answer:
        """A manual journal or bank transaction as a page for people."""
        if id_ == "style.css":
            return document.style()
        books = self.organisation.dump()
        kinds = ("manual_journals", "bank_transactions")
        found = next((one for kind in kinds for one in books[kind] if one["id"] == id_), None)
        return document.page("Xero", "ledger document", found, id_=id_)

    def _health(self) -> dict[str, Any]:
        organisation = self.organisation
        return {
            "status": "ok",
            "vendor": "xero",
            "organisation_id": organisation.books.organisation_id,
            "now": format_instant(organisation.clock.now()),
            "time_scale": organisation.pace.scale,
            "vendor_elapsed_s": organisation.pace.elapsed_s(),
            "advanced_tier": organisation.advanced_tier,
            "rate_limited": self.limits.refused,
            "writes": len(organisation.books.calls),
            "faults": self.faults.describe(),
        }

    def _set_clock(self, body: Any) -> dict[str, Any]:
        """Set any of `now` and `scale` (documents' clock), `time_scale` and `advance_s` (vendor time).

        advance_s: vendor seconds that pass at once; the documents' clock goes on with them.
        """
        clock, pace = self.organisation.clock, self.organisation.pace
        try:
            if "now" in body or "scale" in body:
                instant = parse_instant(body["now"]) if "now" in body else clock.now()
                scale = float(body["scale"]) if "scale" in body else None
                clock.set(instant, scale=scale)
                self.clock_is_set = True
            if "time_scale" in body:
                pace.set_scale(float(body["time_scale"]))
            if "advance_s" in body:
                seconds = float(body["advance_s"])
                pace.advance(seconds)
                clock.set(clock.now() + timedelta(seconds=seconds))
        except (ValueError, TypeError) as wrong:
            raise post_data_invalid(f"not a clock setting: {wrong}") from wrong
        self._revision += 1
        return {"now": format_instant(clock.now()), "time_scale": pace.scale}


@dataclass(frozen=True, slots=True)
class ConcurrencyGate:
    """Counts API requests under way and refuses the sixth (X-Rate-Limit-Problem: concurrent)."""

    app: http.ASGIApp
    limits: Limits

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        """Pass the request on, or answer 429."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self.app(scope, receive, send)
            return
        if self.limits.in_flight >= self.limits.concurrent_max:
            error = self.limits.refuse("concurrent", 1)
            answer = _answer(error.status, error.body, error.headers | self.limits.headers())
            while (await receive()).get("more_body"):
                pass
            await _send(answer, send)
            return
        self.limits.in_flight += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.limits.in_flight -= 1


def build(
    *,
    seed: int = 0,
    clock: str | None = None,
    clock_scale: float = 1.0,
    time_scale: float = 1.0,
    currency: str = "USD",
    chart: Path | None = None,
    lose_replies: float = 0.0,
    advanced_tier: bool = False,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
) -> XeroSandbox:
    """A sandbox ready to be served. clock: RFC 3339 instant the documents' clock starts at.

    time_scale: vendor seconds per real second, for limits, idempotency keys and tokens.
    lose_replies: share of writes whose answer is lost. Raises ValueError for a bad chart or instant.
    """
    pace = Pace(time_scale)
    start = parse_instant(clock) if clock else None
    organisation = Organisation(
        seed=seed,
        currency=currency,
        chart=read_chart(chart.read_bytes()) if chart else DEFAULT_CHART,
        clock=SandboxClock(start, clock_scale),
        pace=pace,
        advanced_tier=advanced_tier,
    )
    faults = FaultPlan(seed, kinds=KINDS)
    if lose_replies:
        faults.plan(
            {"lose_reply": {"probability": lose_replies, "path": ACCOUNTING, "methods": WRITES}}
        )
    identity = Identity(pace=pace, seed=seed, client_id=client_id, client_secret=client_secret)
    return XeroSandbox(organisation, identity, Limits(pace), faults, clock_is_set=start is not None)


def application(sandbox: XeroSandbox, state: Path | None = None) -> http.ASGIApp:
    """The ASGI application of a sandbox; with `state`, loaded from and kept in that file."""
    simulator = http.Simulator(
        handle=sandbox.handle,
        faults=sandbox.faults,
        state=http.StateFile(state, sandbox) if state else None,
        fault_answer=_fault_answer,
    )
    return ConcurrencyGate(simulator, sandbox.limits)


def start(
    sandbox: XeroSandbox | None = None, *, port: int = 0, state: Path | None = None
) -> http.Running:
    """Serve a sandbox from a background thread of this process."""
    return http.start(application(sandbox or build(), state), port=port)


def run(
    *,
    port: int = 0,
    state: Path | None = None,
    tell: Callable[[str], object] = print,
    **options: Any,
) -> None:
    """`conductor sandbox xero`: serve until interrupted. options: as of `build`."""
    sandbox = build(**options)
    tell(f"xero sandbox: organisation {sandbox.organisation.books.organisation_id}")
    tell(f"client id {sandbox.identity.client_id}  secret {sandbox.identity.client_secret}")
    scale = sandbox.organisation.pace.scale
    tell(f"time scale {scale:g}: one of Xero's minutes takes {60 / scale:g} s here")
    http.serve(application(sandbox, state), port=port)


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, encode(body), headers or {})


def _fault_answer(status: int, message: str, headers: dict[str, str]) -> Answer:
    """A planned fault in Xero's shape; a planned 429 looks like a full minute."""
    title = "Too Many Requests" if status == 429 else "Internal Server Error"
    told = {"X-Rate-Limit-Problem": "minute", **headers} if status == 429 else headers
    return _answer(status, problem(status, title, message).body, told)


async def _send(answer: Answer, send: Callable[[Any], Awaitable[None]]) -> None:
    headers = {**answer.headers, "content-type": "application/json"}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
