#!/usr/bin/env python3
"""Plays the golden demo and draws its screen: docs/pictures/demo.svg and docs/pictures/demo.txt.

Run by hand (`.venv/bin/python docs/draw_demo.py`) when the screen or the day changes: it takes half a
minute. A test compares the figures of the text with those of the golden day.
"""

import io
import re
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from cloud_conductor.cli import demo_report, rehearsal

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 100
FONTS_FROM_ELSEWHERE = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)


def main() -> None:
    """Play the day once; one screen gives both files."""
    with tempfile.TemporaryDirectory(prefix="conductor-picture-") as folder:
        plan = rehearsal.Plan(scenario="golden", seed=1, stores=1, days=2)
        outcome = rehearsal.play(plan, Path(folder))
    console = Console(
        file=io.StringIO(), width=WIDTH, record=True, highlight=False, force_terminal=True
    )
    demo_report.show(console, outcome, None)
    text = console.export_text(clear=False, styles=False)
    lines = [line.rstrip() for line in text.strip().splitlines()]
    (PICTURES / "demo.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    svg = console.export_svg(
        title="make demo",
        code_format=FONTS_FROM_ELSEWHERE.sub("", CONSOLE_SVG_FORMAT),
        unique_id="demo",
    )
    (PICTURES / "demo.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
