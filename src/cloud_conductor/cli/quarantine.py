"""`conductor quarantine`: records that broke their contract, and the way back in."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.state.conform import Quarantined


@click.group()
def quarantine() -> None:
    """List, show and release records that broke their contract; nothing is ever dropped."""


@quarantine.command("list")
@click.option("--group", default="", help="One group only: records that broke the same way.")
@click.option("--all", "everything", is_flag=True, help="Released ones too.")
@config_option
@json_option
def list_(group: str, everything: bool, config_path: str | None, as_json: bool) -> None:
    """By group of reason, so that one fix releases all of a kind."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import conform as state
    from cloud_conductor.wiring.house import open_house

    states = (state.OPEN, state.RELEASED, state.REPLAYED) if everything else (state.OPEN,)
    with open_house(config_path) as house:
        rows = state.quarantine(house.worker, states=states, group=group)
    if as_json:
        emit_json({"schema": "conductor.quarantine/v1", "records": [fields(row) for row in rows]})
        return
    table(
        [("seq", "right"), ("state", "left"), ("kind", "left"), ("object", "left"),
         ("group", "left"), ("what", "left")],
        [
            (str(row.seq), row.state, row.kind, row.object_id, row.group_key, row.findings[0].message)
            for row in rows
        ],
        title="quarantine",
    )  # fmt: skip


@quarantine.command()
@click.argument("seq", type=int)
@config_option
@json_option
def show(seq: int, config_path: str | None, as_json: bool) -> None:
    """One record: every finding with its pointer, and the original bytes."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = _one(house.worker, seq)
        bodies = [event.body.decode(errors="replace") for event in house.log.get([seq])]
    if as_json:
        emit_json({"schema": "conductor.quarantined/v1", **fields(row), "body": bodies[0]})
        return
    click.echo(f"{row.seq} {row.kind} {row.object_id} [{row.state}] {row.event_id}")
    for finding in row.findings:
        click.echo(f"  {finding.code} at {finding.pointer or '/'}: {finding.message}")
    click.echo(bodies[0])


@quarantine.command()
@click.argument("seqs", type=int, nargs=-1)
@click.option("--group", default="", help="Every open record of a group.")
@click.option("--body", type=click.Path(path_type=Path, exists=True), help="A corrected body.")
@click.option("--as", "author", required=True, help="Who releases; kept with the record.")
@click.option("--dry-run", is_flag=True, help="Say what would be released, do nothing.")
@config_option
@json_option
def release(
    seqs: tuple[int, ...],
    group: str,
    body: Path | None,
    author: str,
    dry_run: bool,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Send records through again: after a configuration fix as they are, or with --body corrected."""
    from cloud_conductor.cli.output import CHECKS, emit_json
    from cloud_conductor.state import conform as state
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    if not seqs and not group:
        raise click.UsageError("name records by number, or a --group")
    with open_house(config_path) as house:
        chosen = state.quarantine(house.worker, group=group, seqs=seqs)
        sent = left = 0
        if not dry_run:
            fixed = body.read_bytes() if body else None
            sent = errands.release(house, chosen, author=author, fixed_body=fixed)
            left = len(state.quarantine(house.worker, group=group, seqs=seqs))
    done = {"chosen": len(chosen), "sent": sent, "still_open": left, "dry_run": dry_run}
    if as_json:
        emit_json({"schema": "conductor.release/v1", **done})
    else:
        click.echo(" ".join(f"{key}={value}" for key, value in done.items()))
    if left:
        raise click.exceptions.Exit(CHECKS)


def _one(engine: object, seq: int) -> "Quarantined":
    from sqlalchemy import Engine

    from cloud_conductor.state import conform as state

    assert isinstance(engine, Engine)
    everywhere = (state.OPEN, state.RELEASED, state.REPLAYED)
    rows = state.quarantine(engine, states=everywhere, seqs=[seq])
    if not rows:
        raise click.UsageError(f"record {seq} is not in quarantine; see conductor quarantine list")
    return rows[0]


def fields(row: "Quarantined") -> dict[str, object]:
    return {
        "seq": row.seq,
        "event_id": row.event_id,
        "source": row.source,
        "kind": row.kind,
        "object_id": row.object_id,
        "state": row.state,
        "group": row.group_key,
        "code": row.code,
        "pointer": row.findings[0].pointer,
        "message": row.findings[0].message,
        "findings": row.findings,
        "author": row.author,
    }
