"""Xero's access tokens: client credentials, or a refresh token that is used once and rotates.

A refresh token that Xero replaced is dead, so the new one is durable before anything is done with
it, under a lock that all processes of this machine share. Dying between Xero's answer and our
write is covered by Xero's own grace: the old token may be tried again (Xero Developer, "The
standard authorization code flow": 30 minutes).
"""

import base64
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.domain.errors import ChecksumMismatch, ConfigError, VendorRefused
from cloud_conductor.ports.clock import Clock

MARGIN_S_MAX = 60.0
NONCE_BYTES = 12


class Tokens(msgspec.Struct, frozen=True):
    """What a refresh gave. origin: digest of the configured token this chain began with."""

    refresh_token: str
    access_token: str
    expires_at_s: float
    origin: str


class TokenStore(Protocol):
    """Where rotating tokens live, sealed. `save` is durable on return."""

    def lock(self) -> AbstractContextManager[None]:
        """Held from reading a token to saving its successor; excludes other processes."""
        ...

    def load(self) -> Tokens | None: ...

    def save(self, tokens: Tokens) -> None: ...


class FileTokenStore:
    """Tokens sealed with AES-GCM in one file, replaced atomically; flock beside it.

    key: 16, 24 or 32 bytes. Raises ChecksumMismatch when the file was not sealed with it.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._cipher = AESGCM(key)

    @contextmanager
    def lock(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def load(self) -> Tokens | None:
        if not self._path.exists():
            return None
        sealed = self._path.read_bytes()
        try:
            opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except InvalidTag:
            raise ChecksumMismatch(
                f"{self._path.name} was sealed with another key",
                hint="restore the key file, or connect Xero again",
            ) from None
        return msgspec.json.decode(opened, type=Tokens)

    def save(self, tokens: Tokens) -> None:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(tokens), None)
        scratch = self._path.with_suffix(".new")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, sealed)
            os.fsync(handle)
        finally:
            os.close(handle)
        scratch.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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


class RotatingToken:
    """A user's consent kept alive by refresh tokens. Satisfies adapters.http.Auth.

    configured: the refresh token the organisation was connected with; a newly configured one
    begins a new chain. after_answer: told when Xero has rotated and nothing is saved yet.
    """

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
        self._identity = identity
        self._basic = basic(client_id, client_secret)
        self._store = store
        self._configured = configured
        self._origin = hashlib.sha256(configured.encode()).hexdigest()
        self._clock = clock
        self._after_answer = after_answer
        self._held = ""

    def header(self) -> str:
        with self._store.lock():
            tokens = self._store.load()
            if tokens is None or tokens.origin != self._origin or self._is_over(tokens):
                tokens = self._rotate(tokens)
        self._held = tokens.access_token
        return f"Bearer {tokens.access_token}"

    def refresh(self) -> bool:
        """Rotate, unless another process did since our last call."""
        with self._store.lock():
            tokens = self._store.load()
            if tokens is None or tokens.access_token == self._held:
                self._rotate(tokens)
        return True

    def _rotate(self, tokens: Tokens | None) -> Tokens:
        mine = tokens is not None and tokens.origin == self._origin
        spent = tokens.refresh_token if tokens is not None and mine else self._configured
        if not spent:
            raise ConfigError("the ledger needs a refresh token: connect Xero first")
        grant = ask(
            self._identity, self._basic, {"grant_type": "refresh_token", "refresh_token": spent}
        )
        self._after_answer()
        until_s = self._clock.now().timestamp() + grant.expires_in - margin_s(grant.expires_in)
        fresh = Tokens(grant.refresh_token, grant.access_token, until_s, self._origin)
        self._store.save(fresh)
        return fresh

    def _is_over(self, tokens: Tokens) -> bool:
        return self._clock.now().timestamp() >= tokens.expires_at_s


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
