"""`conductor users`: who may sign in to REST and console, and what they may."""

from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.state.governance import UserRow

ROLES = ("viewer", "operator", "finance", "approver", "data", "admin")
BY = "cli:local"


@click.group()
def users() -> None:
    """Let people in, change what they may, make a link that signs one in."""


@users.command("list")
@config_option
@json_option
def list_(config_path: str | None, as_json: bool) -> None:
    """Everybody, with roles and stores."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.state import governance as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house, house.books.connect() as connection:
        rows = state.users(connection)
    if as_json:
        emit_json({"schema": "conductor.users/v1", "users": [fields(row) for row in rows]})
        return
    table(
        [("name", "left"), ("roles", "left"), ("stores", "left"), ("state", "left")],
        [(row.name, ", ".join(row.roles), ", ".join(row.stores), _state(row)) for row in rows],
        title="users",
    )


@users.command()
@click.argument("name")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, required=True,
              help="May repeat; docs/how-to/people-and-keys.md says what each may.")  # fmt: skip
@click.option("--store", "stores", multiple=True, help="A store they see; default: every one.")
@config_option
@json_option
def add(
    name: str,
    roles: tuple[str, ...],
    stores: tuple[str, ...],
    config_path: str | None,
    as_json: bool,
) -> None:
    """Let somebody in, or change what they may."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.governance import flow
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = flow.put_user(house.access_deps, BY, name, roles, stores or ("*",))
    if as_json:
        emit_json({"schema": "conductor.users/v1", "users": [fields(row)]})
        return
    click.echo(f"{row.name}: {', '.join(row.roles)}; stores {', '.join(row.stores)}")
    click.echo(f"a link to sign in: conductor users link {row.name}", err=True)


@users.command()
@click.argument("name")
@config_option
@json_option
def remove(name: str, config_path: str | None, as_json: bool) -> None:
    """Let nobody in under this name any more; what they did stays in the audit chain."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.governance import flow
    from cloud_conductor.state import governance as state
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        flow.remove_user(house.access_deps, BY, name)
        with house.books.connect() as connection:
            row = state.user(connection, name)
    if as_json:
        emit_json({"schema": "conductor.users/v1", "users": [fields(row)] if row else []})
        return
    click.echo(f"{name} may not sign in any more")


@users.command()
@click.argument("name", default="")
@config_option
@json_option
def link(name: str, config_path: str | None, as_json: bool) -> None:
    """Print a link that signs somebody in, once, within an hour; default: the first user."""
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.governance import flow
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        who = name or flow.ensure_owner(house.access_deps)
        token = flow.make_link(house.access_deps, BY, who)
        url = f"{house.console_url}/login?t={token}"
    if as_json:
        emit_json({"schema": "conductor.link/v1", "user": who, "url": url})
        return
    click.echo(url)


def fields(row: "UserRow") -> dict[str, object]:
    """A person as scripts read it."""
    return {
        "name": row.name,
        "roles": list(row.roles),
        "stores": list(row.stores),
        "is_active": row.is_active,
    }


def _state(row: "UserRow") -> str:
    return "active" if row.is_active else "removed"
