"""The demo's one screen: what was proven, and what is open."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cloud_conductor.cli.rehearsal import Outcome


def draw(outcome: "Outcome", kept: Path | None) -> None:
    """On stderr, so that --json keeps stdout for itself."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from cloud_conductor.domain.money import major

    width = None if sys.stderr.isatty() else 120
    console = Console(file=sys.stderr, width=width, highlight=False)
    report = outcome.report
    events = report["events"]
    console.print()
    console.print(
        f"[bold]{events['received']}[/] events received = {events['processed']} processed + "
        f"{events['quarantined']} quarantined + {events['deduplicated']} duplicates"
    )
    days = Table(title="Store-days in the ledger", box=box.SIMPLE_HEAD, title_justify="left")
    for name, justify in (("store", "left"), ("business date", "left"), ("net sales", "right"),
                          ("collected", "right"), ("entries", "right"), ("unexplained", "right")):  # fmt: skip
        days.add_column(name, justify=justify)  # type: ignore[arg-type]
    shown = 0
    for equation in outcome.reconciliation.equations:
        entries = [
            one
            for one in outcome.entries
            if (one["store"], one["business_date"])
            == (equation.store, equation.business_date.isoformat())
        ]
        if not entries:
            continue
        shown += 1
        if shown > SHOWN_MAX:
            continue
        currency = entries[0]["currency"]
        days.add_row(
            equation.store,
            equation.business_date.isoformat(),
            major(_net_sales(entries), currency),
            major(equation.ledger_minor, currency),
            str(len(entries)),
            major(equation.unexplained_minor, currency),
        )
    console.print(days)
    if shown > SHOWN_MAX:
        console.print(f"  and {shown - SHOWN_MAX} more store-days")
    levels = Table(title="Six levels of proof", box=box.SIMPLE_HEAD, title_justify="left")
    for name, justify in (("level", "left"), ("between", "left"), ("state", "left"),
                          ("matched", "right"), ("explained", "right"), ("open", "right")):  # fmt: skip
        levels.add_column(name, justify=justify)  # type: ignore[arg-type]
    colours = {"green": "green", "breaks": "red", "not_connected": "yellow"}
    for name, level in report["levels"].items():
        levels.add_row(
            name,
            f"{level['sources'][0]} / {level['sources'][1]}",
            f"[{colours[level['state']]}]{level['state']}[/]",
            str(level["matched"]),
            str(level["explained"]),
            str(level["open"]),
        )
    console.print(levels)
    for found in outcome.reconciliation.breaks:
        if not found.is_explained:
            console.print(
                f"[red]{found.code}[/] {found.store} {found.business_date}  {found.message}"
            )
    for plant in report["planted"]:
        sign = "found as planted" if plant["found_as"] == plant["kind"] else "NOT FOUND"
        console.print(
            f"planted {plant['kind']} at {plant['store']} {plant['business_date']}: {sign}"
        )
    verdict = (
        "[bold green]proven[/]: every cent is matched or explained"
        if outcome.is_proven
        else "[bold red]not proven[/]: see above, or conductor explain CODE"
    )
    console.print(f"\n{verdict}   unexplained {report['unexplained_minor']} (minor units)")
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.timings.items())
    console.print(f"took {took}")
    if kept is not None:
        click.echo(f"kept in {kept}", err=True)


SHOWN_MAX = 12


def _net_sales(entries: list[dict[str, object]]) -> int:
    """Sales less returns and discounts, from the lines that were posted."""
    total = 0
    for entry in entries:
        if entry["kind"] != "SALES":
            continue
        lines = entry["lines"]
        assert isinstance(lines, list)
        total -= sum(
            line["amount_minor"]
            for line in lines
            if line["role"].startswith(("sales.", "returns.", "discounts"))
        )
    return total
