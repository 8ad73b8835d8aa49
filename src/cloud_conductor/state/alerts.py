"""Operations on alerts and on their deliveries."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, select, update

from cloud_conductor.state.accounting import Writer
from cloud_conductor.state.tables.governance import ALERT, DELIVERY

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"
LASTING = (OPEN, ACKNOWLEDGED)
ERROR_CHARS_MAX = 300


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is or was wrong. store empty: the whole house. Instants: microseconds UTC."""

    alert_id: str
    kind: str
    severity: str
    store: str
    subject: str
    title: str
    detail: str
    roles: tuple[str, ...]
    state: str
    first_us: int
    last_us: int
    times: int
    acknowledged_by: str = ""
    note: str = ""


class DeliveryRow(msgspec.Struct, frozen=True):
    """One telling of an alert on one way. occasion_us: when it began to be due."""

    alert_id: str
    occasion_us: int
    route: str
    state: str
    attempts: int
    due_us: int
    error: str = ""


def alerts(
    connection: Connection,
    *,
    states: Sequence[str] = (),
    stores: Sequence[str] | None = None,
    limit: int = 500,
) -> list[AlertRow]:
    """Alerts, the newest first; of some stores, those of the whole house among them."""
    query = select(ALERT).order_by(ALERT.c.last_us.desc(), ALERT.c.alert_id).limit(limit)
    if states:
        query = query.where(ALERT.c.state.in_(states))
    if stores is not None:
        query = query.where(ALERT.c.store.in_([*stores, ""]))
    return [_alert(row) for row in connection.execute(query)]


def alert(connection: Connection, alert_id: str) -> AlertRow | None:
    row = connection.execute(select(ALERT).where(ALERT.c.alert_id == alert_id)).one_or_none()
    return None if row is None else _alert(row)


def put_alert(writer: Writer, row: AlertRow) -> None:
    """Insert or replace an alert."""
    values = msgspec.structs.asdict(row) | {"roles": msgspec.json.encode(row.roles).decode()}
    found = update(ALERT).where(ALERT.c.alert_id == row.alert_id).values(**values)
    if writer.connection.execute(found).rowcount == 0:
        writer.connection.execute(insert(ALERT).values(**values))


def add_deliveries(writer: Writer, rows: Sequence[DeliveryRow]) -> None:
    if rows:
        writer.connection.execute(insert(DELIVERY), [msgspec.structs.asdict(row) for row in rows])


def due_deliveries(engine: Engine, now_us: int, limit: int = 100) -> list[DeliveryRow]:
    """What is to be told now, oldest first."""
    query = (
        select(DELIVERY)
        .where(DELIVERY.c.state == "due", DELIVERY.c.due_us <= now_us)
        .order_by(DELIVERY.c.due_us)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [DeliveryRow(*row) for row in connection.execute(query)]


def last_told(connection: Connection, alert_id: str) -> int:
    """When an alert was last told or is due to be; 0 for never."""
    query = select(DELIVERY.c.occasion_us).where(DELIVERY.c.alert_id == alert_id)
    rows = connection.execute(query.order_by(DELIVERY.c.occasion_us.desc()).limit(1)).scalar()
    return int(rows or 0)


def settle_delivery(
    engine: Engine, row: DeliveryRow, *, state: str, due_us: int, error: str = ""
) -> None:
    """Write down how a telling went."""
    where = (
        (DELIVERY.c.alert_id == row.alert_id)
        & (DELIVERY.c.occasion_us == row.occasion_us)
        & (DELIVERY.c.route == row.route)
    )
    values = {
        "state": state,
        "attempts": row.attempts + 1,
        "due_us": due_us,
        "error": error[:ERROR_CHARS_MAX],
    }
    with engine.begin() as connection:
        connection.execute(update(DELIVERY).where(where).values(**values))


def _alert(row: Any) -> AlertRow:
    fields = {name: getattr(row, name) for name in AlertRow.__struct_fields__}
    return AlertRow(**fields | {"roles": msgspec.json.decode(row.roles, type=tuple[str, ...])})
