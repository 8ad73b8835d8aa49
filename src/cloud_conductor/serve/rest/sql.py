"""SQL over REST: one SELECT over the facts, masked and within the caller's stores."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from cloud_conductor.conform.flow import check_lake
from cloud_conductor.governance.access import COLUMNS, EVERY_STORE, Principal, masked_table
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import Endpoint, Nothing
from cloud_conductor.wiring.query import run_query

ROWS_MAX = 10_000


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """limit: rows given at most."""

    sql: Annotated[str, Meta(min_length=1, max_length=20_000)]
    limit: Annotated[int, Meta(ge=1, le=ROWS_MAX)] = 1_000


class Column(msgspec.Struct, frozen=True):
    name: str
    type: str


class Answer(msgspec.Struct, frozen=True):
    """masked: columns of the tables that are null because they are hidden from the caller."""

    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool
    took_ms: int
    masked: list[str]


def query(ask: Ask, _params: Nothing, body: Query) -> Answer:
    """Run one SELECT over the facts (docs/reference/tables.md)."""
    began = time.monotonic()
    house = ask.desk.house
    check_lake(replace(house.conform_deps, lake=ask.desk.lake))
    result = run_query(
        ask.desk.lake,
        body.sql,
        shown=lambda table: visible(table, ask.principal),
        s_max=house.config.serve.query_s_max,
    )
    rows = result.slice(0, body.limit)
    columns = [column.to_pylist() for column in rows.columns]
    return Answer(
        columns=[Column(field.name, str(field.type)) for field in result.schema],
        rows=[[_whole(value) for value in row] for row in zip(*columns, strict=True)],
        truncated=result.num_rows > body.limit,
        took_ms=int((time.monotonic() - began) * 1_000),
        masked=sorted(name for name, kind in COLUMNS.items() if kind in ask.principal.masked),
    )


def _whole(value: Any) -> Any:
    """A sum of int64 comes as a decimal without places; it is a whole number."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return int(value)
    return value


def visible(table: pa.Table, principal: Principal) -> pa.Table:
    """What of a table a caller sees: rows of their stores, hidden columns null."""
    if EVERY_STORE not in principal.stores and "store" in table.column_names:
        mine = pa.array(list(principal.stores), pa.string())
        of_mine = pc.is_in(table["store"], value_set=mine)
        table = table.filter(pc.or_(of_mine, pc.is_null(table["store"])))
    return masked_table(table, principal.masked)


ENDPOINTS = [Endpoint("POST", "/query", query, Answer, "query", body=Query, keyed=False)]
