"""Idempotency keys, their six minutes, and token lifetimes; vendor time moves by hand."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud_conductor.sandbox.xero.auth import Identity
from cloud_conductor.sandbox.xero.limits import Limits
from cloud_conductor.sandbox.xero.pace import Pace
from cloud_conductor.sandbox.xero.wire import XeroError

PATH = "/api.xro/2.0/ManualJournals"
CLIENT = {"client_id": "sandbox-xero-client", "client_secret": "sandbox-xero-secret"}
BACK = "http://127.0.0.1/back"


def journal(amount="10.00"):
    lines = [
        {"LineAmount": Decimal(amount), "AccountCode": "110"},
        {"LineAmount": -Decimal(amount), "AccountCode": "200"},
    ]
    return {"Narration": "n", "Status": "POSTED", "JournalLines": lines}


def put(organisation, body, key="k"):
    headers = {"Idempotency-Key": key}
    status, _, answer = organisation.call("PUT", PATH, body, headers=headers)
    return status, answer


def test_same_key_inside_the_window_replays_the_stored_answer(organisation, ticker):
    first = put(organisation, journal())
    ticker.seconds = 359
    assert put(organisation, journal()) == first
    assert len(organisation.books.journals) == 1
    calls = organisation.dump()["calls"]["writes"]
    assert [(c.idempotency_key, c.replayed) for c in calls] == [("k", False), ("k", True)]


def test_same_key_outside_the_window_duplicates_the_document(organisation, ticker):
    put(organisation, journal())
    ticker.seconds = 360
    assert put(organisation, journal())[0] == 200
    assert len(organisation.books.journals) == 2


def test_window_shrinks_with_the_time_scale(organisation, ticker):
    organisation.pace.set_scale(60)
    put(organisation, journal())
    ticker.seconds = 5.9
    put(organisation, journal())
    ticker.seconds = 6.0
    put(organisation, journal())
    assert len(organisation.books.journals) == 2


def test_refused_document_is_replayed_as_refused_even_after_its_cause_is_gone(organisation):
    organisation.set_lock({"date": "2027-01-01"})
    first = put(organisation, journal())
    organisation.lock(None)
    assert first[0] == 400
    assert put(organisation, journal()) == first
    assert put(organisation, journal(), key="other")[0] == 200


def test_same_key_with_another_body_is_refused(organisation):
    put(organisation, journal())
    status, answer = put(organisation, journal("11.00"))
    assert (status, "different request" in answer["Message"]) == (400, True)
    assert len(organisation.books.journals) == 1


def test_key_of_more_than_128_characters_is_refused(organisation):
    assert put(organisation, journal(), key="k" * 129)[0] == 400
    assert put(organisation, journal(), key="k" * 128)[0] == 200


def test_keys_survive_a_restart(organisation):
    first = put(organisation, journal())
    organisation.restore(organisation.snapshot())
    assert put(organisation, journal()) == first
    assert len(organisation.books.journals) == 1


@pytest.fixture
def identity(ticker):
    return Identity(pace=Pace(1.0, ticker=ticker))


def connect(identity, **more):
    query = {
        "response_type": "code",
        "client_id": CLIENT["client_id"],
        "redirect_uri": BACK,
        "scope": "offline_access accounting.transactions",
    }
    back = parse_qs(urlsplit(identity.authorize({**query, **more})).query)
    return {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": BACK}


def refresh(identity, token):
    return identity.token({"grant_type": "refresh_token", "refresh_token": token, **CLIENT})


def refusal(call):
    with pytest.raises(XeroError) as error:
        call()
    return error.value.status, error.value.body.get("error", error.value.body.get("Detail"))


def test_access_token_ends_after_thirty_minutes(identity, ticker):
    token = identity.token({"grant_type": "client_credentials", **CLIENT})
    assert (token["expires_in"], "refresh_token" in token) == (1800, False)
    header = f"Bearer {token['access_token']}"
    ticker.seconds = 1799
    assert identity.check(header).custom
    ticker.seconds = 1800
    assert refusal(lambda: identity.check(header)) == (401, "TokenExpired: token expired")


def test_lost_refresh_may_be_repeated_until_its_successor_is_used(identity):
    first = identity.token({**connect(identity), **CLIENT})
    lost = refresh(identity, first["refresh_token"])
    again = refresh(identity, first["refresh_token"])
    assert refusal(lambda: refresh(identity, lost["refresh_token"])) == (400, "invalid_grant")
    refresh(identity, again["refresh_token"])
    assert refusal(lambda: refresh(identity, first["refresh_token"])) == (400, "invalid_grant")


def test_used_refresh_token_ends_with_its_grace(identity, ticker):
    first = identity.token({**connect(identity), **CLIENT})
    refresh(identity, first["refresh_token"])
    ticker.seconds = 1801
    assert refusal(lambda: refresh(identity, first["refresh_token"])) == (400, "invalid_grant")


def test_refresh_token_unused_for_sixty_days_is_dead(identity, ticker):
    first = identity.token({**connect(identity), **CLIENT})
    ticker.seconds = 60 * 24 * 60 * 60
    assert refusal(lambda: refresh(identity, first["refresh_token"])) == (400, "invalid_grant")


def test_code_works_once_and_only_with_its_verifier(identity):
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
    public = {"client_id": CLIENT["client_id"]}
    wrong = {**connect(identity, **asked), **public, "code_verifier": "w" * 43}
    assert refusal(lambda: identity.token(wrong)) == (400, "invalid_grant")
    form = {**connect(identity, **asked), **public, "code_verifier": verifier}
    assert identity.token(form)["token_type"] == "Bearer"
    assert refusal(lambda: identity.token(form)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "client_credentials"}, "invalid_client"),
        ({"grant_type": "client_credentials", **CLIENT, "client_secret": "x"}, "invalid_client"),
        ({"grant_type": "password", **CLIENT}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x", **CLIENT}, "invalid_grant"),
    ],
)
def test_wrong_token_request_is_refused(identity, form, error):
    assert refusal(lambda: identity.token(form)) == (400, error)


def test_limits_refuse_the_sixty_first_call_of_a_minute_and_tell_real_seconds(ticker):
    limits = Limits(Pace(60, ticker=ticker))
    ticker.seconds = 0.25
    for _ in range(60):
        limits.take()
    with pytest.raises(XeroError) as error:
        limits.take()
    # 45 of the minute's 60 vendor seconds are left, 0.75 real ones, rounded up.
    assert error.value.headers == {"X-Rate-Limit-Problem": "minute", "Retry-After": "1"}
    assert limits.headers()["X-MinLimit-Remaining"] == "0"
    ticker.seconds = 1.0
    limits.take()
    assert limits.headers()["X-MinLimit-Remaining"] == "59"


def test_limits_refuse_the_call_after_the_last_of_the_day(ticker):
    limits = Limits(Pace(1.0, ticker=ticker), minute_max=10_000)
    for _ in range(5000):
        limits.take()
    with pytest.raises(XeroError) as error:
        limits.take()
    assert error.value.headers == {"X-Rate-Limit-Problem": "day", "Retry-After": "86400"}
