"""One glance: what runs, what is late, what needs somebody, and whether the proof holds."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

import msgspec

from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest.endpoint import Endpoint, Nothing, Page, instant
from cloud_conductor.serve.rest.proving import LiveProven, proven
from cloud_conductor.serve.supervisor import ROLES, announced, outdated
from cloud_conductor.state import alerts as alerting
from cloud_conductor.state import conform, ingest, inventory, proofs, screens
from cloud_conductor.state.screens import Within
from cloud_conductor.wiring import config as loading

Proven = Literal["green", "breaks", "not_connected", "never"]
WAITING = ("draft", "blocked", "rejected", "dead")
LEVELS = ("L1", "L2", "L3", "L4", "L5", "L6")
PROOF_DAYS = 31


class Role(msgspec.Struct, frozen=True):
    state: Literal["running", "stopped"]
    where: str


class Feed(msgspec.Struct, frozen=True):
    """One feed of a source. promise_s: how old its last success may be."""

    feed: str
    promise_s: float
    state: Literal["ok", "late", "never"]
    last_success_at: datetime | None
    age_s: float | None
    last_error: str
    next_expected_at: datetime | None


class Badges(msgspec.Struct, frozen=True):
    """Work that waits, by place of the console; 0 is nothing."""

    journals: int
    reconcile: int
    review: int
    quarantine: int
    inventory: int
    alerts: int


class Proof(msgspec.Struct, frozen=True):
    """Till against ledger over the closed dates of the last month, as last compared."""

    state: Proven
    unexplained_minor: int
    difference_minor: int
    currency: str
    codes: list[str]
    business_dates: list[date]
    compared_at: datetime | None


class Status(msgspec.Struct, frozen=True):
    """outdated_roles: those that run with another conductor.toml than the one that is there now."""

    as_of: datetime
    business_dates: dict[str, date]
    health: Literal["ok", "late", "down"]
    lag_s: float | None
    roles: dict[str, Role]
    pending_events: int
    last_event_at: datetime | None
    badges: Badges
    freshness: list[Feed]
    entries: dict[str, int]
    days: dict[str, int]
    proof: Proof
    live_proof: LiveProven
    outdated_roles: list[str] = []


def status(ask: Ask, _params: Nothing) -> Status:
    """What runs, what is late, what needs somebody, and whether the proof holds."""
    desk, now = ask.desk, ask.desk.now
    scope = ask.scope([])
    within = Within(stores=scope)
    with desk.books.connect() as connection:
        entries = screens.entry_states(connection, within)
        days = screens.day_states(connection, within)
    with desk.worker.connect() as connection:
        found = proofs.proofs(connection, since=_month_ago(desk))
    feeds = freshness(ask, Nothing()).items
    roles = {name: _role(desk, name) for name in ROLES}
    pending, last_event_at = newest_event(desk)
    running = {role.state for role in roles.values()}
    late = any(feed.state == "late" for feed in feeds)
    lag_s = (now - last_event_at).total_seconds() if pending and last_event_at else None
    return Status(
        as_of=now.replace(second=0, microsecond=0),
        business_dates={
            one.store: one.business_date(now) for one in desk.stores if one.store in scope
        },
        health="down" if running == {"stopped"} else "late" if late else "ok",
        lag_s=None if lag_s is None else float(max(0, int(lag_s))),
        roles=roles,
        pending_events=pending,
        last_event_at=last_event_at,
        badges=_badges(ask, scope, entries),
        freshness=feeds,
        entries=entries,
        days=days,
        proof=proof(desk, scope),
        live_proof=proven(found),
        outdated_roles=outdated(desk.house.state_dir, _config_digest(desk)),
    )


def freshness(ask: Ask, _params: Nothing) -> Page[Feed]:
    """Every feed: what was promised, how old it is, when it is expected next."""
    desk, now = ask.desk, ask.desk.now
    config = desk.house.config
    found = []
    for row in ingest.sweep_states(desk.worker):
        source = config.sources.get(row.source)
        every_s = source.sweep_interval_s if source else 60.0
        age_s = None if row.last_success is None else (now - row.last_success).total_seconds()
        promise_s = max(config.alerts.fresh_s_max, 3 * every_s)
        is_late = age_s is not None and age_s > promise_s
        found.append(
            Feed(
                feed=f"{row.source} {row.kind}",
                promise_s=promise_s,
                state="never" if age_s is None else "late" if is_late else "ok",
                last_success_at=row.last_success,
                age_s=None if age_s is None else 60.0 * (age_s // 60),
                last_error=row.last_error if is_failing(row) else "",
                next_expected_at=None,
            )
        )
    return Page(found)


def newest_event(desk: Desk) -> tuple[int, datetime | None]:
    """Events that wait for conform (an upper bound), and when the newest of the log came."""
    pending, newest_us = 0, 0
    for partition in desk.log.partitions():
        high = desk.log.high_water(partition)
        pending += high - conform.cursor(desk.worker, partition)
        last = desk.keep(
            ("newest event", partition),
            high,
            lambda high=high: desk.log.get([high]),  # type: ignore[misc]
        )
        newest_us = max([newest_us, *(event.received_us for event in last)])
    return pending, instant(newest_us or None)


def proof(desk: Desk, stores: Sequence[str]) -> Proof:
    """How till and ledger stood when they were last compared, over the last month's closed dates."""
    currency = next((one.currency for one in desk.stores if one.store in stores), "USD")
    within = Within(stores=(*stores, "*"), first=_month_ago(desk))
    with desk.books.connect() as connection:
        rows = screens.levels(connection, within)
        breaks = screens.breaks(connection, within, limit=10_000)
    if not rows:
        return Proof("never", 0, 0, currency, [], [], None)
    states = {row.state for row in rows}
    state: Proven = "green"
    if any(row.state in screens.OPEN_BREAKS for row in breaks):
        state = "breaks"
    elif "not_connected" in states:
        state = "not_connected"
    dates = sorted({row.business_date for row in rows})
    return Proof(
        state=state,
        unexplained_minor=sum(row.unexplained_minor for row in rows),
        difference_minor=sum(row.effect_minor for row in breaks),
        currency=currency,
        codes=sorted({row.code for row in breaks if row.state in screens.OPEN_BREAKS}),
        business_dates=[date.fromisoformat(dates[0]), date.fromisoformat(dates[-1])],
        compared_at=instant(max(row.compared_us for row in rows)),
    )


