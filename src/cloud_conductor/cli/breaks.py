"""`conductor breaks`: what to do about differences that reconciliation left open."""

from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.state.accounting import BreakRow
    from cloud_conductor.wiring.house import House

STATES = ("open", "assigned", "proposed", "auto_explained", "resolved", "verified")


@click.group()
def breaks() -> None:
    """List breaks, give one to somebody, accept one, or match records by hand (R-14.8)."""


@breaks.command("list")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True,
              help="May repeat; default: open, assigned and proposed.")  # fmt: skip
@click.option("--store", "stores", multiple=True, help="May repeat.")
@config_option
@json_option
def list_(
    states: tuple[str, ...], stores: tuple[str, ...], config_path: str | None, as_json: bool
) -> None:
    """Breaks as the last comparison left them, newest business date first."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.domain.money import major
    from cloud_conductor.state import screens
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house, house.books.connect() as connection:
        rows = screens.breaks(
            connection,
            screens.Within(stores),
            states=states or screens.OPEN_BREAKS,
            limit=10_000,
        )
    if as_json:
        emit_json({"schema": "conductor.breaks/v1", "breaks": [fields(row) for row in rows]})
        return
    table(
        [("id", "left"), ("code", "left"), ("store", "left"), ("date", "left"), ("state", "left"),
         ("amount", "right"), ("owner", "left"), ("what", "left")],
        [
            (row.break_id, row.code, row.store, row.business_date, row.state,
             f"{row.currency} {major(row.amount_minor, row.currency)}", row.owner, row.message)
            for row in rows
        ],
        title="breaks",
    )  # fmt: skip


@breaks.command()
@click.argument("break_id")
@click.option("--as", "actor", required=True, help="Who accepts it; kept in the audit chain.")
@click.option("--reason", required=True, help="Why it may stay; kept with the break.")
@config_option
@json_option
def accept(break_id: str, actor: str, reason: str, config_path: str | None, as_json: bool) -> None:
    """Resolve a break until its amount changes; a large one is proposed, and another approves it."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = _one(house, break_id)
        done = flow.accept_break(house.books_deps, row.break_id, f"user:{actor}", reason)
    _print([done], as_json)


@breaks.command()
@click.argument("break_id")
@click.argument("counterparts", nargs=-1, required=True)
@click.option("--as", "actor", required=True, help="Who matches them; kept in the audit chain.")
@click.option("--reason", default="", help="Kept with the breaks.")
@config_option
@json_option
def match(
    break_id: str,
    counterparts: tuple[str, ...],
    actor: str,
    reason: str,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Say which records belong together; large ones are proposed, and another approves them."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        ids = [_one(house, one).break_id for one in (break_id, *counterparts)]
        done = flow.match_breaks(house.books_deps, ids, f"user:{actor}", reason)
    _print(done, as_json)


@breaks.command()
@click.argument("break_id")
@click.option("--as", "approver", required=True, help="Who approves; not who proposed it.")
@config_option
@json_option
def approve(break_id: str, approver: str, config_path: str | None, as_json: bool) -> None:
    """Resolve what another person proposed, with all it was matched with (R-15.3)."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = _one(house, break_id)
        done = flow.approve_break(house.books_deps, row.break_id, f"user:{approver}")
    _print(done, as_json)


@breaks.command()
@click.argument("break_id")
@click.option("--as", "actor", required=True, help="Who declines; kept in the audit chain.")
@click.option("--reason", required=True, help="Why; kept with the break.")
@config_option
@json_option
def decline(break_id: str, actor: str, reason: str, config_path: str | None, as_json: bool) -> None:
    """Open again what was proposed, with all it was matched with."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = _one(house, break_id)
        done = flow.decline_break(house.books_deps, row.break_id, f"user:{actor}", reason)
    _print(done, as_json)


@breaks.command()
@click.argument("break_id")
@click.option("--as", "actor", required=True, help="Who assigns it; kept in the audit chain.")
@click.option("--to", "owner", required=True, help="Who looks after it now.")
@config_option
@json_option
def assign(break_id: str, actor: str, owner: str, config_path: str | None, as_json: bool) -> None:
    """Give an open break to somebody."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = _one(house, break_id)
        flow.assign_break(house.books_deps, row.break_id, f"user:{actor}", owner)
        row = _one(house, break_id)
    if as_json:
        emit_json({"schema": "conductor.breaks/v1", "breaks": [fields(row)]})
        return
    click.echo(f"{row.break_id} {row.code} {row.store} {row.business_date}: assigned to {owner}")


def _print(rows: "list[BreakRow]", as_json: bool) -> None:
    from cloud_conductor.cli.output import emit_json

    if as_json:
        emit_json({"schema": "conductor.breaks/v1", "breaks": [fields(row) for row in rows]})
        return
    for row in rows:
        click.echo(f"{row.break_id} {row.code} {row.store} {row.business_date}: {row.state}")


def fields(row: "BreakRow") -> dict[str, object]:
    """A break as scripts read it."""
    return {
        "id": row.break_id,
        "state": row.state,
        "level": row.level,
        "code": row.code,
        "store": row.store,
        "business_date": row.business_date,
        "amount_minor": row.amount_minor,
        "effect_minor": row.effect_minor,
        "currency": row.currency,
        "message": row.message,
        "hint": row.hint,
        "owner": row.owner,
        "reason": row.reason,
        "item": row.item,
        "match_id": row.match_id,
    }


def _one(house: "House", prefix: str) -> "BreakRow":
    """The break whose id begins so."""
    from cloud_conductor.state import screens

    with house.books.connect() as connection:
        rows = screens.breaks(connection, screens.Within(), states=(), limit=100_000)
    found = [row for row in rows if row.break_id.startswith(prefix)]
    if len(found) != 1:
        raise click.UsageError(f"{len(found)} breaks have an id that begins with {prefix!r}")
    return found[0]
