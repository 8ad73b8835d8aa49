"""What a reference in conductor.toml stands for: `env:`, `file:`, `state:` or `keyring:`."""

import importlib
import os
from pathlib import Path
from typing import Protocol

from cloud_conductor.domain.errors import ConfigError, MissingExtra

SCHEMES = ("env:NAME", "file:PATH", "state:NAME", "keyring:SERVICE/USER")


class Secret:
    """A value that prints as `***`; `reveal()` at the one place that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


class Sealed(Protocol):
    """Secrets kept in state (state.sealed.SealedStore)."""

    def get(self, name: str) -> str | None: ...


def resolve(reference: str, *, root: Path, sealed: Sealed | None = None, name: str = "") -> str:
    """The secret behind a reference.

    root: folder of conductor.toml, where `file:` paths begin. name: what a bare `state:` means.
    Raises ConfigError when there is nothing there, or when the text is a value and no reference;
    MissingExtra for `keyring:` without its package. The secret itself is in no message.
    """
    scheme, colon, rest = reference.partition(":")
    if scheme == "env" and colon:
        return _found(os.environ.get(rest), f"the environment variable {rest}")
    if scheme == "file" and colon:
        return _found(_file(root / rest), f"the file {rest}")
    if scheme == "state" and colon:
        key = rest or name
        return _found(sealed.get(key) if sealed is not None else None, f"the sealed secret {key}")
    if scheme == "keyring" and colon:
        return _found(_keyring(rest), f"the keyring entry {rest}")
    raise ConfigError(
        "a secret is given by reference, not by value: put it in the environment or in a file and "
        f"write one of {', '.join(SCHEMES)}"
    )


def is_reference(text: str) -> bool:
    """Whether a setting refers to a secret (such settings are shown as they are, values are not)."""
    return text.partition(":")[0] in {"env", "file", "state", "keyring"} and ":" in text


def _found(secret: str | None, where: str) -> str:
    if not secret:
        raise ConfigError(
            f"{where} is empty or does not exist",
            hint="put the value there (.env beside conductor.toml does for env:), or refer elsewhere",
        )
    return secret


def _file(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None


def _keyring(entry: str) -> str | None:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError as error:
        raise MissingExtra("keyring", "keyring") from error
    service, _, user = entry.rpartition("/")
    secret: str | None = keyring.get_password(service, user)
    return secret
