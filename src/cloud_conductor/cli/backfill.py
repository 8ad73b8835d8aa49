"""`conductor backfill`: read a span of business dates from the sources again, and close them."""

from collections.abc import Mapping
from datetime import date, timedelta

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option


@click.command()
@click.option("--from", "first", type=ISO_DATE, required=True, help="First business date.")
@click.option("--to", "last", type=ISO_DATE, required=True, help="Last business date, inclusive.")
@click.option("--restart", is_flag=True, help="Forget how far a stopped run of this span came.")
@click.option("--dry-run", is_flag=True, help="Say what would be read and closed, do nothing.")
@config_option
@json_option
def backfill(
    first: date, last: date, restart: bool, dry_run: bool, config_path: str | None, as_json: bool
) -> None:
    """Read what the sources hold for the dates, then close each. Running it again adds nothing.

    A run that was stopped goes on after the last day it read; one that was finished begins anew.
    """
    from cloud_conductor.cli.output import emit_json, say
    from cloud_conductor.state import ingest as state
    from cloud_conductor.wiring import backfilling
    from cloud_conductor.wiring.house import open_house

    if not first <= last or (last - first).days >= backfilling.DAYS_MAX:
        most = backfilling.DAYS_MAX
        raise click.UsageError(f"--from must not be after --to, and {most} days are the most")
    days = (last - first).days + 1
    with open_house(config_path) as house:
        if restart and not dry_run:
            for source in house.config.sources:
                state.forget_backfill(house.worker, source, first, last)
        spans = backfilling.spans(house, first, last)
        plan: dict[str, object] = {
            "schema": "conductor.backfill/v1",
            "dates": [str(first + timedelta(days=offset)) for offset in range(days)],
            "dry_run": dry_run,
            "days_done_before": sum(span.done for span in spans),
        }
        if dry_run:
            start, end = backfilling.reach(house, spans)
            plan |= {"would_read": [start.isoformat(), end.isoformat()]}
            plan |= {"would_read_days": sum(len(span.left) for span in spans)}
        else:
            done = backfilling.run(house, spans, say)
            plan |= {"days": done.days, "objects": done.objects, "new_events": done.new_events}
    if as_json:
        emit_json(plan)
    else:
        click.echo(_told(plan, first, last))


def _told(plan: Mapping[str, object], first: date, last: date) -> str:
    """`read 3 days, 41 objects, 2 of them new; closed 2026-11-19 to 2026-11-21`."""
    dates = f"{first} to {last}" if first != last else str(first)
    match plan:
        case {"would_read": [start, end], "would_read_days": days, "days_done_before": done}:
            began = f"{done} days were read before; " if done else ""
            return f"{began}would read {days} days, {start} to {end}, and close {dates}"
        case _:
            read = f"read {plan['days']} days, {plan['objects']} objects"
            return f"{read}, {plan['new_events']} of them new; closed {dates}"
