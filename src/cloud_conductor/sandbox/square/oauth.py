"""Square's OAuth: codes, access tokens that expire, refresh tokens.

The code flow's refresh token stays the same. PKCE (a `code_challenge` when asking) has no secret;
its refresh tokens are used once, and end.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

from cloud_conductor.sandbox.clock import format_instant
from cloud_conductor.sandbox.square.errors import SquareError, invalid, unauthorized
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

ACCESS_LIFE = timedelta(days=30)
SHORT_LIFE = timedelta(hours=24)
CODE_LIFE = timedelta(minutes=5)
PKCE_LIFE = timedelta(days=90)


def authorize(state: State, ask: Ask) -> str:
    """GET /oauth2/authorize: the seller agrees at once; gives the redirect's address."""
    redirect = ask.query.get("redirect_uri")
    if not redirect or not ask.query.get("client_id"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "client_id and redirect_uri are needed.")
    code = f"sq0cgp-{state.secret('codes')}"
    expires = format_instant(state.instant() + CODE_LIFE)
    challenge = ask.query.get("code_challenge", "")
    if challenge and ask.query.get("code_challenge_method") != "S256":
        raise invalid("INVALID_VALUE", "Only S256 is simulated.", "code_challenge_method")
    state.table("codes")[code] = {
        "client_id": ask.query["client_id"],
        "expires_at": expires,
        "challenge": challenge,
    }
    mark = "&" if "?" in redirect else "?"
    passed = f"&state={ask.query['state']}" if ask.query.get("state") else ""
    return f"{redirect}{mark}code={code}&response_type=code{passed}"


def token(state: State, ask: Ask) -> Json:
    """POST /oauth2/token: authorization_code (single use) or refresh_token."""
    body = ask.body
    if not body.get("client_id"):
        raise unauthorized()
    grant = body.get("grant_type")
    if grant == "authorization_code":
        refresh = _begun(state, body)
    elif grant == "refresh_token":
        refresh = _renewed(state, body)
    else:
        raise invalid("INVALID_VALUE", f"Grant type {grant} is not simulated.", "grant_type")
    short = bool(body.get("short_lived"))
    access = f"EAAA{state.secret('access_tokens')}"
    expires = format_instant(state.instant() + (SHORT_LIFE if short else ACCESS_LIFE))
    state.table("access_tokens")[access] = {"expires_at": expires, "refresh_token": refresh}
    ends = state.table("refresh_tokens")[refresh].get("expires_at")
    return {
        "access_token": access,
        "token_type": "bearer",
        "expires_at": expires,
        "merchant_id": state.merchant_id,
        "refresh_token": refresh,
        "short_lived": short,
        **({"refresh_token_expires_at": ends} if ends else {}),
    }


def _begun(state: State, body: Json) -> str:
    """Refresh token of a code that is exchanged, by secret or by verifier."""
    code = state.table("codes").pop(str(body.get("code")), None)
    if code is None or code["expires_at"] < state.now() or code["client_id"] != body["client_id"]:
        raise _refused("Authorization code not found or expired.")
    challenge = code.get("challenge", "")
    if challenge:
        digest = hashlib.sha256(str(body.get("code_verifier", "")).encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            raise _refused("The code verifier does not fit the challenge.")
    elif not body.get("client_secret"):
        raise _refused("The application is not known by its secret.")
    return _refresh_token(state, body["client_id"], is_pkce=bool(challenge))


def _renewed(state: State, body: Json) -> str:
    """Refresh token to go on with: the same, or for PKCE the next one."""
    refresh = str(body.get("refresh_token"))
    kept = state.table("refresh_tokens").get(refresh)
    if kept is None or kept["client_id"] != body["client_id"]:
        raise _refused("Refresh token not found.")
    if "expires_at" not in kept:
        if not body.get("client_secret"):
            raise _refused("The application is not known by its secret.")
        return refresh
    del state.table("refresh_tokens")[refresh]
    if kept["expires_at"] < state.now():
        raise _refused("Refresh token expired.")
    return _refresh_token(state, body["client_id"], is_pkce=True)


def _refresh_token(state: State, client_id: str, *, is_pkce: bool) -> str:
    refresh = f"EQAA{state.secret('refresh_tokens')}"
    kept = {"client_id": client_id}
    if is_pkce:
        kept["expires_at"] = format_instant(state.instant() + PKCE_LIFE)
    state.table("refresh_tokens")[refresh] = kept
    return refresh


def _refused(detail: str) -> SquareError:
    return SquareError(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", detail)


def revoke(state: State, ask: Ask) -> Json:
    """POST /oauth2/revoke {client_id, access_token | merchant_id}: every token of the grant dies."""
    tokens = state.table("access_tokens")
    access = ask.body.get("access_token")
    if access in tokens:
        refresh = tokens[access]["refresh_token"]
        state.table("refresh_tokens").pop(refresh, None)
        for name in [t for t, kept in tokens.items() if kept["refresh_token"] == refresh]:
            del tokens[name]
    elif ask.body.get("merchant_id") == state.merchant_id:
        tokens.clear()
        state.table("refresh_tokens").clear()
    else:
        raise _refused("Access token not found.")
    data = {
        "type": "revocation",
        "id": state.new_id("revocations"),
        "object": {"revocation": {"revoked_at": state.now(), "revoker_type": "APPLICATION"}},
    }
    state.emit("oauth.authorization.revoked", data)
    return {"success": True}


def expire(state: State, access: str) -> None:
    """End an access token now; its refresh token goes on. Others are not known here."""
    kept = state.table("access_tokens").get(access)
    if kept is not None:
        kept["expires_at"] = state.now()
        state.revision += 1


def is_alive(state: State, access: str) -> bool:
    """Whether an access token opens the API now."""
    kept = state.table("access_tokens").get(access)
    return kept is not None and kept["expires_at"] > state.now()


ROUTES = (
    ("POST", "/oauth2/token", token),
    ("POST", "/oauth2/revoke", revoke),
)
