"""Schema of the state databases: Alembic revisions shipped in the package, one line per database.

`worker` and `books` are two files on SQLite and one database on PostgreSQL, where each keeps its
own version table. Nothing but our own tables is looked at: the durable-execution engine's live
beside them. Revisions only go forward: a step back is a restored backup.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData

from cloud_conductor.state.engine import StateFile
from cloud_conductor.state.tables import BOOKS, WORKER

ROOMS = (
    "accounting",
    "conform",
    "governance",
    "ingest",
    "inventory",
    "publishing",
    "stores",
    "windows",
)
_METADATA: dict[StateFile, MetaData] = {"worker": WORKER, "books": BOOKS}
_LOCK = 7_421_003
_FOLDER = Path(__file__).parent / "migrations"


def migrate(engine: Engine, file: StateFile) -> None:
    """Bring a state database to the newest revision; nothing happens when it is there already.

    All or nothing, and one process at a time: others wait, then find it done.
    """
    with alone(engine) as connection:
        command.upgrade(_config(file, connection), "head")


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A transaction that one process at a time is in, from its first look on."""
    with engine.begin() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE" if is_sqlite else f"select pg_advisory_xact_lock({_LOCK})"
        )
        yield connection


def draft_revision(engine: Engine, file: StateFile, message: str) -> None:
    """Write a new revision from the difference between a migrated database and the tables.

    For whoever changes a table: review the file it writes below `state/migrations`.
    """
    migrate(engine, file)
    with engine.begin() as connection:
        command.revision(_config(file, connection), message, autogenerate=True)


def differences(engine: Engine, file: StateFile) -> list[Any]:
    """What a database lacks or has too much against the tables in code; empty when they agree."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=context_options(file))
        return list(compare_metadata(context, tables_of(file)))


def tables_of(file: StateFile) -> MetaData:
    """The tables of every room that keeps some in this database."""
    for room in ROOMS:
        import_module(f"cloud_conductor.state.tables.{room}")
    return _METADATA[file]


def context_options(file: StateFile) -> dict[str, Any]:
    """How Alembic looks at a database: our tables only, under the file's own version table."""
    mine = set(tables_of(file).tables)

    def is_mine(_object: object, name: str | None, kind: str, *_rest: object) -> bool:
        return kind != "table" or name in mine

    return {
        "target_metadata": tables_of(file),
        "include_object": is_mine,
        "version_table": f"conductor_version_{file}",
        "compare_type": True,
    }


def _config(file: StateFile, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("version_locations", str(_FOLDER / file))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    config.attributes["file"] = file
    return config
