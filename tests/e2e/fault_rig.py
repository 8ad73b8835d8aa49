"""A town that trades while its vendors misbehave: webhooks over a real gateway, faults on demand.

What the worker and the scheduler do in their loops is done here by the same functions, again and
again until it works: a vendor's fault may cost a run, never more.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from house_rig import PLAY_S_MAX, Town, _Opened

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.pos.square import client as square_client
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.cli import demo_truth, rehearsal
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines import close
from cloud_conductor.sandbox import http, stage, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.faults import FaultPlan
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server
from cloud_conductor.wiring.house import House

RUNS_MAX = 12
WAIT_S = 60.0
SOURCE = "square"
FIRST_DAY = date(2026, 11, 20)
DAY = timedelta(days=1)


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@dataclass
class FaultTown(Town):
    """failures: what runs raised, in order; each is an error of the tree with a next step."""

    ledger_faults: FaultPlan = field(default_factory=FaultPlan)
    failures: list[ConductorError] = field(default_factory=list)

    def again(self, run: Callable[[], Any]) -> Any:
        """Run until it works, as a loop that goes on would; at most RUNS_MAX times."""
        for _ in range(RUNS_MAX):
            try:
                return run()
            except ConductorError as error:
                self.failures.append(error)
        msg = f"not once in {RUNS_MAX} runs: {self.failures[-1]}"
        raise AssertionError(msg)

    def check_failures(self) -> None:
        """Each was an error of the tree with a next step."""
        assert all(one.code != "CC-000" and one.fix for one in self.failures)

    def through(self) -> None:
        """Sweep, close, approve, post; every step until it works."""
        self.again(lambda: close.refresh(self.house.close_deps))
        self.again(self.close_due)
        self.again(self.post)

    def read_again(self) -> None:
        """What `conductor backfill` reads."""
        (store,) = self.house.stores
        start = store.day_interval(FIRST_DAY - DAY)[0]
        end = store.day_interval(FIRST_DAY + DAY)[1]
        self.again(lambda: ingest.run_span(self.house.ingest_deps, SOURCE, start, end))

    def check_books(self) -> None:
        """Entries equal the truth to the cent, levels are green, every event is accounted for."""
        self.check_failures()
        assert demo_truth.booked(self.entries()) == demo_truth.meant(self.truth)
        assert {one["state"] for one in self.entries()} == {"posted"}
        outcome = self.again(self.reconcile)
        assert outcome.is_green, [one for one in outcome.breaks if not one.is_explained]
        self.check_events()

    def check_events(self, *, quarantined: int = 0) -> None:
        """INV-16."""
        count = conform.accounting_of_events(self.house.conform_deps)[SOURCE]
        assert count.pending == 0
        assert count.quarantined == quarantined
        assert count.received == count.processed + count.quarantined + count.deduplicated


@dataclass(frozen=True)
class SellersClock:
    seller: Seller

    def now(self) -> datetime:
        return self.seller.state.instant()


@contextmanager
def open_faulty(
    folder: Path,
    *,
    square: dict[str, Any] | None = None,
    ledger: dict[str, Any] | None = None,
    seed: int = 1,
    orders_per_day: int = 8,
    is_one_clock: bool = False,
) -> Iterator[FaultTown]:
    """Trade a day of one store with webhooks on, under the faults; they stay on afterwards.

    is_one_clock: the product and the seller share one now, days after the sales.
    """
    told = stage.Plan(
        folder=folder,
        scenario="chain",
        seed=seed,
        stores=1,
        days=1,
        orders_per_day=orders_per_day,
    )
    seller = Seller(Settings(seed=seed), clock=SandboxClock(scale=0))
    played = stage.Stage(told, seller)
    organisation = xero.build(seed=seed, time_scale=rehearsal.TIME_SCALE)
    with (
        pytest.MonkeyPatch.context() as patch,
        http.start(simulator(seller, token=DEFAULT_TOKEN, retry_seconds=0.01)) as pos,
        xero.start(organisation) as books,
    ):
        patch.setenv("SQUARE_TOKEN", rehearsal.SQUARE_TOKEN)
        patch.setenv("XERO_CLIENT_ID", rehearsal.XERO_CLIENT)
        patch.setenv("XERO_CLIENT_SECRET", rehearsal.XERO_SECRET)
        player = threading.Thread(target=played.run, name="scenario", daemon=True)
        player.start()
        assert played.ready.wait(PLAY_S_MAX)
        plan = rehearsal.Plan(scenario="chain", seed=seed, stores=1, days=1)
        opened = _Opened(pos.url, books.url, played.stores())
        path = rehearsal.configure(plan, folder, opened)  # type: ignore[arg-type]
        with House(path) as house:
            house.prepare()
            after = house.clock.now()
            if is_one_clock:
                vars(house)["clock"] = SellersClock(seller)
            with _gateway(house):
                seller.state.faults.plan(square or {})
                organisation.faults.plan(ledger or {})
                played.go.set()
                player.join(PLAY_S_MAX)
                assert played.failure is None, played.failure
                lines = stage.bank_lines(played.truth)
                httpx.post(f"{books.url}/sandbox/bank-lines", json=lines).raise_for_status()
                until(lambda: not seller.state.pending, "every webhook is delivered or given up")
                if is_one_clock:
                    seller.set_clock(after)
                yield FaultTown(
                    seller, played.truth, house, books.url, ledger_faults=organisation.faults
                )


@contextmanager
def _gateway(house: House) -> Iterator[None]:
    """The intake on a thread, at the address that the source subscribes."""
    writer = GroupCommitWriter(house.log)
    app = Gateway({}, writer, house.clock)
    config = house.config.gateway
    server = gateway_server(app, config.host, config.port)
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        until(lambda: server.port, "the gateway listens")
        url = house.notification_url(SOURCE)
        pos: square_client.Square = house.pos[SOURCE]
        app.doors = {SOURCE: Door(SquareVerifier(), (pos.subscribe(url).encode(),), url)}
        yield
    finally:
        server.stop()
        thread.join()
