"""What can be streamed: each topic is the object that a GET gives, or a short note to ask again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest import status, today
from cloud_conductor.serve.rest.endpoint import Nothing


class View(msgspec.Struct, frozen=True):
    """Stores (already within the caller's scope) and date of a stream."""

    store: list[str]
    day: date | None = None


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


TOPICS: Mapping[str, Topic] = {
    "status": Topic(_status),
    "today": Topic(_today),
}
