"""The worker's loop: fetch what webhooks name, conform, archive; as fast as events come."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import ConductorError, DiskPressure
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.ingest import flow_watch as watch
from cloud_conductor.pipelines import close
from cloud_conductor.pipelines.close import CloseDeps
from cloud_conductor.state import conform as state

log = logging.getLogger("conductor")

Consumers = Sequence[Callable[[], object]]

TICK_S = 0.2
PAUSE_S_MAX = 30.0
SWITCH_S = 0.001  # while the lake is written, live figures wait so long for the interpreter
FREE_BYTES_MIN = 256 * 1024 * 1024  # the event log's own reserve is a quarter of it


@dataclass
class Flush:
    """When conform commits the lake: after every interval, or sooner when events_max wait.

    A commit costs the same for one row and for thousands.
    """

    interval: timedelta
    events_max: int
    last: datetime | None = None

    def is_due(self, waiting: int, now: datetime) -> bool:
        if not waiting:
            return False
        rested = self.last is None or now - self.last >= self.interval
        return rested or waiting >= self.events_max


def work(
    deps: CloseDeps,
    stopped: Callable[[float], bool],
    *,
    flush_interval: timedelta,
    flush_events_max: int,
    consumers: Consumers = (),
    live: Consumers = (),
) -> None:
    """Run until `stopped(seconds)` says so (it waits that long for the word).

    consumers: called in every pass; each reads the log with a cursor of its own. live: those of
    them that go on while the lake is written, because somebody looks at what they make.
    """
    flush = Flush(flush_interval, flush_events_max)
    pause_s = TICK_S
    while not stopped(pause_s):
        try:
            work_once(deps, flush, consumers, live)
        except ConductorError as error:
            pause_s = min(max(pause_s * 2, 1.0), PAUSE_S_MAX)
            fields = {"error": str(error), "again_in_s": pause_s}
            log.warning("worker.failed", extra={"fields": fields})
        except Exception:  # the worker outlives one bad pass; nothing moved past what failed
            pause_s = min(max(pause_s * 2, 1.0), PAUSE_S_MAX)
            log.exception("worker.failed", extra={"fields": {"again_in_s": pause_s}})
        else:
            pause_s = TICK_S


def work_once(
    deps: CloseDeps, flush: Flush, consumers: Consumers = (), live: Consumers = ()
) -> None:
    """Fetch; let the other consumers read; conform and archive when it is time.

    A POS that is away fails the fetch, and holds up nothing that is in the log already; nor does
    one consumer hold up another.
    """
    with ExitStack() as others:
        for consumer in reversed(consumers):
            others.callback(consumer)
        _fetch_and_conform(deps, flush, live)


def _fetch_and_conform(deps: CloseDeps, flush: Flush, live: Consumers) -> None:
    _check_space(deps)
    try:
        ingest.run_fetch(deps.ingest)
        close.land(deps, only_due=True)
    finally:
        now = deps.clock.now()
        if flush.is_due(backlog(deps.conform), now):
            with _meanwhile(deps, live):
                with deps.lake_lock():
                    conform.run_conform(deps.conform)
                ingest.run_archive(deps.ingest)
            watch.run_watch(deps.ingest)
            flush.last = now


@contextmanager
def _meanwhile(deps: CloseDeps, live: Consumers) -> Iterator[None]:
    """Fetch and bring live figures up to date beside what the block does, until its end."""
    if not live:
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_keep_live, args=(deps, live, done), name="live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _keep_live(deps: CloseDeps, live: Consumers, done: threading.Event) -> None:
    """The thread. What fails here the next pass meets again, and tells."""
    while not done.wait(TICK_S):
        try:
            with ExitStack() as others:
                for consumer in reversed(live):
                    others.callback(consumer)
                ingest.run_fetch(deps.ingest)
        except Exception as error:  # noqa: BLE001  # top of a worker loop: the pass tells it
            log.info("live.waits", extra={"fields": {"error": str(error)}})
            return


def _check_space(deps: CloseDeps) -> None:
    """Stop well before the disk is full, so that the intake can go on for longest."""
    if deps.folder is None:
        return
    disk = os.statvfs(deps.folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < FREE_BYTES_MIN:
        raise DiskPressure(
            f"{free_bytes} bytes are free at {deps.folder}; the worker leaves {FREE_BYTES_MIN}"
            " to the intake",
            retry_after_s=PAUSE_S_MAX,
        )


def backlog(deps: conform.ConformDeps) -> int:
    """Events in the log that conform has not taken yet (an upper bound: numbers may have holes)."""
    return sum(
        deps.log.high_water(partition) - state.cursor(deps.engine, partition)
        for partition in deps.log.partitions()
    )
