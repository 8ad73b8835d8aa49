"""The worker's loop: fetch what webhooks name, conform, archive; as fast as events come."""

import logging
from collections.abc import Callable
from datetime import timedelta

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines.close import CloseDeps
from cloud_conductor.state import conform as state

log = logging.getLogger("conductor")

TICK_S = 0.2
PAUSE_S_MAX = 30.0


def work(
    deps: CloseDeps,
    stopped: Callable[[float], bool],
    *,
    flush_interval: timedelta,
    flush_events_max: int,
) -> None:
    """Run until `stopped(seconds)` says so (it waits that long for the word).

    Conform commits the lake every flush_interval, or sooner when flush_events_max wait: a commit
    costs the same for one row and for thousands.
    """
    last_flush = deps.clock.now() - flush_interval
    pause_s = TICK_S
    while not stopped(pause_s):
        try:
            ingest.run_fetch(deps.ingest)
            now = deps.clock.now()
            waiting = backlog(deps.conform)
            if waiting and (waiting >= flush_events_max or now - last_flush >= flush_interval):
                with deps.lake_lock():
                    conform.run_conform(deps.conform)
                ingest.run_archive(deps.ingest)
                last_flush = now
        except ConductorError as error:
            pause_s = min(max(pause_s * 2, 1.0), PAUSE_S_MAX)
            fields = {"error": str(error), "again_in_s": pause_s}
            log.warning("worker.failed", extra={"fields": fields})
        except Exception:  # the worker outlives one bad pass; nothing moved past what failed
            pause_s = min(max(pause_s * 2, 1.0), PAUSE_S_MAX)
            log.exception("worker.failed", extra={"fields": {"again_in_s": pause_s}})
        else:
            pause_s = TICK_S


def backlog(deps: conform.ConformDeps) -> int:
    """Events in the log that conform has not taken yet (an upper bound: numbers may have holes)."""
    return sum(
        deps.log.high_water(partition) - state.cursor(deps.engine, partition)
        for partition in deps.log.partitions()
    )
