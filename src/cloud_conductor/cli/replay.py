"""`conductor replay`: conform the event log anew; never posts."""

import sys
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.wiring.replaying import Replayed


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

    What is in the log and not conformed yet waits and is not compared. Without --rebuild nothing
    is changed. With it, the old processed zone is kept beside the new one; the worker and the
    scheduler must be stopped; a rebuild that was stopped is taken up again by the next. Exit code
    4 when content differs, or when there was nothing to compare.
    """
    from cloud_conductor.cli.output import APPROVAL, CHECKS, emit_json, say
    from cloud_conductor.wiring import replaying
    from cloud_conductor.wiring.house import open_house

    if first is not None and last is not None and first > last:
        raise click.UsageError("--from must not be after --to")
    if rebuild and not yes:
        if not sys.stdin.isatty():
            click.echo("--rebuild replaces the processed zone; say --yes to go on", err=True)
            raise click.exceptions.Exit(APPROVAL)
        click.confirm("Replace the processed zone?", abort=True, err=True)
    with open_house(config_path) as house:
        days = (first or date.min, last or date.max)
        play = replaying.rebuild if rebuild else replaying.verify
        result = play(house, say, days)
        is_empty = not any(house.log.high_water(name) for name in house.log.partitions())
    compared = result["identical"] + len(result["different"])
    if as_json:
        emit_json(result)
    else:
        for line in _told(result, is_empty=is_empty):
            click.echo(line)
    if result["different"] or not compared:
        raise click.exceptions.Exit(CHECKS)


def _told(result: "Replayed", *, is_empty: bool) -> Iterator[str]:
    """`39 table-days identical, 0 different`, what differs, and what waits."""
    different = result["different"]
    if is_empty:
        yield "nothing to replay: the event log is empty"
    elif not result["identical"] and not different:
        yield "nothing to compare: there are no facts of these dates"
    else:
        yield f"{result['identical']} table-days identical, {len(different)} different"
    yield from (f"  {name}" for name in different)
    if result["waiting"]:
        yield f"{result['waiting']} events wait to be conformed: conductor run conform"
