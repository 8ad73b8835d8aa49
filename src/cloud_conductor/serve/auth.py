"""Who asks, from where, and how often: checked before anything is looked up.

A browser carries a cookie, a program an API key. A cookie comes along with a request that another
site made, so writes by cookie must say that they come from our own pages; a key never comes along
by itself. The Host header must be a name of ours, or a foreign page could rebind its own to us.
"""

import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from cloud_conductor.domain.config import ServeConfig
from cloud_conductor.domain.errors import NotAllowed, NotAuthenticated, TooManyRequests
from cloud_conductor.governance import flow
from cloud_conductor.governance.access import Principal
from cloud_conductor.governance.flow import AccessDeps

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
BEARER = "bearer "
BUCKETS_MAX = 10_000
SIGN_INS_PER_MINUTE = 30


class Caller(msgspec.Struct, frozen=True):
    """A principal and how it proved itself. token: of the session, empty for a key."""

    principal: Principal
    token: str = ""


class Front:
    """The address we answer under, and what follows from it."""

    def __init__(self, config: ServeConfig, host: str) -> None:
        public = urlsplit(config.public_url)
        self.is_tls = public.scheme == "https"
        self.cookie = "__Host-conductor" if self.is_tls else "conductor"
        self._hosts = (
            LOOPBACK | {host.strip("[]")} | ({public.hostname} if public.hostname else set())
        )

    def check_host(self, header: str) -> None:
        """Raises NotAllowed for a Host that is none of our names."""
        if _hostname(header) not in self._hosts:
            raise NotAllowed(
                "the Host header names another machine",
                hint="set public_url in [serve] to the address people use",
            )

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raises NotAllowed unless a browser's write comes from a page of ours."""
        origin = headers.get("origin")
        if origin is not None:
            scheme = "https" if self.is_tls else "http"
            found = urlsplit(origin)
            host = headers.get("host", "")
            is_ours = found.scheme in (scheme, "http") and found.netloc == host
            if self.is_tls and _hostname(host) not in LOOPBACK:
                is_ours = found.scheme == "https" and found.netloc == host
        else:
            is_ours = headers.get("sec-fetch-site") == "same-origin"
        if not is_ours:
            raise NotAllowed(
                "a browser sent this from another site, or did not say from where",
                hint="use the console, or an API key",
            )

    def set_cookie(self, token: str, seconds: int) -> str:
        """The Set-Cookie header of a session; seconds 0 takes the cookie away."""
        secure = "; Secure" if self.is_tls else ""
        return f"{self.cookie}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def caller_of(deps: AccessDeps, front: Front, headers: Mapping[str, str]) -> Caller:
    """Who a request is from. Raises NotAuthenticated."""
    given = headers.get("authorization", "")
    if given:
        if not given.lower().startswith(BEARER):
            raise NotAuthenticated("Authorization takes Bearer and an API key")
        return Caller(flow.by_key(deps, given[len(BEARER) :].strip()))
    token = cookies(headers).get(front.cookie, "")
    if not token:
        raise NotAuthenticated("nobody is signed in")
    return Caller(flow.by_session(deps, token), token)


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """Names and values of the Cookie header; of two with one name, the first."""
    found: dict[str, str] = {}
    for part in headers.get("cookie", "").split(";"):
        name, sign, value = part.strip().partition("=")
        if sign:
            found.setdefault(name, value)
    return found


class Limits:
    """A token bucket per caller: as many requests a minute as it holds, spent one by one."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, caller: str, *, per_minute: int = 0) -> None:
        """Take one request. Raises TooManyRequests with the time until the next is there."""
        size = per_minute or self.per_minute
        now = time.monotonic()
        with self._lock:
            left, then = self._buckets.pop(caller, (float(size), now))
            left = min(float(size), left + (now - then) * size / 60.0)
            is_spent = left < 1.0
            self._buckets[caller] = (left if is_spent else left - 1.0, now)
            while len(self._buckets) > BUCKETS_MAX:
                self._buckets.pop(next(iter(self._buckets)))
        if is_spent:
            raise TooManyRequests(
                f"more than {size} requests a minute",
                retry_after_s=(1.0 - left) * 60.0 / size,
            )


def _hostname(header: str) -> str:
    """Host header without its port: `[::1]:80` -> `::1`."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
