"""Operations on the ingest room's tables: cursors and the write-down of sweeps."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, Table, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from cloud_conductor.state.tables.ingest import BACKFILL, CURSOR, SWEEP

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
    query = select(CURSOR.c.position, CURSOR.c.planned).where(_at(name, partition))
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return Cursor(*row) if row is not None else Cursor()


def advance(engine: Engine, name: str, partition: str, *, position: int) -> None:
    """Move a cursor forward and forget what was announced up to there. Never backward.

    Durable on return. Processes may race: the furthest one wins.
    """
    _make(engine, CURSOR, {"name": name, "partition": partition}, {"position": 0, "planned": 0})
    behind = and_(_at(name, partition), CURSOR.c.position < position)
    with engine.begin() as connection:
        connection.execute(update(CURSOR).where(behind).values(position=position, planned=0))


def announce(engine: Engine, name: str, partition: str, at: Cursor, *, planned: int) -> Cursor:
    """Announce the range (at.position, planned], unless another process announced or moved first.

    Gives what stands now; durable on return.
    """
    _make(engine, CURSOR, {"name": name, "partition": partition}, {"position": 0, "planned": 0})
    free = and_(_at(name, partition), CURSOR.c.position == at.position, CURSOR.c.planned == 0)
    with engine.begin() as connection:
        connection.execute(update(CURSOR).where(free).values(planned=planned))
    return cursor(engine, name, partition)


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
            "watermark_us": us(watermark),
            "last_success_us": us(now),
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
        {"last_failure_us": us(now), "last_error": error[:ERROR_CHARS_MAX]},
    )


def _put(engine: Engine, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Update the row of a key, or make it; a process that makes it first does no harm."""
    _make(engine, table, key, {})
    with engine.begin() as connection:
        connection.execute(update(table).where(_is(table, key)).values(values))


def _make(engine: Engine, table: Table, key: dict[str, Any], first: dict[str, Any]) -> None:
    with engine.connect() as connection:
        if connection.execute(select(table).where(_is(table, key))).first() is not None:
            return
    with contextlib.suppress(IntegrityError), engine.begin() as connection:
        connection.execute(insert(table).values({**key, **first}))


def _is(table: Table, key: dict[str, Any]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in key.items()))


def _at(name: str, partition: str) -> ColumnElement[bool]:
    return _is(CURSOR, {"name": name, "partition": partition})


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


def us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _instant(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + timedelta(microseconds=us)


BackfillKey = tuple[str, date, date]
"""source, first and last business date."""


def backfilled_to(engine: Engine, source: str, first: date, last: date) -> date | None:
    """Last business date that an unfinished backfill of this span has read; None for none."""
    with engine.connect() as connection:
        query = select(BACKFILL.c.done_to).where(_span(source, first, last))
        found = connection.execute(query).scalar()
    return date.fromisoformat(found) if found else None


def note_backfill(
    engine: Engine,
    key: BackfillKey,
    *,
    done_to: date,
    objects: int,
    new_objects: int,
    now: datetime,
) -> None:
    """Write down that a day of a backfill is read; durable on return."""
    source, first, last = key
    row = {"source": source, "first": first.isoformat(), "last": last.isoformat()}
    values = {"done_to": done_to.isoformat(), "changed_us": us(now)}
    _make(engine, BACKFILL, row, {**values, "objects": 0, "new_objects": 0})
    more = {
        "objects": BACKFILL.c.objects + objects,
        "new_objects": BACKFILL.c.new_objects + new_objects,
    }
    with engine.begin() as connection:
        connection.execute(update(BACKFILL).where(_is(BACKFILL, row)).values(**values, **more))


def forget_backfill(engine: Engine, source: str, first: date, last: date) -> None:
    """A finished backfill is begun anew the next time."""
    with engine.begin() as connection:
        connection.execute(delete(BACKFILL).where(_span(source, first, last)))


def _span(source: str, first: date, last: date) -> ColumnElement[bool]:
    row = {"source": source, "first": first.isoformat(), "last": last.isoformat()}
    return _is(BACKFILL, row)
