"""Xero's identity service: client credentials, authorisation code with PKCE, rotating refresh tokens.

An access token lives 30 vendor minutes. A refresh token is single-use: using it gives a new pair and
ends it. For 30 vendor minutes, and only while its successor was not used itself, it may be used again
(the answer may have been lost); then the first successor ends. After that it is `invalid_grant`.
Source: Xero Developer, "Token types", "Custom connections", "The standard authorization code flow".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from cloud_conductor.sandbox.xero.pace import Pace
from cloud_conductor.sandbox.xero.wire import XeroError, problem

ACCESS_S = 30 * 60
GRACE_S = 30 * 60
REFRESH_S = 60 * 24 * 60 * 60
CODE_S = 5 * 60
CLIENT_ID = "sandbox-xero-client"
CLIENT_SECRET = "sandbox-xero-secret"  # noqa: S105 - printed at start, opens a simulator on loopback
DEFAULT_SCOPE = "accounting.transactions accounting.settings accounting.reports.read"


class Access(msgspec.Struct, kw_only=True):
    """An access token. custom: of a custom connection, which may leave the tenant header out."""

    expires_s: float
    scope: str
    custom: bool


class Refresh(msgspec.Struct, kw_only=True):
    expires_s: float
    scope: str
    used_s: float | None = None
    successor: str | None = None
    successor_access: str | None = None
    revoked: bool = False


class Code(msgspec.Struct, kw_only=True):
    expires_s: float
    scope: str
    redirect_uri: str
    challenge: str = ""


class Grants(msgspec.Struct, kw_only=True):
    """Everything the identity service gave out, by token."""

    access: dict[str, Access] = {}
    refresh: dict[str, Refresh] = {}
    codes: dict[str, Code] = {}
    given: int = 0


class Identity:
    """Gives and checks tokens of one app. Times are vendor seconds of `pace`."""

    def __init__(
        self,
        *,
        pace: Pace,
        seed: int = 0,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
    ) -> None:
        self.pace = pace
        self.client_id = client_id
        self.client_secret = client_secret
        self.grants = Grants()
        self.revision = 0
        self._seed = seed

    def authorize(self, query: Mapping[str, str]) -> str:
        """Where the browser is sent after consent: `redirect_uri?code=..&state=..`.

        The sandbox consents by itself. Raises XeroError 400 for a wrong client or request.
        """
        if query.get("client_id") != self.client_id or query.get("response_type") != "code":
            raise _oauth_error("unauthorized_client")
        if not (target := query.get("redirect_uri")):
            raise _oauth_error("invalid_request")
        if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            raise _oauth_error("invalid_request")
        code = self._new("code")
        self.grants.codes[code] = Code(
            expires_s=self.pace.elapsed_s() + CODE_S,
            scope=query.get("scope", DEFAULT_SCOPE),
            redirect_uri=target,
            challenge=query.get("code_challenge", ""),
        )
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        return f"{target}{'&' if '?' in target else '?'}{urlencode(back)}"

    def token(self, form: Mapping[str, str], authorization: str = "") -> dict[str, Any]:
        """The answer of POST /connect/token; raises XeroError 400 with an OAuth error code."""
        kind = form.get("grant_type")
        public = kind == "authorization_code" and "code_verifier" in form
        self._check_client(form, authorization, secret_needed=not public)
        if kind == "client_credentials":
            return self._pair(form.get("scope") or DEFAULT_SCOPE, custom=True)
        if kind == "authorization_code":
            return self._exchange(form)
        if kind == "refresh_token":
            return self._rotate(form.get("refresh_token", ""))
        raise _oauth_error("unsupported_grant_type")

    def revoke(self, form: Mapping[str, str], authorization: str = "") -> None:
        """POST /connect/revocation: end a refresh token and the whole connection it stands for."""
        self._check_client(form, authorization, secret_needed=True)
        self.revision += 1
        if form.get("token") in self.grants.refresh:
            for refresh in self.grants.refresh.values():
                refresh.revoked = True
            self.grants.access.clear()

    def check(self, authorization: str) -> Access:
        """The access token of an `Authorization` header; raises XeroError 401."""
        kind, _, token = authorization.partition(" ")
        access = self.grants.access.get(token.strip())
        if kind.lower() != "bearer" or access is None:
            raise problem(401, "Unauthorized", "AuthenticationUnsuccessful")
        if access.expires_s <= self.pace.elapsed_s():
            raise problem(401, "Unauthorized", "TokenExpired: token expired")
        return access

    def expire(self, authorization: str) -> None:
        """End the access token of an `Authorization` header now; its refresh token goes on."""
        access = self.grants.access.get(authorization.partition(" ")[2].strip())
        if access is not None:
            access.expires_s = self.pace.elapsed_s()
            self.revision += 1

    def _check_client(
        self, form: Mapping[str, str], authorization: str, *, secret_needed: bool
    ) -> None:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.lower().startswith("basic "):
            try:
                plain = base64.b64decode(authorization[6:], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise _oauth_error("invalid_client") from None
            client_id, _, secret = plain.partition(":")
        known = client_id == self.client_id
        if not known or (secret_needed and secret != self.client_secret):
            raise _oauth_error("invalid_client")

    def _exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        code = self.grants.codes.pop(form.get("code", ""), None)
        self.revision += 1
        if code is None or code.expires_s <= self.pace.elapsed_s():
            raise _oauth_error("invalid_grant")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code.redirect_uri != form.get("redirect_uri") or code.challenge not in {"", proof}:
            raise _oauth_error("invalid_grant")
        return self._pair(code.scope, custom=False)

    def _rotate(self, token: str) -> dict[str, Any]:
        now_s = self.pace.elapsed_s()
        old = self.grants.refresh.get(token)
        if old is None or old.revoked or old.expires_s <= now_s:
            raise _oauth_error("invalid_grant")
        if old.used_s is not None:
            successor = self.grants.refresh[old.successor or ""]
            if successor.used_s is not None or now_s - old.used_s > GRACE_S:
                raise _oauth_error("invalid_grant")
            successor.revoked = True
            self.grants.access.pop(old.successor_access or "", None)
        pair = self._pair(old.scope, custom=False)
        old.used_s = now_s if old.used_s is None else old.used_s
        old.successor, old.successor_access = pair["refresh_token"], pair["access_token"]
        return pair

    def _pair(self, scope: str, *, custom: bool) -> dict[str, Any]:
        """A new access token, with a refresh token if `offline_access` was asked by a user."""
        now_s = self.pace.elapsed_s()
        access = self._new("access")
        self.grants.access[access] = Access(expires_s=now_s + ACCESS_S, scope=scope, custom=custom)
        answer: dict[str, Any] = {
            "access_token": access,
            "expires_in": self.pace.real_seconds(ACCESS_S),
            "token_type": "Bearer",
            "scope": scope,
        }
        if not custom and "offline_access" in scope.split():
            refresh = self._new("refresh")
            self.grants.refresh[refresh] = Refresh(expires_s=now_s + REFRESH_S, scope=scope)
            answer["refresh_token"] = refresh
        return answer

    def _new(self, kind: str) -> str:
        self.revision += 1
        self.grants.given += 1
        digest = hashlib.sha256(f"{self._seed}:{kind}:{self.grants.given}".encode())
        return f"sandbox-{kind}-{digest.hexdigest()[:32]}"


def _oauth_error(code: str) -> XeroError:
    return XeroError(400, {"error": code})
