"""`conductor metrics`: figures as REST and console give them."""

from datetime import date
from typing import TYPE_CHECKING

import click

from cloud_conductor.cli.options import ISO_DATE, config_option, json_option

if TYPE_CHECKING:
    from cloud_conductor.wiring.figures import By


@click.group()
def metrics() -> None:
    """Figures by their definition (R-18); docs/reference/metrics.md has each in SQL."""


@metrics.command("net-sales")
@click.option("--from", "first", type=ISO_DATE, default=None, help="First business date.")
@click.option("--to", "last", type=ISO_DATE, default=None, help="Last business date, inclusive.")
@click.option("--store", "stores", multiple=True, help="May repeat; default: every store.")
@click.option("--by", type=click.Choice(["none", "store", "date", "department"]), default="none",
              show_default=True, help="What the rows are keyed by.")  # fmt: skip
@config_option
@json_option
def net_sales(
    first: date | None,
    last: date | None,
    stores: tuple[str, ...],
    by: "By",
    config_path: str | None,
    as_json: bool,
) -> None:
    """Net sales of closed sales: gross less discounts less returns, without tax, tips, gift cards."""
    import msgspec

    from cloud_conductor.cli.output import emit_json, table
    from cloud_conductor.conform.flow import check_lake
    from cloud_conductor.domain.money import major
    from cloud_conductor.wiring import figures
    from cloud_conductor.wiring.house import open_house

    with open_house(config_path) as house:
        check_lake(house.conform_deps)
        dates = [
            one
            for one in house.lake.dates("sales")
            if (first is None or one >= first) and (last is None or one <= last)
        ]
        rows = figures.net_sales(house.lake, dates, stores=stores, by=by) if dates else []
    if as_json:
        found = [msgspec.to_builtins(row) for row in rows]
        emit_json({"schema": "conductor.net_sales/v1", "by": by, "rows": found})
        return
    table(
        [(by if by != "none" else "", "left"), ("", "left"), ("net", "right"), ("gross", "right"),
         ("discounts", "right"), ("returns", "right"), ("orders", "right"), ("units", "right")],
        [
            (row.key, row.currency,
             *(major(minor, row.currency) for minor in
               (row.net_minor, row.gross_minor, row.discounts_minor, row.returns_minor)),
             str(row.orders), row.units)
            for row in rows
        ],
        title="net sales",
    )  # fmt: skip
