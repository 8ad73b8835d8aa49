"""`conductor keys`: API keys for tills, web shops and scripts."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from cloud_conductor.cli.options import config_option, json_option
from cloud_conductor.cli.users import BY, ROLES

if TYPE_CHECKING:
    from cloud_conductor.state.governance import KeyRow


@click.group()
def keys() -> None:
    """Give out API keys of a user's rights, and take them back."""


@keys.command("list")
@config_option
@json_option
def list_(config_path: str | None, as_json: bool) -> None:
    """Every key, newest first; never its secret."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import governance as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house, house.books.connect() as connection:
        found = [fields(row) for row in state.keys(connection)]
    if as_json:
        emit_json({"schema": "conductor.keys/v1", "keys": found})
        return
    table(
        [("id", "left"), ("name", "left"), ("user", "left"), ("roles", "left"), ("expires", "left")],
        [
            (one["id"], one["name"], one["user"], ", ".join(one["roles"]),
             "revoked" if one["revoked_at"] else one["expires_at"][:10])
            for one in found
        ],
        title="keys",
    )  # fmt: skip


@keys.command()
@click.argument("name")
@click.option("--user", required=True, help="Whose rights it has; conductor users list.")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, required=True,
              help="May repeat; only roles that the user has.")  # fmt: skip
@click.option("--store", "stores", multiple=True, help="A store it sees; default: the user's.")
@click.option(
    "--days", type=click.IntRange(1, 730), default=90, show_default=True, help="Until it expires."
)
@config_option
@json_option
def create(
    name: str,
    user: str,
    roles: tuple[str, ...],
    stores: tuple[str, ...],
    days: int,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Print a new key on stdout; it is shown this once."""
    from cloud_conductor.cli.output import emit_json, say
    from cloud_conductor.governance import flow
    from cloud_conductor.state import governance as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        with house.books.connect() as connection:
            owner = state.user(connection, user)
        given = stores or (owner.stores if owner else ("*",))
        made, row = flow.make_key(
            house.access_deps, BY, user, name, roles=roles, stores=given, ttl=timedelta(days=days)
        )
    if as_json:
        emit_json({"schema": "conductor.key/v1", "id": row.key_id, "key": made.text})
        return
    click.echo(made.text)
    say(f"key {row.key_id} of {user}, for {days} days; revoke: conductor keys revoke {row.key_id}")


@keys.command()
@click.argument("key_id")
@config_option
@json_option
def revoke(key_id: str, config_path: str | None, as_json: bool) -> None:
    """End a key, and the sessions it opened, at once."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.governance import flow
    from cloud_conductor.state import governance as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        flow.revoke_key(house.access_deps, BY, key_id)
        with house.books.connect() as connection:
            ended = [fields(row) for row in state.keys(connection) if row.key_id == key_id]
    if as_json:
        emit_json({"schema": "conductor.keys/v1", "keys": ended})
        return
    click.echo(f"{key_id} is revoked")


def fields(row: "KeyRow") -> dict[str, Any]:
    """A key as scripts read it."""
    from cloud_conductor.state.conform import instant

    def told(us: int | None) -> str | None:
        return None if us is None else instant(us).isoformat(timespec="seconds")

    return {
        "id": row.key_id,
        "name": row.name,
        "user": row.owner,
        "roles": list(row.roles),
        "stores": list(row.stores),
        "created_at": told(row.created_us),
        "expires_at": told(row.expires_us),
        "last_used_at": told(row.last_used_us),
        "revoked_at": told(row.revoked_us),
    }
