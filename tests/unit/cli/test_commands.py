"""What holds for every command without any vendor: help, usage, configuration, explanations."""

import json
import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from shop import SCHEMAS, check

from cloud_conductor.cli.main import COMMANDS, conductor
from cloud_conductor.domain.explain import EXPLANATIONS


def _paths() -> Iterator[tuple[str, ...]]:
    context = click.Context(conductor)
    for name in COMMANDS:
        command = conductor.get_command(context, name)
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


def _command(path: tuple[str, ...]) -> click.Command:
    command: click.Command = conductor
    for word in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


@pytest.mark.parametrize("path", list(_paths()), ids=" ".join)
def test_every_command_says_in_a_sentence_what_it_does(path):
    command = _command(path)
    text = command.get_help(click.Context(command, info_name=path[-1]))
    assert text.startswith("Usage:")
    assert (command.help or "").partition("\n")[0].endswith(".")


@pytest.mark.parametrize("path", list(_paths()), ids=" ".join)
def test_reading_commands_offer_json(path):
    """All but those that draw nothing: servers, files, JSON itself, and `query` with its --format."""
    command = _command(path)
    silent = {
        ("init",),
        ("up",),
        ("query",),
        ("openapi",),
        ("sandbox", "square"),
        ("sandbox", "xero"),
    }
    if isinstance(command, click.Group) or path in silent:
        return
    assert "--json" in {name for option in command.params for name in option.opts}, path


def test_help_and_version_answer_0(empty):
    assert empty.conductor("--help").code == 0
    assert empty.conductor("-h").code == 0
    assert re.fullmatch(r"conductor, version \d+\.\d+\.\d+\n", empty.conductor("--version").out)


def test_an_unknown_command_is_usage_and_names_the_near_one(empty):
    answer = empty.conductor("reconsile")
    assert answer.code == 2
    assert "Did you mean 'reconcile'?" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--nonsense"),
        ("reconcile", "--date", "yesterday"),
        ("run", "everything"),
        ("demo", "--plant", "D99@NYC01/2026-11-21"),
        ("explain", "CC-999"),
        ("journals", "approve", "--as", "maria"),
        ("backfill", "--from", "2026-11-22", "--to", "2026-11-21"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_code_2_and_nothing_on_stdout(empty, words):
    answer = empty.conductor(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err


FAULTS = {
    "none": None,
    "not toml": "[gateway\nport = 1",
    "unknown key": "[gateway]\nprot = 9000\n",
    "wrong type": '[gateway]\nport = "many"\n',
    "store of no source": '[stores.A]\nlocation = "L1"\ntime_zone = "UTC"\nsource = "shopify"\n',
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", [("status",), ("doctor",)], ids=" ".join)
def test_a_wrong_configuration_is_exit_code_3_with_code_message_fix_and_more(empty, fault, command):
    text = FAULTS[fault]
    if text is not None:
        (empty.folder / "conductor.toml").write_text(text)
    answer = empty.conductor(*command)
    assert (answer.code, answer.out) == (3, "")
    assert re.search(r"^CC-201  .+\n +Fix:  .+\n +More: conductor explain CC-201$", answer.err)
    assert "Traceback" not in answer.err


def test_up_refuses_a_wrong_mapping_before_any_role_could_die_of_it(empty):
    (empty.folder / "conductor.toml").write_text('[mapping]\n"cash_over_shot" = "425"\n')
    answer = empty.conductor("up")
    assert (answer.code, answer.out) == (3, "")
    assert "cash_over_shot" in answer.err


def test_debug_shows_the_traceback(empty):
    answer = empty.conductor("--debug", "status")
    assert answer.code == 3
    assert "Traceback" in answer.err


def test_init_refuses_to_overwrite_and_leaves_the_file_alone(empty):
    assert empty.conductor("init", ".", "--offline").code == 0
    before = (empty.folder / "conductor.toml").read_text()
    again = empty.conductor("init", ".", "--offline")
    assert again.code == 3
    assert "never overwritten" in again.err
    assert (empty.folder / "conductor.toml").read_text() == before


def test_a_value_in_place_of_a_reference_is_not_printed(empty):
    empty.conductor("init", ".", "--offline")
    shown = empty.conductor(
        "config", "show",
        CONDUCTOR__SOURCES__SQUARE__TOKEN="EAAAl-planted",
        CONDUCTOR__STATE__URL="postgresql+psycopg://me:planted@db/x",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    assert "planted" not in shown.out + shown.err


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_every_code_is_explained_in_text_and_json(code):
    runner = CliRunner()
    said = runner.invoke(_command(("explain",)), [code])
    assert said.exit_code == 0
    assert EXPLANATIONS[code].title in said.output
    check(json.loads(runner.invoke(_command(("explain",)), [code, "--json"]).output))


def test_replay_that_replaces_asks_for_a_yes(empty):
    answer = empty.conductor("replay", "--rebuild")
    assert (answer.code, answer.out) == (6, "")


def test_every_schema_names_itself():
    for file in SCHEMAS.glob("*.json"):
        schema = json.loads(file.read_text("utf-8"))
        assert schema["$id"] == f"conductor.{file.stem}/v1"
        assert schema["properties"]["schema"] == {"const": schema["$id"]}
