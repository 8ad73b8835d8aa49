"""Square's OAuth: codes, access tokens that expire, refresh tokens that stay the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cloud_conductor.sandbox.clock import format_instant
from cloud_conductor.sandbox.square.errors import SquareError, invalid, unauthorized
from cloud_conductor.sandbox.square.state import Ask, State

Json = dict[str, Any]

ACCESS_LIFE = timedelta(days=30)
SHORT_LIFE = timedelta(hours=24)
CODE_LIFE = timedelta(minutes=5)


def authorize(state: State, ask: Ask) -> str:
    """GET /oauth2/authorize: the seller agrees at once; gives the redirect's address."""
    redirect = ask.query.get("redirect_uri")
    if not redirect or not ask.query.get("client_id"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "client_id and redirect_uri are needed.")
    code = f"sq0cgp-{state.secret('codes')}"
    expires = format_instant(state.instant() + CODE_LIFE)
    state.table("codes")[code] = {"client_id": ask.query["client_id"], "expires_at": expires}
    mark = "&" if "?" in redirect else "?"
    passed = f"&state={ask.query['state']}" if ask.query.get("state") else ""
    return f"{redirect}{mark}code={code}&response_type=code{passed}"


def token(state: State, ask: Ask) -> Json:
    """POST /oauth2/token: authorization_code (single use) or refresh_token (stays the same)."""
    body = ask.body
    if not body.get("client_id"):
        raise unauthorized()
    grant = body.get("grant_type")
    if grant == "authorization_code":
        code = state.table("codes").pop(str(body.get("code")), None)
        if code is None or code["expires_at"] < state.now():
            raise _refused("Authorization code not found or expired.")
        refresh = f"EQAA{state.secret('refresh_tokens')}"
        state.table("refresh_tokens")[refresh] = {"client_id": body["client_id"]}
    elif grant == "refresh_token":
        refresh = str(body.get("refresh_token"))
        if refresh not in state.table("refresh_tokens"):
            raise _refused("Refresh token not found.")
    else:
        raise invalid("INVALID_VALUE", f"Grant type {grant} is not simulated.", "grant_type")
    short = bool(body.get("short_lived"))
    access = f"EAAA{state.secret('access_tokens')}"
    expires = format_instant(state.instant() + (SHORT_LIFE if short else ACCESS_LIFE))
    state.table("access_tokens")[access] = {"expires_at": expires, "refresh_token": refresh}
    return {
        "access_token": access,
        "token_type": "bearer",
        "expires_at": expires,
        "merchant_id": state.merchant_id,
        "refresh_token": refresh,
        "short_lived": short,
    }


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
