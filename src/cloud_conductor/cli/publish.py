"""`conductor publish`: what others are told, and the dead letters."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.cli.output import Alignment
    from cloud_conductor.state.publishing import ChannelState
    from cloud_conductor.wiring.house import House

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

    A message that a channel was sent already is not sent again for a month. Exit code 5 when a
    channel did not take what it was given, now or before; the reason is said.
    """
    from cloud_conductor.cli.output import VENDOR, emit_json, say
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
        channels = state.channels(house.worker, house.config.publish)
    told = {
        "noted": noted, "queued": done.queued, "sent": done.sent, "failed": done.failed,
        "dead": done.dead, "waiting": sum(one.waiting for one in channels), "dry_run": dry_run,
    }  # fmt: skip
    if as_json:
        emit_json({"schema": "conductor.published/v1", **told, "channels": channels})
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in told.items()))
    for line in needs(channels):
        say(line)
    if not dry_run and (done.dead or any(one.error for one in channels)):
        raise click.exceptions.Exit(VENDOR)


@publish.command("list")
@click.option("--state", type=click.Choice(STATES), help="Default: dead ones, then pending ones.")
@click.option("--channel", default="", help="One channel only.")
@config_option
@json_option
def list_(state: str | None, channel: str, config_path: str | None, as_json: bool) -> None:
    """Channels, and the messages that they did not take yet, oldest first."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import publishing
    from cloud_conductor.wiring.house import open_house

    wanted = [state] if state else [publishing.DEAD, publishing.PENDING]
    with open_house(config_path) as house:
        channels = _channels(house, channel)
        rows = [
            row
            for one in wanted
            for row in publishing.messages(house.worker, states=[one], channel=channel)
        ]
    if as_json:
        messages = [_fields(row) for row in rows]
        emit_json({"schema": "conductor.messages/v1", "channels": channels, "messages": messages})
        return
    table(*columns(channels), title="channels")
    table(
        [("number", "right"), ("state", "left"), ("channel", "left"), ("type", "left"),
         ("store", "left"), ("attempts", "right"), ("error", "left")],
        [
            (str(row.number), row.state, row.channel, row.type, row.store, str(row.attempts),
             row.error)
            for row in rows
        ],
        title=f"{' and '.join(wanted)} messages",
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
    """Put dead letters back into line, under their old ids; the publisher delivers them.

    A number that is no dead letter is refused, and nothing is replayed.
    """
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.state import publishing
    from cloud_conductor.wiring.house import open_house

    if not numbers and not channel:
        raise click.UsageError("name messages by number, or a --channel")
    with open_house(config_path) as house:
        _channels(house, channel)
        found = publishing.dead_numbers(house.worker, channel=channel)
        if others := sorted(set(numbers) - set(found)):
            raise click.UsageError(
                f"no dead letter {'of ' + channel + ' ' if channel else ''}has the number"
                f" {', '.join(str(one) for one in others)}; see conductor publish list --state dead"
            )
        chosen = sorted(set(numbers)) or found
        if chosen and not dry_run:
            publishing.revive(house.worker, numbers=chosen)
    done = {"chosen": len(chosen), "dry_run": dry_run}
    if as_json:
        emit_json({"schema": "conductor.revived/v1", **done})
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in done.items()))


def needs(channels: "Sequence[ChannelState]") -> list[str]:
    """A line for each channel that does not take what it is given, or gave up on something."""
    lines = [
        f"publish.{one.channel} is away, {one.waiting} messages wait: {one.error}"
        for one in channels
        if one.error
    ]
    return lines + [
        f"{one.dead} dead letters of publish.{one.channel}: conductor publish list --state dead"
        for one in channels
        if one.dead
    ]


def columns(
    channels: "Sequence[ChannelState]",
) -> "tuple[list[tuple[str, Alignment]], list[tuple[str, ...]]]":
    """Channels as a table: headings, rows."""
    return (
        [("channel", "left"), ("waiting", "right"), ("dead", "right"), ("away because", "left")],
        [(one.channel, str(one.waiting), str(one.dead), one.error or "-") for one in channels],
    )


def _channels(house: "House", channel: str) -> "list[ChannelState]":
    """All channels, or the one that is named; UsageError for one that nobody knows."""
    from cloud_conductor.state import publishing

    found = publishing.channels(house.worker, house.config.publish)
    known = [one.channel for one in found]
    if channel and channel not in known:
        raise click.UsageError(
            f"there is no channel {channel}; there is: {', '.join(known) or 'none'}"
        )
    return [one for one in found if channel in ("", one.channel)]


def _fields(row: object) -> dict[str, object]:
    import msgspec

    from cloud_conductor.state.publishing import Queued

    assert isinstance(row, Queued)
    return msgspec.structs.asdict(row)
