"""What is wrong now: looked for in what the rooms wrote, and handed to governance to tell."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from cloud_conductor.domain.config import AlertsConfig
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.findings import CONTRACT, UNKNOWN_KIND
from cloud_conductor.domain.money import major
from cloud_conductor.domain.stores import Store
from cloud_conductor.governance import flow_alerts
from cloud_conductor.governance.alerts import Condition, Severity
from cloud_conductor.governance.flow_alerts import AlertDeps
from cloud_conductor.pipelines import engine, proving
from cloud_conductor.pipelines.proving import ProveDeps
from cloud_conductor.ports.lake import Lake
from cloud_conductor.state import ingest, proofs, screens
from cloud_conductor.state.screens import Within

log = logging.getLogger("conductor")

EVERY_S = 15.0
DRAWER_DAYS = 2
BREAKS_MAX = 500
DIFFERENCES_TOLD = 5
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class WatchDeps:
    """What is looked at. sweep_s: source -> seconds between its sweeps. lake: of this thread alone."""

    tell: AlertDeps
    lake: Lake
    worker: Engine
    stores: Sequence[Store]
    sweep_s: Mapping[str, float]

    @property
    def config(self) -> AlertsConfig:
        return self.tell.config


def watch(deps: WatchDeps, stopped: Callable[[float], bool]) -> None:
    """Look and tell until `stopped(seconds)` says so (it waits that long for the word)."""
    while not stopped(EVERY_S):
        try:
            look(deps)
        except ConductorError as error:
            log.warning("watch.failed", extra={"fields": {"error": str(error)}})
        except Exception:  # the watcher outlives one bad pass; the next one looks again
            log.exception("watch.failed", extra={"fields": {}})


def look(deps: WatchDeps) -> list[Condition]:
    """One pass: what is wrong now is opened or renewed, what is not any more resolved, all told."""
    now = deps.tell.clock.now()
    found = [
        *failed_runs(deps),
        *late_feeds(deps, now),
        *drifts(deps),
        *large_breaks(deps),
        *short_drawers(deps, now),
        *dead_tills(deps, now),
        *unlike_windows(deps),
    ]
    flow_alerts.raise_alerts(deps.tell, found)
    flow_alerts.deliver(deps.tell)
    return found


def failed_runs(deps: WatchDeps) -> Iterator[Condition]:
    """Pipelines whose newest ended run failed."""
    for run in engine.failed_now(deps.tell.engine):
        detail = f"{run.run_id}: {run.error or run.status}"
        yield Condition("pipeline_failed", "critical", "", run.name, f"{run.name} failed", detail)


def late_feeds(deps: WatchDeps, now: datetime) -> Iterator[Condition]:
    """Feeds whose last success is older than promised."""
    for row in ingest.sweep_states(deps.worker):
        promise_s = max(deps.config.fresh_s_max, 3 * deps.sweep_s.get(row.source, 60.0))
        if row.last_success is None:
            continue
        age_s = (now - row.last_success).total_seconds()
        if age_s > promise_s:
            feed = f"{row.source} {row.kind}"
            title = f"{feed} is {age_s / 60:.0f} minutes behind"
            yield Condition("freshness", "warning", "", feed, title, row.last_error)


def drifts(deps: WatchDeps) -> Iterator[Condition]:
    """Records that do not have the agreed shape any more, by group of reason."""
    with deps.worker.connect() as connection:
        groups = screens.quarantine_groups(connection)
    for one in groups:
        yield from _drift(one)


def large_breaks(deps: WatchDeps) -> Iterator[Condition]:
    """Open breaks of at least the configured amount."""
    with deps.tell.engine.connect() as connection:
        rows = screens.breaks(connection, Within(), states=screens.OPEN_BREAKS, limit=BREAKS_MAX)
    for row in rows:
        if abs(row.amount_minor) >= deps.config.break_minor_min:
            amount = f"{row.currency} {major(row.amount_minor, row.currency)}"
            store = "" if row.store == "*" else row.store
            title = f"{row.code}: {amount} between till and ledger on {row.business_date}"
            yield Condition("break", "critical", store, row.break_id, title, row.message)


def short_drawers(deps: WatchDeps, now: datetime) -> Iterator[Condition]:
    """Drawers of the last days that were counted short."""
    dates = _recent(deps, "cash_shifts", now, DRAWER_DAYS)
    rows = deps.lake.read("cash_shifts", dates) if dates else None
    for row in rows.to_pylist() if rows is not None else ():
        if row["counted_minor"] is None or row["expected_minor"] is None:
            continue
        over_minor = row["counted_minor"] - row["expected_minor"]
        if over_minor <= -deps.config.drawer_short_minor:
            amount = f"{row['currency']} {major(-over_minor, row['currency'])}"
            title = f"A drawer of {row['business_date']} is short by {amount}"
            yield Condition("drawer_short", "warning", row["store"], row["shift_id"], title)


def dead_tills(deps: WatchDeps, now: datetime) -> Iterator[Condition]:
    """Stores that stopped selling while they should not have.

    A store counts as dead when it sold today, has been silent for longer than configured, and
    either another store sold meanwhile or it sold in these very minutes a week ago.
    """
    limit = timedelta(minutes=deps.config.dead_till_min)
    last = _last_sales(deps, now)
    newest = max(last.values(), default=None)
    for store in deps.stores:
        sold_at = last.get(store.store)
        if sold_at is None or now - sold_at <= limit:
            continue
        others_sell = newest is not None and now - newest <= limit
        if others_sell or _sold_last_week(deps, store, sold_at, now):
            silent_min = int((now - sold_at).total_seconds() // 60)
            title = f"No sale for {silent_min} minutes"
            severity: Severity = "critical" if others_sell else "warning"
            day = store.business_date(now).isoformat()
            yield Condition("dead_till", severity, store.store, day, title)


def unlike_windows(deps: WatchDeps) -> Iterator[Condition]:
    """Closed dates on which the live figures are not those of the books (INV-26)."""
    proving.prove(ProveDeps(deps.worker, deps.tell.engine, deps.lake, deps.tell.clock))
    with deps.worker.connect() as connection:
        found = proofs.proofs(connection)
    for proof in found:
        if proof.state == "unlike":
            stores = sorted({one.store for one in proof.differences})
            title = f"Live figures of {proof.business_date} are not those of the books"
            detail = "; ".join(
                f"{one.store} {one.department}: {one.windows_minor} live, {one.facts_minor} booked"
                for one in proof.differences[:DIFFERENCES_TOLD]
            )
            store = stores[0] if len(stores) == 1 else ""
            yield Condition("windows_unlike", "critical", store, proof.business_date, title, detail)


def _drift(one: screens.Group) -> Iterator[Condition]:
    if one.code in (CONTRACT, UNKNOWN_KIND):
        kinds = ", ".join(one.kinds)
        title = f"{kinds} of {', '.join(one.sources)} changed its shape"
        detail = f"{one.count} records wait: {one.message} at {one.pointer or '/'}"
        yield Condition("schema_drift", "critical", "", one.group, title, detail)


def _last_sales(deps: WatchDeps, now: datetime) -> dict[str, datetime]:
    """Store -> its newest closed sale of the business date that is going on."""
    today = {store.store: store.business_date(now) for store in deps.stores}
    held = set(deps.lake.dates("sales"))
    dates = sorted(set(today.values()) & held)
    if not dates:
        return {}
    rows = deps.lake.read(
        "sales", dates, columns=["store", "business_date", "state", "occurred_at"]
    )
    until = pa.scalar(now, rows.schema.field("occurred_at").type)  # a till's clock may be ahead
    has_been = pc.less_equal(rows["occurred_at"], until)
    rows = rows.filter(pc.and_(pc.equal(rows["state"], "closed"), has_been))
    newest = rows.group_by(["store", "business_date"]).aggregate([("occurred_at", "max")])
    return {
        row["store"]: row["occurred_at_max"]
        for row in newest.to_pylist()
        if today.get(row["store"]) == row["business_date"]
    }


def _sold_last_week(deps: WatchDeps, store: Store, since: datetime, until: datetime) -> bool:
    day = store.business_date(since) - WEEK
    if day not in deps.lake.dates("sales"):
        return False
    rows = deps.lake.read("sales", [day], columns=["store", "state", "occurred_at"])
    kind = rows.schema.field("occurred_at").type
    inside = pc.and_(
        pc.greater(rows["occurred_at"], pa.scalar(since - WEEK, kind)),
        pc.less_equal(rows["occurred_at"], pa.scalar(until - WEEK, kind)),
    )
    mine = pc.and_(pc.equal(rows["store"], store.store), pc.equal(rows["state"], "closed"))
    return bool(rows.filter(pc.and_(inside, mine)).num_rows)


def _recent(deps: WatchDeps, table: str, now: datetime, days: int) -> list[date]:
    first = now.date() - timedelta(days=days)
    return [one for one in deps.lake.dates(table) if one >= first]
