"""Alerts: what is wrong, who has taken it on."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.domain.errors import NotFound
from cloud_conductor.governance import flow_alerts
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import Endpoint, Identity, Page, Params, Ref, Scoped, at
from cloud_conductor.serve.rest.journals import actor
from cloud_conductor.state import alerts as state
from cloud_conductor.state.alerts import AlertRow

State = Literal["open", "acknowledged", "resolved"]
SHOWN_MAX = 200


class Chosen(Scoped, frozen=True, kw_only=True):
    state: list[State] = msgspec.field(default_factory=list)


class OneAlert(Params, frozen=True):
    id: Identity


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(max_length=500)] = ""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is or was wrong. roles: whose work it is. count: how often it was seen."""

    id: str
    kind: str
    severity: str
    store: str | None
    title: str
    detail: str
    first_at: datetime
    last_at: datetime
    count: int
    state: str
    acknowledged_by: str
    note: str
    roles: list[str]
    is_mine: bool
    ref: Ref | None


def alerts(ask: Ask, params: Chosen) -> Page[Alert]:
    """Alerts, newest first; without a state, those that last."""
    scope = ask.scope(params.store)
    with ask.desk.books.connect() as connection:
        rows = state.alerts(
            connection, states=params.state or state.LASTING, stores=scope, limit=SHOWN_MAX
        )
    return Page([_alert(ask, row) for row in rows])


def acknowledge(ask: Ask, params: OneAlert, body: Note) -> Alert:
    """Take an alert on: it is not told again while it lasts."""
    with ask.desk.books.connect() as connection:
        row = state.alert(connection, params.id)
    if row is None or (row.store and not ask.principal.sees_store(row.store)):
        raise NotFound(f"no alert {params.id}")
    done = flow_alerts.acknowledge(ask.desk.books, ask.desk.clock, params.id, actor(ask), body.note)
    return _alert(ask, done)


def _alert(ask: Ask, row: AlertRow) -> Alert:
    kinds = {"break": "break", "schema_drift": "quarantine", "pipeline_failed": "pipeline"}
    kind = kinds.get(row.kind)
    return Alert(
        id=row.alert_id,
        kind=row.kind,
        severity=row.severity,
        store=row.store or None,
        title=row.title,
        detail=row.detail,
        first_at=at(row.first_us),
        last_at=at(row.last_us // 60_000_000 * 60_000_000),
        count=row.times,
        state=row.state,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
        roles=list(row.roles),
        is_mine=not set(row.roles).isdisjoint(ask.principal.roles),
        ref=Ref(kind=kind, id=row.subject, label=row.title) if kind else None,
    )


ENDPOINTS = [
    Endpoint("GET", "/alerts", alerts, Page[Alert], params=Chosen),
    Endpoint("POST", "/alerts/{id}/acknowledge", acknowledge, Alert, "alerts.ack", OneAlert, Note),
]
