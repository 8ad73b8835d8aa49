"""From an export in a folder to a signed message at a receiver, by the commands (INV-16)."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_landed_sales import CONFIG

from cloud_conductor.cli.main import conductor
from cloud_conductor.state import publishing
from cloud_conductor.wiring.house import open_house
from exports import sale, text
from receivers import SECRET, Receiver

PUBLISH = """
[publish.others]
kind = "standard_webhooks"
url = "{url}"
secret = "env:HOOK_SECRET"
attempts_max = 1
"""


def call(path, *words):
    result = CliRunner().invoke(conductor, [*words, "--config", str(path), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


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
    assert call(house, "publish", "run")["dead"] == 2
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
