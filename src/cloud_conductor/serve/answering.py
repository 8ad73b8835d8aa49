"""One request through one endpoint: who, may they, what do they ask, answer once. Runs in a thread."""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_origin

import msgspec

from cloud_conductor.domain.errors import BadRequest, ConductorError, Conflict
from cloud_conductor.serve import auth
from cloud_conductor.serve.auth import Caller, Front, Limits
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.problems import Fault, Problem, Refused, of_error, problem
from cloud_conductor.serve.rest.endpoint import Endpoint
from cloud_conductor.state import governance as state
from cloud_conductor.state.accounting import to_us

log = logging.getLogger("conductor")

JSON_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"
KEY_CHARS = range(8, 129)
STALE = timedelta(minutes=2)
_encoder = msgspec.json.Encoder(order="deterministic", decimal_format="string")


@dataclass(frozen=True)
class Request:
    """What came over the wire. headers: lower-case names. query: pairs in order."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    path_params: Mapping[str, str]
    body: bytes
    source: str


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Door:
    """Answers requests for one desk; shared by all threads."""

    def __init__(self, desk: Desk, front: Front) -> None:
        config = desk.house.config.serve
        self.desk = desk
        self.front = front
        self.limits = Limits(config.requests_per_minute)

    def answer(self, endpoint: Endpoint, request: Request) -> Answer:
        """The answer, a failure as a problem. Never raises."""
        try:
            return self._answer(endpoint, request)
        except Refused as refused:
            return refusal(refused.problem, refused.headers)
        except ConductorError as error:
            told = of_error(error, request.path)
            return refusal(told.problem, told.headers)
        except Exception:  # the door outlives one bad request; the log has the traceback
            log.exception("request.failed", extra={"fields": {"path": request.path}})
            detail = "the request failed; the log says why"
            return refusal(problem(500, "CC-000", detail, instance=request.path))

    def caller(self, request: Request) -> Caller:
        """Who asks, within their limits. Raises what `answer` turns into a problem."""
        self.front.check_host(request.headers.get("host", ""))
        try:
            caller = auth.caller_of(self.desk.access, self.front, request.headers)
        except ConductorError:
            self.limits.spend(request.source)
            raise
        self.limits.spend(caller.principal.name)
        return caller

    def _answer(self, endpoint: Endpoint, request: Request) -> Answer:
        caller = self.caller(request)
        if endpoint.is_write and caller.token:
            self.front.check_origin(request.headers)
        if endpoint.permission:
            caller.principal.check(endpoint.permission)
        params, dry_run = params_of(endpoint, request)
        key = request.headers.get("idempotency-key", "")
        act_id = f"{caller.principal.name}:{key}"
        ask = Ask(self.desk, caller.principal, request.source, dry_run, act_id)
        if not endpoint.is_write:
            return self._read(endpoint, request, ask, params)
        body = body_of(endpoint, request)
        if not endpoint.keyed or dry_run:
            answer = given(endpoint, _call(endpoint, ask, params, body))
            return Answer(200, answer.body) if dry_run else answer
        return self._once(endpoint, request, ask, params, body)

    def _read(self, endpoint: Endpoint, request: Request, ask: Ask, params: Any) -> Answer:
        found = given(endpoint, endpoint.answer(ask, params))
        if not endpoint.etag:
            return found
        tag = f'"{hashlib.sha256(found.body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        known = request.headers.get("if-none-match", "")
        if tag in (one.strip().removeprefix("W/") for one in known.split(",")):
            return Answer(304, b"", headers)
        return Answer(found.status, found.body, found.headers | headers)

    def _once(
        self, endpoint: Endpoint, request: Request, ask: Ask, params: Any, body: Any
    ) -> Answer:
        """Do it, unless this caller did it before under this key: then say what was said then."""
        key = request.headers.get("idempotency-key", "")
        if len(key) not in KEY_CHARS:
            raise BadRequest("a write needs an Idempotency-Key of 8 to 128 characters")
        caller, engine = ask.principal.name, self.desk.books
        text = f"{request.method} {request.path} {sorted(request.query)}".encode()
        digest = hashlib.sha256(text + b"\0" + request.body).hexdigest()
        now_us = to_us(self.desk.now)
        known = state.claim_request(engine, caller, key, digest, now_us)
        if known is not None:
            if known.digest != digest:
                raise Conflict("this Idempotency-Key was used for another request")
            if known.status:
                replay = {"Idempotent-Replay": "true"}
                return Answer(known.status, known.body.encode(), replay)
            if now_us - known.created_us < STALE // timedelta(microseconds=1):
                raise Conflict("the same request is being worked on", hint="ask again in a second")
        try:
            answer = given(endpoint, _call(endpoint, ask, params, body))
        except BaseException:
            state.forget_request(engine, caller, key)
            raise
        kept = SHOWN_ONCE if endpoint.shows_secret else answer
        state.answer_request(engine, caller, key, status=kept.status, body=kept.body.decode())
        return answer


def refusal(told: Problem, headers: Mapping[str, str] | None = None) -> Answer:
    """A problem as an answer."""
    body = msgspec.json.encode(told)
    return Answer(told.status, body, {"Content-Type": PROBLEM_TYPE, **(headers or {})})


SHOWN_ONCE = refusal(
    problem(409, "CC-234", "this was done, and its secret is shown once", fix="make another one")
)


def given(endpoint: Endpoint, value: Any) -> Answer:
    """A value as an answer; None has no body."""
    if value is None:
        return Answer(204)
    return Answer(endpoint.status, encoded(value))


def encoded(value: Any) -> bytes:
    """JSON of a value; the same value gives the same bytes."""
    return _encoder.encode(value)


def params_of(endpoint: Endpoint, request: Request) -> tuple[Any, bool]:
    """Typed parameters and whether the write is only previewed. Raises Refused with 422."""
    found: dict[str, Any] = dict(request.path_params)
    lists = {
        one.name for one in msgspec.structs.fields(endpoint.params) if get_origin(one.type) is list
    }
    dry_run = False
    for name, value in request.query:
        if name == "dry_run" and endpoint.previews and value in ("true", "false"):
            dry_run = value == "true"
        elif name in lists:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise Refused(_faulty([Fault(f"/{name}", "is given more than once")], request.path))
        else:
            found[name] = value
    return _converted(found, endpoint.params, request.path), dry_run


def body_of(endpoint: Endpoint, request: Request) -> Any:
    """The typed body of a write. Raises Refused: 415 for another type, 400 for no JSON, 422."""
    if endpoint.body is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        told = problem(415, "CC-230", "send Content-Type: application/json", instance=request.path)
        raise Refused(told)
    try:
        return msgspec.json.decode(request.body, type=endpoint.body)
    except msgspec.ValidationError as error:
        raise Refused(_faulty([_fault(error)], request.path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = problem(400, "CC-230", f"the body is not JSON: {error}", instance=request.path)
        raise Refused(told) from None


def _call(endpoint: Endpoint, ask: Ask, params: Any, body: Any) -> Any:
    if endpoint.body is None:
        return endpoint.answer(ask, params)
    return endpoint.answer(ask, params, body)


def _converted(found: Mapping[str, Any], kind: Any, path: str) -> Any:
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(_faulty([_fault(error)], path)) from None


def _faulty(faults: list[Fault], path: str) -> Problem:
    detail = "; ".join(f"{one.pointer or '/'}: {one.message}" for one in faults)
    return problem(422, "CC-230", detail, instance=path, errors=faults)


def _fault(error: msgspec.ValidationError) -> Fault:
    """A fault from words like `Expected ... - at `$.lines[0].sku``; the pointer is `/lines/0/sku`."""
    message, _, where = str(error).partition(" - at `$")
    pointer = where.rstrip("`").replace("[", ".").replace("]", "").replace(".", "/")
    return Fault(pointer, message)


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI headers as text; of repeated ones the last, cookies joined."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}; {text}" if key == "cookie" and key in found else text
    return found
