"""`conductor publish`: what others are told, and the dead letters."""

from datetime import date, timedelta

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

STATES = ("pending", "sent", "dead")
DAYS_MAX = 400


@click.group()
def publish() -> None:
    """Tell the channels of [publish.*] what happened; list, show and replay dead letters."""


@publish.command()
@click.option("--from", "first", type=ISO_DATE, help="Also sales of business dates from this one.")
@click.option("--to", "last", type=ISO_DATE, help="To this one, itself included.")
@click.option("--dry-run", is_flag=True, help="Say how much would be told, tell nothing.")
@config_option
@json_option
def run(
    first: date | None, last: date | None, dry_run: bool, config_path: str | None, as_json: bool
) -> None:
    """Deliver what is due now. With --from and --to, what a new channel has missed comes first.

    A message that a channel was sent already is not sent again for a month.
    """
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.publishing.flow import Published, run_publish
    from cloud_conductor.state import publishing as state
    from cloud_conductor.wiring.house import open_house
    from cloud_conductor.wiring.publishing import note_dates

    if (first is None) != (last is None):
        raise click.UsageError("--from and --to belong together")
    dates = []
    if first is not None and last is not None:
        if not first <= last or (last - first).days >= DAYS_MAX:
            raise click.UsageError(f"--from must not be after --to, at most {DAYS_MAX} days apart")
        dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    with open_house(config_path) as house, house.publish_lock():
        noted = note_dates(house.worker, house.lake, dates, dry_run=dry_run)
        done = Published() if dry_run else run_publish(house.publish_deps)
        waiting = sum(
            count for (_, name), count in state.tally(house.worker).items() if name == "pending"
        )
    told = {
        "noted": noted, "queued": done.queued, "sent": done.sent, "failed": done.failed,
        "dead": done.dead, "waiting": waiting, "dry_run": dry_run,
    }  # fmt: skip
    if as_json:
        emit_json({"schema": "conductor.published/v1", **told})
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in told.items()))


@publish.command("list")
@click.option("--state", type=click.Choice(STATES), default="dead", show_default=True)
@click.option("--channel", default="", help="One channel only.")
@config_option
@json_option
def list_(state: str, channel: str, config_path: str | None, as_json: bool) -> None:
    """Messages of the outbox, oldest first."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import publishing
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        rows = publishing.messages(house.worker, states=[state], channel=channel)
    if as_json:
        emit_json({"schema": "conductor.messages/v1", "messages": [_fields(row) for row in rows]})
        return
    table(
        [("number", "right"), ("channel", "left"), ("type", "left"), ("store", "left"),
         ("attempts", "right"), ("error", "left")],
        [
            (str(row.number), row.channel, row.type, row.store, str(row.attempts), row.error)
            for row in rows
        ],
        title=f"{state} messages",
    )  # fmt: skip


@publish.command()
@click.argument("numbers", type=int, nargs=-1)
@click.option("--channel", default="", help="Every dead letter of a channel.")
@click.option("--dry-run", is_flag=True, help="Say how many would be tried again, do nothing.")
@config_option
@json_option
def replay(
    numbers: tuple[int, ...], channel: str, dry_run: bool, config_path: str | None, as_json: bool
) -> None:
    """Put dead letters back into line, under their old ids; the publisher delivers them."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.state import publishing
    from cloud_conductor.wiring.house import open_house

    if not numbers and not channel:
        raise click.UsageError("name messages by number, or a --channel")
    with open_house(config_path) as house:
        found = publishing.messages(house.worker, states=[publishing.DEAD], channel=channel)
        chosen = [row.number for row in found if not numbers or row.number in numbers]
        if chosen and not dry_run:
            publishing.revive(house.worker, numbers=chosen)
    done = {"chosen": len(chosen), "dry_run": dry_run}
    if as_json:
        emit_json({"schema": "conductor.revived/v1", **done})
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in done.items()))


def _fields(row: object) -> dict[str, object]:
    import msgspec

    from cloud_conductor.state.publishing import Queued

    assert isinstance(row, Queued)
    return msgspec.structs.asdict(row)
