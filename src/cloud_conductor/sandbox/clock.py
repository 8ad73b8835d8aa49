"""The clock a simulator lives by: settable, scalable, always aware UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """A clock that may be set to any instant and may run at any speed.

    start: aware instant the clock shows now; None = the machine's time.
    scale: sandbox seconds per real second; 0 freezes the clock (a scenario that sets every instant
    itself then gives the same objects on every run).
    """

    def __init__(self, start: datetime | None = None, scale: float = 1.0) -> None:
        """Show `start` now and run at `scale` from here."""
        self._base = datetime.now(UTC)
        self._mark = time.monotonic()
        self.scale = 1.0
        self.set(start or self._base, scale=scale)

    def now(self) -> datetime:
        """Present sandbox instant, aware UTC, microseconds."""
        if not self.scale:
            return self._base
        elapsed_s = (time.monotonic() - self._mark) * self.scale
        return self._base + timedelta(seconds=elapsed_s)

    def set(self, instant: datetime, *, scale: float | None = None) -> None:
        """Jump to `instant`, forward or backward; `scale` stays as it is unless given.

        Raises ValueError for a naive instant or a negative scale.
        """
        if instant.tzinfo is None:
            msg = "a sandbox clock needs an aware instant"
            raise ValueError(msg)
        if scale is not None:
            if scale < 0:
                msg = "a sandbox clock cannot run backwards"
                raise ValueError(msg)
            self.scale = scale
        self._base = instant.astimezone(UTC)
        self._mark = time.monotonic()


def parse_instant(text: str) -> datetime:
    """Aware UTC instant of an RFC 3339 text (`Z` or an offset); ValueError otherwise."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        msg = f"instant without offset: {text!r}"
        raise ValueError(msg)
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """RFC 3339 text with milliseconds and `Z`, as both vendors' JSON APIs print instants."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{instant.microsecond // 1000:03d}Z"
    )
