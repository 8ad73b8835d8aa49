"""`conductor config show`."""

import click

from cloud_conductor.cli.options import config_option, json_option


@click.group()
def config() -> None:
    """Show each setting and where it came from."""


@config.command()
@config_option
@json_option
def show(config_path: str | None, as_json: bool) -> None:
    """Each value, its origin (default, file, environment); secrets as references only."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.wiring import config as loading

    rows = loading.settings(loading.find_file(config_path))
    if as_json:
        emit_json({"schema": "conductor.config/v1", "settings": rows})
        return
    table(
        [("setting", "left"), ("value", "left"), ("from", "left")],
        [(row.key, row.value, row.origin) for row in rows],
    )
