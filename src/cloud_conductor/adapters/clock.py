"""The one place that reads the machine's clock (ports.clock.Clock)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Now, as aware UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RehearsalClock:
    """A clock that begins at `start` and runs at real speed.

    The second hand is the monotonic clock, so a stepped machine clock does not move it. `elapsed`
    gives seconds and is an argument for tests only.
    """

    def __init__(self, start: datetime, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        assert start.tzinfo is not None, "a rehearsal starts at an instant, not at a wall time"
        self._start = start.astimezone(UTC)
        self._elapsed = elapsed
        self._from = elapsed()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed() - self._from)
