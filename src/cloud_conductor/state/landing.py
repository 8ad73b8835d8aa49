"""Operations on the table of landed files."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, and_, delete, insert, select

from cloud_conductor.state.conform import micros
from cloud_conductor.state.tables.ingest import LANDED

TAKEN, WHOLE, REFUSED, UNKNOWN = "taken", "whole", "refused", "unknown"
PROBLEM_CHARS_MAX = 500


class Landed(msgspec.Struct, frozen=True):
    """A file by its latest content. records: events made of it, new_records: unknown before.

    state: taken; whole (one event, in quarantine as a whole); refused (not taken: `problem`);
    unknown (its path says nothing that anybody takes: `problem`).
    """

    source: str
    path: str
    mark: str
    sha256: str
    size_bytes: int
    state: str
    records: int
    new_records: int
    taken_us: int
    problem: str = ""


def marks(engine: Engine, source: str) -> dict[str, str]:
    """Path -> mark of the content that was taken or refused last."""
    return _marks(engine, and_(LANDED.c.source == source, LANDED.c.state != UNKNOWN))


def unknown(engine: Engine, source: str) -> dict[str, str]:
    """Path -> mark of files that nobody takes."""
    return _marks(engine, and_(LANDED.c.source == source, LANDED.c.state == UNKNOWN))


def forget_unknown(engine: Engine, source: str, paths: Iterable[str]) -> None:
    """Files that nobody took and that are gone: renamed, mostly."""
    gone = and_(LANDED.c.source == source, LANDED.c.state == UNKNOWN)
    with engine.begin() as connection:
        for path in paths:
            connection.execute(delete(LANDED).where(gone, LANDED.c.path == path))


def note(engine: Engine, landed: Landed, *, now: datetime) -> None:
    """Write down a file that was taken or refused; durable on return."""
    row: dict[str, Any] = msgspec.structs.asdict(landed)
    row |= {"taken_us": micros(now), "problem": landed.problem[:PROBLEM_CHARS_MAX]}
    one = and_(LANDED.c.source == landed.source, LANDED.c.path == landed.path)
    with engine.begin() as connection:
        connection.execute(delete(LANDED).where(one))
        connection.execute(insert(LANDED).values(row))


def _marks(engine: Engine, wanted: ColumnElement[bool]) -> dict[str, str]:
    query = select(LANDED.c.path, LANDED.c.mark).where(wanted)
    with engine.connect() as connection:
        return {row.path: row.mark for row in connection.execute(query)}


def files(engine: Engine) -> list[Landed]:
    """Every file, by source and path."""
    query = select(LANDED).order_by(LANDED.c.source, LANDED.c.path)
    with engine.connect() as connection:
        return [Landed(**dict(row)) for row in connection.execute(query).mappings()]
