"""Breaks made by hand, and recorded as a comparison of their day would record them."""

from datetime import date

import msgspec

from cloud_conductor.accounting.breaks import Break
from cloud_conductor.accounting.flow import BooksDeps, record_levels
from cloud_conductor.accounting.levels import LevelResult, LevelState, Side
from cloud_conductor.testing.ledger import DAY

STORE = "NYC01"


def lone(key: str, amount_minor: int, on: date = DAY, **fields: object) -> Break:
    """A record that only one side has: the left one when the amount is positive."""
    is_left = amount_minor > 0
    one = Break(
        level="L4",
        code="D01" if is_left else "D02",
        key=key,
        store=STORE,
        business_date=on,
        amount_minor=amount_minor,
        currency="USD",
        left=key if is_left else "",
        right="" if is_left else key,
        message=f"{key} has no counterpart",
    )
    return msgspec.structs.replace(one, **fields)


def record(
    deps: BooksDeps, *breaks: Break, level: str = "L4", on: date = DAY, state: LevelState = "breaks"
) -> None:
    """All that a level found of a store-day; without breaks it is green, or not connected."""
    result = LevelResult(
        level=level,
        sources=("left", "right"),
        state=state if breaks or state == "not_connected" else "green",
        left=Side(),
        right=Side(),
        matched=0,
        explained=0,
        open=len(breaks),
        unexplained_minor=0,
        breaks=breaks,
    )
    record_levels(deps, STORE, on, [result])
