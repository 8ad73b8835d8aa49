"""The HTTP face of a seller: tokens, JSON, errors, faults, webhook dispatch. No rule lives here."""

from __future__ import annotations

import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from cloud_conductor.sandbox.http import Answer, Request, Simulator, StateFile
from cloud_conductor.sandbox.square import oauth
from cloud_conductor.sandbox.square.errors import SquareError, invalid, unauthorized
from cloud_conductor.sandbox.square.events import API_VERSION
from cloud_conductor.sandbox.square.seller import Seller
from cloud_conductor.sandbox.square.state import Ask
from cloud_conductor.sandbox.square.webhooks import Dispatcher
from cloud_conductor.sandbox.till import Counter, Panel, counter, document

DEFAULT_TOKEN = "sandbox-square-token"  # noqa: S105 - a published default that opens nothing real
PAGE_ROWS_SMALL = "3"
OPEN_PATHS = ("/sandbox/", "/oauth2/")


def simulator(
    seller: Seller,
    *,
    token: str = DEFAULT_TOKEN,
    state: Path | None = None,
    retry_seconds: float = 0.5,
    panel: Panel | None = None,
) -> Simulator:
    """Make the ASGI application of a seller.

    token: a personal access token that never expires; OAuth tokens work beside it.
    state: file that keeps the seller over restarts. panel: the till's switches of faults.
    """
    state_file = StateFile(state, seller) if state else None
    dispatcher = Dispatcher(seller.state, retry_seconds)
    face = _Face(seller, dispatcher, token, Counter(token, panel))
    return Simulator(
        face.handle,
        seller.state.faults,
        state_file,
        (dispatcher.run,),
        _fault_answer,
        seller.state.clock,
    )


class _Face:
    """Turns HTTP requests into calls of a seller."""

    def __init__(self, seller: Seller, dispatcher: Dispatcher, token: str, till: Counter) -> None:
        self._seller, self._dispatcher, self._token = seller, dispatcher, token
        self._till = till

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        try:
            return self._answer(request)
        except SquareError as refusal:
            return Answer.json(refusal.json(), refusal.status)

    def _answer(self, request: Request) -> Answer:
        if not request.path.startswith(OPEN_PATHS) and not self._is_authorized(request):
            raise unauthorized()
        if request.path.startswith(counter.PREFIX):
            return self._till.answer(request)
        if request.path.startswith(document.PREFIX):
            return self._document(request.path.removeprefix(document.PREFIX))
        if request.path == "/oauth2/authorize":
            target = oauth.authorize(self._seller.state, Ask({}, {}, request.query))
            return Answer(302, b"", {"location": target})
        body = _body(request)
        request = self._between_pages(request, body)
        raw = self._seller.call_raw(request.method, request.path, body, request.query)
        self._dispatcher.wake()
        version = request.headers.get("square-version", API_VERSION)
        return Answer(200, raw, {"square-version": version})

    def _between_pages(self, request: Request, body: dict[str, Any]) -> Request:
        """What may happen while a client reads one page after another; the request as it counts."""
        draw = self._seller.state.faults.draw
        if not request.path.startswith("/sandbox/") and draw(
            "small_pages", request.method, request.path
        ):
            request = replace(request, query={**request.query, "limit": PAGE_ROWS_SMALL})
            body |= {"limit": int(PAGE_ROWS_SMALL)}
        cursor = body.get("cursor") or request.query.get("cursor")
        if not cursor or request.path.startswith("/sandbox/"):
            return request
        if draw("cursor_reset", request.method, request.path):
            raise invalid("INVALID_CURSOR", "The cursor is not valid.", "cursor")
        if draw("page_shift", request.method, request.path):
            self._seller.shift(request.path, str(cursor))
        return request

    def _document(self, id_: str) -> Answer:
        """A sale, payment, refund or payout as a page for people."""
        if id_ == "style.css":
            return document.style()
        for kind in ("orders", "payments", "refunds", "payouts"):
            if id_ in self._seller.state.table(kind):
                found = self._seller.call("GET", f"/v2/{kind}/{id_}")
                return document.page("Square", kind.removesuffix("s"), found, id_=id_)
        return document.page("Square", "document", None, id_=id_)

    def _is_authorized(self, request: Request) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return False
        if self._seller.state.faults.draw("expire_token", request.method, request.path):
            oauth.expire(self._seller.state, given)
            return False
        known = hmac.compare_digest(given.encode(), self._token.encode())
        return known or oauth.is_alive(self._seller.state, given)


def _body(request: Request) -> dict[str, Any]:
    """Body of a request as a JSON object; refuses anything else."""
    try:
        body = request.json()
    except msgspec.DecodeError:
        raise invalid("EXPECTED_JSON_BODY", "The request body is not JSON.") from None
    if body is not None and not isinstance(body, dict):
        raise invalid("EXPECTED_OBJECT", "The request body is not a JSON object.")
    return body or {}


def _fault_answer(status: int, message: str, headers: dict[str, str]) -> Answer:
    """Planned fault in Square's error shape."""
    if status == 429:
        refusal = SquareError(429, "RATE_LIMIT_ERROR", "RATE_LIMITED", message)
    else:
        refusal = SquareError(status, "API_ERROR", "INTERNAL_SERVER_ERROR", message)
    return Answer.json(refusal.json(), status, headers)
