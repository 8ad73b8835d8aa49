"""Receipt numbers of a register: each once, without gaps (D13)."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

RUNS_MAX = 10_000  # per register: a numbering with more holes is none


class Run(msgspec.Struct, frozen=True, order=True):
    """First and last number of an unbroken run, both seen. first_us: when its first sale was."""

    first: int
    last: int
    first_us: int


class Gap(msgspec.Struct, frozen=True):
    """Numbers between two runs, first and last of them. until_us: when the sale after it was."""

    first: int
    last: int
    until_us: int


def added(seen: Sequence[Run], numbers: Mapping[int, int]) -> list[Run]:
    """Runs after some more numbers, sorted, apart from each other. numbers: number -> its instant.

    Raises ValueError past RUNS_MAX.
    """
    merged: list[Run] = []
    for one in sorted(_together(seen, numbers)):
        before = merged[-1] if merged else None
        if before is not None and one.first <= before.last + 1:
            merged[-1] = Run(before.first, max(before.last, one.last), before.first_us)
        else:
            merged.append(one)
    if len(merged) > RUNS_MAX:
        msg = f"more than {RUNS_MAX} gaps: these are no receipt numbers"
        raise ValueError(msg)
    return merged


def gaps(seen: Sequence[Run]) -> list[Gap]:
    """Every gap between the runs, which are sorted."""
    return [Gap(one.last + 1, two.first - 1, two.first_us) for one, two in pairwise(seen)]


def _together(seen: Sequence[Run], numbers: Mapping[int, int]) -> Iterable[Run]:
    yield from seen
    for number, at_us in numbers.items():
        yield Run(number, number, at_us)
