"""Sign-in by an identity provider: a small one on loopback, honest or not."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from shop_front import Front

from cloud_conductor.domain.config import OidcConfig
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.governance import flow
from cloud_conductor.serve.oidc import Provider

CLIENT, SECRET = "conductor", "s3cret"
ANA = "ana@example.com"


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Idp:
    """What the provider tells; `spoil` changes the claims, `key` signs."""

    url: str = ""
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    told: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    signer: Any = None

    def token(self) -> str:
        head = text(json.dumps({"alg": "RS256", "kid": "k1"}).encode())
        body = {"iss": self.url, "aud": CLIENT, "exp": 4_000_000_000, "email": ANA}
        body |= {"nonce": self.told["nonce"]} | self.claims
        signed = f"{head}.{text(json.dumps(body).encode())}"
        signature = (self.signer or self.key).sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return f"{signed}.{text(signature)}"

    def answer(self, method: str, path: str, body: dict[str, str], basic: str) -> Any:
        if path == "/.well-known/openid-configuration":
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            return {"issuer": self.url} | {name: f"{self.url}/{name}" for name in names}
        if path == "/jwks_uri":
            numbers = self.key.public_key().public_numbers()
            modulus = text(numbers.n.to_bytes(256, "big"))
            return {"keys": [{"kty": "RSA", "kid": "k1", "n": modulus, "e": "AQAB"}]}
        assert (method, path) == ("POST", "/token_endpoint")
        proof = text(hashlib.sha256(body["code_verifier"].encode()).digest())
        is_ours = basic == base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if body["code"] != "good" or proof != self.told["code_challenge"] or not is_ours:
            return None
        return {"id_token": self.token()}


@pytest.fixture
def idp(front: Front) -> Iterator[Idp]:
    found = Idp()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = {k: v[0] for k, v in parse_qs(self.rfile.read(size).decode()).items()}
            basic = self.headers.get("Authorization", "").removeprefix("Basic ")
            answer = found.answer(self.command, self.path, body, basic)
            raw = json.dumps(answer).encode()
            self.send_response(400 if answer is None else 200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    config = OidcConfig(issuer=found.url, client_id=CLIENT, client_secret=SECRET)
    callback = f"{front.url}/login/oidc/callback"
    front.api.provider = Provider(config, callback, front.house.clock, lambda given: given)
    flow.put_user(front.api.desk.access, "test", ANA, ["viewer"], ["*"])
    yield found
    front.api.provider = None
    server.shutdown()
    thread.join()
    server.server_close()


def come_back(front: Front, idp: Idp, browser: httpx.Client, code: str = "good") -> httpx.Response:
    """Leave for the provider and come back with a code."""
    leave = browser.get("/login/oidc", params={"next": "/journals"})
    assert leave.status_code == 303
    idp.told = {k: v[0] for k, v in parse_qs(urlsplit(leave.headers["location"]).query).items()}
    assert idp.told["redirect_uri"] == f"{front.url}/login/oidc/callback"
    params = {"state": idp.told["state"], "code": code}
    return browser.get("/login/oidc/callback", params=params)


def test_whom_the_provider_names_is_signed_in_with_the_roles_they_have_here(front: Front, idp: Idp):
    with httpx.Client(base_url=front.url) as browser:
        back = come_back(front, idp, browser)
        assert (back.status_code, back.headers["location"]) == (303, "/journals")
        user = browser.get("/api/v1/session").json()["user"]
        assert (user["name"], user["roles"]) == (ANA, ["viewer"])
        used = browser.get(
            "/login/oidc/callback", params={"state": idp.told["state"], "code": "good"}
        )
        assert used.status_code == 401


@pytest.mark.parametrize(
    "spoilt",
    [
        {"iss": "https://other.example"}, {"aud": "somebody else"}, {"exp": 1}, {"nonce": "old"},
        {"email": "stranger@example.com"}, {"email": None}, {"email_verified": False},
        {"aud": [CLIENT, "b"], "azp": "b"},
    ],
)  # fmt: skip
def test_a_token_for_another_time_party_or_person_signs_nobody_in(
    front: Front, idp: Idp, spoilt: dict[str, Any]
):
    idp.claims = spoilt
    with httpx.Client(base_url=front.url) as browser:
        assert come_back(front, idp, browser).status_code == 401
        assert browser.get("/api/v1/session").status_code == 401


def test_a_token_that_another_key_signed_signs_nobody_in(front: Front, idp: Idp):
    idp.signer = rsa.generate_private_key(65537, 2048)
    with httpx.Client(base_url=front.url) as browser:
        assert come_back(front, idp, browser).status_code == 401


def test_a_code_that_the_provider_refuses_signs_nobody_in(front: Front, idp: Idp):
    with httpx.Client(base_url=front.url) as browser:
        assert come_back(front, idp, browser, code="stolen").status_code == 401


def test_a_sign_in_that_another_browser_began_signs_nobody_in(front: Front, idp: Idp):
    with httpx.Client(base_url=front.url) as mine, httpx.Client(base_url=front.url) as theirs:
        leave = mine.get("/login/oidc")
        state = parse_qs(urlsplit(leave.headers["location"]).query)["state"][0]
        params = {"state": state, "code": "good"}
        assert theirs.get("/login/oidc/callback", params=params).status_code == 401


def test_a_provider_in_the_clear_is_refused_and_none_is_not_found(front: Front):
    with pytest.raises(ConfigError, match="https"):
        Provider(
            OidcConfig(issuer="http://idp.example"), "http://x", front.house.clock, lambda t: t
        )
    assert httpx.get(f"{front.url}/login/oidc").status_code == 404
