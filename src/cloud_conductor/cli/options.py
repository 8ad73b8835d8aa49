"""Options that every command shares, and how they become a house."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

config_option = click.option(
    "--config", "config_path", metavar="PATH", default=None, help="conductor.toml or its folder."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


class IsoDate(click.ParamType[date]):
    """A business date, YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date like 2026-11-21", param, ctx)


ISO_DATE = IsoDate()
