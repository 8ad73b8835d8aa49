"""One HTTP engine for every vendor: authorisation, limits on calls, bounded retries, error map.

| answer                                | read              | write             |
| ------------------------------------- | ----------------- | ----------------- |
| 2xx, or a status the caller expects   | Response          | Response          |
| 401 once, if the credential refreshes | asked again       | sent again        |
| other 4xx                             | VendorRefused     | VendorRefused     |
| 429                                   | waits, then RateLimited | RateLimited |
| 5xx, or the reply is lost             | waits, then VendorUnavailable | OutcomeUnknown |
| the connection was never made         | waits, then VendorUnavailable | VendorUnavailable |

Only idempotent calls are repeated, at most `attempts_max` times. A write is sent once: whether to
send it again is decided by looking it up (R-13.6), never here.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from cloud_conductor.adapters.connections import (
    Connections,
    NoReplyError,
    NotConnectedError,
    Wire,
)
from cloud_conductor.domain.errors import (
    ConductorError,
    ConfigError,
    OutcomeUnknown,
    RateLimited,
    Transient,
    VendorRefused,
    VendorUnavailable,
)

READS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
DETAIL_CHARS_MAX = 300


class Response(msgspec.Struct, frozen=True):
    """An answer, its body byte for byte (content encoding removed). Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Limits(msgspec.Struct, frozen=True):
    """Every limit of the engine. calls_per_minute 0: the vendor publishes none."""

    timeout_s: float = 30.0
    connect_timeout_s: float = 5.0
    attempts_max: int = 5
    backoff_s: float = 0.5
    wait_s_max: float = 60.0
    calls_per_minute: int = 0
    breaker_failures_max: int = 8
    breaker_open_s: float = 15.0


LIMITS = Limits()


class Auth(Protocol):
    """How a request proves who we are."""

    def header(self) -> str:
        """Value of the Authorization header; empty for none."""
        ...

    def refresh(self) -> bool:
        """Called once after a 401: True when there is a newer credential to try."""
        ...


class Bearer:
    """A bearer token from `token()`, read for every call. `renew` fetches a newer one."""

    def __init__(self, token: Callable[[], str], renew: Callable[[], bool] | None = None) -> None:
        self._token = token
        self._renew = renew

    def header(self) -> str:
        return f"Bearer {self._token()}"

    def refresh(self) -> bool:
        return self._renew is not None and self._renew()


class NoAuth:
    """For token endpoints, which take their credential in the body or as a given header."""

    def header(self) -> str:
        return ""

    def refresh(self) -> bool:
        return False


