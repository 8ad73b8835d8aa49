"""Work of minutes that an answer cannot wait for: one at a time, in a thread, looked up by id.

What is kept here dies with the process; all of this work may be asked for again, and adds nothing.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.ports.clock import Clock
from cloud_conductor.serve.rest.operation import Operation

log = logging.getLogger("conductor")

KEPT_MAX = 200


class Errands:
    """Operations of this process, newest last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="errand")
        self._known: dict[str, Operation] = {}
        self._lock = threading.Lock()

    def start(self, what: str, act_id: str, work: Callable[[], dict[str, str | int]]) -> Operation:
        """Begin, or say how far the same act is."""
        name = f"{what}-{hashlib.sha256(act_id.encode()).hexdigest()[:16]}"
        made = Operation(id=name, what=what, state="queued", asked_at=self._clock.now())
        with self._lock:
            if name in self._known:
                return self._known[name]
            while len(self._known) >= KEPT_MAX:
                self._known.pop(next(iter(self._known)))
            self._known[name] = made
        self._pool.submit(self._run, made, work)
        return made

    def find(self, name: str) -> Operation | None:
        with self._lock:
            return self._known.get(name)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, made: Operation, work: Callable[[], dict[str, str | int]]) -> None:
        self._put(msgspec.structs.replace(made, state="running"))
        try:
            report = work()
        except ConductorError as error:
            self._end(made, error=str(error))
        except Exception as error:  # the thread outlives one bad errand; the log has the traceback
            log.exception("errand.failed", extra={"fields": {"operation": made.id}})
            self._end(made, error=f"{type(error).__name__}: see the log")
        else:
            self._end(made, report=report)

    def _end(
        self, made: Operation, *, error: str = "", report: dict[str, str | int] | None = None
    ) -> None:
        done = msgspec.structs.replace(
            made,
            state="failed" if error else "done",
            ended_at=self._clock.now(),
            error=error,
            report=report or {},
        )
        self._put(done)

    def _put(self, operation: Operation) -> None:
        with self._lock:
            self._known[operation.id] = operation
