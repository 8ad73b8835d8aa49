"""Who may come in, from where, and with what: the doors before any answer."""

from datetime import timedelta

import httpx
import pytest
from shop_front import Front

from cloud_conductor.cli.roles import _check_bind
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.governance import flow
from cloud_conductor.serve import rest
from cloud_conductor.wiring import config as loading
from cloud_conductor.wiring.house import House

PLACES = sorted(
    {one.path.replace("{date}", "2026-11-21") for one in rest.endpoints() if one.method == "GET"}
)


@pytest.mark.parametrize("path", PLACES)
def test_nothing_is_answered_to_nobody(front: Front, path: str):
    answer = httpx.get(f"{front.url}/api/v1{path}")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "CC-231"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_link_signs_in_once(front: Front):
    token = flow.make_link(front.api.desk.access, "test", "owner")
    first = httpx.get(f"{front.url}/login", params={"t": token})
    again = httpx.get(f"{front.url}/login", params={"t": token})
    assert first.headers["location"] == "/"
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=Lax" in first.headers["set-cookie"]
    assert again.headers["location"] == "/?signin=expired"
    assert "set-cookie" not in again.headers


def test_a_link_expires(front: Front):
    token = flow.make_link(front.api.desk.access, "test", "owner", timedelta(seconds=-1))
    answer = httpx.get(f"{front.url}/login", params={"t": token})
    assert answer.headers["location"] == "/?signin=expired"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_a_link_never_leads_elsewhere(front: Front, target: str):
    token = flow.make_link(front.api.desk.access, "test", "owner")
    answer = httpx.get(f"{front.url}/login", params={"t": token, "next": target})
    assert answer.headers["location"] == "/"


def test_signing_out_ends_the_session(front: Front):
    with front.browser("owner") as browser:
        cookie = dict(browser.client.cookies)
        assert browser.get("/session").json()["user"]["name"] == "owner"
        assert browser.client.delete("/api/v1/session").status_code == 204
        stale = httpx.get(f"{front.url}/api/v1/session", cookies=cookie)
    assert stale.status_code == 401


def test_somebody_removed_is_out_at_once(front: Front):
    flow.put_user(front.api.desk.access, "test", "leaver", ["viewer"], ["*"])
    with front.browser("leaver") as browser:
        assert browser.get("/session").status_code == 200
        flow.remove_user(front.api.desk.access, "test", "leaver")
        assert browser.get("/session").status_code == 401


def test_a_key_opens_a_session_with_its_own_rights_and_dies_with_it(front: Front, owner):
    made = owner.post("/keys", {"name": "till", "roles": ["viewer"], "stores": ["NYC01"]}).json()
    with httpx.Client(base_url=front.url, headers={"Origin": front.url}) as client:
        opened = client.post("/api/v1/session", json={"key": made["key"]})
        assert opened.json()["user"]["roles"] == ["viewer"]
        assert [one["store"] for one in opened.json()["house"]["stores"]] == ["NYC01"]
        assert owner.send("DELETE", f"/keys/{made['id']}").json()["revoked_at"]
        assert client.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize("spoilt", ["x", "cc_live_x", "cc_live_00_11", "Basic abc", "cc_live_é_é"])
def test_a_key_that_is_none_is_refused_with_the_same_words(front: Front, spoilt: str):
    header = {"Authorization": f"Bearer {spoilt}".encode()}
    answer = httpx.get(f"{front.url}/api/v1/session", headers=header)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.json()["detail"] in ("the API key is not valid", "nobody is signed in")