def _month_ago(desk: Desk) -> str:
    newest = desk.current_date()
    return date.fromordinal(max(1, newest.toordinal() - PROOF_DAYS)).isoformat()


def _badges(ask: Ask, scope: Sequence[str], entries: dict[str, int]) -> Badges:
    desk = ask.desk
    within = Within(stores=(*scope, "*"))
    with desk.books.connect() as connection:
        open_breaks = len(
            screens.breaks(connection, within, states=screens.OPEN_BREAKS, limit=1_000)
        )
        alerts = len(alerting.alerts(connection, states=("open",), stores=scope))
    with desk.worker.connect() as connection:
        held = screens.quarantined_open(connection)
        stock = inventory.troubles(connection)
    blocked = sum(entries.get(state, 0) for state in ("blocked", "rejected", "dead"))
    return Badges(
        journals=entries.get("draft", 0),
        reconcile=open_breaks,
        review=blocked,
        quarantine=held,
        inventory=stock.negative + stock.unknown,
        alerts=alerts,
    )


def _config_digest(desk: Desk) -> str:
    """Of the file as it is now; read again when its time or size has changed."""
    path = desk.house.path
    try:
        facts = path.stat()
    except OSError:
        return ""
    stamp = (facts.st_mtime_ns, facts.st_size)
    return desk.keep("config digest", stamp, lambda: loading.digest(path))


def _role(desk: Desk, name: str) -> Role:
    facts = announced(desk.house.state_dir, name)
    if facts is None:
        return Role("stopped", "")
    where = f"pid {facts['pid']}"
    if "port" in facts:
        where = f"http://{facts['host']}:{facts['port']}"
    return Role("running", where)


def is_failing(row: ingest.SweepState) -> bool:
    """Whether its last run failed."""
    if row.last_failure is None:
        return False
    return row.last_success is None or row.last_failure > row.last_success


ENDPOINTS = [
    Endpoint("GET", "/status", status, Status),
    Endpoint("GET", "/freshness", freshness, Page[Feed]),
]
