"""`conductor run`: one pipeline, now."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.wiring.house import House

PIPELINES = ("sweep", "conform", "archive", "close", "post", "reconcile", "crosscheck", "vacuum")


@click.command()
@click.argument("pipeline", type=click.Choice(PIPELINES))
@click.option("--date", "dates", type=ISO_DATE, multiple=True, help="Business date; may repeat.")
@click.option("--dry-run", is_flag=True, help="Of vacuum: count, remove nothing.")
@config_option
@json_option
def run(
    pipeline: str,
    dates: tuple[date, ...],
    dry_run: bool,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Run a pipeline; a living scheduler does it when there is one. `close` without dates: all due."""
    import msgspec

    from cloud_conductor.cli.output import emit_json, say
    from cloud_conductor.pipelines import close
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    if dry_run and pipeline != "vacuum":
        raise click.UsageError("--dry-run is for vacuum only")
    with open_house(config_path) as house:
        done: dict[str, object] = {"schema": "conductor.run/v1", "pipeline": pipeline}
        if pipeline in {"conform", "archive"}:
            errands.catch_up(house)
        elif pipeline == "post":
            done["entries"] = errands.post(house, say)
        elif pipeline == "close" and not dates:
            done["dates"] = [one.isoformat() for one in errands.close_due(house, say)]
        elif pipeline == "vacuum":
            found = house.vacuum.run(house.clock.now(), dry_run=dry_run)
            done["dry_run" if dry_run else "removed"] = msgspec.structs.asdict(found)
        elif pipeline == "sweep":
            errands.run(house, "sweep", tell=say)
        elif pipeline == "crosscheck":
            errands.run(house, "crosscheck", tell=say)
        else:
            chosen = dates or tuple(close.closed_dates(house.close_deps, since=date.min))
            _close_or_compare(house, pipeline, chosen)
            done["dates"] = [one.isoformat() for one in chosen]
    if as_json:
        emit_json(done)
    else:
        click.echo(_told(done))


def _told(done: Mapping[str, object]) -> str:
    """`close: 2026-11-20 2026-11-21`, `post: posted 8`, `sweep: done`."""
    match done:
        case {"dates": [*dates]}:
            found = " ".join(str(one) for one in dates) or "nothing was due"
        case {"dry_run": dict(counts)}:
            found = f"would remove {counts['files']} files of {counts['bytes']:,} bytes"
        case {"removed": dict(counts)}:
            found = f"removed {counts['files']} files of {counts['bytes']:,} bytes"
        case {"entries": dict(counts)}:
            found = " ".join(f"{state} {number}" for state, number in counts.items())
        case _:
            found = ""
    return f"{done['pipeline']}: {found or 'done'}"


def _close_or_compare(house: "House", pipeline: str, dates: tuple[date, ...]) -> None:
    """Closing belongs to the one scheduler; comparing only reads, and all dates at once are cheaper."""
    from cloud_conductor.cli.output import say
    from cloud_conductor.pipelines import reconcile
    from cloud_conductor.wiring import errands

    if pipeline == "close":
        errands.run(house, "close", dates, say)
    elif dates:
        reconcile.reconcile(house.close_deps, sorted(dates))
