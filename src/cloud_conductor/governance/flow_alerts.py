"""Telling people: alerts opened and resolved, and each told on its ways until it has arrived.

A telling is written down before it is tried, so a crash tells twice at worst and never not at all.
"""

import logging
import smtplib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
from sqlalchemy import Engine

from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.config import AlertRoute, AlertsConfig
from cloud_conductor.domain.errors import ConfigError, Conflict, NotFound
from cloud_conductor.governance.alerts import Condition, judge, mail_text, routes_of, slack_body
from cloud_conductor.ports.clock import Clock
from cloud_conductor.state import alerts as state
from cloud_conductor.state.accounting import to_us, writing
from cloud_conductor.state.alerts import ACKNOWLEDGED, OPEN, AlertRow, DeliveryRow

log = logging.getLogger("conductor")

ATTEMPTS_MAX = 8
RETRY_S = 10.0
TIMEOUT_S = 10.0
KNOWN_MAX = 5_000
WEBHOOK, EMAIL = "webhook", "email"


@dataclass(frozen=True)
class AlertDeps:
    """secret: resolves a reference. link: address of the console."""

    engine: Engine
    clock: Clock
    config: AlertsConfig
    secret: Callable[[str], str]
    link: str

    @property
    def now_us(self) -> int:
        return to_us(self.clock.now())


def raise_alerts(deps: AlertDeps, seen: Sequence[Condition]) -> int:
    """Open, renew and resolve alerts; gives how many are told now. Seen twice at once is once."""
    now_us = deps.now_us
    again_us = timedelta(hours=deps.config.again_h) // timedelta(microseconds=1)
    with writing(deps.engine) as writer:
        known = state.alerts(writer.connection, limit=KNOWN_MAX)
        told_us = {row.alert_id: state.last_told(writer.connection, row.alert_id) for row in known}
        outcome = judge(known, seen, now_us=now_us, last_told_us=told_us, again_us=again_us)
        for row in outcome.rows:
            state.put_alert(writer, row)
        due = [
            DeliveryRow(row.alert_id, now_us, way, "due", 0, now_us)
            for row in outcome.told
            for way in _ways(row, deps.config.routes)
        ]
        state.add_deliveries(writer, due)
    for row in outcome.told:
        fields = {
            "kind": row.kind,
            "store": row.store,
            "severity": row.severity,
            "title": row.title,
        }
        log.warning("alert.raised", extra={"fields": fields})
    return len(outcome.told)


def deliver(deps: AlertDeps) -> int:
    """Tell what is due; gives how many arrived. What does not is tried again, more and more seldom."""
    arrived = 0
    for row in state.due_deliveries(deps.engine, deps.now_us):
        with deps.engine.connect() as connection:
            alert = state.alert(connection, row.alert_id)
        assert alert is not None, f"alert {row.alert_id} vanished"
        try:
            _tell(deps, row.route, alert)
        except (httpx.HTTPError, smtplib.SMTPException, OSError, ConfigError) as error:
            _put_off(deps, row, str(error))
            continue
        state.settle_delivery(deps.engine, row, state="sent", due_us=deps.now_us)
        arrived += 1
    return arrived


def acknowledge(engine: Engine, clock: Clock, alert_id: str, actor: str, note: str) -> AlertRow:
    """Somebody has taken it on: it is not told again while it lasts. Audited."""
    with writing(engine) as writer:
        row = state.alert(writer.connection, alert_id)
        if row is None:
            raise NotFound(f"no alert {alert_id}")
        if row.state not in (OPEN, ACKNOWLEDGED):
            raise Conflict(f"alert {alert_id} is {row.state}")
        done = _acknowledged(row, actor, note)
        state.put_alert(writer, done)
        writer.record([Act(actor, "alert.acknowledged", alert_id, note)], clock.now())
    return done


def _acknowledged(row: AlertRow, actor: str, note: str) -> AlertRow:
    return msgspec.structs.replace(row, state=ACKNOWLEDGED, acknowledged_by=actor, note=note)


def _ways(alert: AlertRow, routes: Mapping[str, AlertRoute]) -> list[str]:
    """`<route>/<way>` of everything an alert is told by."""
    return [
        f"{name}/{way}"
        for name in routes_of(alert, routes)
        for way, is_used in ((WEBHOOK, routes[name].webhook), (EMAIL, routes[name].email))
        if is_used
    ]


def _tell(deps: AlertDeps, way: str, alert: AlertRow) -> None:
    name, _, kind = way.rpartition("/")
    route = deps.config.routes.get(name)
    if route is None:
        raise ConfigError(f"[alerts.routes.{name}] is not configured any more")
    link = f"{deps.link}/alerts/{alert.alert_id}"
    if kind == WEBHOOK:
        url = deps.secret(route.webhook)
        answer = httpx.post(url, json=slack_body(alert, link), timeout=TIMEOUT_S)
        answer.raise_for_status()
        return
    subject, text = mail_text(alert, link)
    _mail(deps, route.email, subject, text)


def _mail(deps: AlertDeps, to: Sequence[str], subject: str, text: str) -> None:
    address = urlsplit(deps.secret(deps.config.smtp))
    if address.scheme not in ("smtp", "smtps") or not address.hostname:
        raise ConfigError("[alerts] smtp is not smtp://host:port", hint="see docs/how-to/alerts.md")
    message = EmailMessage()
    message["From"], message["To"] = deps.config.sender, ", ".join(to)
    message["Subject"] = subject
    message.set_content(text)
    connect = smtplib.SMTP_SSL if address.scheme == "smtps" else smtplib.SMTP
    port = address.port or (465 if address.scheme == "smtps" else 25)
    with connect(address.hostname, port, timeout=TIMEOUT_S) as server:
        if address.scheme == "smtp" and address.username:
            server.starttls()
        if address.username:
            server.login(unquote(address.username), unquote(address.password or ""))
        server.send_message(message)


def _put_off(deps: AlertDeps, row: DeliveryRow, error: str) -> None:
    is_last = row.attempts + 1 >= ATTEMPTS_MAX
    wait_us = int(RETRY_S * 2**row.attempts * 1_000_000)
    settled = "failed" if is_last else "due"
    state.settle_delivery(
        deps.engine, row, state=settled, due_us=deps.now_us + wait_us, error=error
    )
    fields = {"route": row.route, "error": error, "attempt": row.attempts + 1, "outcome": settled}
    log.warning("alert.undelivered", extra={"fields": fields})
