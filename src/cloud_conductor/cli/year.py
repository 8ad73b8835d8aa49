"""A year of a published grocer, stage by stage in this process, with what each stage cost.

There are no webhooks: the year is read as a first sweep reads it, from the vendor's own lists. Our
time is that of this process; both simulators are another one. Figures of the ledger are read back
from what was posted, and held against the file's own.
"""

import json
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from cloud_conductor.cli import rehearsal, yardstick
from cloud_conductor.cli.output import say
from cloud_conductor.cli.reconcile import fields as levels_of
from cloud_conductor.cli.yardstick import Spent
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.pipelines.reconcile import Reconciliation

REPORT = "demo.json"
KEYS_AT_A_TIME = 5_000
Net = dict[tuple[str, str], int]
"""(store, business date) -> net sales in minor units."""


class Year(msgspec.Struct, frozen=True):
    """What the year proved. report: `conductor.demo/v1` with its part `year`."""

    report: dict[str, Any]
    is_again: bool = False

    @property
    def is_proven(self) -> bool:
        """Every level green, nothing unexplained, each store-day's net sales the file's."""
        year = self.report["year"]
        return (
            not self.report["unexplained_minor"]
            and all(one["state"] == "green" for one in self.report["levels"].values())
            and year["net_sales_minor"] == year["meant_minor"]
            and not year["store_days_that_differ"]
        )


def play(plan: rehearsal.Plan, folder: Path) -> Year:
    """The whole year; leaves its files in `folder`, or finds that everything is done there."""
    from cloud_conductor.wiring import logs

    os.environ |= rehearsal.SECRETS
    if (folder / REPORT).exists():
        return _again(plan, folder)
    folder.mkdir(parents=True, exist_ok=True)
    say("the simulated seller makes its sales (minutes; none of it is the product's work)")
    stage = rehearsal.Stage(plan, folder)
    try:
        path = rehearsal.configure(plan, folder, stage)
        logs.configure("cli", folder / ".conductor", to_stderr=False)
        stage.play()
        return _perform(plan, folder, path, stage)
    finally:
        stage.stop()


def _perform(plan: rehearsal.Plan, folder: Path, path: Path, stage: rehearsal.Stage) -> Year:
    from cloud_conductor.accounting import flow
    from cloud_conductor.pipelines import close, reconcile
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    spent: list[Spent] = []
    with open_house(str(path)) as house:
        _take_in(house, spent)
        with _measured(spent, "close"):
            dates = close.due_dates(house.close_deps, house.clock.now())
            errands.run(house, "close", dates)
        with _measured(spent, "post and read back"):
            flow.approve(house.books_deps, f"user:{rehearsal.APPROVER}", reason="demo")
            errands.post(house)
        with _measured(spent, "compare six levels"):
            outcome = reconcile.reconcile(house.close_deps, dates)
        yardstick.add_limits(house, spent)
        say("reading one day of the year; asking the ledger for its own books")
        stage.dump()
        report = _report(house, plan, outcome, folder)
        report["year"] |= {
            "stages": [msgspec.structs.asdict(one) for one in spent],
            "compute_cpu_s": round(sum(one.cpu_s for one in spent), 2),
            "memory_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "one_day": yardstick.one_day(house.lake),
        }
    (folder / REPORT).write_bytes(msgspec.json.encode(report))
    return Year(report)


def _take_in(house: Any, spent: list[Spent]) -> None:
    """From the vendor's lists to sealed days."""
    from cloud_conductor.conform import flow as conform
    from cloud_conductor.domain.schemas import PARTITIONED
    from cloud_conductor.ingest import flow as ingest

    deps = house.close_deps
    with _measured(spent, "read into the log"):
        ingest.run_sweeps(deps.ingest, deps.clock.now())
        ingest.run_fetch(deps.ingest)
    with _measured(spent, "conform"), deps.lake_lock():
        conform.run_conform(deps.conform)
    with _measured(spent, "archive"):
        ingest.run_archive(deps.ingest)
    with _measured(spent, "seal"), deps.lake_lock():
        lake = deps.conform.lake
        conform.run_seals(deps.conform, [day for name in PARTITIONED for day in lake.dates(name)])


def _again(plan: rehearsal.Plan, folder: Path) -> Year:
    """Everything that moves by itself is asked again; nothing may have been left to do."""
    from cloud_conductor.conform import flow as conform
    from cloud_conductor.pipelines import close
    from cloud_conductor.wiring import errands
    from cloud_conductor.wiring.house import open_house

    report = json.loads((folder / REPORT).read_bytes())
    asked = (plan.scenario, plan.seed, plan.days)
    if asked != (report["scenario"], report["seed"], report.get("year", {}).get("days")):
        raise ConfigError(f"{folder} holds another demo", hint="name an empty folder")
    spent: list[Spent] = []
    with _measured(spent, "again"), open_house(str(folder / "conductor.toml")) as house:
        deps = _without_vendors(house)
        with deps.lake_lock():
            conformed = conform.run_conform(deps.conform)
            sealed = conform.run_seals(deps.conform, deps.conform.lake.dates("sales"))
        due = close.due_dates(deps, deps.clock.now())
        states = errands.entry_states(house)
    waiting = sum(number for state, number in states.items() if state != "posted")
    report["year"]["again"] = {
        "events": conformed.events,
        "rows_sealed": sealed,
        "dates_due": len(due),
        "entries_waiting": waiting,
        "wall_s": round(spent[0].wall_s, 2),
    }
    return Year(report, is_again=True)


