"""The one module that knows DBOS: durable workflows over the books' own database.

Decision 10. What its traps ask for (each has a test): our engine with WAL and FULL; a constant
application version; workflow ids that sort, because queue order within one clock tick is by id;
the workflow id as the only dedup key; queues registered after launch; one living process per
executor id. Steps return counts and names, and every step may run again: what must happen once is
decided in the books, inside the step (R-13.6), never by the engine's record of it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from dbos import DBOS, DBOSClient, DBOSConfig, WorkflowStatus
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cloud_conductor.accounting import flow
from cloud_conductor.domain.errors import ConductorError, Transient
from cloud_conductor.pipelines.hands import Hands
from cloud_conductor.pipelines.score import Report, Score, Times, slot
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BatchRow
from cloud_conductor.state.lock import state_lock

log = logging.getLogger("conductor")

APPLICATION = "conductor"
APPLICATION_VERSION = "1"
"""Bumped only when a running workflow cannot be continued by newer code; see `stranded`."""
POLL_S = 0.5
WAIT_POLL_S = 0.1
UNSERVED_S_MAX = 60.0
"""A supervisor brings a dead scheduler back sooner, its longest pause included."""
TRIES_MAX = 1_000
RUNS_PER_BATCH_MAX = 99
PAUSE_S_MAX = 10.0
"""A longer wait is several durable sleeps, so that a stopping process is not held up by one."""
RECOVERIES_MAX = 1_000
STEP_ATTEMPTS_MAX = 5
KEEP_WORKFLOWS_MAX = 10_000
FORGET_S = 86_400.0
ACCOUNTING, INGEST, CLOSING = "accounting", "ingest", "closing"
UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")
PLAYED = ("sweep", "close", "post", "reconcile", "crosscheck")
ENDED_BADLY = ("ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
ENDED = ("SUCCESS", *ENDED_BADLY)

Errand = Literal["sweep", "close", "reconcile", "crosscheck"]

STOP_S_MAX = 15.0
"""How long stopping waits for steps in hand. The supervisor's patience is a little longer."""

_bound: list[Score] = []
_hands = Hands()


class EngineStatus(msgspec.Struct, frozen=True):
    """Workflows by id. stranded: running ones of another version, which nobody continues."""

    running: tuple[str, ...]
    waiting: tuple[str, ...]
    stranded: tuple[str, ...]
    failed: tuple[str, ...]


class Run(msgspec.Struct, frozen=True):
    """One workflow. report: what its step gave, counts and names. Instants: milliseconds UTC."""

    run_id: str
    name: str
    status: str
    created_ms: int
    ended_ms: int | None
    report: Report
    error: str


def bind(score: Score | None) -> None:
    """Say what the workflows of this process play; None takes it away."""
    _bound[:] = [] if score is None else [score]


def score() -> Score:
    """What is played; a workflow without a bound score is our own mistake."""
    assert _bound, "bind(score) comes before start()"
    return _bound[0]


class Scheduler:
    """DBOS running in this process, and the loop that hands it what is due."""

    def __init__(self, played: Score, times: Times, locks: ExitStack) -> None:
        self._score = played
        self._times = times
        self._locks = locks
        self._stopping = threading.Event()
        self._loop: threading.Thread | None = None

    def run(self) -> None:
        """Hand out what is due until `stop`, from a thread of its own."""
        self._loop = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._loop.start()

    def stop(self) -> None:
        """Finish the steps in hand and leave; their workflows go on at the next start.

        A step that takes longer keeps the lock until it or its process ends: nobody may recover
        a workflow whose call is still on its way.
        """
        self._stopping.set()
        if self._loop is not None:
            self._loop.join()
        is_idle = _hands.close(STOP_S_MAX)
        DBOS.destroy()
        bind(None)
        if is_idle:
            self._locks.close()
        else:
            log.warning("scheduler.busy", extra={"fields": {"waited_s": STOP_S_MAX}})

    def _run(self) -> None:
        done: dict[str, int] = {}
        while not self._stopping.is_set():
            try:
                run_due(self._score, self._times, self._score.books.clock.now(), done)
            except Exception:  # the loop outlives one bad pass; the next one starts afresh
                log.exception("scheduler.failed", extra={"fields": {"outcome": "retry"}})
            self._stopping.wait(self._times.tick_s)


