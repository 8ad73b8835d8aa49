"""Schema drift: a vendor that has changed what its objects look like, without asking anybody."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

CHANGES = ("add", "rename", "retype", "value", "drop")
ANYWHERE = "**"

Holder = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """One change, applied to every JSON body that is sent from now on.

    pointer: RFC 6901, with `*` for every element of a list or value of an object, and `**` as its
    first step for any depth: `/**/payment/status`. change: `add` puts `value` there (even where the
    member is not), `rename` calls the member `value`, `retype` turns a text into a number or list
    and a number into a text, `value` replaces what is there, `drop` leaves it out. path: only
    answers of paths, or webhooks of types, that begin so. every: only one place in so many, as when
    a new version is rolled out; the same object is always among them or never.
    """

    pointer: str
    change: str
    value: Any = None
    path: str = ""
    every: int = 1

    def __post_init__(self) -> None:
        """Refuse what nobody can mean; ValueError."""
        texts = (self.pointer, self.change, self.path)
        if not all(isinstance(one, str) for one in texts) or type(self.every) is not int:
            msg = f"drift: pointer, change and path are texts, every a whole number: {self}"
            raise ValueError(msg)
        if self.change not in CHANGES:
            msg = f"unknown change {self.change!r}; known: {', '.join(CHANGES)}"
            raise ValueError(msg)
        if not self.pointer.startswith("/") or self.pointer in {"/", f"/{ANYWHERE}"}:
            msg = f"not a pointer to a member: {self.pointer!r}"
            raise ValueError(msg)
        if self.every < 1:
            msg = f"one place in {self.every} is none"
            raise ValueError(msg)

    def applied(self, body: bytes) -> tuple[bytes, int]:
        """Body after the change, and how many places changed; as it was where none did."""
        try:
            tree = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return body, 0
        *steps, name = self.pointer.split("/")[1:]
        holders = [one for one in _holders(tree, steps) if self._meets(one, name)]
        for holder in holders:
            self._change(holder, name)
        return (msgspec.json.encode(tree), len(holders)) if holders else (body, 0)

    def _meets(self, holder: Holder, name: str) -> bool:
        if self.change != "add" and name not in holder:
            return False
        return self.every == 1 or zlib.crc32(msgspec.json.encode(holder)) % self.every == 0

    def _change(self, holder: Holder, name: str) -> None:
        if self.change == "rename":
            holder[str(self.value)] = holder.pop(name)
        elif self.change == "drop":
            del holder[name]
        elif self.change == "retype":
            holder[name] = _retyped(holder[name])
        else:
            holder[name] = self.value


def rules_of(wanted: Any) -> tuple[Drift, ...]:
    """Rules of a list of `{"pointer", "change", "value", "path", "every"}`; ValueError otherwise."""
    if not isinstance(wanted, list | tuple) or not all(isinstance(one, dict) for one in wanted):
        msg = f"drift is a list of rules, not {wanted!r}"
        raise ValueError(msg)
    try:
        return tuple(Drift(**rule) for rule in wanted)
    except TypeError as problem:  # a field that no rule has, or one that is missing
        msg = f"drift: {problem}"
        raise ValueError(msg) from problem


def _holders(node: Any, steps: list[str]) -> Iterator[Holder]:
    """Objects that the steps lead to."""
    if not steps:
        if isinstance(node, dict):
            yield node
        return
    step, rest = steps[0], steps[1:]
    inner = list(node.values()) if isinstance(node, dict) else node
    if step == ANYWHERE:
        yield from _holders(node, rest)
        if isinstance(inner, list):
            for one in inner:
                yield from _holders(one, steps)
    elif step == "*":
        for one in inner if isinstance(inner, list) else ():
            yield from _holders(one, rest)
    elif isinstance(node, dict) and step in node:
        yield from _holders(node[step], rest)
    elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
        yield from _holders(node[int(step)], rest)


def _retyped(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return float(value) if value.replace(".", "", 1).isdigit() else [value]
    return str(value)
