"""How Xero takes documents: one or many in a body, all or nothing, or each with its own outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloud_conductor.sandbox.xero.wire import NO_ID, Ask, post_data_invalid, validation_exception


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was read and checked, not yet written.

    commit: writes it and gives it as Xero shows it; only called when `problems` is empty.
    """

    echo: dict[str, Any]
    commit: Callable[[], dict[str, Any]]
    problems: list[str] = field(default_factory=list)


Prepare = Callable[[dict[str, Any]], Prepared]


def items_of(body: Any, collection: str) -> list[dict[str, Any]]:
    """The documents of a body: `{collection: [..]}`, a bare list, or one bare document."""
    if isinstance(body, dict):
        items = body.get(collection, body)
        items = items if isinstance(items, list) else [items]
    else:
        items = body
    if not isinstance(items, list) or not items or not all(isinstance(i, dict) for i in items):
        raise post_data_invalid(f"The post data does not contain {collection}")
    return items


def write(ask: Ask, collection: str, id_name: str, prepare: Prepare) -> dict[str, Any]:
    """Write every document of the body and answer with them.

    By default one bad document refuses all (400, ErrorNumber 10, the bad ones as Elements);
    `?summarizeErrors=false` writes the good ones and answers 200 with an outcome for each.
    """
    items = items_of(ask.body, collection)
    ids = [str(item[id_name]).lower() for item in items if item.get(id_name)]
    if len(set(ids)) != len(ids):
        raise post_data_invalid(f"The post data names a {id_name} more than once")
    summarize = ask.query.get("summarizeErrors", "true").lower() != "false"
    if summarize:
        ready = [prepare(item) for item in items]
        if bad := [_told(one, id_name) for one in ready if one.problems]:
            raise validation_exception(bad)
        return {collection: [one.commit() for one in ready]}
    outcomes: list[dict[str, Any]] = []
    for item in items:
        one = prepare(item)  # after the one before it was written: a later one may build on it
        if one.problems:
            outcomes.append({**_told(one, id_name), "StatusAttributeString": "ERROR"})
        else:
            outcomes.append({**one.commit(), "StatusAttributeString": "OK"})
    return {collection: outcomes}


def _told(one: Prepared, id_name: str) -> dict[str, Any]:
    messages = [{"Message": message} for message in one.problems]
    return {id_name: NO_ID, **one.echo, "ValidationErrors": messages}
