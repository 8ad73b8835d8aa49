"""SQL over the processed zone: views of the latest rows, in a read-only DuckDB."""

import duckdb
import pyarrow as pa

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.ports.lake import Lake


def run_query(lake: Lake, sql: str) -> pa.Table:
    """One SELECT; the tables it names are read, the others are not touched."""
    with duckdb.connect() as connection:
        try:
            kinds = [statement.type for statement in connection.extract_statements(sql)]
        except duckdb.Error as error:
            raise ConfigError(
                f"the query does not parse: {error}", hint="see docs/reference/tables.md"
            ) from None
        if kinds != [duckdb.StatementType.SELECT]:
            raise ConfigError("query takes one SELECT", hint="see docs/reference/tables.md")
        words = sql.lower()
        for name in TABLES:
            if name in words:
                connection.register(name, lake.read(name))
        connection.execute("set enable_external_access = false")
        try:
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise ConfigError(
                f"the query failed: {error}", hint="see docs/reference/tables.md"
            ) from None
