"""A whole town in one process: both simulators over HTTP, and the house that trades with them.

There is no `conductor up` here: the same functions that the scheduler and the commands call are
called directly, so that ten seeds take seconds. What webhooks bring, the sweep brings too (L1).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud_conductor.accounting import flow
from cloud_conductor.cli import planting, rehearsal
from cloud_conductor.cli.journals import fields as entry_fields
from cloud_conductor.pipelines import close, reconcile
from cloud_conductor.pipelines.reconcile import Reconciliation
from cloud_conductor.sandbox import http, stage, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.scenario import chain
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.state import accounting as books
from cloud_conductor.wiring import errands
from cloud_conductor.wiring.house import House

APPROVER = "user:second-person"
PLAY_S_MAX = 60
Found = set[tuple[str, str, str]]
"""(code, store, business date) each."""


@dataclass
class Town:
    """A seller that has traded, an organisation, and a house open between the two."""

    seller: Seller
    truth: dict[str, Any]
    house: House
    xero_url: str

    def close_due(self) -> list[date]:
        """Sweep and close every business date that is due."""
        return errands.close_due(self.house)

    def post(self) -> dict[str, int]:
        """Approve every draft as a second person, post, and give entries by state."""
        flow.approve(self.house.books_deps, APPROVER, reason="end to end")
        return errands.post(self.house)

    def reconcile(self, dates: Sequence[date] = ()) -> Reconciliation:
        """Compare the given dates, by default every closed one."""
        deps = self.house.close_deps
        return reconcile.reconcile(deps, dates or close.closed_dates(deps, since=date.min))

    def plant(self, *plants: tuple[str, str, str]) -> None:
        """Change the ledger as a person with a browser would."""
        client, secret = rehearsal.XERO_CLIENT, rehearsal.XERO_SECRET
        with planting.Ledger(self.xero_url, client, secret) as ledger:
            for kind, store, day in plants:
                ledger.plant(kind, store, day)

    def entries(self, kind: str = "") -> list[dict[str, Any]]:
        """Entries of the books in the order they were made, with signed lines."""
        with self.house.books.connect() as connection:
            rows = [entry_fields(row) for row in books.entries(connection)]
        return [row for row in rows if kind in ("", row["kind"])]

    def ledger(self) -> dict[str, Any]:
        """The organisation's own dump."""
        answer = httpx.get(f"{self.xero_url}/sandbox/dump", timeout=30)
        dump: dict[str, Any] = answer.raise_for_status().json(parse_float=Decimal)
        return dump


def open_breaks(outcome: Reconciliation) -> Found:
    """What needs somebody."""
    return {
        (one.code, one.store, one.business_date.isoformat())
        for one in outcome.breaks
        if not one.is_explained
    }


def breaks_of(outcome: Reconciliation, level: str) -> Found:
    """What one level found, also what explains itself."""
    return {
        (one.code, one.store, one.business_date.isoformat())
        for one in outcome.breaks
        if one.level == level
    }


@contextmanager
def open_town(
    folder: Path,
    scenario: str = "chain",
    *,
    seed: int = 1,
    stores: int = 3,
    days: int = 2,
    orders_per_day: int = 12,
    plants: Sequence[tuple[str, str, str]] = (),
) -> Iterator[Town]:
    """Play the scenario into fresh simulators and open a house on a conductor.toml for them."""
    told = stage.Plan(
        folder=folder,
        scenario=scenario,
        seed=seed,
        stores=stores,
        days=days,
        orders_per_day=orders_per_day,
        plants=tuple(chain.Plant(k, s, date.fromisoformat(d)) for k, s, d in plants),
    )
    seller = Seller(Settings(seed=seed), clock=SandboxClock(scale=0))
    played = stage.Stage(told, seller)
    organisation = xero.build(seed=seed, time_scale=rehearsal.TIME_SCALE)
    with (
        pytest.MonkeyPatch.context() as patch,
        http.start(simulator(seller, token=DEFAULT_TOKEN)) as square,
        xero.start(organisation) as ledger,
    ):
        patch.setenv("SQUARE_TOKEN", rehearsal.SQUARE_TOKEN)
        patch.setenv("XERO_CLIENT_ID", rehearsal.XERO_CLIENT)
        patch.setenv("XERO_CLIENT_SECRET", rehearsal.XERO_SECRET)
        plan = rehearsal.Plan(scenario=scenario, seed=seed, stores=stores, days=days)
        path = _play(played, plan, folder, square.url, ledger.url)
        with House(path) as house:
            house.prepare()
            yield Town(seller, played.truth, house, ledger.url)


@dataclass
class _Opened:
    """What the demo's configuration wants to know of a stage."""

    square: str
    xero: str
    stores: list[dict[str, Any]]
    owner: dict[str, Any] = field(
        default_factory=lambda: {"mapping": {}, "meanings": [], "receipts": ""}
    )


def _play(
    played: stage.Stage, plan: rehearsal.Plan, folder: Path, square_url: str, xero_url: str
) -> Path:
    """Open the stores, write the configuration as the demo does, then trade."""
    player = threading.Thread(target=played.run, name="scenario", daemon=True)
    player.start()
    assert played.ready.wait(PLAY_S_MAX)
    assert played.failure is None, played.failure
    opened = _Opened(square_url, xero_url, played.stores())
    path = rehearsal.configure(plan, folder, opened)  # type: ignore[arg-type]
    played.go.set()
    player.join(PLAY_S_MAX)
    assert played.failure is None, played.failure
    lines = stage.bank_lines(played.truth)
    httpx.post(f"{xero_url}/sandbox/bank-lines", json=lines).raise_for_status()
    return path
