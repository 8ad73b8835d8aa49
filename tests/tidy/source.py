"""What the tidy tests read: the project's own files."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "cloud_conductor"
CODE_FOLDERS = ("src", "tests", "bench", "docs")
UNTRACKED = {
    ".venv", ".venv-tools", ".git", ".conductor", "__pycache__", "dist", "build", ".mypy_cache",
    ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache",
    ".grimp_cache",
}  # fmt: skip


@cache
def python_files() -> tuple[Path, ...]:
    found = [f for folder in CODE_FOLDERS for f in (ROOT / folder).rglob("*.py")]
    return tuple(sorted(f for f in found if not UNTRACKED & set(f.parts)))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


@cache
def tracked_files() -> tuple[Path, ...]:
    """Files that belong to the project: git's list and what git would add, else all there are."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [f for f in ROOT.rglob("*") if not UNTRACKED & set(f.parts)]
    return tuple(sorted(f for f in found if f.is_file()))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def table_rows(markdown: str) -> list[list[str]]:
    """Cells of every body row of every table, without code ticks."""
    rows = []
    for line in markdown.splitlines():
        if line.startswith("|") and set(line) - set("|-: "):
            cells = line.replace("\\|", "\0").strip().strip("|").split("|")
            rows.append([cell.replace("\0", "|").strip().strip("`") for cell in cells])
    return rows


def sections(markdown: str) -> dict[str, str]:
    """Text below each `## heading`, by heading without code ticks."""
    found: dict[str, str] = {}
    for part in markdown.split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        found[heading.strip().strip("`")] = body
    return found
