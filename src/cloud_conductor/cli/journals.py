"""`conductor journals`: entries from draft to posted."""

import sys
from datetime import date
from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.state.accounting import EntryRow

STATES = (
    "draft",
    "approved",
    "pending",
    "sending",
    "posted",
    "blocked",
    "rejected",
    "dead",
    "void",
)


@click.group()
def journals() -> None:
    """Look at entries, approve drafts, post what is approved."""


@journals.command("list")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="May repeat.")
@click.option("--store", default="", help="One store only.")
@click.option(
    "--date", "business_date", type=ISO_DATE, default=None, help="One business date only."
)
@config_option
@json_option
def list_(
    states: tuple[str, ...],
    store: str,
    business_date: date | None,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Entries by business date, with state, amount and what stands in the way."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.domain.money import major
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        rows = _entries(house.books, states=states, store=store, business_date=business_date)
    if as_json:
        emit_json({"schema": "conductor.journals/v1", "entries": [fields(row) for row in rows]})
        return
    table(
        [("date", "left"), ("store", "left"), ("kind", "left"), ("v", "right"), ("state", "left"),
         ("debit", "right"), ("key", "left"), ("note", "left")],
        [
            (row.business_date, row.store, row.kind, str(row.version), row.state,
             f"{row.currency} {major(row.debit_minor, row.currency)}", row.posting_key[:8], row.error)
            for row in rows
        ],
        title="journals",
    )  # fmt: skip


@journals.command()
@click.argument("key")
@config_option
@json_option
def show(key: str, config_path: str | None, as_json: bool) -> None:
    """One entry by its posting key (or the first letters of it): exactly what is or will be sent."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.domain.money import major
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        row = _named(house.books, key)
    if as_json:
        emit_json({"schema": "conductor.journal/v1", **fields(row)})
        return
    click.echo(f"{row.name}  {row.state}  dated {row.ledger_date}  key {row.posting_key}")
    if row.external_id:
        click.echo(f"in the ledger as {row.external_id}")
    if row.error:
        click.echo(f"note: {row.error}")
    table(
        [
            ("account", "left"),
            ("role", "left"),
            ("what", "left"),
            ("debit", "right"),
            ("credit", "right"),
        ],
        [
            (
                line.account_code,
                line.role,
                line.description or line.movement,
                major(line.amount_minor, row.currency) if line.amount_minor > 0 else "",
                major(-line.amount_minor, row.currency) if line.amount_minor < 0 else "",
            )
            for line in row.entry.lines
        ],
    )


@journals.command()
@click.argument("keys", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every draft that fits the options.")
@click.option("--store", default="", help="One store only.")
@click.option(
    "--date", "business_date", type=ISO_DATE, default=None, help="One business date only."
)
@click.option("--as", "approver", required=True, help="Who approves; never who prepared (R-15.3).")
@click.option("--reason", default="", help="Kept in the audit trail.")
@config_option
@json_option
def approve(
    keys: tuple[str, ...],
    everything: bool,
    store: str,
    business_date: date | None,
    approver: str,
    reason: str,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Release drafts for posting: all of the selected ones, or none."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.wiring.house import open_house

    if not keys and not everything:
        raise click.UsageError("name posting keys, or --all")
    if ":" in approver:
        raise click.UsageError("--as takes a person's name, without a colon")
    with open_house(config_path) as house:
        done = flow.approve(
            house.books_deps,
            f"user:{approver}",
            keys=list(keys) or None,
            store=store,
            business_date=business_date,
            reason=reason,
        )
    if as_json:
        emit_json({"schema": "conductor.approval/v1", "approved": done})
    else:
        click.echo(f"approved {len(done)} entries")


@journals.command()
@click.argument("keys", nargs=-1, required=True)
@click.option(
    "--as", "preparer", required=True, help="Who drafts it; another must approve (R-15.3)."
)
@click.option("--reason", required=True, help="Why it was voided; kept in the audit trail.")
@config_option
@json_option
def repost(
    keys: tuple[str, ...], preparer: str, reason: str, config_path: str | None, as_json: bool
) -> None:
    """Draft anew what somebody voided in the ledger; the ledger is asked first."""
    from cloud_conductor.accounting import flow
    from cloud_conductor.cli.output import emit_json
    from cloud_conductor.wiring.house import open_house

    if ":" in preparer:
        raise click.UsageError("--as takes a person's name, without a colon")
    with open_house(config_path) as house:
        named = [_named(house.books, key).posting_key for key in keys]
        done = flow.repost(house.books_deps, f"user:{preparer}", named, reason)
    if as_json:
        emit_json({"schema": "conductor.reposted/v1", "drafted": done})
    else:
        click.echo(f"drafted {len(done)} entries anew: conductor journals approve --as NAME")


@journals.command()
@click.option("--dry-run", is_flag=True, help="Print exactly what would be sent.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def post(dry_run: bool, yes: bool, config_path: str | None, as_json: bool) -> None:
    """Post every approved entry exactly once and read it back; waits for the outcome."""
    from cloud_conductor.cli.output import APPROVAL, emit_json, say
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        waiting = _entries(house.books, states=("approved",))
        if dry_run:
            emit_json(
                {"schema": "conductor.posting/v1", "would_post": [fields(row) for row in waiting]}
            )
            return
        if waiting and not yes:
            if not sys.stdin.isatty():
                say(f"{len(waiting)} entries would be posted; say --yes to go on")
                raise click.exceptions.Exit(APPROVAL)
            click.confirm(f"Post {len(waiting)} entries?", abort=True, err=True)
        if not waiting:
            say(_nothing_waits(_entries(house.books, states=("draft",))))
        states = errands.post(house, say)
    if as_json:
        emit_json({"schema": "conductor.posting/v1", "entries": states})
    else:
        told = " ".join(f"{state}={number}" for state, number in sorted(states.items()))
        click.echo(told or "no entries yet: conductor run close")


def _nothing_waits(drafts: "list[EntryRow]") -> str:
    """Why a post sends nothing new, and what would change that."""
    if not drafts:
        return "nothing new to post"
    return f"nothing is approved; {len(drafts)} drafts wait for: conductor journals approve"


def fields(row: "EntryRow") -> dict[str, object]:
    """An entry as scripts read it."""
    return {
        "posting_key": row.posting_key,
        "kind": row.kind,
        "entity": row.entity,
        "store": row.store,
        "business_date": row.business_date,
        "ledger_date": row.ledger_date,
        "currency": row.currency,
        "source_id": row.source_id,
        "version": row.version,
        "state": row.state,
        "external_id": row.external_id,
        "created_by": row.created_by,
        "approved_by": row.approved_by,
        "error": row.error,
        "lines": [
            {
                "role": line.role,
                "movement": line.movement,
                "account_code": line.account_code,
                "amount_minor": line.amount_minor,
            }
            for line in row.entry.lines
        ],
    }


def _named(engine: object, key: str) -> "EntryRow":
    """The one entry whose posting key begins so."""
    found = [row for row in _entries(engine) if row.posting_key.startswith(key)]
    if len(found) != 1:
        raise click.UsageError(f"{len(found)} entries have a key that begins with {key!r}")
    return found[0]


def _entries(
    engine: object,
    *,
    states: tuple[str, ...] = (),
    store: str = "",
    business_date: date | None = None,
) -> "list[EntryRow]":
    from sqlalchemy import Engine

    from cloud_conductor.state import accounting as books

    assert isinstance(engine, Engine)
    with engine.connect() as connection:
        rows = books.entries(connection, states=states, store=store, business_date=business_date)
    return sorted(rows, key=lambda row: (row.business_date, row.store, row.seq))
