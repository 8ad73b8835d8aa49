"""Load conductor.toml: defaults < file < CONDUCTOR__SECTION__KEY. Unknown keys fail."""

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cloud_conductor.domain.config import Config, StoreConfig
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.money import EXPONENTS

FILE_NAME = "conductor.toml"
ENV_PREFIX = "CONDUCTOR__"
SECRET_KEYS = frozenset(
    {
        "token",
        "signature_key",
        "client_id",
        "client_secret",
        "refresh_token",
        "key",
        "webhook",
        "smtp",
    }
)
SCHEMES = frozenset({"env", "file", "keyring", "state"})
LEDGERS = ("xero",)


class Setting(msgspec.Struct, frozen=True):
    """One effective value and where it came from: default, file or environment."""

    key: str
    value: str
    origin: str


def find_file(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: --config, else CONDUCTOR_CONFIG, else ./conductor.toml."""
    path = Path(explicit or environ.get("CONDUCTOR_CONFIG") or FILE_NAME)
    if path.is_dir():
        path = path / FILE_NAME
    if not path.is_file():
        raise ConfigError(
            f"no configuration at {path}", hint="conductor init DIR, or pass --config PATH"
        )
    return path


def read_dotenv(folder: Path) -> None:
    """Put KEY=VALUE lines of `.env` beside conductor.toml into the environment, where unset."""
    file = folder / ".env"
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        name, sign, value = line.strip().partition("=")
        if sign and name and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip().strip("\"'"))


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The frozen configuration of a file. Raises ConfigError naming the key."""
    data = _read_toml(path)
    _overlay(data, environ)
    data["root"] = str(path.resolve().parent)
    try:
        config = msgspec.convert(data, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path.name}: {error}", hint="conductor explain CC-201") from None
    _check_links(config, path)
    return config


def digest(path: Path) -> str:
    """SHA-256 of what a file sets, whatever its order and comments; empty when it cannot be read.

    The environment has no part in it: a person's own differs from that of the roles.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ""
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def settings(path: Path, environ: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every effective value with its origin, secrets shown as their references' scheme only."""
    in_file = dict(_flatten(_read_toml(path)))
    from_env = {key for key, _ in _env_values(environ)}
    out = []
    for key, value in _flatten(msgspec.to_builtins(load(path, environ))):
        origin = "environment" if key in from_env else "file" if key in in_file else "default"
        shown = _masked(key, value)
        out.append(Setting(key=key, value=shown, origin=origin))
    return out


def _masked(key: str, value: object) -> str:
    name = key.rsplit(".", 1)[-1]
    if (name in SECRET_KEYS or key == "state.url") and value:
        scheme = str(value).partition(":")[0]
        return f"{scheme}:***" if scheme in SCHEMES else "***"
    return str(value)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", hint=f"mend the line in {path.name}") from None


def _env_values(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith(ENV_PREFIX):
            yield name.removeprefix(ENV_PREFIX).lower().replace("__", "."), value


def _overlay(data: dict[str, Any], environ: Mapping[str, str]) -> None:
    for dotted, value in _env_values(environ):
        *sections, last = dotted.split(".")
        target = data
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{ENV_PREFIX}{dotted.upper()} names a value, not a section")
        target[last] = value


def _flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check_links(config: Config, path: Path) -> None:
    """What the types cannot say: sections that name each other must exist."""
    if config.ledger is not None and config.ledger.vendor not in LEDGERS:
        raise ConfigError(
            f"{path.name}: [ledger]: no adapter for {config.ledger.vendor!r}; "
            f"there is: {', '.join(LEDGERS)}",
            hint='write vendor = "xero"',
        )
    for name in config.sources.keys() & config.landing.keys():
        raise ConfigError(f"{path.name}: [sources.{name}] and [landing.{name}] are one name")
    for name, source in config.sources.items():
        _check_receipts(source.receipts, f"{path.name}: [sources.{name}]")
    for code, store in config.stores.items():
        if store.source not in config.sources and store.source not in config.landing:
            raise ConfigError(
                f"{path.name}: [stores.{code}] names source {store.source!r}, "
                f"but there is no [sources.{store.source}]"
            )
        _check_times(store, f"{path.name}: [stores.{code}]")
        if store.currency not in EXPONENTS:
            raise ConfigError(
                f"{path.name}: [stores.{code}] currency {store.currency!r} is not in ISO 4217 (R-1.2)"
            )
    locations = [(s.source, s.location) for s in config.stores.values()]
    for pair in locations:
        if locations.count(pair) > 1:
            raise ConfigError(f"{path.name}: location {pair[1]!r} belongs to two stores")


def _check_receipts(pattern: str, where: str) -> None:
    try:
        groups = re.compile(pattern).groupindex.keys() if pattern else {"register", "number"}
    except re.error as error:
        raise ConfigError(f"{where} receipts is no regular expression: {error}") from None
    if missing := {"register", "number"} - groups:
        raise ConfigError(f"{where} receipts has no group named {' and '.join(sorted(missing))}")


def _check_times(store: StoreConfig, where: str) -> None:
    """A zone and a cut-off decide every business date (R-2.1): a misspelt one stops everything."""
    try:
        ZoneInfo(store.time_zone)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            f"{where} time_zone {store.time_zone!r} is not an IANA zone",
            hint='write one like "America/New_York"',
        ) from None
    try:
        time.fromisoformat(store.cutoff)
    except ValueError:
        raise ConfigError(
            f"{where} cutoff {store.cutoff!r} is not a time of day", hint='write one like "04:00"'
        ) from None
