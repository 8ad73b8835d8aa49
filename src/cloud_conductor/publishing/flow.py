"""What publishing does: changed facts into the outbox, the outbox to its channels.

At least once, in order per store. A message is in the outbox in the transaction that takes its
change away, under an id made of what it says, so it is queued once however often a run is killed.
It is marked sent after the channel took it: killed in between, it is sent again under the same id.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import Engine

from cloud_conductor.domain.audit import AuditRecord
from cloud_conductor.domain.errors import ConductorError, RateLimited
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.queue import Delivery, Message, Queue
from cloud_conductor.publishing.core import ENTRY, SALE, TABLES, entry_message, sale_messages
from cloud_conductor.publishing.outbox import settled
from cloud_conductor.state import accounting as books
from cloud_conductor.state import publishing as state
from cloud_conductor.state.consuming import follow

CHANGES_PER_BATCH = 5_000
AUDIT_PER_BATCH = 1_000
CALLS_PER_RUN_MAX = 10_000  # a run ends; the next goes on
SENT_KEPT = timedelta(days=30)
AUDIT = "audit"
POSTED = "entry.posted"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger("conductor")


def _go_on(_step: str) -> None:
    """Nothing happens between two writes; a crash test puts a kill here."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One receiver. events: the types it is told."""

    queue: Queue
    events: Sequence[str] = (SALE,)
    attempts_max: int = 30


@dataclass(frozen=True, slots=True)
class PublishDeps:
    """engine: the worker database; books: the accounting one. day_facts: enriched rows of a date.

    channels: by name. step: called with a name before every write and call.
    """

    engine: Engine
    books: Engine
    day_facts: Callable[[date, Sequence[str]], Mapping[str, pa.Table]]
    clock: Clock
    channels: Mapping[str, Channel]
    step: Callable[[str], None] = _go_on

    @property
    def now_us(self) -> int:
        return (self.clock.now() - EPOCH) // timedelta(microseconds=1)


class Published(msgspec.Struct, frozen=True):
    """queued: new messages of the outbox; failed ones are tried again, dead ones are not."""

    queued: int = 0
    sent: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: "Published") -> "Published":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Published(*(a + b for a, b in zip(mine, theirs, strict=True)))


def run_publish(deps: PublishDeps) -> Published:
    """Queue what changed, then deliver what is due on every channel.

    A channel that fails holds up nobody else: its messages wait, with their error.
    """
    total = Published(queued=queue_sales(deps) + queue_entries(deps))
    for name, channel in deps.channels.items():
        total += _deliver(deps, name, channel)
    state.forget_sent(deps.engine, before_us=deps.now_us - SENT_KEPT // timedelta(microseconds=1))
    if total != Published():
        log.info("publish.done", extra={"fields": msgspec.structs.asdict(total)})
    return total


def queue_sales(deps: PublishDeps) -> int:
    """Messages of changed sales into the outbox; gives new ones."""
    new = 0
    while changes := state.changes(deps.engine, CHANGES_PER_BATCH):
        messages = _in_order(deps, changes)
        deps.step("queue")
        new += state.queue_changes(deps.engine, _rows(deps, messages), changes)
    return new


def queue_entries(deps: PublishDeps) -> int:
    """Messages of entries that the audit chain says were posted; gives new ones."""
    if not any(ENTRY in channel.events for channel in deps.channels.values()):
        return 0

    def position() -> int:
        with deps.engine.connect() as connection:
            return state.position(connection, AUDIT)

    read = partial(state.acts_after, deps.books, limit=AUDIT_PER_BATCH)
    return sum(follow(position, read, partial(_queue_acts, deps)))


def _queue_acts(deps: PublishDeps, _lo: int, acts: Sequence[AuditRecord]) -> int:
    keys = [act.subject for act in acts if act.act == POSTED]
    with deps.books.connect() as connection:
        posted = books.entries(connection, keys=keys) if keys else []
    messages = [
        entry_message(
            row.entry,
            posting_key=row.posting_key,
            external_id=row.external_id,
            posted_us=row.posted_at_us or 0,
        )
        for row in posted
        if row.external_id
    ]
    deps.step("queue")
    return state.queue_at(deps.engine, _rows(deps, messages), name=AUDIT, at=acts[-1].seq)


def _in_order(deps: PublishDeps, changes: Sequence[state.Change]) -> list[Message]:
    """Messages in the order in which conform saw their sales change."""
    dates: dict[str, dict[tuple[str, str, str], int]] = {}
    for one in changes:
        dates.setdefault(one.business_date, {})[one.source, one.merchant_id, one.sale_id] = (
            one.number
        )
    placed: list[tuple[int, Message]] = []
    for day, numbers in dates.items():
        facts = deps.day_facts(date.fromisoformat(day), TABLES)
        placed += [(numbers[key], said) for key, said in sale_messages(facts, numbers).items()]
    return [said for _, said in sorted(placed, key=lambda one: one[0])]


def _rows(deps: PublishDeps, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A row per message and channel that wants its type; others take no row."""
    return [
        {
            "channel": name,
            "message_id": message.message_id,
            "type": message.type,
            "store": message.store,
            "body": message.body.decode(),
            "created_us": message.created_us,
        }
        for message in messages
        for name, channel in deps.channels.items()
        if message.type in channel.events
    ]


def _deliver(deps: PublishDeps, name: str, channel: Channel) -> Published:
    """Everything due on one channel, until nothing is or the channel fails."""
    total = Published()
    capabilities = channel.queue.capabilities
    for _ in range(CALLS_PER_RUN_MAX):
        waiting = state.heads(deps.engine, name, now_us=deps.now_us, limit=capabilities.batch_max)
        if not waiting:
            break
        deps.step("send")
        try:
            deliveries = _attempt(channel.queue, waiting)
        except RateLimited as error:
            log.warning("publish.waits", extra={"fields": {"channel": name, "error": str(error)}})
            break
        deps.step("settle")
        now_us = deps.now_us
        outcomes = [
            settled(one, delivery, now_us=now_us, attempts_max=channel.attempts_max)
            for one, delivery in zip(waiting, deliveries, strict=True)
        ]
        state.settle(deps.engine, outcomes)
        total += _counted(outcomes)
    return total


def _attempt(queue: Queue, waiting: Sequence[state.Queued]) -> list[Delivery]:
    """One call for what the channel can carry. A call that failed as a whole failed for each."""
    messages = [_message(one) for one in waiting]
    limit = queue.capabilities.body_bytes_max
    fitting = [one for one in messages if len(one.body) <= limit]
    try:
        given = queue.publish(fitting) if fitting else []
    except RateLimited:
        raise
    except ConductorError as error:
        given = [Delivery(one.message_id, "failed", str(error)) for one in fitting]
    outcomes = {one.message_id: one for one in given}
    return [
        outcomes.get(one.message_id)
        or Delivery(one.message_id, "refused", f"{len(one.body)} bytes; at most {limit}")
        for one in messages
    ]


def _message(queued: state.Queued) -> Message:
    return Message(
        queued.message_id, queued.type, queued.store, queued.created_us, queued.body.encode()
    )


def _counted(outcomes: Sequence[Mapping[str, Any]]) -> Published:
    states = [row["state"] for row in outcomes]
    return Published(
        sent=states.count(state.SENT),
        failed=states.count(state.PENDING),
        dead=states.count(state.DEAD),
    )
