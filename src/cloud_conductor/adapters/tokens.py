"""Access tokens kept alive by refresh tokens: sealed on disk, renewed under one lock of the machine.

A refresh token that its vendor replaced may be dead, so the new one is durable before anything is
done with it, under a lock that all processes of this machine share. What dying between the vendor's
answer and our write costs is the vendor's to say: Xero lets the old token be tried again (Xero
Developer, "The standard authorization code flow": 30 minutes); Square's code flow gives the same
refresh token every time, its PKCE flow spends it ("Refresh, Revoke and Limit the Scope of OAuth
Tokens"), and then somebody has to consent again.
"""

import fcntl
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud_conductor.domain.errors import ChecksumMismatch, ConfigError, Transient
from cloud_conductor.ports.clock import Clock

NONCE_BYTES = 12


class Tokens(msgspec.Struct, frozen=True):
    """What a renewal gave. origin: digest of the configured token this chain began with.

    expires_at_s: when to renew, some time before `dies_at_s`, by our clock; 0 where the end is not
    known.
    """

    refresh_token: str
    access_token: str
    expires_at_s: float
    origin: str
    dies_at_s: float = 0.0


class Grant(msgspec.Struct, frozen=True):
    """A vendor's answer. life_s: of the access token; renew_s: when to ask for the next one."""

    access_token: str
    refresh_token: str
    life_s: float
    renew_s: float


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
                hint="restore the key file, or connect the vendor again",
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


class RenewedToken:
    """A consent kept alive. Satisfies adapters.http.Auth; threads may share it.

    renew: asks the vendor with a refresh token. configured: the refresh token the connection was
    made with, empty where the store alone has it; a newly configured one begins a new chain.
    missing: what to say when there is none. after_answer: told when the vendor has answered and
    nothing is saved yet.
    """

    def __init__(
        self,
        renew: Callable[[str], Grant],
        *,
        store: TokenStore,
        configured: str,
        clock: Clock,
        missing: ConfigError,
        after_answer: Callable[[], None] = lambda: None,
    ) -> None:
        self._renew = renew
        self._store = store
        self._configured = configured
        self._clock = clock
        self._missing = missing
        self._after_answer = after_answer
        self._held = threading.local()

    def header(self) -> str:
        with self._store.lock():
            tokens = self._mine()
            if tokens is None or self._now_s() >= tokens.expires_at_s:
                tokens = self._in_time(tokens)
        self._held.access_token = tokens.access_token
        return f"Bearer {tokens.access_token}"

    def refresh(self) -> bool:
        """Renew, unless another thread or process did since this thread's last call."""
        with self._store.lock():
            tokens = self._mine()
            if tokens is None or tokens.access_token == getattr(self._held, "access_token", ""):
                self._rotate(tokens)
        return True

    def begin(self, grant: Grant) -> None:
        """Keep what a new consent gave."""
        with self._store.lock():
            self._save(grant)

    def _mine(self) -> Tokens | None:
        """What is kept, unless another token has been configured since."""
        tokens = self._store.load()
        return tokens if tokens is not None and tokens.origin == origin(self._configured) else None

    def _in_time(self, tokens: Tokens | None) -> Tokens:
        """The next token; the present one while it lives and its vendor cannot be asked."""
        try:
            return self._rotate(tokens)
        except Transient:
            if tokens is None or self._now_s() >= tokens.dies_at_s:
                raise
            return tokens

    def _rotate(self, tokens: Tokens | None) -> Tokens:
        spent = tokens.refresh_token if tokens is not None else self._configured
        if not spent:
            raise self._missing
        grant = self._renew(spent)
        self._after_answer()
        return self._save(grant)

    def _save(self, grant: Grant) -> Tokens:
        now_s = self._now_s()
        fresh = Tokens(
            refresh_token=grant.refresh_token,
            access_token=grant.access_token,
            expires_at_s=now_s + grant.renew_s,
            origin=origin(self._configured),
            dies_at_s=now_s + grant.life_s,
        )
        self._store.save(fresh)
        return fresh

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def origin(configured: str) -> str:
    """What a chain of tokens is known by."""
    return hashlib.sha256(configured.encode()).hexdigest()
