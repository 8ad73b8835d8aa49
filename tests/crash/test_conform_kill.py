"""Killed between any two writes, conform gives the same content as if it never was (INV-14)."""

import hashlib
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.conform.flow import accounting_of_events, run_conform
from cloud_conductor.state import conform as state
from conform_events import House, event, store
from square_payloads import line, offline, order, payment, payout, payout_entry, shift

DRIVER = Path(__file__).with_name("driver_conform.py")


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


def the_log() -> list[Any]:
    """A first part, and events that arrive while the first is being repaired."""
    part = line("a", 1000, tax=89)
    found = [event("order", order(part, name=f"O{n}")) for n in range(6)]
    found += [event("payment", payment(f"P{n}", order_id=f"O{n}")) for n in range(6)]
    found += [
        event("payout_entry", payout_entry()),
        event("order", order(line("a", 1000, quantity="two"), name="BAD")),
        event("order", order(part, name="O1", version=2, closed_at="2026-11-20T17:00:00Z")),
        event("payment", offline("O2", "2026-11-20T12:00:00Z")),
        event("payout", payout()),
        event("cash_shift", shift()),
    ]
    return found


LATER = [
    ("order", order(line("a", 1100), name="O1", version=3)),
    ("order", order(line("a", 1200), name="O7")),
    ("payout_entry", payout_entry("poe_2")),
]


def outcome(house: House) -> Any:
    """Everything a reader or an auditor could see."""
    house.seal()
    quarantine = state.quarantine(house.engine, states=("open", "released", "replayed"))
    return (
        {key: digest for key, digest in house.digests().items() if digest != EMPTY},
        [(one.event_id, one.state, one.code) for one in quarantine],
        accounting_of_events(house.deps),
        state.counts(house.engine),
    )


@lru_cache
def undisturbed(*, batch: int, folder: Path) -> Any:
    with House(folder, [store()], events_per_batch=batch) as house:
        house.take(the_log())
        house.take(event(kind, body) for kind, body in LATER)
        return outcome(house)


EMPTY = hashlib.sha256().hexdigest()


def test_a_kill_at_every_step_changes_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each number of steps in turn; then more events come and another batch size repairs it."""
    expected = undisturbed(batch=5_000, folder=tmp_path_factory.mktemp("plain"))
    die_at, finished = 0, False
    while not finished:
        die_at += 1
        folder = tmp_path / str(die_at)
        folder.mkdir()
        with House(folder, [store()], events_per_batch=11) as house:
            house.log.append(the_log())
            finished = not killed_at(house, die_at)
        with House(folder, [store()], events_per_batch=5_000) as house:
            house.take(event(kind, body) for kind, body in LATER)
            assert outcome(house) == expected, f"killed at step {die_at}"
            assert run_conform(house.deps).events == 0
    assert die_at > 12


def killed_at(house: House, die_at: int) -> bool:
    steps = 0

    def step(_name: str) -> None:
        nonlocal steps
        steps += 1
        if steps == die_at:
            raise Killed

    object.__setattr__(house.deps, "step", step)
    try:
        run_conform(house.deps)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("die_at", [2, 5, 9, 12])
def test_a_process_that_vanishes_is_repaired_by_the_next(
    die_at: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = undisturbed(batch=20, folder=tmp_path_factory.mktemp("plain"))
    with House(tmp_path, [store()]) as house:
        house.log.append(the_log())
    died = subprocess.run(
        [sys.executable, DRIVER, str(tmp_path), str(die_at)], check=False, capture_output=True
    )
    assert died.returncode == 9, died.stderr.decode()
    with House(tmp_path, [store()]) as house:
        house.take(event(kind, body) for kind, body in LATER)
        assert outcome(house) == expected
