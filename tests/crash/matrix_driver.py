"""One role of the product in a process of its own, killed at the n-th border between two steps.

A border lies before and after everything that lasts: an append to the log, a commit of a state
database, a raw file, a commit or fsync of the lake, a call of a vendor. They are counted, not
listed, so that a new step has its borders without anybody thinking of it.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from cloud_conductor.accounting import flow
from cloud_conductor.adapters.http import HttpEngine
from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.postgres import PostgresLog
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.domain.errors import Transient
from cloud_conductor.pipelines import close, reconcile
from cloud_conductor.serve import supervisor
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server
from cloud_conductor.wiring import errands
from cloud_conductor.wiring.house import House

LASTING: tuple[tuple[type, tuple[str, ...]], ...] = (
    (SqliteLog, ("append", "stage", "commit")),
    (PostgresLog, ("append",)),
    (DefaultDialect, ("do_commit",)),
    (LocalObjects, ("create",)),
    (DeltaLake, ("append", "replace", "sync")),
    (HttpEngine, ("request",)),
)
URL = "/hooks/square"


class Borders:
    """Counts crossings and kills this process at one of them; 0 never."""

    def __init__(self, kill_at: int) -> None:
        self.crossed = 0
        self._kill_at = kill_at

    def cross(self) -> None:
        self.crossed += 1
        if self.crossed == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Put a border before and after every call that lasts."""
        for owner, names in LASTING:
            for name in names:
                setattr(owner, name, self._between(getattr(owner, name)))

    def _between(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def crossing(*given: Any, **named: Any) -> Any:
            self.cross()
            result = call(*given, **named)
            self.cross()
            return result

        return crossing


def play(role: str, path: str, kill_at: int, environ: dict[str, str], told: str) -> None:
    """Play a role to its end; `told`: a file that gets the number of borders crossed.

    Ends with EX_TEMPFAIL when a vendor lost so many replies in a row that it gave up for now.
    """
    os.environ.update(environ)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # for its whole life
    borders = Borders(kill_at)
    borders.watch()
    try:
        with House(Path(path)) as house:
            ROLES[role](house)
    except Transient:
        sys.exit(os.EX_TEMPFAIL)
    Path(told).write_text(str(borders.crossed))


def work(house: House) -> None:
    close.catch_up(house.close_deps)


def schedule(house: House) -> None:
    """Sweep, close, approve as a second person, post, compare, as the scheduler would.

    What was posted when the process died is read back by the comparison (L6).
    """
    errands.close_due(house)
    flow.approve(house.books_deps, "user:second-person", reason="kill matrix")
    errands.post(house)
    dates = close.closed_dates(house.close_deps, since=date.min)
    assert reconcile.reconcile(house.close_deps, dates).unexplained_minor == 0


def gateway(house: House) -> None:
    """Take webhooks until SIGTERM."""
    key = house.sealed.get("square.signature_key")
    assert key is not None
    door = Door(SquareVerifier(), (key.encode(),), house.notification_url("square"))
    supervisor.stop_signal()  # the server hands the signal on when it has stopped
    app = Gateway({"square": door}, GroupCommitWriter(house.log), house.clock)
    gateway_server(app, house.config.gateway.host, house.config.gateway.port).run()


ROLES: dict[str, Callable[[House], None]] = {
    "gateway": gateway,
    "worker": work,
    "scheduler": schedule,
}
