"""The publisher's loop: beside the worker's own, so that a slow receiver holds up no fact."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.publishing.flow import PublishDeps, run_publish

log = logging.getLogger("conductor")

TICK_S = 1.0
PAUSE_S_MAX = 60.0


def publish(
    deps: PublishDeps,
    lock: Callable[[], AbstractContextManager[None]],
    stopped: Callable[[float], bool],
) -> None:
    """Run until `stopped(seconds)` says so. lock: one publisher at a time keeps the order."""
    pause_s = TICK_S
    while not stopped(pause_s):
        try:
            with lock():
                run_publish(deps)
        except ConductorError as error:
            pause_s = min(max(pause_s * 2, 1.0), PAUSE_S_MAX)
            fields = {"error": str(error), "again_in_s": pause_s}
            log.warning("publish.failed", extra={"fields": fields})
        except Exception:  # the publisher outlives one bad pass; the outbox is as it was
            pause_s = min(max(pause_s * 2, 1.0), PAUSE_S_MAX)
            log.exception("publish.failed", extra={"fields": {"again_in_s": pause_s}})
        else:
            pause_s = TICK_S
