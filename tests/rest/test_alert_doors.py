"""Alerts end to end: looked for in a house, told over real sockets, acknowledged once."""

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest
from shop_front import DAYS, Front, said
from sqlalchemy import select

from cloud_conductor.domain.config import AlertRoute, AlertsConfig
from cloud_conductor.governance import flow_alerts
from cloud_conductor.pipelines import alerting, close
from cloud_conductor.state import alerts as state
from cloud_conductor.state import proofs
from cloud_conductor.state import windows as windows_state
from cloud_conductor.state.tables.windows import CELL
from cloud_conductor.windows.flow import run_windows
from told import mailbox, slack

SPAN = {"from": DAYS[0].isoformat(), "to": DAYS[-1].isoformat()}


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def watching(front: Front):
    """The watcher of the town, a while after its last sale; its alerts are forgotten afterwards."""
    deps = front.house.watch_deps
    clock = Clock(datetime.fromisoformat("2026-11-22T05:59:45+00:00"))

    def make(config: AlertsConfig, **more: object) -> alerting.WatchDeps:
        tell = replace(deps.tell, clock=clock, config=config, secret=lambda text: text)
        return replace(deps, tell=tell, **more)

    yield make, clock
    flow_alerts.raise_alerts(replace(deps.tell, clock=clock), [])


def open_kinds(front: Front) -> set[str]:
    with front.house.books.connect() as connection:
        return {row.kind for row in state.alerts(connection, states=("open",))}


def test_a_store_that_fell_silent_while_others_sell_is_told_by_webhook_and_mail(
    front: Front, watching
):
    make, clock = watching
    with slack([500]) as (hook, slacked), mailbox() as (smtp, mails):
        config = AlertsConfig(
            smtp=smtp,
            sender="conductor@example.com",
            dead_till_min=5,
            fresh_s_max=1e9,
            routes={
                "floor": AlertRoute(kinds=("dead_till",), webhook=hook),
                "boss": AlertRoute(severity="critical", email=("boss@example.com",)),
                "other": AlertRoute(stores=("CHI01",), kinds=("dead_till",), webhook=hook),
            },
        )
        deps = make(config)
        (dead,) = [one for one in alerting.look(deps) if one.kind == "dead_till"]
        assert (dead.store, dead.severity) == ("NYC01", "critical")
        assert (len(slacked), len(mails)) == (0, 1)
        assert "boss@example.com" in mails[0]
        assert "No sale for" in mails[0]
        alerting.look(deps)
        assert slacked == []
        clock.at += timedelta(seconds=30)
        alerting.look(deps)
        assert (len(slacked), len(mails)) == (1, 1)
        assert "NYC01" in slacked[0]["text"]
        alerting.look(deps)
        assert (len(slacked), len(mails)) == (1, 1)


def test_what_somebody_took_on_is_shown_to_whose_work_it_is(front: Front, watching, owner):
    make, _ = watching
    alerting.look(make(AlertsConfig(dead_till_min=5, fresh_s_max=1e9)))
    (shown,) = [one for one in owner.items("/alerts") if one["kind"] == "dead_till"]
    assert shown["roles"] == ["operator"]
    with front.program(["viewer"], ["CHI01"]) as program:
        assert [one for one in program.items("/alerts") if one["kind"] == "dead_till"] == []
        assert program.post(f"/alerts/{shown['id']}/acknowledge", {}).status_code == 403
    done = owner.post(f"/alerts/{shown['id']}/acknowledge", {"note": "power is out"}).json()
    assert (done["state"], done["acknowledged_by"]) == ("acknowledged", "user:owner")
    assert owner.items("/audit", act="alert.acknowledged")[0]["reason"] == "power is out"


def test_late_feeds_short_drawers_and_large_breaks_are_found_and_resolve(front: Front, watching):
    make, clock = watching
    clock.at = datetime.fromisoformat("2026-11-24T18:00:00+00:00")
    strict = AlertsConfig(fresh_s_max=60, break_minor_min=0, drawer_short_minor=-(10**9))
    found = {one.kind for one in alerting.look(make(strict))}
    assert {"freshness"} <= found
    lax = AlertsConfig(fresh_s_max=1e9, break_minor_min=10**12, drawer_short_minor=10**12)
    clock.at = datetime.fromisoformat("2026-11-24T12:01:00+00:00")
    assert alerting.look(make(lax)) == []
    assert open_kinds(front) == set()


def test_a_changed_schema_is_an_alert_and_a_late_parent_is_none():
    group = alerting.screens.Group(
        "contract:/order",
        "contract",
        "/order",
        "id is missing",
        3,
        1,
        2,
        ("square",),
        ("order",),
        7,
    )
    found = list(alerting._drift(group))
    assert [(one.kind, one.severity) for one in found] == [("schema_drift", "critical")]
    other = msgspec.structs.replace(group, code="missing_parent")
    assert list(alerting._drift(other)) == []


def test_live_figures_that_are_not_those_of_the_books_are_an_alert_until_they_are(
    front: Front, watching, owner
):
    make, clock = watching
    clock.at = datetime.fromisoformat("2026-11-24T12:01:00+00:00")
    deps = make(AlertsConfig(fresh_s_max=1e9, break_minor_min=10**12, drawer_short_minor=10**12))
    assert not [one for one in alerting.look(deps) if one.kind == "windows_unlike"]
    close.catch_up(front.house.close_deps)  # windows and facts come equally far
    run_windows(front.house.windows_deps)
    assert alerting.look(deps) == []
    dates = owner.items("/live/proofs")
    assert {one["state"] for one in dates} == {"alike"}
    net_sales = owner.get("/metrics/net-sales", **SPAN).json()["total"]["net_minor"]
    assert sum(one["net_minor"] for one in dates) == net_sales
    assert owner.get("/status").json()["live_proof"]["alike"] == len(dates)

    with front.house.worker.begin() as connection:
        lagged = proofs.proofs(connection)[0]
        proofs.put_proof(connection, msgspec.structs.replace(lagged, state="behind"))
    alerting.look(deps)  # nothing more was taken: to have come equally far is enough
    assert {one["state"] for one in owner.items("/live/proofs")} == {"alike"}

    change_a_window(front, 700)
    (told,) = alerting.look(deps)
    assert (told.kind, told.severity) == ("windows_unlike", "critical")
    (wrong,) = [one for one in owner.items("/live/proofs") if one["state"] == "unlike"]
    (one,) = wrong["differences"]
    assert one["live_minor"] - one["facts_minor"] == 700
    assert said(front, "status", "--json")["live_dates"] == {"alike": len(dates) - 1, "unlike": 1}

    change_a_window(front, -700)
    assert alerting.look(deps) == []
    assert {one["state"] for one in owner.items("/live/proofs")} == {"alike"}


def change_a_window(front: Front, by_minor: int) -> None:
    """As a fault in windows would: one figure is another one."""
    with windows_state.writing(front.house.worker) as writer:
        first = writer.connection.execute(
            select(CELL).order_by(CELL.c.start_us, CELL.c.department).limit(1)
        ).one()
        writer.seq += 1
        changed = first._asdict() | {"net_minor": first.net_minor + by_minor, "seq": writer.seq}
        writer.put(CELL, [changed])
