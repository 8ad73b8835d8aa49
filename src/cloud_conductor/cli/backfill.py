"""`conductor backfill`: read a span of business dates from the sources again, and close them."""

from datetime import date, timedelta

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

DAYS_MAX = 400


@click.command()
@click.option("--from", "first", type=ISO_DATE, required=True, help="First business date.")
@click.option("--to", "last", type=ISO_DATE, required=True, help="Last business date, inclusive.")
@click.option("--dry-run", is_flag=True, help="Say what would be read and closed, do nothing.")
@config_option
@json_option
def backfill(
    first: date, last: date, dry_run: bool, config_path: str | None, as_json: bool
) -> None:
    """Read what the sources hold for the dates, then close each. Running it again adds nothing."""
    from cloud_conductor.cli.output import emit_json, say
    from cloud_conductor.ingest import flow as ingest
    from cloud_conductor.pipelines import close
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    if not first <= last or (last - first).days >= DAYS_MAX:
        raise click.UsageError(f"--from must not be after --to, and {DAYS_MAX} days are the most")
    dates = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    with open_house(config_path) as house:
        start = min(store.day_interval(first)[0] for store in house.stores)
        end = max(store.day_interval(last)[1] for store in house.stores)
        plan: dict[str, object] = {
            "schema": "conductor.backfill/v1",
            "dates": [str(one) for one in dates],
            "dry_run": dry_run,
        }
        if dry_run:
            plan |= {"would_read": [start.isoformat(), end.isoformat()]}
        else:
            new = 0
            for source in house.pos:
                say(f"reading {source} from {start} to {end}")
                new += ingest.run_span(house.ingest_deps, source, start, end).new
            close.catch_up(house.close_deps)
            errands.run(house, "close", dates, say)
            plan |= {"new_events": new}
    if as_json:
        emit_json(plan)
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in plan.items() if key != "schema"))
