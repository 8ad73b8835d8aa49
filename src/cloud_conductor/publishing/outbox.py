"""When a message is tried again, and when it is a dead letter. Pure."""

from collections.abc import Mapping
from typing import Any

from cloud_conductor.ports.queue import Delivery
from cloud_conductor.state.publishing import DEAD, PENDING, SENT, Queued

FIRST_WAIT_S = 5
WAIT_S_MAX = 3_600


def wait_s(attempts: int) -> int:
    """Seconds until the next attempt after so many failed ones: 5, 10, 20, ... at most an hour."""
    return min(FIRST_WAIT_S << min(attempts - 1, 20), WAIT_S_MAX)


def settled(
    queued: Queued, delivery: Delivery, *, now_us: int, attempts_max: int
) -> Mapping[str, Any]:
    """What changes in a message's row after an attempt."""
    attempts = queued.attempts + 1
    changed: dict[str, Any] = {"number": queued.number, "attempts": attempts}
    if delivery.outcome == "sent":
        return changed | {"state": SENT, "sent_us": now_us, "error": ""}
    if delivery.outcome == "refused" or attempts >= attempts_max:
        return changed | {"state": DEAD, "error": delivery.error}
    due_us = now_us + wait_s(attempts) * 1_000_000
    return changed | {"state": PENDING, "due_us": due_us, "error": delivery.error}
