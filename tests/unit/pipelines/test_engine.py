"""The traps of the durable-execution engine, each held shut (decision 10)."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dbos import DBOS
from sqlalchemy import Engine, text

from cloud_conductor.accounting.flow import BooksDeps, approve, draft_entries, make_batches
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.domain.errors import LeaseLost
from cloud_conductor.pipelines import engine as pipelines
from cloud_conductor.pipelines.engine import Scheduler, run_due
from cloud_conductor.pipelines.score import Score, Times
from cloud_conductor.state import accounting as books
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.lock import state_lock
from cloud_conductor.state.migrate import migrate
from cloud_conductor.testing.ledger import DAY, MemoryLedger, make_entry

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WAIT_S = 20.0


@dataclass
class Played:
    """A bound score that notes what it was asked to do."""

    deps: BooksDeps
    state_dir: Path
    done: list[str] = field(default_factory=list)
    due: list[date] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)

    @property
    def score(self) -> Score:
        return Score(
            books=self.deps,
            sweep=lambda: self._note("sweep"),
            due_dates=lambda _now: self.due,
            due_reconciles=lambda _now: [],
            close=lambda day: self._note(f"close {day}"),
            reconcile=lambda day: self._note(f"reconcile {day}"),
            crosscheck=lambda: self._note("crosscheck"),
        )

    def _note(self, what: str) -> dict[str, str | int]:
        assert what not in self.fails, "the digests lied"
        self.done.append(what)
        return {"done": what}

    def start(self, *, loop: bool = False) -> Scheduler:
        return pipelines.start(self.score, state_dir=self.state_dir, loop=loop)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    migrate(engine, "books")
    yield engine
    engine.dispose()


@pytest.fixture
def played(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    monkeypatch.setattr(pipelines, "POLL_S", 0.02)
    deps = BooksDeps(engine=engine, ledger=MemoryLedger(), clock=SystemClock(), settle_s=0.0)
    return Played(deps, tmp_path)


@pytest.fixture
def running(played: Played) -> Iterator[Played]:
    scheduler = played.start()
    yield played
    scheduler.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.01)


def states(played: Played) -> set[str]:
    with played.deps.engine.connect() as connection:
        return {row.state for row in books.entries(connection)}


def approved(played: Played, *, days: int) -> None:
    entries = [
        make_entry(kind, day=DAY + timedelta(days=day))
        for day in range(days)
        for kind in ("SALES", "DEPOSIT")
    ]
    draft_entries(played.deps, entries, "close")
    approve(played.deps, "boss")


def test_batches_of_an_organisation_post_one_after_the_other_in_order(running: Played):
    approved(running, days=8)
    names = pipelines.hand_out_postings(running.score)
    assert len(names) > 4
    until(lambda: states(running) == {"posted"})
    ledger = running.deps.ledger
    assert isinstance(ledger, MemoryLedger)
    dates = [document.ledger_date for document in ledger.written]
    assert dates == sorted(dates)
    assert len(ledger.calls) == len(names)


def test_a_batch_is_read_back_by_its_own_workflow(running: Played):
    approved(running, days=1)
    pipelines.hand_out_postings(running.score)

    def read_back() -> bool:
        with running.deps.engine.connect() as connection:
            rows = books.entries(connection)
        return all(row.readback_hash == row.content_hash for row in rows)

    until(read_back)


def test_a_busy_ledger_is_waited_for_inside_the_workflow(running: Played):
    ledger = running.deps.ledger
    assert isinstance(ledger, MemoryLedger)
    ledger.refusals, ledger.lose_replies = 2, 1
    approved(running, days=1)
    pipelines.hand_out_postings(running.score)
    until(lambda: states(running) == {"posted"})
    assert len({one.key for one in ledger.written}) == len(ledger.written) == 2


def test_handing_out_a_batch_twice_runs_it_once(running: Played):
    approved(running, days=1)
    assert pipelines.hand_out_postings(running.score) == pipelines.hand_out_postings(running.score)
    until(lambda: states(running) == {"posted"})
    until(lambda: pipelines.hand_out_postings(running.score) == [])
    assert len(DBOS.list_workflows(name="post")) == 2


def test_a_batch_whose_run_ended_badly_is_run_again(running: Played):
    approved(running, days=1)
    (batch, *_) = make_batches(running.deps)
    DBOS.enqueue_workflow_with_options(
        {
            "queue_name": "accounting", "workflow_name": "post", "workflow_id": batch.batch_id,
            "queue_partition_key": batch.organisation,
        },
        "post-no-such-batch",
    )  # fmt: skip
    until(lambda: batch.batch_id in pipelines.status(running.deps.engine).failed)
    assert pipelines.enqueue_post(batch) == f"{batch.batch_id}-02"
    until(lambda: "posted" in states(running))


def test_what_is_due_is_handed_out_once_per_interval(running: Played):
    running.due = [DAY]
    times = Times(sweep_s=60.0, close_s=60.0)
    for second in (0, 1, 59):
        run_due(running.score, times, NOON + timedelta(seconds=second))
    until(lambda: len(running.done) == 3)
    assert sorted(running.done) == [f"close {DAY}", "crosscheck", "sweep"]
    run_due(running.score, times, NOON + timedelta(seconds=60))
    until(lambda: len(running.done) == 5)
    run_due(running.score, times, NOON + timedelta(days=1))
    until(lambda: running.done.count("crosscheck") == 2)


def test_a_pipeline_that_failed_is_named_until_it_succeeds(running: Played):
    """However often others ran since: a nightly check fails once a day, a sweep runs every minute."""
    engine = running.deps.engine
    assert pipelines.failed_now(engine) == []
    running.fails.append("crosscheck")
    pipelines.hand_over(engine, "crosscheck", None, NOON)
    until(lambda: [one.name for one in pipelines.failed_now(engine)] == ["crosscheck"])
    assert "the digests lied" in pipelines.failed_now(engine)[0].error
    pipelines.hand_over(engine, "sweep", None, NOON)
    until(lambda: "sweep" in running.done)
    assert [one.name for one in pipelines.failed_now(engine)] == ["crosscheck"]
    running.fails.clear()
    pipelines.hand_over(engine, "crosscheck", None, NOON + timedelta(days=1))
    until(lambda: pipelines.failed_now(engine) == [])


def test_the_loop_asks_what_is_due_once_per_interval(played: Played):
    asked: list[datetime] = []
    deps = played.deps
    score = Score(
        books=deps,
        sweep=dict,
        due_dates=lambda now: asked.append(now) or [],
        due_reconciles=lambda _now: [],
        close=lambda _day: {},
        reconcile=lambda _day: {},
        crosscheck=dict,
    )
    times = Times(tick_s=0.01, sweep_s=1e6, close_s=1e6, reconcile_s=1e6)
    scheduler = pipelines.start(score, state_dir=played.state_dir, times=times)
    approved(played, days=1)
    until(lambda: states(played) == {"posted"})
    scheduler.stop()
    assert len(asked) == 1


def test_another_process_hands_work_to_the_living_scheduler(running: Played, tmp_path: Path):
    other = open_engine(f"sqlite:///{tmp_path}/books.sqlite")
    pipelines.hand_over(other, "reconcile", DAY, NOON)
    pipelines.hand_over(other, "sweep", None, NOON)
    until(lambda: sorted(running.done) == [f"reconcile {DAY}", "sweep"])
    other.dispose()


def test_a_second_scheduler_on_the_same_state_is_refused(running: Played):
    with pytest.raises(LeaseLost, match="is the scheduler of"):
        pipelines.start(running.score, state_dir=running.state_dir)


def test_the_lock_is_free_again_after_a_stop(played: Played):
    played.start().stop()
    with state_lock(played.state_dir), pytest.raises(LeaseLost), state_lock(played.state_dir):
        raise AssertionError("two processes hold the lock")
    scheduler = played.start()
    assert pipelines.status(played.deps.engine).failed == ()
    scheduler.stop()


def test_work_queued_while_nobody_lived_is_done_at_the_next_start(played: Played):
    played.start().stop()
    pipelines.hand_over(played.deps.engine, "sweep", None, NOON)
    scheduler = played.start()
    until(lambda: played.done == ["sweep"])
    scheduler.stop()


def test_a_running_workflow_of_another_version_is_an_alarm(running: Played):
    pipelines.hand_over(running.deps.engine, "sweep", None, NOON)
    until(lambda: running.done == ["sweep"])
    until(lambda: not pipelines.status(running.deps.engine).running)
    with running.deps.engine.begin() as connection:
        connection.execute(
            text("update workflow_status set status='PENDING', application_version='0'")
        )
    (name,) = pipelines.status(running.deps.engine).stranded
    assert name.startswith("sweep-")


def test_finished_workflows_are_forgotten_but_the_newest(running: Played):
    for minute in range(5):
        pipelines.hand_over(running.deps.engine, "sweep", None, NOON + timedelta(minutes=minute))
    until(lambda: len(DBOS.list_workflows(status="SUCCESS")) == 5)
    assert pipelines.forget_finished(keep=2) == 3
    assert len(DBOS.list_workflows()) == 2


def test_the_engine_commits_durably_in_our_own_database(engine: Engine):
    with engine.connect() as connection:
        assert connection.execute(text("pragma journal_mode")).scalar() == "wal"
        assert connection.execute(text("pragma synchronous")).scalar() == 2
        assert connection.execute(text("select unixepoch('subsec')")).scalar() is not None


def test_the_version_of_running_work_is_a_constant_and_not_a_hash_of_the_source(running: Played):
    pipelines.hand_over(running.deps.engine, "sweep", None, NOON)
    until(lambda: running.done == ["sweep"])
    (found,) = DBOS.list_workflows()
    assert found.app_version in {None, "1"}


def test_a_workflow_without_a_bound_score_is_our_own_bug():
    pipelines.bind(None)
    with pytest.raises(AssertionError, match="bind"):
        pipelines.score()
