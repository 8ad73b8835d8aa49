"""`conductor explain CODE`: errors and breaks in words."""

import click

from cloud_conductor.cli.options import json_option


@click.command()
@click.argument("code")
@json_option
def explain(code: str, as_json: bool) -> None:
    """What an error (CC-210) or a break (D04) means, why it happens and what fixes it."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.domain.explain import EXPLANATIONS

    wanted = code.upper()
    found = EXPLANATIONS.get(wanted)
    if found is None:
        raise click.UsageError(f"No code {code!r}. Known: {', '.join(sorted(EXPLANATIONS))}.")
    if as_json:
        emit_json({"schema": "conductor.explanation/v1", "code": wanted, **_fields(found)})
        return
    click.echo(f"{click.style(wanted, bold=True)}  {found.title}\n")
    click.echo(f"What   {found.what}")
    click.echo(f"Why    {found.why}")
    click.echo(f"Fix    {found.fix}")


def _fields(explanation: object) -> dict[str, str]:
    import msgspec

    return {
        key: str(value) for key, value in msgspec.to_builtins(explanation).items() if key != "code"
    }
