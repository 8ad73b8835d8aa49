"""The import contracts hold, and each of them would notice a violation."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from source import ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# contract's first words -> (module that gets the bad line, the bad line)
VIOLATIONS = {
    "The floors of the house": ("ports/clock.py", "import cloud_conductor.adapters"),
    "The sandbox is the judge": ("sandbox/clock.py", "import cloud_conductor.domain.money"),
    "Rooms never reach an adapter": ("conform/planted.py", "import cloud_conductor.adapters"),
    "Nouns are pure": ("domain/money.py", "import random"),
    "Only the demo and the sandbox command": (
        "ingest/planted.py",
        "import cloud_conductor.sandbox.clock",
    ),
}


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder, env={"PYTHONPATH": str(folder / "src"), "PATH": ""},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.sqlite")
    )
    return tmp_path


def test_every_import_contract_is_kept():
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("contract", sorted(VIOLATIONS))
def test_a_planted_violation_breaks_its_contract(contract, copy):
    module, line = VIOLATIONS[contract]
    file = copy / "src" / "cloud_conductor" / module
    before = file.read_text("utf-8") if file.exists() else ""
    file.write_text(f"{before}\n{line}\n", "utf-8")
    result = _lint(copy)
    assert result.returncode != 0, result.stdout
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), result.stdout
    planted = f"cloud_conductor.{module.removesuffix('.py').replace('/', '.')} -> "
    assert planted in result.stdout


@pytest.mark.slow
def test_a_folder_on_no_floor_breaks_the_build(copy):
    stray = copy / "src" / "cloud_conductor" / "stray"
    stray.mkdir()
    (stray / "__init__.py").write_text("", "utf-8")
    result = _lint(copy)
    assert result.returncode != 0
    assert "stray" in result.stdout


def test_every_contract_has_a_planted_violation():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    names = [contract["name"] for contract in project["tool"]["importlinter"]["contracts"]]
    assert {n for n in names if not any(n.startswith(c) for c in VIOLATIONS)} == set()
