"""`conductor init`: write a conductor.toml from what the seller and the ledger say."""

from pathlib import Path

import click

SQUARE_URL = "https://connect.squareup.com"
XERO_URL = "https://api.xero.com"
GITIGNORE = ".conductor/\nlake/\n.env\n"
ENV_EXAMPLE = """# Values of the `env:` references in conductor.toml. Copy to .env; keep it out of git.
SQUARE_TOKEN=
XERO_CLIENT_ID=
XERO_CLIENT_SECRET=
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--square-url", default=SQUARE_URL, show_default=True, help="API host.")
@click.option("--square-token", default="env:SQUARE_TOKEN", show_default=True, help="A reference.")
@click.option("--xero-url", default=XERO_URL, show_default=True, help="API host.")
@click.option("--xero-identity-url", default="", help="Default: Xero's, or --xero-url's host.")
@click.option(
    "--xero-client-id", default="env:XERO_CLIENT_ID", show_default=True, help="A reference."
)
@click.option(
    "--xero-client-secret",
    default="env:XERO_CLIENT_SECRET",
    show_default=True,
    help="A reference.",
)
@click.option("--notification-url", default="", help="Public address of /hooks/square.")
@click.option("--cutoff", default="00:00", show_default=True, help="Local start of a business day.")
@click.option("--port", type=int, default=8787, show_default=True, help="Of the gateway.")
@click.option("--bank-lines/--no-bank-lines", default=False, help="Read Xero's statement lines.")
@click.option("--tracking", default="", help="Xero tracking category that names the store.")
@click.option("--rehearsal", default="", metavar="INSTANT", help="Begin the product's clock here.")
@click.option("--offline", is_flag=True, help="Ask nobody; write a file to fill in.")
def init(
    folder: Path,
    square_url: str,
    square_token: str,
    xero_url: str,
    xero_identity_url: str,
    xero_client_id: str,
    xero_client_secret: str,
    notification_url: str,
    cutoff: str,
    port: int,
    bank_lines: bool,
    tracking: str,
    rehearsal: str,
    offline: bool,
) -> None:
    """Write conductor.toml into FOLDER, with the stores and accounts found. Never overwrites."""
    from cloud_conductor.wiring.template import Answers

    answers = Answers(
        square_url=square_url,
        square_token=square_token,
        notification_url=notification_url,
        xero_url=xero_url,
        xero_identity_url=xero_identity_url,
        xero_client_id=xero_client_id,
        xero_client_secret=xero_client_secret,
        bank_lines=bank_lines,
        cutoff=cutoff,
        port=port,
        clock_start=rehearsal,
        places=(),
        mapping=(),
        tracking=tracking,
    )
    path = write(folder, answers, offline=offline)
    click.echo(f"wrote {path}")
    click.echo("next: conductor doctor, then conductor up")


def write(folder: Path, answers: object, *, offline: bool = False) -> Path:
    """Write the file and its neighbours; what exists already is left alone or refused."""
    import msgspec

    from cloud_conductor.domain.config import LedgerConfig
    from cloud_conductor.domain.errors import ConfigError
    from cloud_conductor.wiring import config as loading
    from cloud_conductor.wiring import discover
    from cloud_conductor.wiring.template import Answers, guess_mapping, render

    assert isinstance(answers, Answers)
    path = folder / loading.FILE_NAME
    if path.exists():
        raise ConfigError(
            f"{path} exists and is never overwritten", hint=f"edit {path}, or move it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not offline:
        seller = discover.seller(answers.square_url, answers.square_token, folder)
        chart = discover.accounts(
            LedgerConfig(
                vendor="xero",
                base_url=answers.xero_url,
                identity_url=answers.xero_identity_url,
                client_id=answers.xero_client_id,
                client_secret=answers.xero_client_secret,
            ),
            folder,
        )
        authorities = sorted({name for _, _, parts in answers.tax_splits for name, _ in parts})
        answers = msgspec.structs.replace(
            answers,
            places=tuple(
                place
                for place in answers.places or seller.places
                if not answers.only or place.location_id in answers.only
            ),
            mapping=answers.mapping or guess_mapping(chart, seller.departments, authorities),
        )
    path.write_text(render(answers), encoding="utf-8")
    for name, text in ((".gitignore", GITIGNORE), (".env.example", ENV_EXAMPLE)):
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
    loading.load(path)
    return path
