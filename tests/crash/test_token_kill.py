"""A single-use refresh token survives the death of whoever was using it (decision 14)."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from at_once import run_at_once
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.ledger.xero_auth import RotatingToken
from cloud_conductor.adapters.tokens import FileTokenStore
from cloud_conductor.domain.errors import ChecksumMismatch, ConfigError, VendorRefused
from cloud_conductor.sandbox.xero.app import XeroSandbox, build, start
from cloud_conductor.sandbox.xero.auth import CLIENT_ID, CLIENT_SECRET

KEY = bytes(range(32))
PROGRAM = """
import os, signal, sys
from pathlib import Path
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.ledger.xero_auth import RotatingToken
from cloud_conductor.adapters.tokens import FileTokenStore

url, path, configured, border = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

class Store(FileTokenStore):
    def save(self, tokens):
        super().save(tokens)
        if border == "after_save":
            die()

token = RotatingToken(
    HttpEngine(url, name="Xero identity"), "CLIENT", "SECRET",
    store=Store(Path(path), bytes(range(32))), configured=configured, clock=SystemClock(),
    after_answer=die if border == "after_answer" else lambda: None,
)
print("here", flush=True)
sys.stdin.readline()
print(token.header())
""".replace("CLIENT", CLIENT_ID).replace("SECRET", CLIENT_SECRET)


@pytest.fixture
def xero() -> Iterator[tuple[str, XeroSandbox]]:
    sandbox = build(time_scale=60)
    running = start(sandbox)
    yield running.url, sandbox
    running.stop()


@pytest.fixture
def identity(xero) -> Iterator[HttpEngine]:
    engine = HttpEngine(xero[0], name="Xero identity")
    yield engine
    engine.close()


def consent(url: str) -> str:
    """A refresh token, as a user's consent in the browser would give it."""
    back = "http://127.0.0.1/back"
    query = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": back,
             "scope": "offline_access accounting.transactions"}  # fmt: skip
    answer = httpx.get(f"{url}/identity/connect/authorize", params=query)
    (code,) = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back,
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}  # fmt: skip
    return httpx.post(f"{url}/connect/token", data=form).raise_for_status().json()["refresh_token"]


def run(url: str, path: Path, configured: str, border: str = "") -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", PROGRAM, url, str(path), configured, border]
    done = subprocess.run(
        command, input="\n", capture_output=True, text=True, timeout=60, check=False
    )
    done.stdout = done.stdout.removeprefix("here\n")
    return done


def works(url: str, header: str) -> bool:
    return httpx.get(f"{url}/connections", headers={"authorization": header}).status_code == 200


@pytest.mark.parametrize("border", ["after_answer", "after_save"])
def test_dying_around_a_rotation_does_not_lose_the_connection(xero, tmp_path: Path, border: str):
    url, _ = xero
    configured, path = consent(url), tmp_path / "xero.tokens"
    assert run(url, path, configured, border).returncode == -9
    again = run(url, path, configured)
    assert again.returncode == 0, again.stderr
    assert works(url, again.stdout.strip())


def rotating(identity: HttpEngine, path: Path, configured: str) -> RotatingToken:
    return RotatingToken(
        identity,
        CLIENT_ID,
        CLIENT_SECRET,
        store=FileTokenStore(path, KEY),
        configured=configured,
        clock=SystemClock(),
    )


def test_the_new_token_is_sealed_on_disk_before_it_is_used(xero, identity, tmp_path: Path):
    url, _ = xero
    configured, path = consent(url), tmp_path / "xero.tokens"
    header = rotating(identity, path, configured).header()
    stored = FileTokenStore(path, KEY).load()
    assert stored is not None
    assert header == f"Bearer {stored.access_token}"
    assert stored.refresh_token != configured
    sealed = path.read_bytes()
    assert stored.refresh_token.encode() not in sealed
    assert stored.access_token.encode() not in sealed
    assert path.stat().st_mode & 0o077 == 0


def test_a_token_file_sealed_with_another_key_is_an_error_that_says_so(
    xero, identity, tmp_path: Path
):
    path = tmp_path / "xero.tokens"
    rotating(identity, path, consent(xero[0])).header()
    with pytest.raises(ChecksumMismatch, match="another key"):
        FileTokenStore(path, bytes(32)).load()


def test_processes_that_need_a_token_at_once_rotate_it_once(xero, tmp_path: Path):
    url, sandbox = xero
    configured, path = consent(url), tmp_path / "xero.tokens"
    sandbox.faults.plan(
        {"slow_reply": {"probability": 1, "seconds": 0.3, "path": "/connect/token"}}
    )
    command = [sys.executable, "-c", PROGRAM, url, str(path), configured, ""]
    headers = run_at_once(command, processes=3)
    assert len(set(headers)) == 1
    assert works(url, headers[0])
    assert sandbox.faults.struck["slow_reply"] == 1, "one of them asked"
    assert len(sandbox.identity.grants.refresh) == 2


def test_threads_that_need_a_token_at_once_rotate_it_once(xero, identity, tmp_path: Path):
    url, sandbox = xero
    configured, path = consent(url), tmp_path / "xero.tokens"
    headers: list[str] = []

    def one() -> None:
        headers.append(rotating(identity, path, configured).header())

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(headers)) == 1
    assert len(sandbox.identity.grants.refresh) == 2


def test_a_refused_access_token_is_rotated_and_many_rotations_in_a_row_work(
    xero, identity, tmp_path: Path
):
    url, _ = xero
    token = rotating(identity, tmp_path / "xero.tokens", consent(url))
    seen = {token.header()}
    for _ in range(5):
        assert token.refresh()
        header = token.header()
        assert works(url, header)
        seen.add(header)
    assert len(seen) == 6


def test_a_newly_configured_token_begins_a_new_chain(xero, identity, tmp_path: Path):
    url, _ = xero
    path = tmp_path / "xero.tokens"
    first = rotating(identity, path, consent(url)).header()
    second = rotating(identity, path, consent(url)).header()
    assert first != second
    assert works(url, second)


def test_a_dead_refresh_token_says_what_to_do(identity, tmp_path: Path):
    with pytest.raises(VendorRefused, match="invalid_grant") as caught:
        rotating(identity, tmp_path / "xero.tokens", "spent").header()
    assert "connect Xero again" in caught.value.fix


def test_without_any_refresh_token_the_configuration_is_incomplete(identity, tmp_path: Path):
    with pytest.raises(ConfigError, match="refresh token"):
        rotating(identity, tmp_path / "xero.tokens", "").header()
