from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from xero_conformance import Recorder, check
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token, TokenApi
from xero_python.identity import IdentityApi

from cloud_conductor.sandbox import http
from cloud_conductor.sandbox.clock import SandboxClock, parse_instant
from cloud_conductor.sandbox.xero import Organisation, XeroSandbox, application, build
from cloud_conductor.sandbox.xero.auth import CLIENT_ID, CLIENT_SECRET
from cloud_conductor.sandbox.xero.pace import Pace

NOW = "2026-11-23T15:00:00Z"


@dataclass
class Served:
    """A simulator on loopback, with the vendor's own SDK as its client."""

    url: str
    sandbox: XeroSandbox
    recorder: Recorder
    client: httpx.Client
    token: dict[str, Any] = field(default_factory=dict)

    @property
    def tenant(self) -> str:
        return self.sandbox.organisation.books.organisation_id

    def connect(self) -> ApiClient:
        configuration = Configuration(
            oauth2_token=OAuth2Token(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        )
        api = ApiClient(
            configuration,
            oauth2_token_getter=lambda: self.token,
            oauth2_token_saver=self._save,
        )
        api.configuration.oauth2_token.get_client_credentials_access_token(api, False)
        return api

    def _save(self, token: dict[str, Any]) -> None:
        self.token = token

    @property
    def headers(self) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token['access_token']}",
            "xero-tenant-id": self.tenant,
            "accept": "application/json",
        }

    def dump(self) -> dict[str, Any]:
        return self.client.get("/sandbox/dump").json()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A fresh organisation; every exchange of the test is checked against the description."""
    sandbox = build(seed=7, clock=NOW, advanced_tier=True)
    recorder = Recorder(application(sandbox))
    with http.start(recorder) as running, httpx.Client(base_url=running.url) as client:
        for name in ("client_credentials_token_url", "refresh_token_url"):
            monkeypatch.setattr(TokenApi, name, f"{running.url}/connect/token")
        monkeypatch.setattr(TokenApi, "revoke_token_url", f"{running.url}/connect/revocation")
        yield Served(running.url, sandbox, recorder, client)
    for exchange in recorder.exchanges:
        check(exchange)


@pytest.fixture
def api_client(served: Served) -> Iterator[ApiClient]:
    client = served.connect()
    yield client
    client.rest_client.pool_manager.clear()


@pytest.fixture
def accounting(served: Served, api_client: ApiClient) -> AccountingApi:
    return AccountingApi(api_client, base_url=f"{served.url}/api.xro/2.0")


@pytest.fixture
def identity(served: Served, api_client: ApiClient) -> IdentityApi:
    return IdentityApi(api_client, base_url=served.url)


class FakeTicker:
    """Real seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def ticker() -> FakeTicker:
    return FakeTicker()


@pytest.fixture
def organisation(ticker: FakeTicker) -> Organisation:
    """An organisation in this process, with vendor time that stands still."""
    clock = SandboxClock(parse_instant(NOW), scale=0)
    return Organisation(seed=7, clock=clock, pace=Pace(1.0, ticker=ticker))
