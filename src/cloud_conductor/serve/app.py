"""REST, the stream of live figures, sign-in and the console: one Starlette application.

Made on the first request that is not a webhook, so that a machine that only takes webhooks never
loads it. Every answer is worked out in a thread; the loop only carries bytes.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Incoming
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_conductor.domain.errors import ConductorError, NotAuthenticated
from cloud_conductor.governance import flow
from cloud_conductor.serve import openapi, rest
from cloud_conductor.serve.answering import (
    Answer,
    Door,
    Request,
    body_of,
    encoded,
    headers_of,
    refusal,
)
from cloud_conductor.serve.auth import SIGN_INS_PER_MINUTE, Front, cookies
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.oidc import Provider
from cloud_conductor.serve.problems import JSON_BYTES_MAX, Refused, of_error, problem
from cloud_conductor.serve.rest.endpoint import Endpoint, Nothing
from cloud_conductor.serve.rest.session import Session, session
from cloud_conductor.serve.sse import Streams
from cloud_conductor.wiring.house import House

API = "/api/v1"
STATE_COOKIE = "conductor-sign-in"
SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000; includeSubDomains"


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key, to open a session in a browser."""

    key: str


SIGN_IN = Endpoint("POST", "/session", session, Session, permission="", body=SignIn, keyed=False)


