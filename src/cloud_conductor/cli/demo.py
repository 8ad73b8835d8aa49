"""`conductor demo`: a day of sales from signed webhooks to the ledger and back."""

import sys
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cloud_conductor.cli.rehearsal import Plan

SCENARIOS = ("golden", "chain", "retail")
YEAR_DAYS = 365
RETAIL_DAYS = 14
COUNTRIES = ("AU", "CA", "CL", "GB", "IE", "JP", "US")
PLANTS = ("D01", "D03", "D04", "D05", "D16")


class PlantType(click.ParamType["tuple[str, str, str]"]):
    """KIND@STORE/DAY, e.g. D04@NYC01/2026-11-21."""

    name = "plant"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str, str]:
        if isinstance(value, tuple):
            return value
        kind, at, place = str(value).partition("@")
        store, slash, day = place.partition("/")
        if not (at and slash and store) or kind not in PLANTS:
            self.fail(
                f"{value!r} is not KIND@STORE/DAY with KIND one of {', '.join(PLANTS)}", param, ctx
            )
        try:
            date.fromisoformat(day)
        except ValueError:
            self.fail(f"{day!r} is not a date like 2026-11-21", param, ctx)
        return kind, store, day


@click.command()
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default="golden",
    show_default=True,
    help="One store and one worked day, several stores with seeded sales, or a chain that does all "
    "that happens in shops.",
)
@click.option(
    "--data", type=click.Choice(["completejourney"]), help="A published grocer's baskets."
)
@click.option(
    "--days",
    type=click.IntRange(1, YEAR_DAYS),
    help="Days to play: of chain 2, of retail 14, of completejourney its whole year.",
)
@click.option(
    "--stores",
    type=click.IntRange(1, 50),
    default=3,
    show_default=True,
    help="Stores of chain and retail.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The dice of what is sold.")
@click.option(
    "--country",
    type=click.Choice(COUNTRIES),
    default="US",
    show_default=True,
    help="Of retail: its zones, currency, taxes and changes of clocks.",
)
@click.option(
    "--faults", is_flag=True, help="Of retail: both vendors have a bad day, webhooks and answers."
)
@click.option(
    "--plant",
    "plants",
    type=PlantType(),
    multiple=True,
    metavar="KIND@STORE/DAY",
    help="Put a break there (D01 D03 D04 D05 D16); it must be found. May repeat.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder to keep everything in.")
@click.option(
    "--once", is_flag=True, help="Stop when the proof is printed (the default off a terminal)."
)
@click.option(
    "--console/--no-console",
    default=None,
    help="Go on in the browser until Enter or Ctrl-C (the default on a terminal).",
)
@click.option("--json", "as_json", is_flag=True, help="Last line: one object, conductor.demo/v1.")
def demo(
    scenario: str,
    data: str | None,
    days: int | None,
    stores: int,
    seed: int,
    country: str,
    faults: bool,
    plants: tuple[tuple[str, str, str], ...],
    keep: Path | None,
    once: bool,
    console: bool | None,
    as_json: bool,
) -> None:
    """Simulated Square and Xero on loopback; everything between them is the product itself."""
    from click.core import ParameterSource

    from cloud_conductor.cli import demo_console, rehearsal
    from cloud_conductor.cli.demo_report import draw
    from cloud_conductor.cli.output import CHECKS, emit_json

    source = click.get_current_context().get_parameter_source("scenario")
    if data and source is not ParameterSource.DEFAULT:
        raise click.UsageError("--data plays its own stores: it goes without --scenario")
    if days and not data and scenario == "golden":
        raise click.UsageError(
            "the golden scenario has its own days; --days goes with chain and retail"
        )
    if scenario != "retail" and (faults or country != "US"):
        raise click.UsageError("--country and --faults go with --scenario retail")
    plan = rehearsal.Plan(
        scenario=data or scenario,
        seed=seed,
        stores=stores,
        days=days or (YEAR_DAYS if data else RETAIL_DAYS if scenario == "retail" else 2),
        plants=plants,
        country=country,
        misbehaves=faults,
    )
    _check_plants(plan)
    with tempfile.TemporaryDirectory(prefix="conductor-demo-") as throw_away:
        folder = keep or Path(throw_away)
        if plan.is_year:
            _year(plan, folder, keep, as_json=as_json)
            return
        if keep is not None and (keep / "conductor.toml").exists():
            raise click.UsageError(f"{keep} holds a demo already; name an empty folder")
        if console is None:
            console = not once and not as_json and sys.stdout.isatty() and sys.stdin.isatty()

        def then(outcome: rehearsal.Outcome, stage: rehearsal.Stage) -> None:
            draw(outcome, folder if keep else None)
            if as_json:
                emit_json(outcome.report)
            if console:
                demo_console.show(plan, folder, stage, _stay)

        outcome = rehearsal.play(plan, folder, then)
    if not outcome.is_proven:
        raise click.exceptions.Exit(CHECKS)


def _stay() -> None:
    """Until Enter, the end of the input, or Ctrl-C."""
    click.echo("\nPress Enter to end the demo.", err=True)
    with suppress(KeyboardInterrupt):
        sys.stdin.readline()


def _year(plan: "Plan", folder: Path, keep: Path | None, *, as_json: bool) -> None:
    """More days than anybody would wait for webhooks of."""
    from cloud_conductor.cli import year
    from cloud_conductor.cli.output import CHECKS, emit_json
    from cloud_conductor.cli.year_report import draw

    outcome = year.play(plan, folder)
    draw(outcome, folder if keep else None)
    if as_json:
        emit_json(outcome.report)
    if not outcome.is_proven:
        raise click.exceptions.Exit(CHECKS)


def _check_plants(plan: "Plan") -> None:
    """Refuse a plant that nobody could find, before anything is started."""
    from datetime import timedelta

    from cloud_conductor.sandbox.scenario.catalogue import chain_stores

    is_golden = plan.scenario == "golden"
    if plan.plants and (plan.is_real or plan.season):
        raise click.UsageError("--plant goes with golden and chain: the others plant nothing")
    stores = ["NYC01"] if is_golden else [one.store for one in chain_stores(plan.stores)]
    last_day = plan.first_day + timedelta(days=plan.days - 1)
    for kind, store, day in plan.plants:
        if store not in stores or not plan.first_day <= date.fromisoformat(day) <= last_day:
            raise click.UsageError(
                f"{kind}@{store}/{day}: stores are {', '.join(stores)}, "
                f"days {plan.first_day} to {last_day}"
            )
        if is_golden and kind == "D16":
            raise click.UsageError("D16 is planted at the till: it goes with --scenario chain")
