"""Receipt numbers of a register: each once, without gaps (D13)."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

Interval = tuple[int, int]
"""First and last number of an unbroken run, both seen."""

INTERVALS_MAX = 10_000  # per register: a numbering with more holes is none


def added(seen: Sequence[Interval], numbers: Iterable[int]) -> list[Interval]:
    """Intervals after some more numbers, sorted, apart from each other.

    Raises ValueError past INTERVALS_MAX.
    """
    merged: list[Interval] = []
    for first, last in sorted([*seen, *((number, number) for number in numbers)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    if len(merged) > INTERVALS_MAX:
        msg = f"more than {INTERVALS_MAX} gaps: these are no receipt numbers"
        raise ValueError(msg)
    return merged


def gaps(seen: Sequence[Interval]) -> list[Interval]:
    """First and last number of every gap between the intervals, which are sorted."""
    return [(one[1] + 1, two[0] - 1) for one, two in pairwise(seen)]
