"""Work that goes on after its answer."""

from datetime import datetime
from typing import Literal

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Work that goes on after the answer: ask for it again by its id."""

    id: str
    what: str
    state: Literal["queued", "running", "done", "failed"]
    asked_at: datetime | None = None
    ended_at: datetime | None = None
    report: dict[str, str | int] = {}
    error: str = ""