class _Call(msgspec.Struct, frozen=True):
    """One request as asked for; its text names it in messages."""

    method: str
    path: str
    json: bytes | None
    query: Mapping[str, str | int] | None
    headers: Mapping[str, str] | None
    repeatable: bool
    expect: Collection[int]

    @property
    def lost(self) -> type[Transient]:
        """What it means that no answer of worth came back."""
        return VendorUnavailable if self.repeatable else OutcomeUnknown

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class HttpEngine:
    """Calls one vendor host. Thread-safe; close it when done.

    name: the vendor's, for messages. wait and elapsed are the engine's clock (seconds). wire: what
    carries the requests, connections to the host by default.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
        wait: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
        wire: Wire | None = None,
    ) -> None:
        _check_base_url(base_url)
        self.base_url = base_url.rstrip("/")
        self._name = name
        self._auth = auth if auth is not None else NoAuth()
        self._limits = limits
        self._wait = wait
        self._pace = CallWindow(limits.calls_per_minute, wait=wait, elapsed=elapsed)
        self._breaker = Breaker(limits.breaker_failures_max, limits.breaker_open_s, elapsed)
        self._headers = {"accept": "application/json", **(headers or {})}
        self._prefix = urlsplit(self.base_url).path
        self._wire: Wire = wire or Connections(
            self.base_url,
            timeout_s=limits.timeout_s,
            connect_timeout_s=limits.connect_timeout_s,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        json: bytes | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        expect: Collection[int] = (),
    ) -> Response:
        """Call `base_url + path` and give the answer.

        json: the body as sent; another content type can be named in `headers`. idempotent: None
        means GET, HEAD and OPTIONS are; a search by POST says True. expect: statuses outside 2xx
        that are an answer to the caller, not an error. Raises as the module's table says.
        """
        repeatable = method in READS if idempotent is None else idempotent
        call = _Call(method, path, json, query, headers, repeatable, expect)
        attempts_max = self._limits.attempts_max if repeatable else 1
        for attempt in range(1, attempts_max + 1):
            credential = self._auth.header()  # signing in repeats by itself: never times ours
            try:
                return self._answer(call, credential)
            except (RateLimited, VendorUnavailable) as error:
                pause = self._pause(attempt, error)
                if attempt == attempts_max or pause is None:
                    raise
                self._wait(pause)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        self._wire.close()

    def _answer(self, call: _Call, credential: str) -> Response:
        answer = self._send(call, credential)
        if answer.status == 401 and 401 not in call.expect and self._auth.refresh():
            answer = self._send(call, self._auth.header())
        if 200 <= answer.status < 300 or answer.status in call.expect:
            return answer
        raise self._error(answer, call)

    def _send(self, call: _Call, credential: str) -> Response:
        self._breaker.check(self._name)
        self._pace.take()
        target = f"{call.path}?{urlencode(call.query)}" if call.query else call.path
        headers = {**self._headers, **_headers(call, credential)}
        try:
            answer = self._wire.send(call.method, self._prefix + target, headers, call.json)
        except NotConnectedError as error:
            self._breaker.failed()
            raise VendorUnavailable(f"{self._name} was not reached for {call}: {error}") from error
        except NoReplyError as error:
            self._breaker.failed()
            raise call.lost(f"{self._name} gave no reply to {call}: {error}") from error
        if answer.status >= 500:
            self._breaker.failed()
        else:
            self._breaker.worked()
        return Response(answer.status, answer.headers, answer.body, self.base_url + target)

    def _error(self, answer: Response, call: _Call) -> ConductorError:
        detail = answer.body[:DETAIL_CHARS_MAX].decode("utf-8", "replace")
        message = f"{self._name} answered {answer.status} to {call}: {detail}"
        wait_s = retry_after_s(answer.headers)
        if answer.status == 429:
            return RateLimited(message, retry_after_s=wait_s)
        if answer.status >= 500:
            return call.lost(message, retry_after_s=wait_s)
        return VendorRefused(message)

    def _pause(self, attempt: int, error: Transient) -> float | None:
        """Seconds before the next attempt; None when the vendor asks for more than we wait."""
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self._limits.wait_s_max else None
        backoff = self._limits.backoff_s * 2.0 ** (attempt - 1)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  # spreads callers, guards nothing
        return min(backoff * jitter, self._limits.wait_s_max)


class CallWindow:
    """At most `calls_max` calls in any 60 seconds (a vendor counts a sliding minute)."""

    WINDOW_S = 60.0

    def __init__(
        self, calls_max: int, *, wait: Callable[[float], None], elapsed: Callable[[], float]
    ) -> None:
        self._calls_max = calls_max
        self._wait = wait
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._calls: deque[float] = deque()

    def take(self) -> None:
        """Reserve one call; waits until it is due."""
        if self._calls_max <= 0:
            return
        with self._lock:
            now = due = self._elapsed()
            if len(self._calls) == self._calls_max:
                due = max(now, self._calls.popleft() + self.WINDOW_S)
            self._calls.append(due)
        if due > now:
            self._wait(due - now)


class Breaker:
    """Stops calling a host after `failures_max` failures in a row, for `open_s` seconds.

    Then one call is let through: it closes the breaker or opens it again.
    """

    def __init__(self, failures_max: int, open_s: float, elapsed: Callable[[], float]) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_at = 0.0

    def check(self, name: str) -> None:
        """Raises VendorUnavailable while the breaker is open."""
        with self._lock:
            left = self._closed_at - self._elapsed()
            if self._failures < self._failures_max:
                return
            if left <= 0:
                self._closed_at = self._elapsed() + self._open_s  # this caller is the trial
                return
        raise VendorUnavailable(
            f"{name} failed {self._failures_max} times in a row; not called for {left:.0f} s",
            retry_after_s=left,
        )

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._closed_at = self._elapsed() + self._open_s

    def worked(self) -> None:
        with self._lock:
            self._failures = 0


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the vendor asks us to wait (RFC 9110, Retry-After); None if it does not say.

    A date is read against the answer's own Date header, so no clock of ours is involved.
    """
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None


def _headers(call: _Call, credential: str) -> dict[str, str]:
    headers = {} if call.json is None else {"content-type": "application/json"}
    if credential:
        headers["authorization"] = credential
    for name, value in (call.headers or {}).items():
        headers[name.lower()] = value
    return headers


def _check_base_url(base_url: str) -> None:
    """Credentials go out over TLS or not at all."""
    parts = urlsplit(base_url)
    loopback = parts.hostname in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise ConfigError(
            f"base_url {base_url!r} is not https: plain http is allowed to this machine only"
        )
