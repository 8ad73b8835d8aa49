"""The demo's one screen: what was proven, and what is open."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud_conductor.cli.output import Alignment, drawn, screen
from cloud_conductor.domain.money import major

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cloud_conductor.cli.rehearsal import Outcome

SHOWN_MAX = 12
COLOURS = {"green": "green", "breaks": "red", "not_connected": "yellow"}
STATES = {"green": "green", "breaks": "breaks", "not_connected": "not connected"}
DAY_COLUMNS: tuple[tuple[str, Alignment], ...] = (
    ("store", "left"),
    ("business date", "left"),
    ("", "left"),
    ("net sales", "right"),
    ("collected", "right"),
    ("in the ledger", "right"),
    ("unexplained", "right"),
    ("entries", "right"),
)
LEVEL_COLUMNS: tuple[tuple[str, Alignment], ...] = (
    ("", "left"),
    ("this", "left"),
    ("agrees with", "left"),
    ("state", "left"),
    ("matched", "right"),
    ("explained", "right"),
    ("open", "right"),
)


def draw(outcome: "Outcome", kept: Path | None) -> None:
    """On stderr, so that --json keeps stdout for itself."""
    show(screen(to_stderr=True), outcome, kept)


def show(console: "Console", outcome: "Outcome", kept: Path | None) -> None:
    """The screen, part by part, with an empty line between two parts."""
    for part in _parts(outcome, console.width):
        console.print()
        console.print(part)
    console.print()
    for line in _open(outcome):
        console.print(line)
    console.print(_verdict(outcome))
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.timings.items())
    console.print(f"[dim]{spent}[/]")
    if kept is not None:
        console.print(f"kept in {kept}")


def _parts(outcome: "Outcome", width: int) -> "Iterator[RenderableType]":
    events = outcome.report["events"]
    yield (
        f"[bold]{events['received']}[/] events received = {events['processed']} processed + "
        f"{events['quarantined']} quarantined + {events['deduplicated']} duplicates"
    )
    for vendor, struck in outcome.report.get("struck", {}).items():
        if struck:
            told = ", ".join(
                f"{number} {name.replace('_', ' ')}" for name, number in struck.items()
            )
            yield f"{vendor} misbehaved: {told}"
    kinds = ", ".join(
        f"{number} {kind}" + ("" if state == "posted" else f" {state}")
        for kind, states in outcome.report["entries"].items()
        for state, number in states.items()
    )
    yield f"[bold]{len(outcome.entries)}[/] entries: {kinds}"
    rows = list(_days(outcome))
    yield drawn(DAY_COLUMNS, rows[:SHOWN_MAX], width=width)
    if len(rows) > SHOWN_MAX:
        yield f"and {len(rows) - SHOWN_MAX} more store-days"
    levels = [level_row(*one) for one in outcome.report["levels"].items()]
    yield drawn(LEVEL_COLUMNS, levels, width=width)


def _days(outcome: "Outcome") -> Iterator[tuple[str, ...]]:
    """One row a store-day that has entries."""
    by_day: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in outcome.entries:
        by_day.setdefault((entry["store"], entry["business_date"]), []).append(entry)
    for one in outcome.reconciliation.equations:
        entries = by_day.get((one.store, one.business_date.isoformat()))
        if not entries:
            continue
        currency = entries[0]["currency"]
        traded = any(entry["kind"] == "SALES" for entry in entries)
        yield (
            one.store,
            one.business_date.isoformat(),
            currency,
            major(net_sales(entries), currency) if traded else "-",
            major(one.pos_minor, currency) if traded else "-",
            major(one.ledger_minor, currency) if traded else "-",
            major(one.unexplained_minor, currency),
            str(len(entries)),
        )


def level_row(name: str, level: dict[str, Any]) -> tuple[str, ...]:
    """A level as LEVEL_COLUMNS show it."""
    state = level["state"]
    return (
        name,
        *level["sources"],
        f"[{COLOURS[state]}]{STATES[state]}[/]",
        str(level["matched"]),
        str(level["explained"]),
        str(level["open"]),
    )


def _open(outcome: "Outcome") -> Iterator[str]:
    """What is open, and whether each planted break was found."""
    from rich.markup import escape

    for found in outcome.reconciliation.breaks:
        if not found.is_explained:
            where = f"{found.store} {found.business_date}"
            yield f"[red]{found.code}[/] {where}  {escape(found.message)}"
    truth = outcome.report.get("truth")
    if truth is not None:
        equal = truth["entries"] - len(truth["differ"])
        yield f"{equal} of {truth['entries']} entries are what the stories meant, to the cent"
        yield from (f"[red]not as meant[/]: {escape(one)}" for one in truth["differ"])
    for plant in outcome.report["planted"]:
        found_it = plant["found_as"] == plant["kind"]
        sign = "[green]found[/]" if found_it else "[bold red]NOT FOUND[/]"
        yield f"{plant['kind']} planted at {plant['store']} {plant['business_date']}: {sign}"


def _verdict(outcome: "Outcome") -> str:
    if not outcome.is_proven:
        return "[bold red]not proven[/]: see above, or conductor explain CODE"
    if outcome.report["planted"]:
        return "[bold green]proven[/]: every cent is matched or explained, but what was planted"
    return "[bold green]proven[/]: every cent is matched or explained"


def net_sales(entries: list[dict[str, Any]]) -> int:
    """Sales less returns and discounts in minor units, from the lines that were posted."""
    total: int = sum(
        line["amount_minor"]
        for entry in entries
        if entry["kind"] == "SALES"
        for line in entry["lines"]
        if line["role"].startswith(("sales.", "returns.", "discounts"))
    )
    return -total
