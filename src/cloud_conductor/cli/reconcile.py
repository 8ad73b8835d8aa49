"""`conductor reconcile`: six levels, each of two independent records."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.pipelines.reconcile import Reconciliation


@click.command()
@click.option("--date", "dates", type=ISO_DATE, multiple=True, help="Business date; may repeat.")
@click.option("--exactly", is_flag=True, help="Join every row; no digests.")
@config_option
@json_option
def reconcile(
    dates: tuple[date, ...], exactly: bool, config_path: str | None, as_json: bool
) -> None:
    """Compare everything for the dates (default: every closed one). Exit 4 unless green."""
    from cloud_conductor.accounting import digests
    from cloud_conductor.cli.output import CHECKS, emit_json, say
    from cloud_conductor.pipelines import close
    from cloud_conductor.pipelines import reconcile as comparing
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        chosen = sorted(dates) or close.closed_dates(house.close_deps, since=date.min)
        if not chosen:
            say("no business date has been closed yet: conductor run close")
            raise click.exceptions.Exit(CHECKS)
        way = digests.exactly if exactly else digests.compare
        outcome = comparing.reconcile(house.close_deps, chosen, way=way)
    if as_json:
        emit_json({"schema": "conductor.reconciliation/v1", **fields(outcome)})
    else:
        draw(outcome)
    if any(level.state != "green" for level in outcome.levels) or outcome.unexplained_minor:
        raise click.exceptions.Exit(CHECKS)


def fields(outcome: "Reconciliation") -> dict[str, Any]:
    """Levels, equations and breaks as scripts read them."""
    return {
        "levels": {
            level.level: {
                "sources": list(level.sources),
                "state": level.state,
                "matched": level.matched,
                "explained": level.explained,
                "open": level.open,
                "unexplained_minor": level.unexplained_minor,
                "notes": list(level.notes),
            }
            for level in outcome.levels
        },
        "unexplained_minor": outcome.unexplained_minor,
        "equations": [
            {
                "store": one.store,
                "business_date": one.business_date.isoformat(),
                "pos_minor": one.pos_minor,
                "ledger_minor": one.ledger_minor,
                "coded": [[item.code, item.key, item.effect_minor] for item in one.coded],
                "unexplained_minor": one.unexplained_minor,
            }
            for one in outcome.equations
        ],
        "breaks": [
            {
                "id": found.id,
                "level": found.level,
                "code": found.code,
                "store": found.store,
                "business_date": found.business_date.isoformat(),
                "key": found.key,
                "amount_minor": found.amount_minor,
                "currency": found.currency,
                "is_explained": found.is_explained,
                "message": found.message,
                "owner": found.owner,
                "hint": found.hint,
            }
            for found in outcome.breaks
        ],
    }


def draw(outcome: "Reconciliation") -> None:
    """Levels and what they could not compare, then what is open, for people."""
    from cloud_conductor.cli.output import table
    from cloud_conductor.domain.money import major

    table(
        [("", "left"), ("this", "left"), ("agrees with", "left"), ("state", "left"),
         ("matched", "right"), ("explained", "right"), ("open", "right")],
        [
            (level.level, *level.sources, level.state.replace("_", " "), str(level.matched),
             str(level.explained), str(level.open))
            for level in outcome.levels
        ],
    )  # fmt: skip
    for level in outcome.levels:
        for note in level.notes:
            click.echo(f"{level.level}  {note}")
    for found in (one for one in outcome.breaks if not one.is_explained):
        code = click.style(found.code, fg="red", bold=True)
        amount = f"{found.currency} {major(found.amount_minor, found.currency)}"
        click.echo(f"{code}  {found.store} {found.business_date}  {amount}  {found.message}")
        click.echo(f"     Next: {found.hint}  ({found.owner})")
    click.echo(f"unexplained: {unexplained(outcome)}")


def unexplained(outcome: "Reconciliation") -> str:
    """What no code explains, per currency: `0`, or `USD 0.01`."""
    from cloud_conductor.domain.money import major

    totals: dict[str, int] = {}
    for found in outcome.breaks:
        if found.code == "D15":
            totals[found.currency] = totals.get(found.currency, 0) + abs(found.amount_minor)
    named = [f"{currency} {major(minor, currency)}" for currency, minor in totals.items()]
    return ", ".join(named) or str(outcome.unexplained_minor)
