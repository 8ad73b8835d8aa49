"""Bodies and headers that nobody meant to send: real ones, damaged by seeded dice.

A third of the damage is done to bytes, the rest to what the bytes say: values of another type, out
of range, missing, doubled, nested without end.
"""

import json
import random
import string
from collections.abc import Callable, Sequence
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 0.5, -0.0,
    1e308, "", " ", "0", "-1", "1e9", "NaN", "é", "\u0000", "\ud7ff", "\U0001f600", "x" * 300, [],
    {}, [None], [[]], {"": None}, "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z", "2026-11-21T15:00:00", "0000-00-00", "USD", "usd", "XXQ", "JPY", "KWD",
    "COMPLETED", "FAILED", "OPEN", "../../etc/passwd", "%00", "1" * 40, "Infinity",
)  # fmt: skip
BYTES = (b"\x00", b"\xff", b"\xed\xa0\x80", b"{", b"}", b"[" * 50, b'"', b"\\", b",", b":", b"\r\n")
HEADER_VALUES = (
    b"",
    b"\x00",
    b"\xff" * 8,
    b"a" * 9_000,
    b"0",
    b"-1",
    b"1e3",
    b"+5",
    b" ",
    b"chunked",
)

Damage = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def damaged(dice: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One body of the corpus with one to four faults; one in fifty is left as it is."""
    body = dice.choice(corpus)
    if dice.random() < 0.02:
        return body
    for _ in range(dice.choice((1, 1, 1, 2, 3, 4))):
        body = dice.choice(DAMAGES)(dice, body, corpus)
    return body


def damaged_headers(
    dice: random.Random, headers: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Headers with a value changed, a header dropped, doubled or made up; mostly as they are."""
    found = list(headers)
    if dice.random() < 0.6:
        return found
    at = dice.randrange(len(found))
    name, value = found[at]
    kind = dice.randrange(5)
    if kind == 0:
        del found[at]
    elif kind == 1:
        found.append((name, dice.choice(HEADER_VALUES)))
    elif kind == 2:
        found[at] = (name, dice.choice(HEADER_VALUES))
    elif kind == 3:
        found[at] = (name, value[: dice.randrange(len(value) + 1)])
    else:
        letters = "".join(dice.choices(string.ascii_lowercase + "-", k=dice.randrange(1, 20)))
        found.append((letters.encode(), dice.choice(HEADER_VALUES)))
    return found


def flipped(dice: random.Random, head: bytes) -> bytes:
    """A request's head with a byte changed, put in or taken out, once or twice."""
    for _ in range(dice.choice((1, 1, 2))):
        head = dice.choice((_flip, _insert, _cut_some))(dice, head, ())
    return head


def _cut_some(dice: random.Random, body: bytes, _: Sequence[bytes]) -> bytes:
    start = dice.randrange(len(body) + 1)
    return body[:start] + body[start + dice.choice((1, 2, 8)) :]


def _flip(dice: random.Random, body: bytes, _: Sequence[bytes]) -> bytes:
    if not body:
        return b"\x00"
    at = dice.randrange(len(body))
    return body[:at] + bytes((body[at] ^ (1 << dice.randrange(8)),)) + body[at + 1 :]


def _insert(dice: random.Random, body: bytes, _: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(body) + 1)
    return body[:at] + dice.choice(BYTES) + body[at:]


def _cut(dice: random.Random, body: bytes, _: Sequence[bytes]) -> bytes:
    start = dice.randrange(len(body) + 1)
    return body[:start] + body[start + dice.choice((1, 4, 64, len(body))) :]


def _splice(dice: random.Random, body: bytes, corpus: Sequence[bytes]) -> bytes:
    other = dice.choice(corpus)
    return body[: dice.randrange(len(body) + 1)] + other[dice.randrange(len(other) + 1) :]


def _value(dice: random.Random, body: bytes, _: Sequence[bytes]) -> bytes:
    """Replace, drop or double one member somewhere."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return body
    holder, key = _somewhere(dice, tree)
    if holder is None:
        return json.dumps(dice.choice(NASTY)).encode()
    kind = dice.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.extend(holder[:5])
    elif kind == 1:
        holder[f"{key}_"] = holder.pop(key)
    else:
        holder[key] = dice.choice(NASTY)
    return json.dumps(tree).encode()


def _deep(dice: random.Random, body: bytes, _: Sequence[bytes]) -> bytes:
    depth = dice.choice((10, 500, 3_000))
    return b'{"data":' * depth + body + b"}" * depth


def _somewhere(dice: random.Random, tree: Any) -> tuple[Any, Any]:
    """A container of the tree and one of its keys; (None, None) for none."""
    holder, key = None, None
    here = tree
    while isinstance(here, dict | list) and here:
        holder = here
        key = dice.choice(list(here)) if isinstance(here, dict) else dice.randrange(len(here))
        here = here[key]
        if dice.random() < 0.25:
            break
    return holder, key


DAMAGES: tuple[Damage, ...] = (_flip, _insert, _cut, _splice, *(_value,) * 8, _deep)
