"""`conductor replay`: conform the event log anew; never posts."""

import sys
from datetime import date

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option


@click.command()
@click.option("--rebuild", is_flag=True, help="Replace the processed zone by the replayed one.")
@click.option("--from", "first", type=ISO_DATE, help="Compare from this business date on.")
@click.option("--to", "last", type=ISO_DATE, help="Compare up to this business date.")
@click.option("--yes", is_flag=True, help="Do not ask before --rebuild.")
@config_option
@json_option
def replay(
    rebuild: bool,
    first: date | None,
    last: date | None,
    yes: bool,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Replay the log into an empty lake and compare every table and date (INV-14, INV-23).

    Without --rebuild nothing is changed. With it, the old processed zone is kept beside the new
    one; the worker and the scheduler must be stopped; a rebuild that was stopped is taken up
    again by the next. Exit code 4 when content differs.
    """
    from cloud_conductor.cli.output import APPROVAL, CHECKS, emit_json, say
    from cloud_conductor.wiring import replaying
    from cloud_conductor.wiring.house import open_house

    if rebuild and not yes:
        if not sys.stdin.isatty():
            click.echo("--rebuild replaces the processed zone; say --yes to go on", err=True)
            raise click.exceptions.Exit(APPROVAL)
        click.confirm("Replace the processed zone?", abort=True, err=True)
    with open_house(config_path) as house:
        days = (first or date.min, last or date.max)
        play = replaying.rebuild if rebuild else replaying.verify
        result = play(house, say, days)
    if as_json:
        emit_json(result)
    else:
        click.echo(
            f"{result['identical']} table-days identical, {len(result['different'])} different"
        )
        for name in result["different"]:
            click.echo(f"  {name}")
    if result["different"]:
        raise click.exceptions.Exit(CHECKS)
