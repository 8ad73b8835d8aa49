"""From an export in a folder to a signed message at a receiver, by the commands (INV-16)."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner
from test_landed_sales import CONFIG

from cloud_conductor.cli.main import conductor
from cloud_conductor.state import publishing
from cloud_conductor.wiring.house import open_house
from exports import sale, text
from receivers import SECRET, Receiver

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"
PUBLISH = """
[publish.others]
kind = "standard_webhooks"
url = "{url}"
secret = "env:HOOK_SECRET"
attempts_max = 1
"""


def invoke(path, *words):
    return CliRunner().invoke(conductor, [*words, "--config", str(path)])


def call(path, *words, code=0):
    result = invoke(path, *words, "--json")
    assert result.exit_code == code, result.output
    return checked(json.loads(result.stdout))


def checked(found):
    name = found["schema"].removeprefix("conductor.").removesuffix("/v1")
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def due(path, at_us):
    """Let the oldest message that waits be due then."""
    with open_house(str(path)) as opened:
        (head, *_) = publishing.messages(opened.worker, states=["pending"])
        publishing.settle(opened.worker, [{"number": head.number, "due_us": at_us}])


@pytest.fixture
def receiver():
    with Receiver() as found:
        yield found


@pytest.fixture
def house(tmp_path: Path, receiver, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "landing").mkdir()
    path = tmp_path / "conductor.toml"
    path.write_text(CONFIG.format(policy="") + PUBLISH.format(url=receiver.url))
    return path


def land(house, name, *records):
    (house.parent / "landing" / name).write_bytes(text(*records))
    return call(house, "landing", "take")


def test_a_landed_sale_is_told_once_and_its_correction_as_a_new_version(house, receiver):
    first = sale("T-1", updated_at="2026-11-21T17:00:00Z")
    assert land(house, "sales_1.json", first)["new"] == 1
    assert call(house, "publish", "run")["sent"] == 1
    assert call(house, "publish", "run")["sent"] == 0
    tip = [{"type": "card", "amount": "32.75", "tip": "3.00"}]
    changed = sale("T-1", total="32.75", tenders=tip, updated_at="2026-11-21T18:00:00Z")
    land(house, "sales_2.json", first, changed)
    assert call(house, "publish", "run")["sent"] == 1
    totals = [body["data"]["total_minor"] for body in receiver.taken]
    assert totals == [2975, 3275]
    ranks = [body["data"]["version_rank"] for body in receiver.taken]
    assert ranks == sorted(ranks)
    assert len(set(receiver.ids)) == 2


def test_dead_letters_are_listed_and_replayed(house, receiver):
    receiver.answer = lambda _: 500
    land(house, "sales_1.json", sale("T-1"), sale("T-2"))
    assert call(house, "publish", "run", code=5)["dead"] == 2
    dead = call(house, "publish", "list")["messages"]
    assert [one["error"][:12] for one in dead] == ["answered 500"] * 2
    receiver.answer = lambda _: 204
    number = str(dead[0]["number"])
    assert call(house, "publish", "replay", number, "--dry-run") == {
        "schema": "conductor.revived/v1", "chosen": 1, "dry_run": True,
    }  # fmt: skip
    assert call(house, "publish", "replay", "--channel", "others")["chosen"] == 2
    assert call(house, "publish", "run")["sent"] == 2
    assert receiver.ids == [one["message_id"] for one in dead]


def test_a_channel_that_is_away_is_told_with_its_reason_wherever_one_looks(house, receiver):
    house.write_text(house.read_text().replace("attempts_max = 1", "attempts_max = 9"))
    receiver.answer = lambda _: 500
    land(house, "sales_1.json", sale("T-1"), sale("T-2"))
    away = {"channel": "others", "waiting": 2, "dead": 0, "error": "answered 500"}
    ran = invoke(house, "publish", "run")
    assert ran.exit_code == 5
    assert "publish.others is away, 2 messages wait: answered 500" in ran.stderr
    due(house, 2**60)
    again = call(house, "publish", "run", code=5)
    assert (again["failed"], again["channels"]) == (0, [away]), "its wait is not over"
    listed = call(house, "publish", "list")
    assert listed["channels"] == [away]
    assert [(one["state"], one["attempts"]) for one in listed["messages"]] == [
        ("pending", 1), ("pending", 0),
    ]  # fmt: skip
    status = call(house, "status")
    assert status["channels"] == [away]
    assert "publish.others is away, 2 messages wait: answered 500" in status["needs_you"]
    for screen in ("status",), ("publish", "list"):
        assert "answered 500" in invoke(house, *screen).stdout
    due(house, 0)
    receiver.answer = lambda _: 204
    done = call(house, "publish", "run")
    assert done["sent"] == 2
    assert done["channels"] == [away | {"waiting": 0, "error": ""}]


def test_only_dead_letters_of_known_channels_are_replayed(house, receiver):
    land(house, "sales_1.json", sale("T-1"))
    assert call(house, "publish", "run")["sent"] == 1
    (sent,) = call(house, "publish", "list", "--state", "sent")["messages"]
    for words, said in (
        ((str(sent["number"]), "1735"), f"has the number {sent['number']}, 1735"),
        (("--channel", "nobody"), "no channel nobody; there is: others"),
        (("1735", "--channel", "others"), "no dead letter of others has the number 1735"),
    ):
        refused = invoke(house, "publish", "replay", *words)
        assert refused.exit_code == 2
        assert said in refused.output
    assert invoke(house, "publish", "list", "--channel", "nobody").exit_code == 2
    assert call(house, "publish", "replay", "--channel", "others")["chosen"] == 0


def test_a_missing_secret_is_said_with_its_section(house, monkeypatch):
    monkeypatch.delenv("HOOK_SECRET")
    found = call(house, "doctor", code=4)["checks"]
    (channel,) = (one for one in found if one["name"] == "publish.others")
    assert "[publish.others]: the environment variable HOOK_SECRET is empty" in channel["found"]


def test_a_channel_that_joins_later_is_told_what_it_missed(house, receiver):
    without = house.read_text().partition("[publish.others]")
    house.write_text(without[0])
    land(house, "sales_1.json", sale("T-1"), sale("T-2"))
    house.write_text("".join(without))
    assert call(house, "publish", "run")["sent"] == 0
    span = ("--from", "2026-11-20", "--to", "2026-11-22")
    assert call(house, "publish", "run", *span, "--dry-run")["noted"] == 2
    assert call(house, "publish", "run", *span)["sent"] == 2
    assert call(house, "publish", "run", *span)["sent"] == 0, "told once"


def test_what_became_of_each_file_is_listed(house):
    (house.parent / "landing" / "sales_0.json").write_bytes(b"[{")
    land(house, "sales_1.json", sale("T-1"))
    files = call(house, "landing", "list")["files"]
    assert [(one["path"], one["state"], one["records"]) for one in files] == [
        ("sales_0.json", "whole", 1), ("sales_1.json", "taken", 1),
    ]  # fmt: skip


def test_a_rebuilt_lake_tells_nobody(house, receiver):
    """Not even of what the outbox has forgotten: a replay is no news."""
    land(house, "sales_1.json", sale("T-1"), sale("T-2"))
    assert call(house, "publish", "run")["sent"] == 2
    with open_house(str(house)) as opened:
        assert publishing.forget_sent(opened.worker, before_us=2**62) == 2
    call(house, "replay", "--rebuild", "--yes")
    assert call(house, "publish", "run")["sent"] == 0
    land(house, "sales_2.json", sale("T-3"))
    assert call(house, "publish", "run")["sent"] == 1
