"""Operations on the ingest room's tables: cursors and the write-down of sweeps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine, Table, and_, insert, select, update

from cloud_conductor.state.tables.ingest import CURSOR, SWEEP

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ERROR_CHARS_MAX = 500


class Cursor(msgspec.Struct, frozen=True):
    """A consumer's position, and the end of the range it had announced (0: none)."""

    position: int = 0
    planned: int = 0


class SweepState(msgspec.Struct, frozen=True):
    """How far the sweep of one kind has come; None where it never ran, or never failed."""

    source: str
    kind: str
    watermark: datetime | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    last_error: str = ""
    objects: int = 0
    new_objects: int = 0


def cursor(engine: Engine, name: str, partition: str) -> Cursor:
    """Where a consumer stands; (0, 0) for one that never ran."""
    wanted = and_(CURSOR.c.name == name, CURSOR.c.partition == partition)
    with engine.connect() as connection:
        row = connection.execute(select(CURSOR.c.position, CURSOR.c.planned).where(wanted)).first()
    return Cursor(*row) if row is not None else Cursor()


def move_cursor(
    engine: Engine, name: str, partition: str, *, position: int, planned: int = 0
) -> None:
    """Durable on return. One process moves a cursor at a time (the worker holds the role)."""
    _put(
        engine,
        CURSOR,
        {"name": name, "partition": partition},
        {"position": position, "planned": planned},
    )


def sweep_state(engine: Engine, source: str, kind: str) -> SweepState:
    wanted = and_(SWEEP.c.source == source, SWEEP.c.kind == kind)
    with engine.connect() as connection:
        row = connection.execute(select(SWEEP).where(wanted)).mappings().first()
    return _sweep(row) if row is not None else SweepState(source, kind)


def sweep_states(engine: Engine) -> list[SweepState]:
    """Every sweep that ever ran, by source and kind: what `status` shows."""
    with engine.connect() as connection:
        rows = connection.execute(select(SWEEP).order_by(SWEEP.c.source, SWEEP.c.kind)).mappings()
        return [_sweep(row) for row in rows]


def sweep_succeeded(
    engine: Engine,
    source: str,
    kind: str,
    *,
    watermark: datetime,
    now: datetime,
    objects: int,
    new_objects: int,
) -> None:
    """Write down a finished sweep. objects: listed by it, of which new_objects were unknown."""
    _put(
        engine,
        SWEEP,
        {"source": source, "kind": kind},
        {
            "watermark_us": _us(watermark),
            "last_success_us": _us(now),
            "objects": objects,
            "new_objects": new_objects,
        },
    )


def sweep_failed(engine: Engine, source: str, kind: str, *, now: datetime, error: str) -> None:
    """Write down a sweep that did not finish; its watermark stays where it was."""
    _put(
        engine,
        SWEEP,
        {"source": source, "kind": kind},
        {"last_failure_us": _us(now), "last_error": error[:ERROR_CHARS_MAX]},
    )


def _put(engine: Engine, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    with engine.begin() as connection:
        wanted = and_(*(table.c[name] == value for name, value in key.items()))
        if connection.execute(update(table).where(wanted).values(values)).rowcount == 0:
            connection.execute(insert(table).values({**key, **values}))


def _sweep(row: Any) -> SweepState:
    return SweepState(
        source=row["source"],
        kind=row["kind"],
        watermark=_instant(row["watermark_us"]),
        last_success=_instant(row["last_success_us"]),
        last_failure=_instant(row["last_failure_us"]),
        last_error=row["last_error"],
        objects=row["objects"],
        new_objects=row["new_objects"],
    )


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _instant(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + timedelta(microseconds=us)