def _without_vendors(house: Any) -> Any:
    """What closing needs of the house itself: both simulators ended with the first run."""
    from cloud_conductor.ingest.flow import IngestDeps
    from cloud_conductor.pipelines.close import CloseDeps

    accounting = house.config.accounting
    return CloseDeps(
        clock=house.clock,
        stores=house.stores,
        ingest=IngestDeps(house.log, house.worker, house.raw, house.clock, {}),
        conform=house.conform_deps,
        books=house.books_deps,
        pos={},
        accounts=house.accounts,
        fees_at=accounting.fees_at,
        grace=timedelta(hours=accounting.close_grace_h),
        bank_account="",
        lake_lock=house.lake_lock,
    )


def _report(
    house: Any, plan: rehearsal.Plan, outcome: Reconciliation, folder: Path
) -> dict[str, Any]:
    from cloud_conductor.accounting.throughput import api_ways
    from cloud_conductor.conform import flow as conform
    from cloud_conductor.state import accounting as books

    with house.books.connect() as connection:
        counts = books.entry_counts(connection)
        heads = books.heads(connection)
    booked = booked_net_sales(house)
    truth = json.loads((folder / "truth.json").read_bytes())
    meant: Net = {
        (one["store"], one["business_date"]): one["figures"]["net_sales_minor"]
        for one in truth["store_days"]
        if any(entry["kind"] == "SALES" for entry in one["entries"])
    }
    traded = {(row.store, row.business_date) for row in heads if row.kind != "PAYOUT"}
    kinds: dict[str, dict[str, int]] = {}
    for (kind, state), number in counts.items():
        kinds.setdefault(kind, {})[state] = number
    levels = levels_of(outcome)["levels"]
    for level in levels.values():
        level.pop("notes")
    return {
        "schema": "conductor.demo/v1",
        "scenario": plan.scenario,
        "seed": plan.seed,
        "events": rehearsal.event_counts(conform.accounting_of_events(house.conform_deps)),
        "store_days": len(traded),
        "entries": kinds,
        "levels": levels,
        "unexplained_minor": outcome.unexplained_minor,
        "planted": [],
        "year": {
            "days": plan.days,
            "stores": len(house.stores),
            "sales": truth["source"]["baskets"] - truth["source"]["baskets_without_order"],
            "lines": truth["source"]["lines"],
            "net_sales_minor": sum(booked.values()),
            "meant_minor": sum(meant.values()),
            "store_days_that_differ": differing(booked, meant),
            "ledger_bound": [
                _bound(one)
                for one in api_ways(
                    len(heads),
                    len(traded),
                    store_months=len({(row.store, row.business_date[:7]) for row in heads}),
                    kinds=len(kinds),
                )
            ],
        },
    }


def _bound(one: Any) -> dict[str, Any]:
    return {
        "way": one.way,
        "documents": one.documents,
        "calls": one.calls,
        "elapsed_s": one.elapsed_s,
        "stores_max": one.stores_max,
    }


def booked_net_sales(house: Any) -> Net:
    """Net sales of every store-day from the SALES entries that were posted, a month at a time."""
    from cloud_conductor.cli.demo_report import net_sales
    from cloud_conductor.cli.journals import fields
    from cloud_conductor.state import accounting as books

    found: dict[tuple[str, str], int] = defaultdict(int)
    with house.books.connect() as connection:
        heads = books.heads(connection, states=("posted",))
        keys = [row.posting_key for row in heads if row.kind == "SALES"]
        for start in range(0, len(keys), KEYS_AT_A_TIME):
            for row in books.entries(connection, keys=keys[start : start + KEYS_AT_A_TIME]):
                found[row.store, row.business_date] += net_sales([fields(row)])
    return dict(found)


def differing(booked: Mapping[tuple[str, str], int], meant: Mapping[tuple[str, str], int]) -> int:
    """How many store-days do not have the same net sales on both sides."""
    return sum(booked.get(key, 0) != meant.get(key, 0) for key in booked.keys() | meant.keys())


@contextmanager
def _measured(spent: list[Spent], stage: str) -> Iterator[None]:
    say(stage)
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        yield
    finally:
        one = Spent(
            stage,
            round(time.process_time() - cpu, 3),
            round(time.perf_counter() - wall, 3),
        )
        spent.append(one)
        say(f"  {one.cpu_s:.1f} s of CPU, {one.wall_s:.1f} s")
