"""The shipped revisions make exactly the tables of the code, on both databases."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import ROOMS, differences, migrate, tables_of

FILES = ("worker", "books")
PROGRAM = """
import sys
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.migrate import migrate
migrate(open_engine(sys.argv[1]), "books")
"""


@pytest.fixture
def sqlite(tmp_path: Path):
    engine = open_engine(f"sqlite:///{tmp_path}/state.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def postgres(postgres_fresh_url: str):
    engine = open_engine(postgres_fresh_url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("file", FILES)
def test_a_migrated_sqlite_file_has_the_tables_of_the_code(sqlite: Engine, file):
    assert differences(sqlite, file)
    migrate(sqlite, file)
    assert differences(sqlite, file) == []


@pytest.mark.postgres
def test_one_migrated_postgres_database_has_the_tables_of_both(postgres: Engine):
    for file in FILES:
        migrate(postgres, file)
    assert [differences(postgres, file) for file in FILES] == [[], []]


@pytest.mark.parametrize("file", FILES)
def test_migrating_again_changes_nothing(sqlite: Engine, file):
    migrate(sqlite, file)
    before = inspect(sqlite).get_table_names()
    migrate(sqlite, file)
    assert inspect(sqlite).get_table_names() == before


def test_tables_of_others_in_the_same_database_are_left_alone(sqlite: Engine):
    with sqlite.begin() as connection:
        connection.execute(text("create table workflow_status (id integer)"))
    migrate(sqlite, "books")
    assert differences(sqlite, "books") == []
    assert "workflow_status" in inspect(sqlite).get_table_names()


def test_two_processes_may_migrate_at_the_same_time(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/state.sqlite"
    command = [sys.executable, "-c", PROGRAM, url]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors


def test_every_table_is_named_after_its_room():
    names = [name for file in FILES for name in tables_of(file).tables]
    assert {name.partition("_")[0] for name in names} <= set(ROOMS)
