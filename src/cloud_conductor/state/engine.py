"""Engines: SQLite WAL with synchronous=FULL, or PostgreSQL (decision 9)."""

import sqlite3
import time
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, create_engine, event

StateFile = Literal["worker", "books"]
BUSY_TIMEOUT_MS = 10_000
CACHE_KB = 65_536
"""SQLite's own 2 MB hold no index of a year's entries: each look-up would read pages again."""


def open_engine(url: str) -> Engine:
    """An engine for a state database. SQLite connections are durable per commit (WAL, FULL)."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=10)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 10})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def state_url(state_dir: Path, url: str, file: StateFile) -> str:
    """Address of one state database: `url` when given (PostgreSQL), else a file below state_dir."""
    if url:
        return url
    state_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(state_dir / f'{file}.sqlite').resolve()}"


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"pragma busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("pragma journal_mode=WAL")
    cursor.execute("pragma synchronous=FULL")
    cursor.execute(f"pragma cache_size=-{CACHE_KB}")
    cursor.execute("pragma foreign_keys=ON")
    cursor.close()
    if sqlite3.sqlite_version_info < (3, 42):
        # DBOS asks unixepoch('subsec'), which older SQLite answers with NULL on Python >= 3.12.
        connection.create_function("unixepoch", 1, lambda _modifier: round(time.time_ns() / 1e9, 3))
