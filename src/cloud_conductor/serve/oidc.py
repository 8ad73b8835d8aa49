"""Sign-in by an identity provider: OpenID Connect, authorization code with PKCE.

"OpenID Connect Core 1.0" (3.1, 3.1.3.7), "RFC 7636". The provider says who somebody is; what they
may is ours: the claim names a user, and somebody who is no user here stays outside. The signature of
the ID token is checked against the provider's keys (RS256 or ES256), then issuer, audience, nonce and
time.
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cloud_conductor.domain.config import OidcConfig
from cloud_conductor.domain.errors import ConfigError, NotAuthenticated, VendorUnavailable
from cloud_conductor.ports.clock import Clock
from cloud_conductor.serve.auth import LOOPBACK

TIMEOUT_S = 10.0
WAITING_S = 600.0
WAITING_MAX = 1_000
LEEWAY_S = 60
SCOPES = "openid email profile"


class Waiting(msgspec.Struct, frozen=True):
    """A sign-in that was sent to the provider. nonce and verifier: known to us alone."""

    nonce: str
    verifier: str
    target: str
    asked_at: datetime


class Provider:
    """One identity provider. callback: our address that it sends people back to."""

    def __init__(
        self, config: OidcConfig, callback: str, clock: Clock, secret: Callable[[str], str]
    ) -> None:
        found = urlsplit(config.issuer)
        if found.scheme != "https" and found.hostname not in LOOPBACK:
            raise ConfigError(
                f"[serve.oidc] issuer {config.issuer!r} is not an https address",
                hint="ask the provider for its issuer address",
            )
        self._config = config
        self._callback = callback
        self._clock = clock
        self._secret = secret
        self._lock = threading.Lock()
        self._waiting: dict[str, Waiting] = {}
        self._description: Mapping[str, Any] | None = None

    def begin(self, target: str) -> tuple[str, str]:
        """Where to send somebody, and the state that their browser must bring back."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        now = self._clock.now()
        with self._lock:
            self._waiting = {
                key: one
                for key, one in list(self._waiting.items())[-WAITING_MAX:]
                if (now - one.asked_at).total_seconds() < WAITING_S
            }
            self._waiting[state] = Waiting(nonce, verifier, target, now)
        asked = {
            "response_type": "code",
            "client_id": self._secret(self._config.client_id),
            "redirect_uri": self._callback,
            "scope": SCOPES,
            "state": state,
            "nonce": nonce,
            "code_challenge": _text(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return f"{self._described()['authorization_endpoint']}?{urlencode(asked)}", state

    def finish(self, state: str, code: str) -> tuple[str, str]:
        """The user that the provider names, and where they wanted to go. Raises NotAuthenticated."""
        with self._lock:
            waiting = self._waiting.pop(state, None)
        now = self._clock.now()
        if waiting is None or (now - waiting.asked_at).total_seconds() > WAITING_S:
            raise NotAuthenticated("this sign-in was not begun here, or too long ago")
        client = (self._secret(self._config.client_id), self._secret(self._config.client_secret))
        answer = self._ask(
            "POST",
            self._described()["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._callback,
                "code_verifier": waiting.verifier,
            },
            auth=client,
        )
        claims = self._claims(str(answer.get("id_token", "")), client[0], waiting.nonce, now)
        name = claims.get(self._config.user_claim)
        if not isinstance(name, str) or not name:
            raise NotAuthenticated(f"the provider gives no {self._config.user_claim}")
        if self._config.user_claim == "email" and claims.get("email_verified") is False:
            raise NotAuthenticated("the provider has not verified this e-mail address")
        return name, waiting.target

    def _claims(self, token: str, client_id: str, nonce: str, now: datetime) -> Mapping[str, Any]:
        """The ID token's claims, once everything about it is checked."""
        head, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        try:
            header = msgspec.json.decode(_bytes(head), type=dict[str, Any])
            claims = msgspec.json.decode(_bytes(payload), type=dict[str, Any])
            self._verify(header, f"{head}.{payload}".encode(), _bytes(signature))
        except (ValueError, KeyError, InvalidSignature, msgspec.DecodeError) as error:
            raise NotAuthenticated("the provider's token is not signed with its key") from error
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        is_for_us = client_id in audiences and claims.get("azp", client_id) == client_id
        is_now = int(claims.get("exp", 0)) + LEEWAY_S > now.timestamp()
        is_ours = claims.get("iss") == self._config.issuer and claims.get("nonce") == nonce
        if not (is_for_us and is_now and is_ours):
            raise NotAuthenticated("the provider's token is for another time, party or sign-in")
        return claims

    def _verify(self, header: Mapping[str, Any], signed: bytes, signature: bytes) -> None:
        """Raises InvalidSignature, KeyError or ValueError unless a key of the provider signed it."""
        keys = self._ask("GET", self._described()["jwks_uri"])["keys"]
        kid = header.get("kid")
        fitting = [one for one in keys if one.get("kid") == kid and one.get("use", "sig") == "sig"]
        if not fitting:
            raise ValueError(f"no key {kid}")
        key = fitting[0]
        algorithm = header["alg"]
        if algorithm == "RS256" and key["kty"] == "RSA":
            numbers = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
            numbers.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())
        elif algorithm == "ES256" and key["kty"] == "EC" and key["crv"] == "P-256":
            point = ec.EllipticCurvePublicNumbers(
                _number(key["x"]), _number(key["y"]), ec.SECP256R1()
            )
            half = len(signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            point.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        else:
            raise ValueError(f"algorithm {algorithm}")

    def _described(self) -> Mapping[str, Any]:
        """The provider's own description ("OpenID Connect Discovery 1.0"), read once."""
        if self._description is None:
            url = f"{self._config.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = self._ask("GET", url)
            if found.get("issuer") != self._config.issuer:
                raise ConfigError(
                    f"[serve.oidc] the provider calls itself {found.get('issuer')!r}",
                    hint="write issuer exactly as the provider does",
                )
            self._description = found
        return self._description

    def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            answer = httpx.request(method, url, timeout=TIMEOUT_S, **more)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise NotAuthenticated(f"the identity provider answered {status}") from error
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise VendorUnavailable(f"the identity provider did not answer: {error}") from error


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")
