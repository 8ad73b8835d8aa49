"""`conductor reconcile`: six levels, each of two independent records."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.pipelines.reconcile import Reconciliation


@click.command()
@click.option("--date", "dates", type=ISO_DATE, multiple=True, help="Business date; may repeat.")
@config_option
@json_option
def reconcile(dates: tuple[date, ...], config_path: str | None, as_json: bool) -> None:
    """Compare everything for the dates (default: every closed one). Exit 4 unless green."""
    from cloud_conductor.cli.output import CHECKS, emit_json, say
    from cloud_conductor.pipelines import close
    from cloud_conductor.pipelines import reconcile as comparing
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        chosen = sorted(dates) or close.closed_dates(house.close_deps, since=date.min)
        if not chosen:
            say("no business date has been closed yet: conductor run close")
            raise click.exceptions.Exit(CHECKS)
        outcome = comparing.reconcile(house.close_deps, chosen)
    if as_json:
        emit_json({"schema": "conductor.reconciliation/v1", **fields(outcome)})
    else:
        draw(outcome)
    if any(level.state == "breaks" for level in outcome.levels) or outcome.unexplained_minor:
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
    """Levels, then what is open, for people."""
    from cloud_conductor.cli.output import table
    from cloud_conductor.domain.money import major

    table(
        [("level", "left"), ("between", "left"), ("state", "left"), ("matched", "right"),
         ("explained", "right"), ("open", "right"), ("unexplained", "right")],
        [
            (level.level, " / ".join(level.sources), level.state, str(level.matched),
             str(level.explained), str(level.open), str(level.unexplained_minor))
            for level in outcome.levels
        ],
    )  # fmt: skip
    table(
        [("code", "left"), ("store", "left"), ("date", "left"), ("amount", "right"), ("what", "left"),
         ("next", "left")],
        [
            (found.code, found.store, found.business_date.isoformat(),
             major(found.amount_minor, found.currency), found.message, found.hint)
            for found in outcome.breaks
            if not found.is_explained
        ],
        title="open breaks",
    )  # fmt: skip
