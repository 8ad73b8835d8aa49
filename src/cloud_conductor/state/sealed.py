"""Secrets kept in the state database, sealed with AES-256-GCM under a key that lives elsewhere."""

import contextlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, insert, select, update

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.state.tables.ingest import SEALED

KEY_BYTES = 32
NONCE_BYTES = 12
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SealedStore:
    """Named secrets; durable on return. key: 32 bytes.

    The name is authenticated with the value, so a row cannot be passed off as another.
    """

    def __init__(self, engine: Engine, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigError(f"the state key has {len(key)} bytes, not {KEY_BYTES}")
        self._engine = engine
        self._cipher = AESGCM(key)

    def get(self, name: str) -> str | None:
        """The secret, None when there is none. Raises ConfigError under another key."""
        with self._engine.connect() as connection:
            row = connection.execute(select(SEALED.c.sealed).where(SEALED.c.name == name)).first()
        if row is None:
            return None
        nonce, text = row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, name.encode()).decode()
        except InvalidTag as error:
            raise ConfigError(
                f"the secret {name!r} was sealed under another key: restore the key file, or "
                "connect the vendor again"
            ) from error

    def put(self, name: str, secret: str, *, now: datetime) -> None:
        nonce = os.urandom(NONCE_BYTES)
        values = {
            "sealed": nonce + self._cipher.encrypt(nonce, secret.encode(), name.encode()),
            "changed_us": (now - EPOCH) // timedelta(microseconds=1),
        }
        with self._engine.begin() as connection:
            known = update(SEALED).where(SEALED.c.name == name).values(values)
            if connection.execute(known).rowcount == 0:
                connection.execute(insert(SEALED).values(name=name, **values))


def key_file(path: Path) -> bytes:
    """The state key of a file; a new random one, readable by its owner only, when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make_key(path)
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    return path.read_bytes()


def _make_key(path: Path) -> None:
    """Write aside and link: of two processes that start at once, one wins and both read its key."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.urandom(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()
