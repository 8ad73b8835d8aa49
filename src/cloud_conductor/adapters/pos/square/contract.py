"""The published contract of Square bodies, and what is wrong with one that breaks it.

The typed decode decides (fast, stops at the first fault). Only a body it refuses is read again
with the JSON Schema made from the same types, which names every fault by JSON Pointer. Values
never reach a message: they may be a customer's.
"""

import re
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from cloud_conductor.domain.findings import (
    CONTRACT,
    CURRENCY_MISMATCH,
    MALFORMED,
    UNKNOWN_CURRENCY,
    Finding,
)
from cloud_conductor.domain.money import EXPONENTS

MASK = "the value"
FINDINGS_MAX = 20
_NO_JSON = Finding(MALFORMED, "", "the body is not JSON in UTF-8")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")


def schema_of(kind: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of a wire type, as published in docs/reference."""
    return msgspec.json.schema(kind)


def findings_of(body: bytes, kind: type, error: Exception) -> tuple[Finding, ...]:
    """Every fault of a body the typed decode refused with `error`; at least one.

    Gives at most FINDINGS_MAX, in document order.
    """
    if not isinstance(error, msgspec.ValidationError):
        return (_NO_JSON,)
    try:
        whole = msgspec.json.decode(body)  # the typed decode stopped at its first fault
    except _UNREADABLE:
        return (_NO_JSON,)
    try:
        found = [
            Finding(CONTRACT, pointer(fault.instance_path), fault.message)
            for fault in _validator(kind).iter_errors(_without_nulls(whole))
        ]
    except (RecursionError, ValueError):  # nested too deep, or an integer beyond any machine's
        found = []
    if found:
        return tuple(sorted(found, key=lambda one: one.pointer)[:FINDINGS_MAX])
    reason, _, where = str(error).partition(" - at `")
    return (Finding(CONTRACT, _pointer_of(where.rstrip("`")), reason),)


def currency_findings(body: bytes, path: str, currency: str) -> tuple[Finding, ...]:
    """Amounts of the object at `path` of a readable body that are not in `currency` (R-1.2).

    One finding per wrong currency, at its first place, pointing from the object.
    """
    try:
        found = msgspec.json.decode(body)  # all of it: the typed decode skips what it does not know
    except _UNREADABLE:
        return (_NO_JSON,)
    for step in path.split("/")[1:]:
        found = found[step]
    first: dict[str, tuple[str | int, ...]] = {}
    for place, code in _currencies(found, ()):
        if code != currency:
            first.setdefault(str(code), place)
    return tuple(
        Finding(
            CURRENCY_MISMATCH if code in EXPONENTS else UNKNOWN_CURRENCY,
            pointer(place),
            f"an amount is not in the store's currency {currency}"
            if code in EXPONENTS
            else "the currency is not in ISO 4217 (R-1.2)",
        )
        for code, place in first.items()
    )


def object_id(body: bytes, path: str) -> str:
    """The id of the object at `path`, or of the body; empty where there is none to read."""
    try:
        found = msgspec.json.decode(body)
    except _UNREADABLE:
        return ""
    for step in path.split("/")[1:]:
        found = found.get(step) if isinstance(found, dict) else None
    name = found.get("id") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def pointer(path: list[str | int] | tuple[str | int, ...]) -> str:
    """JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@lru_cache(maxsize=32)
def _validator(kind: type) -> Any:
    return jsonschema_rs.validator_for(_pointed(schema_of(kind)), mask=MASK)


def _pointed(schema: Any) -> Any:
    """The schema without `X or null`: an alternative hides where inside X the fault is.

    Bodies are checked without their nulls, which mean absent.
    """
    if isinstance(schema, list):
        return [_pointed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        rest = {name: one for name, one in schema.items() if name not in {"anyOf", "default"}}
        return _pointed(rest | choices[0])
    return {name: _pointed(one) for name, one in schema.items()}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return value


def _pointer_of(place: str) -> str:
    """`$.a[0].b` of a decode error as `/a/0/b`."""
    return pointer(["".join(step) for step in _STEP.findall(place)])


def _currencies(value: Any, path: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], str]]:
    """Places and codes in document order. No recursion: a stranger decides how deep it goes."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    left = [(value, path)]
    while left:
        here, at = left.pop()
        if isinstance(here, dict):
            names = [n for n in ("currency", "currency_code") if here.get(n)]
            found += [((*at, name), here[name]) for name in names]
            left += [(one, (*at, key)) for key, one in reversed(here.items())]
        elif isinstance(here, list):
            left += [(one, (*at, n)) for n, one in reversed(list(enumerate(here)))]
    return found
