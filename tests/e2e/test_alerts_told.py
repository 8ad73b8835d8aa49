"""Everything an alert is for, provoked in a town that trades, and told to whose work it is."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from house_rig import Town, open_town

from cloud_conductor.domain.config import AlertRoute, AlertsConfig
from cloud_conductor.governance import flow_alerts
from cloud_conductor.governance.alerts import ROLES
from cloud_conductor.inventory.flow import run_inventory
from cloud_conductor.pipelines import alerting, engine
from cloud_conductor.state import alerts as state
from cloud_conductor.windows.flow import run_windows
from told import mailbox, slack

CONFIG = AlertsConfig(
    sender="conductor@example.com",
    break_minor_min=1,
    drawer_short_minor=1,
    dead_till_min=5,
    fresh_s_max=900,
)
AFTER_TRADE = datetime.fromisoformat("2026-11-22T05:59:45+00:00")
NEXT_DAYS = datetime.fromisoformat("2026-11-24T18:00:00+00:00")
WAIT_S = 30.0


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def provoke(town: Town) -> None:
    """An amount changed in the ledger, orders of another shape, a run that fails."""
    house = town.house
    rule = {"pointer": "/**/line_items/*/quantity", "change": "rename", "value": "qty"}
    town.seller.state.faults.plan({"drift": [{**rule, "path": "/v2/orders", "every": 9}]})
    town.close_due()
    town.seller.state.faults.clear()
    town.post()
    town.plant(("D03", "NYC01", "2026-11-20"))
    town.reconcile()
    run_windows(house.windows_deps)
    run_inventory(house.inventory_deps)

    def lost() -> dict[str, str | int]:
        raise AssertionError("the digests lied")

    score = replace(house.score, crosscheck=lost)
    scheduler = engine.start(score, state_dir=house.state_dir, loop=False)
    try:
        engine.hand_over(house.books, "crosscheck", None, house.clock.now())
        engine.run_due(score, engine.Times(sweep_s=1e9, close_s=1e9), house.clock.now())
        until(lambda: engine.failed_now(house.books), "the run failed")
    finally:
        scheduler.stop()


def test_each_kind_is_raised_by_the_product_and_told_by_role_and_store(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with (
        slack([]) as (hook, slacked),
        mailbox() as (smtp, mails),
        open_town(tmp_path, stores=2, days=2, orders_per_day=8) as town,
    ):
        provoke(town)
        house, clock = town.house, Clock(AFTER_TRADE)
        routes = {
            "books": AlertRoute(roles=("finance",), kinds=("break",), webhook=hook),
            "data": AlertRoute(roles=("data",), email=("data@example.com",)),
            "nyc": AlertRoute(roles=("operator",), stores=("NYC01",), email=("nyc@example.com",)),
            "chi": AlertRoute(kinds=("dead_till",), stores=("CHI01",), webhook=hook),
        }
        config = msgspec.structs.replace(CONFIG, smtp=smtp, routes=routes)
        tell = replace(
            house.alert_deps, clock=clock, config=config, secret=lambda reference: reference
        )
        deps = replace(house.watch_deps, tell=tell)

        with caplog.at_level(logging.WARNING, logger="conductor"):
            found = alerting.look(deps)
        kinds = {one.kind for one in found}
        assert kinds == {"pipeline_failed", "schema_drift", "break", "drawer_short", "dead_till"}
        raised = [one.fields["kind"] for one in caplog.records if one.message == "alert.raised"]
        assert sorted(raised) == sorted(one.kind for one in found)

        breaks = [one for one in found if one.kind == "break"]
        assert len(slacked) == len(breaks)
        assert all(one["text"].startswith("*D") for one in slacked)
        to_data = [mail for mail in mails if "To: data@example.com" in mail]
        assert len(to_data) == len([one for one in found if "data" in ROLES[one.kind]])
        assert any("the digests lied" in mail for mail in to_data)
        to_nyc = [mail for mail in mails if "To: nyc@example.com" in mail]
        assert len(to_nyc) == len(
            [one for one in found if one.store == "NYC01" and "operator" in ROLES[one.kind]]
        )

        told = len(slacked), len(mails)
        alerting.look(deps)
        assert (len(slacked), len(mails)) == told, "what lasts is told once"

        clock.at = NEXT_DAYS
        with house.books.connect() as connection:
            taken = [
                one for one in state.alerts(connection, states=("open",)) if one.kind == "break"
            ]
        for one in taken:
            flow_alerts.acknowledge(house.books, clock, one.alert_id, "user:ana", "on it")
        late = {one.kind for one in alerting.look(deps)}
        assert "freshness" in late
        assert len(slacked) == told[0], "what somebody took on is not told again"
        assert len(mails) > told[1], "what nobody took on is told again after a day"
