"""What the acting files of this room are given, and how they leave traces."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.config import ApprovalConfig
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.ledger import LedgerAdapter
from cloud_conductor.state.accounting import Writer, to_us

log = logging.getLogger("conductor")


@dataclass(frozen=True)
class BooksDeps:
    """What posting needs from outside.

    settle_s: how long a call sent just now may still be landing, so that a look-up proves nothing.
    checkpoint: told the name of each border between two writes; does nothing by default.
    """

    engine: Engine
    ledger: LedgerAdapter
    clock: Clock
    approval: ApprovalConfig = field(default_factory=ApprovalConfig)
    settle_s: float = 2.0
    checkpoint: Callable[[str], None] = lambda _border: None

    @property
    def now_us(self) -> int:
        return to_us(self.clock.now())


def record_acts(deps: BooksDeps, writer: Writer, acts: Iterable[Act]) -> None:
    """Extend the audit chain in the transaction of the acts themselves (R-15.1)."""
    writer.record(acts, deps.clock.now())


def say(event: str, **fields: object) -> None:
    """One structured log line per unit of work, at its end."""
    log.info(event, extra={"fields": fields})
