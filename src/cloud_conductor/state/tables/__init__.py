"""Tables by room. `WORKER` and `BOOKS` are two files on SQLite and one database on PostgreSQL."""

from sqlalchemy import MetaData

WORKER = MetaData()
"""ingest and conform: cursors, quarantine, versions seen."""

BOOKS = MetaData()
"""accounting, together with the durable-execution tables so that they commit together."""
