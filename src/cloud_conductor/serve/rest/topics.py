"""What can be streamed: each topic is the object that a GET gives, or a short note to ask again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest import alerting, live, pipelines, quarantining, status, today
from cloud_conductor.serve.rest.endpoint import Nothing
from cloud_conductor.state import inventory, screens
from cloud_conductor.state.screens import Within

RUNS_SHOWN = 20


class View(msgspec.Struct, frozen=True):
    """Stores (already within the caller's scope) and date of a stream."""

    store: list[str]
    day: date | None = None


class Journals(msgspec.Struct, frozen=True):
    """seq rises with every change: ask for the list again."""

    by_state: dict[str, int]
    seq: int


class Reconciled(msgspec.Struct, frozen=True):
    open_breaks: int
    unexplained_minor: int
    compared_at: datetime | None
    seq: int


class Stock(msgspec.Struct, frozen=True):
    seq: int
    negative: int
    unknown: int


class Came(msgspec.Struct, frozen=True):
    high_water: int
    last_event_at: datetime | None


@dataclass(frozen=True)
class Topic:
    """How a snapshot is made, and who may see it. is_personal: two people see different things."""

    make: Callable[[Ask, View], Any]
    permission: str = "read"
    is_personal: bool = False


def _today(ask: Ask, view: View) -> Any:
    return today.today(ask, today.Day(store=view.store, day=view.day))


def _status(ask: Ask, _view: View) -> Any:
    return status.status(ask, Nothing())


def _live(ask: Ask, view: View) -> Any:
    return live.live(ask, live.Watched(store=view.store, day=view.day))


def _journals(ask: Ask, view: View) -> Journals:
    with ask.desk.books.connect() as connection:
        states = screens.entry_states(connection, Within(tuple(view.store)))
        return Journals(states, sum(screens.entry_stamp(connection)))


def _reconciled(ask: Ask, view: View) -> Reconciled:
    found = status.proof(ask.desk, view.store)
    within = Within((*view.store, "*"))
    with ask.desk.books.connect() as connection:
        rows = screens.breaks(connection, within, states=screens.OPEN_BREAKS, limit=10_000)
        seq = screens.break_seq(connection)
    return Reconciled(len(rows), found.unexplained_minor, found.compared_at, seq)


def _quarantine(ask: Ask, _view: View) -> Any:
    return quarantining.groups(ask, Nothing())


def _runs(ask: Ask, _view: View) -> Any:
    return pipelines.runs(ask, pipelines.RunsChosen(limit=RUNS_SHOWN))


def _alerts(ask: Ask, view: View) -> Any:
    return alerting.alerts(ask, alerting.Chosen(store=view.store))


def _stock(ask: Ask, _view: View) -> Stock:
    with ask.desk.worker.connect() as connection:
        found = inventory.troubles(connection)
    return Stock(found.seq, found.negative, found.unknown)


def _events(ask: Ask, _view: View) -> Came:
    desk = ask.desk
    _, last_event_at = status.newest_event(desk)
    return Came(sum(map(desk.log.high_water, desk.log.partitions())), last_event_at)


TOPICS: Mapping[str, Topic] = {
    "status": Topic(_status),
    "today": Topic(_today),
    "live": Topic(_live),
    "reconcile": Topic(_reconciled),
    "journals": Topic(_journals, "journals.read"),
    "quarantine": Topic(_quarantine, "events.read"),
    "runs": Topic(_runs),
    "alerts": Topic(_alerts),
    "inventory": Topic(_stock),
    "events": Topic(_events, "events.read"),
}