def start(
    played: Score,
    *,
    state_dir: Path,
    times: Times | None = None,
    executor_id: str = "local",
    loop: bool = True,
) -> Scheduler:
    """Launch DBOS on the books' engine, recover what was running, and run what is due.

    Raises LeaseLost when another scheduler lives on this state directory. executor_id: unique per
    process where several share one PostgreSQL.
    """
    locks = ExitStack()
    locks.enter_context(state_lock(state_dir))
    with ExitStack() as undo:
        undo.push(locks)
        bind(played)
        _hands.open()
        engine = played.books.engine
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": engine.url.render_as_string(hide_password=False),
            "system_database_engine": engine,
            "application_version": APPLICATION_VERSION,
            "executor_id": executor_id,
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": POLL_S,
        }
        DBOS(config=config)
        DBOS.launch()
        _register_queues()
        undo.pop_all()
    scheduler = Scheduler(played, times or Times(), locks)
    if loop:
        scheduler.run()
    return scheduler


def run_due(played: Score, times: Times, now: datetime, done: dict[str, int] | None = None) -> None:
    """Hand out everything due at `now`; asking again within the same interval hands out nothing.

    done: errand -> the interval it was last handed out for; kept here so that a loop asks what is
    due once per interval only. Without it the workflow ids alone prevent a second run.
    """
    done = {} if done is None else done
    slots = {
        "sweep": slot(now, times.sweep_s),
        "close": slot(now, times.close_s),
        "reconcile": slot(now, times.reconcile_s),
        "crosscheck": slot(now, times.crosscheck_s),
        "forget": slot(now, FORGET_S),
    }
    if done.get("forget") != slots["forget"]:
        forget_finished()
    if done.get("sweep") != slots["sweep"]:
        _hand_out(INGEST, "sweep", f"sweep-{slots['sweep']:012d}")
    if done.get("crosscheck") != slots["crosscheck"]:
        _hand_out(CLOSING, "crosscheck", f"crosscheck-{slots['crosscheck']:012d}")
    for what, due in (("close", played.due_dates), ("reconcile", played.due_reconciles)):
        if done.get(what) != slots[what]:
            for one in due(now):
                _hand_out(CLOSING, what, f"{what}-{one}-{slots[what]:012d}", one.isoformat())
    done.update(slots)
    hand_out_postings(played)


def hand_out_postings(played: Score) -> list[str]:
    """Approve by policy, freeze batches and queue every open one, in order. Gives batch ids."""
    flow.approve_by_policy(played.books)
    flow.make_batches(played.books)
    with played.books.engine.connect() as connection:
        batches = books.open_batches(connection)
    for batch in batches:
        enqueue_post(batch)
    return [batch.batch_id for batch in batches]


def enqueue_post(batch: BatchRow) -> str:
    """Queue a batch behind its organisation's earlier ones; gives the workflow id.

    Again for the same batch is a no-op, unless its run ended badly: then the next run is queued.
    """
    for run in range(1, RUNS_PER_BATCH_MAX + 1):
        name = batch.batch_id if run == 1 else f"{batch.batch_id}-{run:02d}"
        status = DBOS.get_workflow_status(name)
        if status is None:
            _hand_out(ACCOUNTING, "post", name, batch.batch_id, partition=batch.organisation)
        elif status.status in ENDED_BADLY:
            continue
        return name
    raise RuntimeError(f"{batch.batch_id} ended badly {RUNS_PER_BATCH_MAX} times")


def hand_over(engine: Engine, what: Errand, business_date: date | None, now: datetime) -> str:
    """From another process: ask the living scheduler to do it; gives the workflow id."""
    given = () if business_date is None else (business_date.isoformat(),)
    name = "-".join((what, *given, f"asked-{int(now.timestamp() * 1_000):015d}"))
    client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)
    try:
        queue = INGEST if what == "sweep" else CLOSING
        client.enqueue({"queue_name": queue, "workflow_name": what, "workflow_id": name}, *given)
    finally:
        client.destroy()
    return name


