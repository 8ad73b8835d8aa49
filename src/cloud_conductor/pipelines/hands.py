"""Steps in hand: a process that is leaving finishes them before it lets go of its lock.

If it let go earlier, its successor would recover the same workflow while the first call to the
ledger is still on its way, and a look-up that finds nothing would prove nothing (R-13.6).
"""

import threading
import time
from typing import Self


class Stopping(BaseException):
    """Raised at the start of a step in a process that is leaving.

    Not an Exception: the engine records those as the step's outcome, and this one has none. The
    workflow stays as it was and goes on in the next process.
    """


class Hands:
    """A count of steps in hand. Use as a context manager around each; threads share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = 0
        self._is_open = True

    def __enter__(self) -> Self:
        with self._changed:
            if not self._is_open:
                raise Stopping
            self._busy += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def open(self) -> None:
        """Take steps."""
        with self._changed:
            self._is_open = True

    def close(self, timeout_s: float) -> bool:
        """Take no more steps and wait for those in hand; False when some are left by then."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._is_open = False
            while self._busy and (left_s := deadline - time.monotonic()) > 0:
                self._changed.wait(left_s)
            return not self._busy
