"""The year's screen: what it cost, stage by stage, and what was proven."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud_conductor.cli.demo_report import LEVEL_COLUMNS, level_row
from cloud_conductor.cli.output import Alignment, drawn, screen
from cloud_conductor.domain.money import major

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cloud_conductor.cli.year import Year

STAGE_COLUMNS: tuple[tuple[str, Alignment], ...] = (
    ("stage", "left"),
    ("CPU s", "right"),
    ("share", "right"),
    ("wall s", "right"),
    ("limit s", "right"),
    ("reached", "right"),
    ("the limit", "left"),
)
BOUND_COLUMNS: tuple[tuple[str, Alignment], ...] = (
    ("at Xero's own limits", "left"),
    ("documents", "right"),
    ("calls", "right"),
    ("hours", "right"),
    ("stores an organisation can take", "right"),
)


def draw(outcome: "Year", kept: Path | None) -> None:
    """On stderr, so that --json keeps stdout for itself."""
    show(screen(to_stderr=True), outcome, kept)


def show(console: "Console", outcome: "Year", kept: Path | None) -> None:
    """The screen, part by part; of a second run, what it found."""
    parts = _again(outcome.report) if outcome.is_again else _parts(outcome.report, console.width)
    for part in parts:
        console.print()
        console.print(part)
    console.print()
    proven = "[bold green]proven[/]: every cent is matched or explained"
    console.print(proven if outcome.is_proven else "[bold red]not proven[/]: see above")
    if kept is not None:
        console.print(f"kept in {kept}")


def _again(report: dict[str, Any]) -> "Iterator[RenderableType]":
    again = report["year"]["again"]
    yield (
        f"[bold]nothing to do[/]: {again['events']} new events, {again['rows_sealed']} rows to "
        f"seal, {again['dates_due']} dates due, {again['entries_waiting']} entries waiting "
        f"({again['wall_s']:.1f} s; the vendors ended with the first run and were not asked)"
    )


def _parts(report: dict[str, Any], width: int) -> "Iterator[RenderableType]":
    year, events = report["year"], report["events"]
    yield (
        f"[bold]{year['sales']:,}[/] sales, [bold]{year['lines']:,}[/] lines, "
        f"{year['stores']} stores, {report['store_days']:,} store-days; {events['received']:,} "
        f"events = {events['processed']:,} processed + {events['quarantined']:,} quarantined + "
        f"{events['deduplicated']:,} duplicates"
    )
    kinds = ", ".join(
        f"{number:,} {kind}" + ("" if state == "posted" else f" {state}")
        for kind, states in report["entries"].items()
        for state, number in states.items()
    )
    yield f"entries: {kinds}"
    booked, meant = (major(year[name], "USD") for name in ("net_sales_minor", "meant_minor"))
    yield (
        f"net sales in the ledger [bold]{booked}[/], in the file {meant}; "
        f"{year['store_days_that_differ']} store-days differ"
    )
    yield drawn(LEVEL_COLUMNS, [level_row(*one) for one in report["levels"].items()], width=width)
    yield drawn(STAGE_COLUMNS, list(_stages(year)), width=width)
    day, whole = year["one_day"]["day_bytes"], year["one_day"]["all_bytes"]
    yield (
        f"memory {year['memory_peak_bytes'] / 2**20:,.0f} MB at most; one day of the year reads "
        f"{day:,} of {whole:,} bytes ({day / max(1, whole):.2%})"
    )
    rows = [
        (
            one["way"],
            f"{one['documents']:,}",
            f"{one['calls']:,}",
            f"{one['elapsed_s'] / 3_600:,.1f}",
            f"{one['stores_max']:,}",
        )
        for one in year["ledger_bound"]
    ]
    yield drawn(BOUND_COLUMNS, rows, width=width)


def _stages(year: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    total = year["compute_cpu_s"]
    for one in year["stages"]:
        limit = one["limit_s"]
        yield (
            one["stage"],
            f"{one['cpu_s']:.1f}",
            f"{one['cpu_s'] / max(total, 0.001):.0%}",
            f"{one['wall_s']:.1f}",
            f"{limit:.1f}" if limit is not None else "",
            f"{limit / max(one['cpu_s'], 0.001):.0%}" if limit is not None else "",
            one["limit"],
        )
    wall = sum(one["wall_s"] for one in year["stages"])
    yield ("all", f"{total:.1f}", "100%", f"{wall:.1f}", "", "", "")
