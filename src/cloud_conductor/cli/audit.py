"""`conductor audit`: the chain of who did what."""

import click

from cloud_conductor.cli.options import config_option, json_option


@click.group()
def audit() -> None:
    """The audit chain: each record holds the hash of the one before (R-15.1)."""


@audit.command()
@config_option
@json_option
def verify(config_path: str | None, as_json: bool) -> None:
    """Check that no record was edited or taken out (INV-30). Exit 4 when one was."""
    from cloud_conductor.cli.output import CHECKS, emit_json
    from cloud_conductor.domain import audit as chain
    from cloud_conductor.state import accounting as books
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house, house.books.connect() as connection:
        seq, last = books.audit_head(connection)
        links = (chain.Link(row.seq, row.record, row.hash) for row in books.audit_rows(connection))
        flaw = chain.verify(links, seq, last)
    if as_json:
        told = {"ok": flaw is None, "records": seq, "flaw": flaw.message if flaw else None}
        emit_json({"schema": "conductor.audit/v1", **told})
    elif flaw is None:
        click.echo(f"{seq} records, whole")
    else:
        click.echo(f"record {flaw.seq}: {flaw.message}")
    if flaw is not None:
        raise click.exceptions.Exit(CHECKS)
