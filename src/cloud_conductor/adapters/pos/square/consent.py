"""A seller's consent: the way to a Square access token, and how one is kept alive.

Square, "OAuth API" and "Receive Seller Authorization and Manage OAuth Tokens" (read 2026-11): an
access token lives 30 days. The code flow proves the application by its secret and gives the same
refresh token every time; PKCE proves it by a verifier, and spends its refresh token at each use.
Renew every seven days or sooner.
"""

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.pos.square.objects import UNREADABLE, instant
from cloud_conductor.adapters.tokens import Grant, RenewedToken, TokenStore
from cloud_conductor.domain.errors import BadRequest, ConfigError, VendorRefused, VendorUnavailable
from cloud_conductor.ports.clock import Clock

RENEW_AFTER = timedelta(days=7)
VERIFIER_BYTES = 48
SCOPES = (
    "MERCHANT_PROFILE_READ",
    "ORDERS_READ",
    "PAYMENTS_READ",
    "ITEMS_READ",
    "INVENTORY_READ",
    "GIFTCARDS_READ",
    "PAYOUTS_READ",
    "CASH_DRAWER_READ",
    "DISPUTES_READ",
)


class Application(msgspec.Struct, frozen=True):
    """Our application at Square. secret: empty for PKCE, which has none."""

    client_id: str
    secret: str = ""

    def proof(self, verifier: str) -> dict[str, str]:
        """What proves us when a code is exchanged."""
        return {"client_secret": self.secret} if self.secret else {"code_verifier": verifier}


class Asked(msgspec.Struct, frozen=True):
    """A consent that somebody was sent to give: what his answer must be held against."""

    state: str
    verifier: str
    redirect_url: str


class _Answer(msgspec.Struct, frozen=True):
    access_token: str
    refresh_token: str
    expires_at: str


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    detail: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    errors: tuple[_Problem, ...] = ()


def ask_for(base_url: str, application: Application, redirect_url: str) -> tuple[str, Asked]:
    """The address where the seller consents, and what to keep until he has."""
    asked = Asked(
        state=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(VERIFIER_BYTES),
        redirect_url=redirect_url,
    )
    query = {
        "client_id": application.client_id,
        "scope": " ".join(SCOPES),
        "session": "false",
        "state": asked.state,
        "redirect_uri": redirect_url,
    }
    if not application.secret:
        digest = hashlib.sha256(asked.verifier.encode()).digest()
        query["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query["code_challenge_method"] = "S256"
    return f"{base_url.rstrip('/')}/oauth2/authorize?{urlencode(query)}", asked


def code_in(answer: str, asked: Asked) -> str:
    """The code in the address that Square sent the seller back to. Raises BadRequest without one."""
    told = {name: values[-1] for name, values in parse_qs(urlsplit(answer).query).items()}
    if told.get("state") != asked.state:
        raise BadRequest(
            "this answer is to another question: its state is not the one that was asked with",
            hint="conductor connect SOURCE, and answer with the address it leads to",
        )
    if "code" not in told:
        said = told.get("error_description") or told.get("error") or "no code"
        raise BadRequest(f"Square gave no code: {said}", hint="conductor connect SOURCE, once more")
    return told["code"]


def exchange(engine: HttpEngine, application: Application, asked: Asked, code: str) -> Grant:
    """The first tokens of a consent. Raises VendorRefused when Square does not take the code."""
    return _grant(
        engine,
        {
            "client_id": application.client_id,
            **application.proof(asked.verifier),
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_url,
        },
    )


def consent(
    engine: HttpEngine,
    application: Application,
    *,
    source: str,
    store: TokenStore,
    configured: str,
    clock: Clock,
) -> RenewedToken:
    """Keeps the consent of a source alive. configured: its refresh token, where one is configured."""

    def renew(spent: str) -> Grant:
        proof = {"client_secret": application.secret} if application.secret else {}
        grant = {"grant_type": "refresh_token", "refresh_token": spent}
        return _grant(engine, {"client_id": application.client_id, **proof, **grant}, source)

    missing = ConfigError(
        f"[sources.{source}]: nobody has consented yet", hint=f"conductor connect {source}"
    )
    return RenewedToken(renew, store=store, configured=configured, clock=clock, missing=missing)


def _grant(engine: HttpEngine, body: dict[str, str], source: str = "SOURCE") -> Grant:
    """POST /oauth2/token."""
    answer = engine.request(
        "POST",
        "/oauth2/token",
        json=msgspec.json.encode(body),
        idempotent=True,
        expect=(400, 401, 403),
    )
    try:
        if answer.status != 200:
            refusal = msgspec.json.decode(answer.body, type=_Refusal)
            said = "; ".join(one.detail or one.code for one in refusal.errors)
            raise VendorRefused(
                f"Square gave no token: {said or answer.status}",
                hint=f"check client_id and client_secret, then: conductor connect {source}",
            )
        told = msgspec.json.decode(answer.body, type=_Answer)
        ends = instant(told.expires_at)
    except (*UNREADABLE, ValueError) as error:
        raise VendorUnavailable(f"Square answered with no token: {error}") from error
    life_s = (ends - _date(answer.headers.get("date", ""), ends)).total_seconds()
    renew_s = min(life_s / 2, RENEW_AFTER.total_seconds())
    return Grant(told.access_token, told.refresh_token, life_s, renew_s)


def _date(text: str, ends: datetime) -> datetime:
    """Now as Square tells it; where it does not, the token is taken for one of a day."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return ends - timedelta(days=1)
