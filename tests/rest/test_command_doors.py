"""The commands of people, keys, breaks, alerts and audit: what they print is what they promise."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner
from shop_front import Front, said

from cloud_conductor.cli.main import conductor

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "schemas"


def run(front: Front, *words: str):
    return CliRunner().invoke(conductor, [*words, "--config", str(front.house.path)])


@pytest.mark.parametrize(
    "words",
    [
        ("users", "list"), ("keys", "list"), ("alerts", "list", "--all"), ("audit", "verify"),
        ("breaks", "list", "--state", "auto_explained", "--state", "open"),
        ("metrics", "net-sales", "--by", "store"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_printed_for_scripts_is_as_published(front: Front, words: tuple[str, ...]):
    found = said(front, *words, "--json")
    name = found["schema"].removeprefix("conductor.").removesuffix("/v1")
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
    assert run(front, *words).exit_code == 0


def test_somebody_is_let_in_given_a_key_and_let_go(front: Front):
    assert (
        run(front, "users", "add", "cleo", "--role", "finance", "--store", "NYC01").exit_code == 0
    )
    link = run(front, "users", "link", "cleo").output.strip()
    assert "/login?t=" in link
    key = run(front, "keys", "create", "till", "--user", "cleo", "--role", "finance")
    assert key.output.startswith("cc_live_")
    more = run(front, "keys", "create", "till", "--user", "cleo", "--role", "admin")
    assert "CC-230" in str(more.exception)
    identity = key.output.split("_")[2]
    assert run(front, "keys", "revoke", identity).exit_code == 0
    assert run(front, "users", "remove", "cleo").exit_code == 0
    assert "CC-233" in str(run(front, "users", "link", "cleo").exception)
    shown = {one["name"]: one for one in said(front, "users", "list", "--json")["users"]}
    assert (shown["cleo"]["is_active"], shown["cleo"]["stores"]) == (False, ["NYC01"])


def test_acts_print_for_scripts_what_came_of_them(front: Front):
    def valid(*words: str):
        found = said(front, *words, "--json")
        name = found["schema"].removeprefix("conductor.").removesuffix("/v1")
        schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
        jsonschema_rs.validator_for(schema).validate(found)
        return found

    (added,) = valid("users", "add", "dana", "--role", "data")["users"]
    assert (added["name"], added["roles"], added["stores"]) == ("dana", ["data"], ["*"])
    assert valid("users", "link", "dana")["user"] == "dana"
    made = valid("keys", "create", "script", "--user", "dana", "--role", "data")
    assert made["key"].startswith("cc_live_")
    (ended,) = valid("keys", "revoke", made["id"])["keys"]
    assert ended["revoked_at"] is not None
    (gone,) = valid("users", "remove", "dana")["users"]
    assert gone["is_active"] is False


def test_a_break_is_assigned_and_accepted_by_the_first_letters_of_its_id(front: Front):
    (some, *_) = said(front, "breaks", "list", "--state", "auto_explained", "--json")["breaks"]
    short = some["id"][:10]
    given = run(front, "breaks", "assign", short, "--as", "ana", "--to", "ben")
    assert "assigned to ben" in given.output
    done = run(front, "breaks", "accept", short, "--as", "ana", "--reason", "agreed")
    assert "proposed" in done.output
    assert "resolved" in run(front, "breaks", "approve", short, "--as", "ben").output
    assert run(front, "breaks", "accept", "nothing", "--as", "a", "--reason", "b").exit_code == 2
