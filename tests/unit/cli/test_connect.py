"""`conductor connect` and what `doctor` says of consents, landings and channels."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from shop import check

from cloud_conductor.cli.main import conductor
from cloud_conductor.sandbox.http import start
from cloud_conductor.sandbox.square import Seller, simulator

SECRET = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"
EXPORT = "sales_2026-11-21_180000.ndjson"
SOURCE = """
[sources.square]
vendor = "square"
base_url = "{url}"
client_id = "env:SQUARE_CLIENT_ID"
client_secret = "env:SQUARE_CLIENT_SECRET"
"""
LANDING = """
[landing.tills]
path = "{path}"
settle_s = 0
"""
CHANNEL = """
[publish.partner]
kind = "standard_webhooks"
url = "{url}"
secret = "env:PARTNER_SECRET"
"""


@dataclass
class Project:
    """A project folder beside a simulated seller; commands run in this process."""

    folder: Path
    seller: Seller
    url: str

    def write(self, *sections: str) -> None:
        (self.folder / "conductor.toml").write_text("\n".join(sections))

    def run(self, *words: str, code: int = 0) -> dict[str, Any]:
        config = str(self.folder / "conductor.toml")
        done = CliRunner().invoke(conductor, [*words, "--config", config, "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        told: dict[str, Any] = json.loads(done.stdout)
        check(told)
        return told

    def looked_at(self, name: str) -> dict[str, Any]:
        """One check of `doctor`; others may fail, there is no ledger here."""
        (found,) = [one for one in self.run("doctor", code=4)["checks"] if one["name"] == name]
        return dict(found)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("SQUARE_CLIENT_ID", "app")
    monkeypatch.setenv("SQUARE_CLIENT_SECRET", "its secret")
    monkeypatch.setenv("PARTNER_SECRET", SECRET)
    seller = Seller()
    with start(simulator(seller)) as running:
        made = Project(tmp_path, seller, running.url)
        made.write(SOURCE.format(url=running.url))
        yield made


def test_a_seller_consents_in_two_commands(project: Project) -> None:
    asked = project.run("connect", "square")
    sent_to = httpx.get(asked["open"]).headers["location"]
    assert sent_to.startswith("https://localhost/conductor?code=")
    taken = project.run("connect", "square", "--answer", sent_to)
    assert taken["merchant_id"] == project.seller.state.merchant_id
    assert project.looked_at("square")["holds"]


def test_doctor_names_the_consent_that_is_missing(project: Project) -> None:
    found = project.looked_at("square")
    assert not found["holds"]
    assert found["fix"] == "conductor connect square"


def test_doctor_names_the_consent_that_was_taken_back(project: Project) -> None:
    sent_to = httpx.get(project.run("connect", "square")["open"]).headers["location"]
    project.run("connect", "square", "--answer", sent_to)
    revoke = {"client_id": "app", "merchant_id": project.seller.state.merchant_id}
    project.seller.call("POST", "/oauth2/revoke", revoke)
    found = project.looked_at("square")
    assert not found["holds"]
    assert "conductor connect square" in found["fix"]


def test_a_source_has_a_token_or_a_consent_and_not_both(project: Project) -> None:
    project.write(SOURCE.format(url=project.url) + 'token = "env:SQUARE_CLIENT_ID"\n')
    found = project.looked_at("square")
    assert "either token or client_id" in found["found"]


def test_doctor_reads_the_newest_export_and_takes_nothing(project: Project) -> None:
    folder = project.folder / "exports"
    project.write(LANDING.format(path="exports"))
    missing = project.looked_at("landing.tills")
    assert not missing["holds"]
    assert "[landing.tills] path" in missing["fix"]
    folder.mkdir()
    assert "0 exports" in project.looked_at("landing.tills")["found"]
    (folder / EXPORT).write_text("{ no export at all")
    broken = project.looked_at("landing.tills")
    assert not broken["holds"]
    assert EXPORT in broken["found"]
    assert project.run("landing", "list")["files"] == []


def test_doctor_reaches_a_channel_and_tells_it_nothing(project: Project) -> None:
    project.write(CHANNEL.format(url=f"{project.url}/v2/locations"))
    assert project.looked_at("publish.partner")["holds"]
    project.write(CHANNEL.format(url="http://127.0.0.1:9/nobody"))
    lost = project.looked_at("publish.partner")
    assert not lost["holds"]
    assert "[publish.partner] url" in lost["fix"]


def test_doctor_names_the_secret_of_a_channel_that_is_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PARTNER_SECRET")
    project.write(CHANNEL.format(url=project.url))
    found = project.looked_at("publish.partner")
    assert not found["holds"]
    assert "PARTNER_SECRET" in found["found"]
