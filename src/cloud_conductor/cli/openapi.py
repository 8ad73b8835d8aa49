"""`conductor openapi`: the description of the REST API."""

import click


@click.command()
def openapi() -> None:
    """Print OpenAPI 3.1 of /api/v1, as the gateway serves it at /api/v1/openapi.json."""
    from cloud_conductor.serve.openapi import text

    click.echo(text().decode())
