"""SQL over the processed zone: views of the latest rows, in a read-only DuckDB."""

import threading
from collections.abc import Callable

import duckdb
import pyarrow as pa

from cloud_conductor.domain.errors import QueryRefused
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.ports.lake import Lake

HINT = f"the tables are {', '.join(TABLES)}; see docs/reference/tables.md"


def _without_guess(said: str) -> str:
    """DuckDB's text less the table of its own that it would offer in place of ours."""
    return "\n".join(line for line in said.splitlines() if not line.startswith("Did you mean"))


def _whole(table: pa.Table) -> pa.Table:
    return table


def run_query(
    lake: Lake, sql: str, *, shown: Callable[[pa.Table], pa.Table] = _whole, s_max: float = 0.0
) -> pa.Table:
    """One SELECT; the tables it names are read, the others are not touched.

    shown: what of a table the asker sees, applied before the query can look at it. s_max: seconds
    after which it is stopped; 0 for never. Raises QueryRefused with the tables there are.
    """
    with duckdb.connect() as connection:
        try:
            kinds = [statement.type for statement in connection.extract_statements(sql)]
        except duckdb.Error as error:
            raise QueryRefused(f"the query does not parse: {error}", hint=HINT) from None
        if kinds != [duckdb.StatementType.SELECT]:
            raise QueryRefused("query takes one SELECT", hint=HINT)
        words = sql.lower()
        for name in TABLES:
            if name in words:
                connection.register(name, shown(lake.read(name)))
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        timer = threading.Timer(s_max, connection.interrupt)
        if s_max:
            timer.start()
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            told = _without_guess(str(error))
            told = f"it took more than {s_max:g} s" if timer.finished.is_set() else told
            raise QueryRefused(f"the query failed: {told}", hint=HINT) from None
        finally:
            timer.cancel()
