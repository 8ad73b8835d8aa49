"""`conductor alerts`: what is wrong now, and who has taken it on."""

import click

from cloud_conductor.cli.options import config_option, json_option


@click.group()
def alerts() -> None:
    """What is wrong, told by log, webhook and e-mail; acknowledge what you take on."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@config_option
@json_option
def list_(everything: bool, config_path: str | None, as_json: bool) -> None:
    """Alerts that last, newest first."""
    import msgspec

    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import alerts as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house, house.books.connect() as connection:
        rows = state.alerts(connection, states=() if everything else state.LASTING)
    if as_json:
        found = [msgspec.to_builtins(row) for row in rows]
        emit_json({"schema": "conductor.alerts/v1", "alerts": found})
        return
    table(
        [
            ("id", "left"),
            ("state", "left"),
            ("severity", "left"),
            ("store", "left"),
            ("what", "left"),
        ],
        [(row.alert_id, row.state, row.severity, row.store, row.title) for row in rows],
        title="alerts",
    )


@alerts.command()
@click.argument("alert_id")
@click.option("--as", "actor", required=True, help="Who takes it on; kept in the audit chain.")
@click.option("--note", default="", help="Kept with the alert.")
@config_option
@json_option
def acknowledge(
    alert_id: str, actor: str, note: str, config_path: str | None, as_json: bool
) -> None:
    """Take an alert on: it is not told again while it lasts."""
    import msgspec

    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.governance import flow_alerts
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = flow_alerts.acknowledge(house.books, house.clock, alert_id, f"user:{actor}", note)
    if as_json:
        emit_json({"schema": "conductor.alerts/v1", "alerts": [msgspec.to_builtins(row)]})
        return
    click.echo(f"{row.alert_id} {row.title}: acknowledged")
