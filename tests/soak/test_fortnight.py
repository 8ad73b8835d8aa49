"""Fourteen days in scaled time, webhooks at fault all along: memory, files and log size stay flat."""

import multiprocessing
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fortnight_driver
import httpx
import pytest
from recording import Facts, recorded

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from house_rig import _Opened

from cloud_conductor.cli import demo_truth, rehearsal
from cloud_conductor.cli.journals import fields as entry_fields
from cloud_conductor.sandbox import http, stage, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.state import accounting as books
from cloud_conductor.wiring.house import House

DAYS = 14
ORDERS = 40
KEEP_DAYS = 3
PASS_EVERY = timedelta(hours=2)
PASSES_A_DAY = 12
FLAT = {
    "rss_mb": 25,
    "open_files": 8,
    "python_threads": 2,
    "log_events": 100,
    "log_mb": 0.5,
    "talk_mb": 2,
}
"""What must be flat, and by how much more the second week may have. Threads of the libraries are
written down only: a pool of theirs grows to its own bound."""
WEBHOOKS = {"duplicate": 0.1, "reorder": 0.1, "drop": 0.05, "forge": 0.05, "stale": 0.05}
ENVIRON = {
    "SQUARE_TOKEN": rehearsal.SQUARE_TOKEN,
    "XERO_CLIENT_ID": rehearsal.XERO_CLIENT,
    "XERO_CLIENT_SECRET": rehearsal.XERO_SECRET,
}


class Fortnight:
    """The seller's clock drives everything: passes every two hours, a close every night."""

    def __init__(self, seller: Seller, product: Any, told: Any) -> None:
        self._seller, self._product, self._told = seller, product, told
        self._next_pass: datetime | None = None
        self._passes = 0
        self.is_open = False
        self.days: list[dict[str, Any]] = []

    def set_clock(self, instant: datetime) -> None:
        """What the scenario calls. Before the doors open there is nobody to tell."""
        if not self.is_open:
            self._seller.set_clock(instant)
            return
        due = self._next_pass or instant
        while due < instant:
            self._told.value = due.timestamp()
            self.ask("pass")
            self._passes += 1
            if self._passes % PASSES_A_DAY == 0:
                self.night()
            due += PASS_EVERY
        self._next_pass = due if self._next_pass else instant.replace(minute=0) + PASS_EVERY
        self._told.value = max(self._told.value, instant.timestamp())
        self._seller.set_clock(instant)

    def night(self) -> None:
        settled = threading.Event()
        for _ in range(2_000):
            if not self._seller.state.pending:
                break
            settled.wait(0.01)
        self.days.append(self.ask("night"))

    def ask(self, word: str) -> dict[str, Any]:
        self._product.send(word)
        answer: dict[str, Any] = self._product.recv()
        assert "error" not in answer, answer
        return answer


def is_flat(days: list[dict[str, Any]], name: str, *, rest: float) -> bool:
    """The second week's highest is at most the first's, days of settling in left out, and a rest."""
    half = len(days) // 2
    first, second = days[3:half], days[half:]
    return max(one[name] for one in second) <= max(one[name] for one in first) * 1.1 + rest


def judge(facts: Facts, days: list[dict[str, Any]], equals_truth: bool) -> None:
    """Write down what was measured, then hold it against what must be."""
    facts["days"] = days
    facts["flat"] = {name: is_flat(days, name, rest=rest) for name, rest in FLAT.items()}
    facts["equals_truth"] = equals_truth
    facts["last_breaks"] = days[-1]["breaks"]
    facts.save()
    assert facts["equals_truth"]
    assert days[-1]["breaks"] == []
    assert all(facts["flat"].values()), facts["flat"]


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_fortnight_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    told = stage.Plan(folder=tmp_path, stores=1, days=DAYS, orders_per_day=ORDERS, scenario="chain")
    seller = Seller(Settings(seed=1), clock=SandboxClock(scale=0))
    played = stage.Stage(told, seller)
    organisation = xero.build(seed=1, time_scale=rehearsal.TIME_SCALE)
    with (
        recorded("fortnight") as facts,
        http.start(simulator(seller, token=DEFAULT_TOKEN, retry_seconds=0.05)) as pos,
        xero.start(organisation) as ledger,
    ):
        player = threading.Thread(target=played.run, daemon=True)
        ready = played.ready
        context = multiprocessing.get_context("spawn")
        now = context.Value("d", 0.0)
        ours, theirs = context.Pipe()
        fortnight = Fortnight(seller, ours, now)
        played.seller = _Clocked(seller, fortnight)  # type: ignore[assignment]
        player.start()
        assert ready.wait(60)
        plan = rehearsal.Plan(scenario="chain", seed=1, stores=1, days=DAYS)
        opened = _Opened(pos.url, ledger.url, played.stores())
        path = rehearsal.configure(plan, tmp_path / "product", opened)  # type: ignore[arg-type]
        path.write_text(path.read_text() + f"\n[log]\nkeep_days = {KEEP_DAYS}\n")
        product = context.Process(
            target=fortnight_driver.run, args=(theirs, str(path), now, ENVIRON)
        )
        product.start()
        assert ours.recv() == {}
        seller.state.faults.plan(WEBHOOKS)
        fortnight.is_open = True
        played.go.set()
        player.join()
        assert played.failure is None, played.failure
        lines = stage.bank_lines(played.truth)
        httpx.post(f"{ledger.url}/sandbox/bank-lines", json=lines).raise_for_status()
        for _ in range(2):
            now.value += 36 * 3600
            fortnight.night()
        ours.send("stop")
        product.join(60)
        assert product.exitcode == 0
        with House(path) as house, house.books.connect() as connection:
            entries = [entry_fields(row) for row in books.entries(connection)]
        judge(facts, fortnight.days, demo_truth.booked(entries) == demo_truth.meant(played.truth))


class _Clocked:
    """The seller as the scenario sees it: its clock is everybody's."""

    def __init__(self, seller: Seller, fortnight: Fortnight) -> None:
        self.call, self.set_clock = seller.call, fortnight.set_clock
