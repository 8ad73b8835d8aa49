"""What is wrong, who is told, and how often: pure.

A condition is seen again and again while it lasts; an alert is one row for all of that time. It is
told once when it begins and again after `again_h` while nobody has acknowledged it; it resolves by
itself when its condition is not seen any more.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from cloud_conductor.domain.config import AlertRoute
from cloud_conductor.state.alerts import ACKNOWLEDGED, OPEN, RESOLVED, AlertRow

Kind = Literal[
    "pipeline_failed",
    "freshness",
    "schema_drift",
    "windows_unlike",
    "break",
    "drawer_short",
    "dead_till",
]
Severity = Literal["info", "warning", "critical"]
RANK = {"info": 0, "warning": 1, "critical": 2}

ROLES: Mapping[str, tuple[str, ...]] = {
    "pipeline_failed": ("data", "admin"),
    "freshness": ("data", "operator"),
    "schema_drift": ("data",),
    "windows_unlike": ("data",),
    "break": ("finance",),
    "drawer_short": ("operator", "finance"),
    "dead_till": ("operator",),
}
"""Whose work it is: shown first to these roles."""


class Condition(msgspec.Struct, frozen=True):
    """Something that is wrong now. subject: tells two of one kind and store apart, and lasts."""

    kind: Kind
    severity: Severity
    store: str
    subject: str
    title: str
    detail: str = ""

    @property
    def alert_id(self) -> str:
        text = f"{self.kind}\x1f{self.store}\x1f{self.subject}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Outcome(msgspec.Struct, frozen=True):
    """Rows to write, and which of them are to be told now."""

    rows: tuple[AlertRow, ...]
    told: tuple[AlertRow, ...]


def judge(
    known: Sequence[AlertRow],
    seen: Sequence[Condition],
    *,
    now_us: int,
    last_told_us: Mapping[str, int],
    again_us: int,
) -> Outcome:
    """What becomes of alerts now that these conditions are seen, and those alone.

    known: open and acknowledged ones, and resolved ones that might come back.
    """
    before = {row.alert_id: row for row in known}
    rows: list[AlertRow] = []
    told: list[AlertRow] = []
    for one in {found.alert_id: found for found in seen}.values():
        row = before.get(one.alert_id)
        if row is None or row.state == RESOLVED:
            fresh = _opened(one, now_us)
            rows.append(fresh)
            told.append(fresh)
            continue
        lasting = _seen_again(row, one, now_us)
        rows.append(lasting)
        waited_us = now_us - last_told_us.get(row.alert_id, 0)
        if row.state == OPEN and waited_us >= again_us:
            told.append(lasting)
    gone = before.keys() - {one.alert_id for one in seen}
    rows += [
        replace(before[name], state=RESOLVED, last_us=now_us)
        for name in sorted(gone)
        if before[name].state != RESOLVED
    ]
    return Outcome(tuple(rows), tuple(told))


def routes_of(alert: AlertRow, routes: Mapping[str, AlertRoute]) -> list[str]:
    """Names of the ways an alert goes: by kind, role, store and severity; the log always is told."""
    return [
        name
        for name, route in sorted(routes.items())
        if (not route.kinds or alert.kind in route.kinds)
        and (not route.roles or not set(route.roles).isdisjoint(alert.roles))
        and (not route.stores or not alert.store or alert.store in route.stores)
        and RANK[alert.severity] >= RANK[route.severity]
    ]


def slack_body(alert: AlertRow, link: str) -> dict[str, object]:
    """The alert as Slack's incoming webhooks take it ("Sending messages using incoming webhooks")."""
    head = f"*{_safe(alert.title)}*" + (f" ({_safe(alert.store)})" if alert.store else "")
    text = f"{head}\n{_safe(alert.detail)}" if alert.detail else head
    return {"text": f"{text}\n<{link}|Open in the console>"}


def mail_text(alert: AlertRow, link: str) -> tuple[str, str]:
    """Subject and text of an e-mail."""
    where = f" at {alert.store}" if alert.store else ""
    subject = f"[{alert.severity}] {alert.title}{where}".replace("\n", " ")
    return subject, f"{alert.title}{where}\n\n{alert.detail}\n\n{link}\n"


def _opened(one: Condition, now_us: int) -> AlertRow:
    return AlertRow(
        alert_id=one.alert_id,
        kind=one.kind,
        severity=one.severity,
        store=one.store,
        subject=one.subject,
        title=one.title,
        detail=one.detail,
        roles=ROLES[one.kind],
        state=OPEN,
        first_us=now_us,
        last_us=now_us,
        times=1,
    )


def _seen_again(row: AlertRow, one: Condition, now_us: int) -> AlertRow:
    """Still there: its words and severity are of now. One that grew worse is open again."""
    is_worse = RANK[one.severity] > RANK[row.severity]
    return replace(
        row,
        severity=one.severity,
        title=one.title,
        detail=one.detail,
        last_us=now_us,
        times=row.times + 1,
        state=OPEN if is_worse and row.state == ACKNOWLEDGED else row.state,
    )


def _safe(text: str) -> str:
    """Slack reads these three characters as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
