"""How each Square source proves itself: a token from a reference, or a seller's consent (OAuth)."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from cloud_conductor.adapters.http import Auth, Bearer, HttpEngine
from cloud_conductor.adapters.pos.square import consent
from cloud_conductor.adapters.tokens import FileTokenStore, RenewedToken
from cloud_conductor.domain.config import SourceConfig
from cloud_conductor.domain.errors import BadRequest, ConfigError
from cloud_conductor.ports.clock import Clock
from cloud_conductor.state.sealed import SealedStore, key_file

Resolve = Callable[[str], str]
"""The secret behind a reference."""


class Consents:
    """The consent of one source: kept alive for its calls, and begun by `conductor connect`.

    Its tokens are sealed in the state folder, one file a source, under a lock of the machine.
    """

    def __init__(
        self, name: str, source: SourceConfig, *, resolve: Resolve, state_dir: Path, clock: Clock
    ) -> None:
        if not source.client_id:
            raise ConfigError(
                f"[sources.{name}] has no client_id: it needs no consent",
                hint="set client_id (and client_secret) to references instead of token",
            )
        self._name = name
        self._base_url = source.base_url
        secret = resolve(source.client_secret) if source.client_secret else ""
        self._application = consent.Application(resolve(source.client_id), secret)
        self._engine = HttpEngine(source.base_url, name="Square OAuth")
        self.token: RenewedToken = consent.consent(
            self._engine,
            self._application,
            source=name,
            store=FileTokenStore(
                state_dir / f"{name}.tokens", key_file(state_dir / f"{name}.tokens.key")
            ),
            configured=resolve(source.refresh_token) if source.refresh_token else "",
            clock=clock,
        )

    def ask(self, redirect_url: str, sealed: SealedStore, clock: Clock) -> str:
        """The address at which the seller consents; what his answer needs is kept, sealed."""
        url, asked = consent.ask_for(self._base_url, self._application, redirect_url)
        sealed.put(self._kept, msgspec.json.encode(asked).decode(), now=clock.now())
        return url

    def answer(self, address: str, sealed: SealedStore) -> None:
        """Take the address that the seller was sent back to, and keep its first tokens."""
        kept = sealed.get(self._kept)
        if kept is None:
            raise BadRequest(
                f"nobody was asked for {self._name} yet", hint=f"conductor connect {self._name}"
            )
        asked = msgspec.json.decode(kept, type=consent.Asked)
        code = consent.code_in(address, asked)
        self.token.begin(consent.exchange(self._engine, self._application, asked, code))

    def close(self) -> None:
        self._engine.close()

    @property
    def _kept(self) -> str:
        return f"consent.{self._name}"


def token_of(name: str, source: SourceConfig, resolve: Resolve) -> Auth | None:
    """The token of one's own seller; None where a seller consents instead."""
    if bool(source.token) == bool(source.client_id):
        raise ConfigError(
            f"[sources.{name}] needs either token or client_id",
            hint="token for one's own seller, client_id (and client_secret) for OAuth: references",
        )
    if not source.token:
        return None
    token = resolve(source.token)
    return Bearer(lambda: token)