def wait_for(
    engine: Engine, names: Sequence[str], is_served: Callable[[], bool] = lambda: True
) -> list[Report]:
    """Wait until handed-over runs have ended; gives their reports, or raises the first failure.

    is_served: whether a scheduler lives. Raises Transient when none has for UNSERVED_S_MAX; the
    runs stay queued for the next one.
    """
    client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)
    try:
        served = time.monotonic()
        while left := _unfinished(client, names):
            if is_served():
                served = time.monotonic()
            elif time.monotonic() - served > UNSERVED_S_MAX:
                raise Transient(
                    f"the scheduler has stopped, and {len(left)} runs wait for the next one",
                    hint="conductor up",
                )
            time.sleep(WAIT_POLL_S)
        return [
            client.retrieve_workflow(name).get_result(polling_interval_sec=WAIT_POLL_S)
            for name in names
        ]
    finally:
        client.destroy()


def _unfinished(client: DBOSClient, names: Sequence[str]) -> list[str]:
    found = client.list_workflows(workflow_ids=list(names), load_input=False, load_output=False)
    return [one.workflow_id for one in found if one.status in UNFINISHED]


def status(engine: Engine) -> EngineStatus:
    """What the engine holds, read from any process. A stranded workflow is an alarm."""
    client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)
    try:
        found = client.list_workflows(status=[*UNFINISHED, *ENDED_BADLY], load_input=False)
    finally:
        client.destroy()

    def ids(*wanted: str) -> tuple[str, ...]:
        return tuple(one.workflow_id for one in found if one.status in wanted)

    stranded = tuple(
        one.workflow_id
        for one in found
        if one.status == "PENDING" and one.app_version not in (None, APPLICATION_VERSION)
    )
    running = tuple(name for name in ids("PENDING") if name not in stranded)
    return EngineStatus(running, ids("ENQUEUED", "DELAYED"), stranded, ids(*ENDED_BADLY))


def recent_runs(
    engine: Engine,
    *,
    names: Sequence[str] = (),
    statuses: Sequence[str] = (),
    ids: Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
) -> list[Run]:
    """Workflows, newest first, read from any process; none before a scheduler ever ran."""
    client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)
    try:
        found = client.list_workflows(
            name=list(names) or None,
            status=list(statuses) or None,
            workflow_ids=list(ids) or None,
            limit=limit,
            offset=offset,
            sort_desc=True,
            load_input=False,
        )
    except SQLAlchemyError:  # its tables are made by the first scheduler
        return []
    finally:
        client.destroy()
    return [_run(one) for one in found]


def _run(one: WorkflowStatus) -> Run:
    return Run(
        run_id=one.workflow_id,
        name=one.name,
        status=one.status,
        created_ms=one.created_at or 0,
        ended_ms=one.completed_at,
        report=one.output if isinstance(one.output, dict) else {},
        error=str(one.error or ""),
    )


def failed_now(engine: Engine) -> list[Run]:
    """Of every pipeline its newest ended run, where that failed; by name."""
    client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)
    try:
        ended = [
            client.list_workflows(
                name=name, status=[*ENDED], limit=1, sort_desc=True, load_input=False
            )
            for name in sorted(PLAYED)
        ]
    except SQLAlchemyError:  # its tables are made by the first scheduler
        return []
    finally:
        client.destroy()
    return [_run(one) for found in ended for one in found if one.status in ENDED_BADLY]


def forget_finished(keep: int = KEEP_WORKFLOWS_MAX) -> int:
    """Delete the engine's record of all but the newest `keep` finished workflows.

    Posting is safe without them: the books, not the engine, know what was posted.
    """
    finished = DBOS.list_workflows(status="SUCCESS", sort_desc=True, offset=keep, load_input=False)
    names = [one.workflow_id for one in finished]
    if names:
        DBOS.delete_workflows(names)
    return len(names)


