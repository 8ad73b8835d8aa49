"""Code blocks of the pages: which run, and in which project folder."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"(?:^(?P<mark><!--[^\n]*-->)\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
RUNS_IN_SHOP = "<!-- runs-in: shop -->"
NOT_RUN = re.compile(r"<!-- not-run: (?P<reason>.+?) -->")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    kind: str
    body: str
    not_run: str
    in_shop: bool

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One `$ ...` line of a console block, and the output the page shows for it."""

    words: tuple[str, ...]
    shown: str


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for fence in FENCE.finditer(text):
            marked = NOT_RUN.search(fence["mark"] or "")
            indent = len(fence["indent"])
            found.append(
                Block(
                    page=page,
                    line=text[: fence.start("kind")].count("\n") + 1,
                    kind=fence["kind"],
                    body="\n".join(line[indent:] for line in fence["body"].splitlines()),
                    not_run=marked["reason"] if marked else "",
                    in_shop=fence["mark"] == RUNS_IN_SHOP,
                )
            )
    return found


def commands(body: str) -> list[Command]:
    """Commands of a console block. Lines that do not begin with `$ ` are output."""
    found: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found:
            found[-1][1].append(line)
    return [Command(tuple(shlex.split(words)), "\n".join(out).strip()) for words, out in found]
