"""A process that leaves finishes the steps in hand before it lets go of its lock (R-13.6)."""

import threading
from pathlib import Path

import pytest

from cloud_conductor.accounting.deps import BooksDeps
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.domain.errors import LeaseLost, Transient
from cloud_conductor.pipelines import engine
from cloud_conductor.pipelines.hands import Hands, Stopping
from cloud_conductor.pipelines.score import Score
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.lock import is_held, state_lock
from cloud_conductor.state.migrate import migrate
from cloud_conductor.testing.ledger import MemoryLedger

WAIT_S = 20.0


def test_closing_waits_for_the_step_in_hand_and_lets_no_other_begin() -> None:
    hands, begun, go_on = Hands(), threading.Event(), threading.Event()
    closed: list[bool] = []

    def step() -> None:
        with hands:
            begun.set()
            go_on.wait(WAIT_S)

    working = threading.Thread(target=step)
    working.start()
    assert begun.wait(WAIT_S)
    assert hands.close(0.01) is False
    with pytest.raises(Stopping), hands:
        pytest.fail("a step began in a process that is leaving")
    leaving = threading.Thread(target=lambda: closed.append(hands.close(WAIT_S)))
    leaving.start()
    go_on.set()
    leaving.join()
    working.join()
    assert closed == [True]


def test_a_step_that_fails_is_no_longer_in_hand() -> None:
    hands = Hands()
    with pytest.raises(ValueError, match="bad"), hands:
        raise ValueError("bad")
    assert hands.close(0.0) is True
    hands.open()
    with hands:
        assert hands.close(0.0) is False


def test_a_stopping_scheduler_keeps_its_lock_until_the_step_in_hand_has_ended(
    tmp_path: Path,
) -> None:
    begun, go_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def sweep() -> dict[str, str | int]:
        begun.set()
        go_on.wait(WAIT_S)
        return {"done": 1}

    database = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    migrate(database, "books")
    score = Score(
        books=BooksDeps(engine=database, ledger=MemoryLedger(), clock=SystemClock()),
        sweep=sweep,
        due_dates=lambda _now: [],
        due_reconciles=lambda _now: [],
        close=lambda _date: {},
        reconcile=lambda _date: {},
        crosscheck=dict,
    )
    scheduler = engine.start(score, state_dir=tmp_path)
    assert begun.wait(WAIT_S)

    def stop() -> None:
        scheduler.stop()
        stopped.set()

    leaving = threading.Thread(target=stop)
    leaving.start()
    assert not stopped.wait(0.3)
    with pytest.raises(LeaseLost), state_lock(tmp_path):
        pytest.fail("a successor could have begun the same work")
    go_on.set()
    leaving.join(WAIT_S)
    with state_lock(tmp_path):
        assert engine.status(database).failed == ()
    database.dispose()


def test_waiting_for_a_scheduler_that_is_gone_ends_with_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    migrate(database, "books")
    score = Score(
        books=BooksDeps(engine=database, ledger=MemoryLedger(), clock=SystemClock()),
        sweep=dict,
        due_dates=lambda _now: [],
        due_reconciles=lambda _now: [],
        close=lambda _date: {},
        reconcile=lambda _date: {},
        crosscheck=dict,
    )
    engine.start(score, state_dir=tmp_path, loop=False).stop()
    name = engine.hand_over(database, "sweep", None, SystemClock().now())
    monkeypatch.setattr(engine, "UNSERVED_S_MAX", 0.2)
    with pytest.raises(Transient, match="1 runs wait") as caught:
        engine.wait_for(database, [name], lambda: is_held(tmp_path))
    assert "conductor up" in caught.value.fix
    scheduler = engine.start(score, state_dir=tmp_path, loop=False)
    assert engine.wait_for(database, [name], lambda: is_held(tmp_path)) == [{}]
    scheduler.stop()
    database.dispose()
