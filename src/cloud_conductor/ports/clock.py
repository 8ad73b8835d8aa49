"""The clock, as an argument."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Aware UTC. A rehearsal clock starts elsewhere in time and runs at real speed."""

    def now(self) -> datetime: ...
