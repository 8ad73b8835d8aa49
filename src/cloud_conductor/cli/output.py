"""stdout is data, stderr is talk. Rich is imported only where something is drawn."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from cloud_conductor.domain.errors import (
    ApprovalRefused,
    ConductorError,
    ConfigError,
    MissingExtra,
    PostingRejected,
    QueryRefused,
    RateLimited,
    VendorRefused,
    VendorUnavailable,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

OK, FAILED, USAGE, CONFIG, CHECKS, VENDOR, APPROVAL = range(7)
Alignment = Literal["left", "right"]
WIDTH = 100
GAP = 3


def exit_code(error: BaseException) -> int:
    """Documented and stable: cron and Airflow branch on these (docs/reference/cli.md)."""
    if isinstance(error, ConfigError | MissingExtra):
        return CONFIG
    if isinstance(error, QueryRefused):
        return USAGE
    if isinstance(error, VendorRefused | VendorUnavailable | RateLimited | PostingRejected):
        return VENDOR
    if isinstance(error, ApprovalRefused):
        return APPROVAL
    return FAILED


def fail(error: BaseException, *, debug: bool = False) -> int:
    """Say what happened, why and what fixes it, on stderr. Returns the exit code."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, ConductorError):
        click.echo(f"{click.style(error.code, fg='red', bold=True)}  {error.message}", err=True)
        click.echo(f"        Fix:  {error.fix}", err=True)
        click.echo(f"        More: conductor explain {error.code}", err=True)
    else:
        click.echo(
            f"{click.style('CC-000', fg='red', bold=True)}  {type(error).__name__}: {error}",
            err=True,
        )
        click.echo("        Fix:  run it again with `conductor --debug ...`", err=True)
        click.echo("        More: conductor explain CC-000", err=True)
    return exit_code(error)


def emit_json(value: Any) -> None:
    """One object on one line: what scripts read."""
    click.echo(msgspec.json.encode(value, order="deterministic").decode())


def screen(*, to_stderr: bool = False) -> "Console":
    """Where things are drawn: as wide as the terminal; off a terminal COLUMNS, else 100 columns."""
    from rich.console import Console

    file = sys.stderr if to_stderr else sys.stdout
    wide = os.environ.get("COLUMNS", "")
    width = None if file.isatty() else int(wide) if wide.isdigit() else WIDTH
    return Console(file=file, width=width, highlight=False)


def drawn(
    columns: Sequence[tuple[str, Alignment]],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
) -> "Table":
    """A table without a frame; cells may carry Rich's markup.

    width: of the screen. On a narrower one than the table wants, headings are broken between words
    and cells of several words folded; a date, an amount or a code is never cut in two.
    """
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    is_narrow = width is not None and width < _wanted(columns, rows)
    for place, (name, align) in enumerate(columns):
        whole = is_narrow and not any(" " in row[place].strip() for row in rows)
        heading = name.replace(" ", "\n") if whole else name
        made.add_column(heading, justify=align, overflow="fold", no_wrap=whole)
    for row in rows:
        made.add_row(*row)
    return made


def _wanted(columns: Sequence[tuple[str, Alignment]], rows: Sequence[Sequence[str]]) -> int:
    """Columns of the screen that the table takes with each cell on one line."""
    from rich.text import Text

    widest = (
        max(len(name), *(Text.from_markup(row[place]).cell_len for row in rows), 0)
        for place, (name, _) in enumerate(columns)
    )
    return sum(widest) + GAP * (len(columns) - 1)


def _needed(columns: Sequence[tuple[str, Alignment]], rows: Sequence[Sequence[str]]) -> int:
    """The least the table takes when only the spaces may be broken."""
    widest = (
        max(len(word) for text in (name, *(row[place] for row in rows)) for word in text.split(" "))
        for place, (name, _) in enumerate(columns)
    )
    return sum(widest) + GAP * (len(columns) - 1)


def _records(columns: Sequence[tuple[str, Alignment]], rows: Sequence[Sequence[str]]) -> str:
    """Each row as lines of `name  value`, for rows far wider than the screen."""
    widest = max(len(name) for name, _ in columns)
    return "\n\n".join(
        "\n".join(
            f"{name:<{widest}}  {cell}".rstrip()
            for (name, _), cell in zip(columns, row, strict=True)
        )
        for row in rows
    )


def table(
    columns: Sequence[tuple[str, Alignment]], rows: Sequence[Sequence[str]], *, title: str = ""
) -> None:
    """A table of plain text for people on stdout; amounts line up on the right.

    One whose columns would be cut in the middle of words is given row by row instead.
    """
    if not rows:
        click.echo(f"{title}: none" if title else "none")
        return
    from rich.markup import escape

    console = screen()
    if title:
        console.print(f"[bold]{title}[/]")
    if _needed(columns, rows) > console.width:
        console.print(_records(columns, rows), markup=False, soft_wrap=True)
    else:
        escaped = [[escape(cell) for cell in row] for row in rows]
        console.print(drawn(columns, escaped, width=console.width))
    console.print()


def say(text: str) -> None:
    """Talk: stderr."""
    click.echo(text, err=True)
