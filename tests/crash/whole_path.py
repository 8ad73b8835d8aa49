"""A town of two simulators and the real `conductor up`, with somebody who kills its processes."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import pytest

from cloud_conductor.cli import rehearsal
from cloud_conductor.pipelines import close, reconcile
from cloud_conductor.pipelines.reconcile import Reconciliation
from cloud_conductor.serve.supervisor import ROLES, announced
from cloud_conductor.state import accounting as books
from cloud_conductor.wiring.house import open_house

DEADLINE_S = 240.0  # a busy machine takes minutes to start what an idle one does in seconds
POLL_S = 0.05
RECOMPUTE = Path(__file__).parents[1] / "outside" / "recompute.py"


def wait_until(claim: Callable[[], object], what: str) -> None:
    """Poll until it holds; past the deadline the test fails and says what did not come."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, f"the deadline has passed: {what}"
        time.sleep(POLL_S)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@dataclass
class Town:
    """What is running. kills: how often each role was killed."""

    folder: Path
    path: Path
    plan: rehearsal.Plan
    stage: rehearsal.Stage
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))
    product: "subprocess.Popen[bytes] | None" = None

    @property
    def state_dir(self) -> Path:
        return self.folder / ".conductor"

    def up(self) -> None:
        """Start `conductor up`; does not wait."""
        command = [sys.executable, "-m", "cloud_conductor.cli.main", "up", "--config", self.path]
        with (self.folder / "up.log").open("ab") as talk:
            self.product = subprocess.Popen(command, stdout=talk, stderr=talk)

    def pid(self, role: str) -> int | None:
        facts = announced(self.state_dir, role)
        return int(str(facts["pid"])) if facts else None

    def wait_ready(self) -> None:
        wait_until(lambda: all(self.pid(role) for role in ROLES), "every role runs")

    def kill(self, role: str) -> bool:
        """Kill -9 a role if it runs now."""
        pid = self.pid(role)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        self.kills[role] += 1
        return True

    def stop(self) -> None:
        if self.product is not None and self.product.poll() is None:
            self.product.terminate()
            self.product.wait(timeout=30)

    def entry_states(self) -> dict[str, int]:
        """Number of entries in the books by state."""
        with open_house(str(self.path)) as house, house.books.connect() as connection:
            counts: dict[str, int] = {}
            for (_, state), number in books.entry_counts(connection).items():
                counts[state] = counts.get(state, 0) + number
        return counts

    def faults(self, **planned: object) -> None:
        """Tell the ledger's simulator what to do wrong from now on."""
        httpx.post(f"{self.stage.xero}/sandbox/faults", json=planned).raise_for_status()

    def no_faults(self) -> None:
        httpx.delete(f"{self.stage.xero}/sandbox/faults").raise_for_status()

    def reconcile(self) -> Reconciliation:
        with open_house(str(self.path)) as house:
            deps = house.close_deps
            return reconcile.reconcile(deps, close.closed_dates(deps, since=date.min))

    def recomputed(self, outcome: Reconciliation) -> "subprocess.CompletedProcess[str]":
        """Keep what the demo keeps, and let the outside script judge it."""
        with open_house(str(self.path)) as house:
            close.catch_up(house.close_deps)
            self.stage.dump()
            entries, records = rehearsal._collect(house)
            (self.folder / "books.json").write_text(json.dumps(entries))
            (self.folder / "quarantine.json").write_text(json.dumps(records))
            report = rehearsal._report(house, self.plan, outcome, entries)
        return subprocess.run(
            [sys.executable, RECOMPUTE, self.folder],
            input=json.dumps(report),
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def open_town(folder: Path, plan: rehearsal.Plan, *, documents_per_call: int) -> Iterator[Town]:
    """Simulators with a scenario ready to play, a configuration for them; nothing is up yet."""
    stage = rehearsal.Stage(plan, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQUARE_TOKEN", rehearsal.SQUARE_TOKEN)
        patch.setenv("XERO_CLIENT_ID", rehearsal.XERO_CLIENT)
        patch.setenv("XERO_CLIENT_SECRET", rehearsal.XERO_SECRET)
        path = rehearsal.configure(plan, folder, stage)
        text = path.read_text()
        small = f"documents_per_call = {documents_per_call}\ncalls_per_minute"
        path.write_text(text.replace("calls_per_minute", small))
        town = Town(folder, path, plan, stage)
        try:
            yield town
        finally:
            town.stop()
            stage.stop()


@contextmanager
def killing(
    town: Town, dice: random.Random, roles: Sequence[str], *, pause_s: tuple[float, float]
) -> Iterator[None]:
    """Kill the roles in the order given, each at a random moment, while the body runs.

    All of them are killed, however quick the body is.
    """
    left = list(roles)
    done = threading.Event()

    def run() -> None:
        deadline = time.monotonic() + DEADLINE_S
        while left and time.monotonic() < deadline:
            time.sleep(dice.uniform(*pause_s))
            wait_until(lambda: town.kill(left[0]), f"{left[0]} runs, to be killed")
            left.pop(0)
        done.set()

    killer = threading.Thread(target=run, name="killer")
    killer.start()
    try:
        yield
    finally:
        killer.join()
    assert done.is_set()
    assert not left, f"not killed: {left}"