def test_a_key_holds_no_more_than_its_owner_has_now(front: Front):
    access = front.api.desk.access
    flow.put_user(access, "test", "shrinks", ["finance", "viewer"], ["*"])
    made, _ = flow.make_key(
        access, "test", "shrinks", "k", roles=["finance"], stores=["*"], ttl=timedelta(days=1)
    )
    assert flow.by_key(access, made.text).roles == ("finance",)
    flow.put_user(access, "test", "shrinks", ["viewer"], ["NYC01"])
    now = flow.by_key(access, made.text)
    assert (now.roles, now.stores) == ((), ("NYC01",))


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"],
)
def test_a_browser_write_from_another_site_is_refused(front: Front, owner, origin: str):
    answer = owner.client.post(
        "/api/v1/journals/approve",
        json={"keys": ["x" * 36]},
        headers={"Origin": origin, "Idempotency-Key": "k" * 20},
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "CC-232"


def test_a_browser_write_that_says_nothing_of_its_site_is_refused(front: Front):
    with front.browser("owner") as browser:
        del browser.client.headers["Origin"]
        assert browser.post("/query", {"sql": "select 1"}).status_code == 403
        browser.headers = {"Sec-Fetch-Site": "same-origin"}
        assert browser.post("/query", {"sql": "select 1"}).status_code == 200
        browser.headers = {"Sec-Fetch-Site": "cross-site"}
        assert browser.post("/query", {"sql": "select 1"}).status_code == 403


def test_a_foreign_host_name_is_refused_so_that_no_page_can_rebind_its_own(front: Front, owner):
    answer = owner.client.get("/api/v1/session", headers={"Host": "evil.example"})
    assert answer.status_code == 403


def test_a_form_post_is_not_taken(owner):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = owner.client.post("/api/v1/query", content="sql=select+1", headers=headers)
    assert answer.status_code == 415


def test_every_answer_carries_the_security_headers(front: Front, owner):
    for answer in (
        owner.get("/today"),
        owner.client.get("/no-such-page"),
        httpx.get(f"{front.url}/api/v1/session"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in policy


def test_a_caller_that_asks_too_often_waits(front: Front):
    with front.program(["viewer"]) as program:
        front.api.door.limits.spend("warm")
        front.api.door.limits.per_minute, before = 5, front.api.door.limits.per_minute
        try:
            answers = [program.get("/session") for _ in range(7)]
        finally:
            front.api.door.limits.per_minute = before
    assert [one.status_code for one in answers][:5] == [200] * 5
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["code"] == "CC-106"


def test_whoever_guesses_at_signing_in_waits(front: Front):
    front.api.sign_ins_per_minute, before = 3, front.api.sign_ins_per_minute
    try:
        headers = {"Host": "127.0.0.1"}
        urls = [f"{front.url}/api/v1/session"] * 5
        front.api.door.limits._buckets.pop("sign-in 127.0.0.1", None)
        codes = [
            httpx.post(u, json={"key": "cc_live_0_0"}, headers=headers).status_code for u in urls
        ]
    finally:
        front.api.sign_ins_per_minute = before
    assert codes == [401, 401, 401, 429, 429]


def _bind(front: Front, **settings: str) -> None:
    environ = {f"CONDUCTOR__{key}": value for key, value in settings.items()}
    with House(front.house.path, environ) as house:
        _check_bind(house)


def test_beyond_this_machine_is_refused_without_tls_and_without_anybody_to_sign_in(
    front: Front, tmp_path
):
    _bind(front, GATEWAY__HOST="127.0.0.1")
    with pytest.raises(ConfigError, match="in the clear"):
        _bind(front, GATEWAY__HOST="0.0.0.0")
    tls = {"SERVE__PUBLIC_URL": "https://conductor.example.com"}
    _bind(front, GATEWAY__HOST="0.0.0.0", **tls)
    empty = {"STATE__DIR": str(tmp_path / "empty")}
    with House(front.house.path, {f"CONDUCTOR__{k}": v for k, v in empty.items()}) as house:
        house.prepare()
    with pytest.raises(ConfigError, match="nobody could sign in"):
        _bind(front, GATEWAY__HOST="0.0.0.0", **tls, **empty)


def test_secrets_of_alerts_are_never_printed(front: Front):
    environ = {"CONDUCTOR__ALERTS__SMTP": "env:MAIL"}
    found = {one.key: one.value for one in loading.settings(front.house.path, environ)}
    assert found["alerts.smtp"] == "env:***"
