"""What the pages show works: commands run, options exist, files parse."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from blocks import PAGES, ROOT, Block, blocks, commands
from shop import Shop, golden_shop

from cloud_conductor.domain.config import Config

CONDUCTOR = Path(sys.executable).with_name("conductor")
ALL = blocks()
CONSOLE = [block for block in ALL if block.kind == "console"]
RUN = [block for block in CONSOLE if not block.not_run and not block.in_shop]
IN_SHOP = [block for block in CONSOLE if block.in_shop]
PARTS = sorted({page for page in PAGES if "conductor " in page.read_text("utf-8")})


def ids(block: Block) -> str:
    return block.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


def _conductor(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    quiet = {"NO_COLOR": "1", "CI": "1", "COLUMNS": "100"}
    return subprocess.run(
        [CONDUCTOR, *words], cwd=cwd, env=os.environ | quiet, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_some_blocks_run_and_every_page_was_found():
    assert RUN
    assert {ROOT / "README.md", ROOT / "docs" / "reference" / "cli.md"} <= set(PAGES)


@pytest.mark.parametrize("block", RUN, ids=ids)
def test_the_commands_of_a_console_block_succeed_and_print_what_is_shown(block, folder):
    for command in commands(block.body):
        assert command.words[0] == "conductor", "only conductor runs here; mark the block"
        result = _conductor(*command.words[1:], cwd=folder)
        assert result.returncode == 0, f"$ {' '.join(command.words)}\n{result.stderr}"
        assert command.shown in result.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The golden day, traded at the two sandboxes and closed: what the how-to pages begin with."""
    with golden_shop(tmp_path_factory.mktemp("shop")) as made:
        closed = made.conductor("run", "close")
        assert closed.code == 0, closed.err
        yield made


@pytest.mark.parametrize("block", IN_SHOP, ids=ids)
def test_the_commands_of_a_how_to_succeed_in_a_shop_between_the_sandboxes(block, shop):
    """In the order of the pages, on one shop: what one page posts the next one reconciles."""
    for command in commands(block.body):
        words = [_key(shop) if word == "KEY" else word for word in command.words[1:]]
        answer = shop.conductor(*words)
        assert answer.code == 0, f"$ {' '.join(words)}\n{answer.out}\n{answer.err}"
        assert command.shown in answer.out


def _key(shop: Shop) -> str:
    """Posting key of a draft of the day that the pages name."""
    listed = shop.conductor("journals", "list", "--date", "2026-11-20", "--json").json["entries"]
    return str(listed[0]["posting_key"])


@pytest.mark.parametrize("block", CONSOLE, ids=ids)
def test_a_console_block_has_commands_and_a_reason_if_it_does_not_run(block):
    assert commands(block.body)
    assert not block.not_run or len(block.not_run.split()) > 2


def _shown() -> list[tuple[str, ...]]:
    every = [command.words for block in CONSOLE for command in commands(block.body)]
    return sorted({words[1:] for words in every if words[0] == "conductor"})


@pytest.mark.parametrize("words", _shown(), ids=" ".join)
def test_every_command_and_option_that_a_page_shows_exists(words):
    """Holds for blocks that cannot run here, too: their command's own help must know the option."""
    path = [w for w in words if not w.startswith("-")][:2]
    helped = _conductor(*path, "--help")
    if helped.returncode != 0:
        path = path[:1]
        helped = _conductor(*path, "--help")
    assert helped.returncode == 0, helped.stderr
    options = {w for w in words if w.startswith("--")} - {"--help"}
    known = set(re.findall(r"--[a-z][a-z-]*", helped.stdout))
    assert options <= known, f"{path} does not know {sorted(options - known)}"


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "toml"], ids=ids)
def test_a_piece_of_configuration_is_valid(block):
    config = msgspec.convert(tomllib.loads(block.body), Config)
    assert config.store_master() is not None


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "json"], ids=ids)
def test_a_piece_of_json_parses(block):
    text = block.body.partition("\n")[2] if block.body.startswith("POST ") else block.body
    assert json.loads(text)


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "python"], ids=ids)
def test_a_piece_of_python_compiles(block):
    assert compile(block.body, block.name, "exec")


def test_every_command_is_in_the_reference_and_the_reference_names_no_other():
    text = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    table = text.partition("## Commands")[2].partition("## Exit codes")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    listed = _conductor("--help").stdout.partition("Commands:")[2]
    assert documented == set(re.findall(r"^  (\w+)", listed, re.MULTILINE))


@pytest.mark.parametrize("page", PARTS, ids=lambda page: page.name)
def test_no_sentence_names_a_command_that_does_not_exist(page):
    known = set(
        re.findall(r"^  (\w+)", _conductor("--help").stdout.partition("Commands:")[2], re.MULTILINE)
    )
    spoken = set(re.findall(r"`conductor ([a-z]+)\b", page.read_text("utf-8")))
    assert spoken <= known