class Api:
    """Everything but webhooks, behind one callable. `close` ends the streams and the threads."""

    def __init__(self, house: House, *, fallback: ASGIApp | None = None) -> None:
        self.desk = Desk(house)
        self.front = Front(house.config.serve, house.config.gateway.host)
        self.door = Door(self.desk, self.front)
        self.streams = Streams(self.desk)
        self.sign_ins_per_minute = SIGN_INS_PER_MINUTE
        self.fallback = fallback
        self.provider = _provider(house, self.desk)
        self.app = Starlette(
            routes=[*self._routes()],
            exception_handlers={HTTPException: _http_failure, Exception: _failure},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, self._guarded(scope, send))

    async def close(self) -> None:
        await self.streams.close()
        self.desk.close()

    def _routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            Route("/login", self.login, methods=["GET"]),
            Route("/login/oidc", self.oidc, methods=["GET"]),
            Route("/login/oidc/callback", self.oidc_callback, methods=["GET"]),
            Route(f"{API}/session", self.session, methods=["GET", "POST", "DELETE"]),
            Route(f"{API}/stream", self.stream, methods=["GET"]),
            Route(f"{API}/openapi.json", self.openapi, methods=["GET"]),
        ]
        for path, methods in by_path(rest.endpoints()).items():
            if path != "/session":
                found.append(Route(f"{API}{path}", _Place(self, methods)))
        found.append(Route("/{rest:path}", self.other))
        return found

    async def answer(self, endpoint: Endpoint, incoming: Incoming) -> Response:
        """One request through one endpoint, in a thread."""
        request = await self.read(incoming)
        if isinstance(request, Answer):
            return _response(request)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self.desk.pool, self.door.answer, endpoint, request)
        return _response(answer)

    async def read(self, incoming: Incoming) -> Request | Answer:
        """The whole request, or 413."""
        body = b""
        try:
            async for part in incoming.stream():
                body += part
                if len(body) > JSON_BYTES_MAX:
                    told = f"a request has at most {JSON_BYTES_MAX} bytes"
                    return refusal(problem(413, "CC-230", told), {"Connection": "close"})
        except ClientDisconnect:
            return Answer(400)
        return Request(
            method=incoming.method,
            path=incoming.url.path,
            query=incoming.query_params.multi_items(),
            headers=headers_of(incoming.scope["headers"]),
            path_params=incoming.path_params,
            body=body,
            source=incoming.client.host if incoming.client else "",
        )

    async def login(self, incoming: Incoming) -> Response:
        """A one-time link: opens a session, then shows the console."""
        request = await self.read(incoming)
        token = incoming.query_params.get("t", "")
        target = _own_path(incoming.query_params.get("next", "/"))
        if isinstance(request, Answer):
            return _response(request)
        try:
            opened = await run_in_threadpool(self._open, request, token)
        except ConductorError as error:
            if error.code == "CC-231":
                return RedirectResponse("/?signin=expired", 303)
            told = of_error(error, request.path)
            return _response(refusal(told.problem, told.headers))
        return RedirectResponse(target, 303, headers={"Set-Cookie": self._cookie(opened)})

    async def oidc(self, incoming: Incoming) -> Response:
        """Send somebody to the identity provider."""
        if self.provider is None:
            return _response(_not_found(incoming.url.path))
        target = _own_path(incoming.query_params.get("next", "/"))
        try:
            url, state = await run_in_threadpool(self.provider.begin, target)
        except ConductorError as error:
            told = of_error(error, incoming.url.path)
            return _response(refusal(told.problem, told.headers))
        secure = "; Secure" if self.front.is_tls else ""
        cookie = f"{STATE_COOKIE}={state}; Path=/login; Max-Age=600; HttpOnly; SameSite=Lax{secure}"
        return RedirectResponse(url, 303, headers={"Set-Cookie": cookie})

    async def oidc_callback(self, incoming: Incoming) -> Response:
        """Somebody comes back from the identity provider, with the state they left with."""
        request = await self.read(incoming)
        if isinstance(request, Answer) or self.provider is None:
            return _response(_not_found(incoming.url.path))
        state = incoming.query_params.get("state", "")
        code = incoming.query_params.get("code", "")
        try:
            if not state or cookies(request.headers).get(STATE_COOKIE) != state:
                raise NotAuthenticated("this browser did not begin this sign-in")
            opened, target = await run_in_threadpool(self._open_oidc, request, state, code)
        except ConductorError as error:
            told = of_error(error, request.path)
            return _response(refusal(told.problem, told.headers))
        return RedirectResponse(target, 303, headers={"Set-Cookie": self._cookie(opened)})

    def _open_oidc(self, request: Request, state: str, code: str) -> tuple[flow.Opened, str]:
        assert self.provider is not None, "the route answers only with one"
        self.front.check_host(request.headers.get("host", ""))
        self.door.limits.spend(f"sign-in {request.source}", per_minute=self.sign_ins_per_minute)
        name, target = self.provider.finish(state, code)
        return flow.open_for(self.desk.access, name, request.source), target

    async def session(self, incoming: Incoming) -> Response:
        """GET who is signed in; POST an API key to sign in; DELETE to sign out."""
        request = await self.read(incoming)
        if isinstance(request, Answer):
            return _response(request)
        if request.method in ("GET", "HEAD"):
            endpoint = Endpoint("GET", "/session", session, Session, permission="")
            return _response(await run_in_threadpool(self.door.answer, endpoint, request))
        return _response(await run_in_threadpool(self._sign, request))

    def _sign(self, request: Request) -> Answer:
        """Sign in by key, or out."""
        try:
            self.front.check_host(request.headers.get("host", ""))
            self.door.limits.spend(f"sign-in {request.source}", per_minute=self.sign_ins_per_minute)
            if "origin" in request.headers or "sec-fetch-site" in request.headers:
                self.front.check_origin(request.headers)
            if request.method == "DELETE":
                caller = self.door.caller(request)
                flow.close_session(self.desk.access, caller.token)
                return Answer(204, b"", {"Set-Cookie": self.front.set_cookie("", 0)})
            given = body_of(SIGN_IN, request)
            opened = flow.open_by_key(self.desk.access, given.key, request.source)
        except Refused as refused:
            return refusal(refused.problem, refused.headers)
        except ConductorError as error:
            told = of_error(error, request.path)
            return refusal(told.problem, told.headers)
        shown = session(Ask(self.desk, opened.principal, request.source), Nothing())
        return Answer(200, encoded(shown), {"Set-Cookie": self._cookie(opened)})

    def _open(self, request: Request, token: str) -> flow.Opened:
        self.front.check_host(request.headers.get("host", ""))
        self.door.limits.spend(f"sign-in {request.source}", per_minute=self.sign_ins_per_minute)
        return flow.open_by_link(self.desk.access, token, request.source)

    def _cookie(self, opened: flow.Opened) -> str:
        seconds = int((opened.expires_at - self.desk.now).total_seconds())
        return self.front.set_cookie(opened.token, seconds)

    async def openapi(self, _incoming: Incoming) -> Response:
        """The description of this API; open to everybody, it holds no data."""
        return Response(openapi.text(), media_type="application/json")

    async def stream(self, incoming: Incoming) -> Response:
        """Live figures as server-sent events."""
        request = await self.read(incoming)
        if isinstance(request, Answer):
            return _response(request)
        try:
            caller = await run_in_threadpool(self.door.caller, request)
            return await self.streams.open(
                caller.principal, request, lambda: self.door.caller(request).principal
            )
        except Refused as refused:
            return _response(refusal(refused.problem, refused.headers))
        except ConductorError as error:
            told = of_error(error, request.path)
            return _response(refusal(told.problem, told.headers))

    async def other(self, incoming: Incoming) -> Response | ASGIApp:
        """The console's pages and files, where it is there."""
        if self.fallback is not None and not incoming.url.path.startswith("/api/"):
            return _Passed(self.fallback)
        return _response(_not_found(incoming.url.path))

    def _guarded(self, scope: Scope, send: Send) -> Send:
        """`send` that adds the headers every answer of ours carries, where they are not set."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = dict(SECURITY)
                if scope["path"].startswith(API):
                    extra["Cache-Control"] = "no-store"
                if self.front.is_tls:
                    extra["Strict-Transport-Security"] = HSTS
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in extra.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        return guarded


class _Place:
    """One path and the endpoints of its methods."""

    def __init__(self, api: Api, methods: Mapping[str, Endpoint]) -> None:
        self._api = api
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive)
        method = "GET" if incoming.method == "HEAD" else incoming.method
        endpoint = self._methods.get(method)
        if endpoint is None:
            allow = ", ".join(sorted(self._methods))
            told = problem(405, "CC-230", f"this path takes {allow}", instance=incoming.url.path)
            response = _response(refusal(told, {"Allow": allow}))
        else:
            response = await self._api.answer(endpoint, incoming)
        await response(scope, receive, send)


class _Passed(Response):
    """A response that another application gives."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def by_path(endpoints: list[Endpoint]) -> dict[str, dict[str, Endpoint]]:
    """Endpoints by path and method; a path of words comes before one with a name in its place."""
    found: dict[str, dict[str, Endpoint]] = {}
    for one in sorted(endpoints, key=_order):
        found.setdefault(one.path, {})[one.method] = one
    return found


def _order(endpoint: Endpoint) -> tuple[Any, ...]:
    return tuple((word.startswith("{"), word) for word in endpoint.path.split("/"))


def _provider(house: House, desk: Desk) -> Provider | None:
    config = house.config.serve.oidc
    if not config.issuer:
        return None
    return Provider(config, f"{house.console_url}/login/oidc/callback", desk.clock, house.secret)


def _own_path(target: str) -> str:
    """A path of ours; anything that could lead elsewhere is the start page."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_ours else "/"


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    kind = headers.pop("Content-Type", "application/json" if answer.body else None)
    return Response(answer.body, answer.status, headers=headers, media_type=kind)


def _not_found(path: str) -> Answer:
    return refusal(problem(404, "CC-233", "there is nothing here", instance=path))


async def _http_failure(incoming: Incoming, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _response(_not_found(incoming.url.path))
    told = problem(error.status_code, "CC-230", str(error.detail), instance=incoming.url.path)
    return _response(refusal(told, dict(error.headers or {})))


async def _failure(incoming: Incoming, _error: Exception) -> Response:
    return _response(refusal(problem(500, "CC-000", "it failed", instance=incoming.url.path)))
