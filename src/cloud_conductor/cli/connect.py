"""`conductor connect`: a seller's consent (OAuth), asked for and taken."""

import click

from cloud_conductor.cli.options import config_option, json_option

REDIRECT_URL = "https://localhost/conductor"


@click.command()
@click.argument("source")
@click.option(
    "--redirect-url",
    default=REDIRECT_URL,
    show_default=True,
    help="Where Square sends the seller back to; as the application's settings say it.",
)
@click.option("--answer", default="", help="The address the seller was sent back to.")
@config_option
@json_option
def connect(
    source: str, redirect_url: str, answer: str, config_path: str | None, as_json: bool
) -> None:
    """Connect SOURCE with its seller's consent: print where to consent, then take the --answer.

    Nothing has to listen at the redirect address: copy it out of the browser's address bar.
    """
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.domain.errors import ConfigError
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        if source not in house.config.sources:
            known = ", ".join(house.config.sources) or "none"
            raise ConfigError(f"no [sources.{source}] in conductor.toml; there is: {known}")
        if answer:
            house.consents(source).answer(answer, house.sealed)
            told = {"source": source, "merchant_id": house.pos[source].merchant_id, "open": ""}
        else:
            url = house.consents(source).ask(redirect_url, house.sealed, house.clock)
            told = {"source": source, "merchant_id": "", "open": url}
    if as_json:
        emit_json({"schema": "conductor.connected/v1", **told})
    elif answer:
        click.echo(f"{source} is connected to merchant {told['merchant_id']}")
    else:
        click.echo(f"let the seller open:\n{told['open']}")
        click.echo(f"then: conductor connect {source} --answer 'ADDRESS HE IS SENT BACK TO'")
