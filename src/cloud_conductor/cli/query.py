"""`conductor query`: SQL over the processed zone, read-only."""

import sys
from decimal import Decimal
from typing import Any

import click

from cloud_conductor.cli.options import config_option

ROWS_MAX = 10_000


@click.command()
@click.argument("sql")
@config_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
    help="How rows are given.",
)
@click.option(
    "--role", "roles", multiple=True, help="See it as these roles do: hidden columns null."
)
@click.option("--output", type=click.Path(dir_okay=False), help="File for --format parquet.")
def query(
    sql: str,
    config_path: str | None,
    output_format: str,
    roles: tuple[str, ...],
    output: str | None,
) -> None:
    """Run one SELECT over the facts (tables: docs/reference/tables.md)."""
    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.governance.access import Principal, check_grant, masked_table
    from cloud_conductor.wiring.house import open_house

    masked = []
    if roles:
        check_grant(roles, ["*"], [])
        masked = Principal("cli:local", "local", roles).masked
    with open_house(config_path) as house:
        result = house.query(sql, shown=lambda rows: masked_table(rows, masked))
    if output_format == "parquet":
        if not output:
            raise click.UsageError("--format parquet needs --output FILE")
        import pyarrow.parquet as pq

        pq.write_table(result, output)
        return
    if output_format == "csv":
        import pyarrow.csv as pacsv

        pacsv.write_csv(result, sys.stdout.buffer)
        return
    rows = [
        {name: _whole(value) for name, value in row.items()}
        for row in result.slice(0, ROWS_MAX).to_pylist()
    ]
    if output_format == "json":
        emit_json({"schema": "conductor.query/v1", "rows": rows})
        return
    names = result.column_names
    table(
        [(name, "right" if _is_number(result, name) else "left") for name in names],
        [["" if row[name] is None else str(row[name]) for name in names] for row in rows],
    )


def _whole(value: Any) -> Any:
    """A sum of int64 comes as a decimal without places; it is a whole number."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return int(value)
    return value


def _is_number(result: Any, name: str) -> bool:
    import pyarrow as pa

    kind = result.schema.field(name).type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)
    )
