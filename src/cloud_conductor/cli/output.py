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


def exit_code(error: BaseException) -> int:
    """Documented and stable: cron and Airflow branch on these (docs/reference/cli.md)."""
    if isinstance(error, ConfigError | MissingExtra):
        return CONFIG
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


def is_drawing() -> bool:
    """Progress and colour only where a person looks (stderr is a terminal, no CI)."""
    return sys.stderr.isatty() and not os.environ.get("CI")


def screen(*, to_stderr: bool = False) -> "Console":
    """Where things are drawn: as wide as the terminal; off a terminal COLUMNS, else 100 columns."""
    from rich.console import Console

    file = sys.stderr if to_stderr else sys.stdout
    wide = os.environ.get("COLUMNS", "")
    width = None if file.isatty() else int(wide) if wide.isdigit() else WIDTH
    return Console(file=file, width=width, highlight=False)


def drawn(columns: Sequence[tuple[str, Alignment]], rows: Sequence[Sequence[str]]) -> "Table":
    """A table without a frame; cells may carry Rich's markup."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, align in columns:
        made.add_column(name, justify=align, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def table(
    columns: Sequence[tuple[str, Alignment]], rows: Sequence[Sequence[str]], *, title: str = ""
) -> None:
    """A table of plain text for people on stdout; amounts line up on the right."""
    if not rows:
        click.echo(f"{title}: none" if title else "none")
        return
    from rich.markup import escape

    console = screen()
    if title:
        console.print(f"[bold]{title}[/]")
    console.print(drawn(columns, [[escape(cell) for cell in row] for row in rows]))
    console.print()


def say(text: str) -> None:
    """Talk: stderr."""
    click.echo(text, err=True)