@DBOS.workflow(name="post", max_recovery_attempts=RECOVERIES_MAX)
def post_workflow(batch_id: str) -> str:
    """Come back to a batch until the ledger has all of it, then read it back."""
    for tries in range(1, TRIES_MAX + 1):
        told = post_step(batch_id)
        if told["state"] == "done":
            read_back_step(batch_id)
            return "done"
        left_s = flow.pause_s(msgspec.convert(told, flow.BatchResult), tries)
        while left_s > 0:
            DBOS.sleep(min(left_s, PAUSE_S_MAX))
            left_s -= PAUSE_S_MAX
    raise RuntimeError(f"{batch_id} is not done after {TRIES_MAX} tries: {told['message']}")


@DBOS.workflow(name="sweep", max_recovery_attempts=RECOVERIES_MAX)
def sweep_workflow() -> Report:
    return sweep_step()


@DBOS.workflow(name="close", max_recovery_attempts=RECOVERIES_MAX)
def close_workflow(business_date: str) -> Report:
    return close_step(business_date)


@DBOS.workflow(name="reconcile", max_recovery_attempts=RECOVERIES_MAX)
def reconcile_workflow(business_date: str) -> Report:
    return reconcile_step(business_date)


@DBOS.workflow(name="crosscheck", max_recovery_attempts=RECOVERIES_MAX)
def crosscheck_workflow() -> Report:
    return crosscheck_step()


def _is_worth_repeating(error: BaseException) -> bool:
    """Whether a step's failure may pass by itself: a lock, a lost connection; not our own bug."""
    return not isinstance(error, AssertionError)


_PATIENT: dict[str, Any] = {
    "retries_allowed": True,
    "max_attempts": STEP_ATTEMPTS_MAX,
    "interval_seconds": 0.5,
    "should_retry": _is_worth_repeating,
}


@DBOS.step(name="post_batch", **_PATIENT)
def post_step(batch_id: str) -> dict[str, Any]:
    """The intent is committed inside: a recorded step output can never hide a lost call."""
    with _hands:
        return msgspec.structs.asdict(flow.post_batch(score().books, batch_id))


@DBOS.step(name="read_back", **_PATIENT)
def read_back_step(batch_id: str) -> dict[str, int]:
    """Counts by outcome. A ledger that is away now is asked again by reconciliation (L6)."""
    with _hands:
        deps = score().books
        with deps.engine.connect() as connection:
            batch = books.batch(connection, batch_id)
        assert batch is not None, f"no batch {batch_id}"
        try:
            read = flow.read_back(deps, batch.keys)
        except ConductorError as error:
            log.warning("journal.read_back", extra={"fields": {"outcome": error.code}})
            return {"missing": len(batch.keys)}
    return {
        "verified": len(read.verified),
        "differing": len(read.differing),
        "missing": len(read.missing),
    }


@DBOS.step(name="sweep_sources", **_PATIENT)
def sweep_step() -> Report:
    with _hands:
        return dict(score().sweep())


@DBOS.step(name="close_date", **_PATIENT)
def close_step(business_date: str) -> Report:
    with _hands:
        return dict(score().close(date.fromisoformat(business_date)))


@DBOS.step(name="reconcile_date", **_PATIENT)
def reconcile_step(business_date: str) -> Report:
    with _hands:
        return dict(score().reconcile(date.fromisoformat(business_date)))


@DBOS.step(name="crosscheck_sets", **_PATIENT)
def crosscheck_step() -> Report:
    with _hands:
        return dict(score().crosscheck())


def _register_queues() -> None:
    DBOS.register_queue(ACCOUNTING, partition_concurrency=1, polling_interval_sec=POLL_S)
    for queue in (INGEST, CLOSING):
        DBOS.register_queue(queue, global_concurrency=1, polling_interval_sec=POLL_S)


def _hand_out(queue: str, what: str, name: str, *args: str, partition: str = "") -> None:
    """Queue a workflow under its deterministic id: a used id is silently the same run."""
    options: dict[str, Any] = {"queue_name": queue, "workflow_name": what, "workflow_id": name}
    if partition:
        options["queue_partition_key"] = partition
    DBOS.enqueue_workflow_with_options(options, *args)  # type: ignore[arg-type]
