"""Group commit: many concurrent submitters, one durable append per natural group.

While one commit is being fsynced the next group gathers by itself; no timer is needed (a linger of
1 to 2 ms was measured and gave nothing). A log that can be written in two steps is written on the
event loop and made durable by the thread, so that nobody fights for the interpreter while rows are
put; any other log, and any log whose write lock is not free at once, is left to the thread. All who
wait for a group are told by a single `call_soon_threadsafe`, because waking the loop costs more
than telling them.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import msgspec

from cloud_conductor.domain.errors import Transient
from cloud_conductor.domain.events import Appended, NewEvent
from cloud_conductor.ports.log import EventLog, TwoStepLog

log = logging.getLogger("conductor")

Told = Callable[[Appended | Exception], None]
"""Called on the loop with the outcome of an event, or with what the log raised."""

QUEUE_MAX = 4_096  # events waiting for the disk; beyond it the caller is told to come back
QUEUE_BYTES_MAX = 64 * 1024 * 1024
STAGED_MAX = 512  # events put on the loop at once: some 5 ms of it; larger groups go to the thread
STAGED_BYTES_MAX = 4 * 1024 * 1024
RETRY_AFTER_S = 1.0


class _Group(msgspec.Struct, gc=False):
    """Events of one append and who is told of each. outcomes: known once the rows are put."""

    events: list[NewEvent] = []
    told: list[Told] = []
    size_bytes: int = 0
    outcomes: list[Appended] | None = None


class GroupCommitWriter:
    """Makes `log.append` awaitable from one event loop.

    Start it on the loop that will submit. `close` writes what was accepted, then ends the thread;
    it blocks, so call it off the loop (or when the loop has nothing left to do).
    """

    def __init__(
        self,
        log: EventLog,
        *,
        queue_max: int = QUEUE_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
    ) -> None:
        self._log = log
        self._two_step = log if isinstance(log, TwoStepLog) else None
        self._queue_max = queue_max
        self._queue_bytes_max = queue_bytes_max
        self._next = _Group()
        self._writing = False
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._groups: SimpleQueue[_Group | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    @property
    def waiting(self) -> int:
        """Events that wait for the group before theirs."""
        return len(self._next.events)

    def start(self) -> None:
        """Begin writing for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, event: NewEvent) -> "asyncio.Future[Appended]":
        """Durable when the future is done. Call it on the loop.

        Raises Transient when the queue is full or closed; the future raises what the log raised.
        """
        assert self._loop is not None, "start() comes first"
        outcome: asyncio.Future[Appended] = self._loop.create_future()
        self.put(event, partial(_resolve, outcome))
        return outcome

    def put(self, event: NewEvent, told: Told) -> None:
        """As `submit`, without a future: `told` is called once, later, when the event is durable.

        Raises Transient, and calls nobody, when the queue is full or closed.
        """
        assert self._loop is not None, "start() comes first"
        if self._closing:
            raise Transient("the event log is closing", retry_after_s=RETRY_AFTER_S)
        group = self._next
        size_bytes = group.size_bytes + len(event.body)
        if len(group.events) >= self._queue_max or size_bytes > self._queue_bytes_max:
            raise Transient("the event log's queue is full", retry_after_s=RETRY_AFTER_S)
        group.events.append(event)
        group.told.append(told)
        group.size_bytes = size_bytes
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._write)

    def close(self) -> None:
        """Write what was accepted and stop. Idempotent."""
        if self._thread.is_alive():
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._close)
            self._thread.join()
        self._closing = True

    def _close(self) -> None:
        self._closing = True
        if not self._writing:
            self._groups.put(None)

    def _write(self) -> None:
        """Hand over what has gathered: its rows are put here if that takes no waiting."""
        group, self._next = self._next, _Group()
        if (
            self._two_step is not None
            and len(group.events) <= STAGED_MAX
            and group.size_bytes <= STAGED_BYTES_MAX
        ):
            try:
                group.outcomes = self._two_step.stage(group.events)
            except Exception as error:  # noqa: BLE001  # top of the worker loop: the caller is told
                self._written(group, error)
                return
        self._groups.put(group)

    def _run(self) -> None:
        """The thread: everything that waits for a lock or the disk."""
        assert self._loop is not None
        while (group := self._groups.get()) is not None:
            failed: Exception | None = None
            try:
                if group.outcomes is None:
                    group.outcomes = self._log.append(group.events)
                else:
                    assert self._two_step is not None
                    self._two_step.commit()
            except Exception as error:  # noqa: BLE001  # top of the worker loop: the caller is told
                failed = error
            self._loop.call_soon_threadsafe(self._written, group, failed)

    def _written(self, group: _Group, failed: Exception | None) -> None:
        """Start the next group, then tell everyone of this one. On the loop."""
        if self._next.events:
            self._write()
        else:
            self._writing = False
            if self._closing:
                self._groups.put(None)
        outcomes = group.outcomes
        for number, told in enumerate(group.told):
            try:
                if failed is not None:
                    told(failed)
                else:
                    assert outcomes is not None
                    told(outcomes[number])
            except Exception:  # top of the worker loop: the others of the group are told
                log.exception("log.untold")


def _resolve(waiting: "asyncio.Future[Appended]", outcome: Appended | Exception) -> None:
    if waiting.done():
        return  # the client has gone away; its event is in the log all the same
    if isinstance(outcome, Exception):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)
