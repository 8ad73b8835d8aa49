"""Xero's access tokens: client credentials, or a refresh token that is used once and rotates."""

import base64
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec

from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.tokens import Grant, RenewedToken, TokenStore
from cloud_conductor.domain.errors import ConfigError, VendorRefused
from cloud_conductor.ports.clock import Clock

MARGIN_S_MAX = 60.0


class _Grant(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float
    refresh_token: str = ""


class ClientCredentials:
    """A custom connection: one organisation, no refresh token. Satisfies adapters.http.Auth."""

    def __init__(
        self,
        identity: HttpEngine,
        client_id: str,
        client_secret: str,
        scopes: str = "",
        *,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._basic = basic(client_id, client_secret)
        self._scopes = scopes
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._token = ""
        self._until_s = 0.0

    def header(self) -> str:
        with self._lock:
            if not self._token or self._elapsed() >= self._until_s:
                self._renew()
            return f"Bearer {self._token}"

    def refresh(self) -> bool:
        with self._lock:
            self._renew()
        return True

    def _renew(self) -> None:
        form = {"grant_type": "client_credentials"}
        if self._scopes:
            form["scope"] = self._scopes
        grant = ask(self._identity, self._basic, form)
        self._token = grant.access_token
        self._until_s = self._elapsed() + grant.expires_in - margin_s(grant.expires_in)


class RotatingToken(RenewedToken):
    """A user's consent kept alive by refresh tokens that are used once. Satisfies http.Auth."""

    def __init__(
        self,
        identity: HttpEngine,
        client_id: str,
        client_secret: str,
        *,
        store: TokenStore,
        configured: str,
        clock: Clock,
        after_answer: Callable[[], None] = lambda: None,
    ) -> None:
        authorization = basic(client_id, client_secret)

        def renew(spent: str) -> Grant:
            form = {"grant_type": "refresh_token", "refresh_token": spent}
            told = ask(identity, authorization, form)
            life_s = told.expires_in
            return Grant(told.access_token, told.refresh_token, life_s, life_s - margin_s(life_s))

        super().__init__(
            renew,
            store=store,
            configured=configured,
            clock=clock,
            missing=ConfigError("the ledger needs a refresh token: connect Xero first"),
            after_answer=after_answer,
        )


def basic(client_id: str, client_secret: str) -> str:
    """Value of a Basic Authorization header (RFC 7617)."""
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    return f"Basic {pair}"


def margin_s(expires_in_s: float) -> float:
    """How long before its end a token is renewed."""
    return min(MARGIN_S_MAX, expires_in_s / 10)


def ask(identity: HttpEngine, authorization: str, form: dict[str, str]) -> _Grant:
    """POST /connect/token. Raises VendorRefused with the OAuth error code."""
    answer = identity.request(
        "POST",
        "/connect/token",
        json=urlencode(form).encode(),
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "authorization": authorization,
        },
        idempotent=True,
        expect=(400, 401),
    )
    if answer.status != 200:
        problem = msgspec.json.decode(answer.body or b"{}", type=dict[str, str])
        raise VendorRefused(
            f"Xero gave no token: {problem.get('error', answer.status)}",
            hint="check client_id and client_secret, or connect Xero again",
        )
    return msgspec.json.decode(answer.body, type=_Grant)
