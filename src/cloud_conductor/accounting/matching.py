"""Matching two populations in tiers, each record used once (R-14.2, INV-28).

Tiers: 1 exact key; 2 composite exact (same trait and amount, within 10 minutes); 3 groups by an
explicit reference with equal sums; 4 same amount within a window of days. A tier that would have
more than one candidate matches nothing. The outcome does not depend on the order of the records.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date, datetime, timedelta

import msgspec

NEAR = timedelta(minutes=10)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a side. trait: what a composite match compares (tender type, last 4, auth
    code); empty takes no part in tier 2. group: explicit reference for tier 3; empty has none."""

    key: str
    amount_minor: int
    currency: str
    store: str
    business_date: date
    trait: str = ""
    at: datetime | None = None
    group: str = ""
    label: str = ""


class Match(msgspec.Struct, frozen=True):
    """Records that belong together; several on a side only in tier 3."""

    tier: int
    left: tuple[Item, ...]
    right: tuple[Item, ...]

    @property
    def difference_minor(self) -> int:
        """Left less right; not 0 only for equal keys with different amounts (D03)."""
        return sum(item.amount_minor for item in self.left) - sum(
            item.amount_minor for item in self.right
        )


class Matched(msgspec.Struct, frozen=True):
    """Every record of both sides, in exactly one place (INV-28).

    left_twice, right_twice: further records under a key that is already matched or waiting (D04),
    with the record they repeat.
    """

    matches: tuple[Match, ...]
    left_twice: tuple[tuple[Item, Item], ...]
    right_twice: tuple[tuple[Item, Item], ...]
    left_open: tuple[Item, ...]
    right_open: tuple[Item, ...]


def match(
    left: Sequence[Item], right: Sequence[Item], *, window: tuple[int, int] | None = None
) -> Matched:
    """Run tiers 1 to 3, and 4 when a window of days (right's date less left's) is given."""
    lefts, rights = sorted(left, key=_order), sorted(right, key=_order)
    matches, lefts, rights, left_twice, right_twice = _by_key(lefts, rights)
    for pair in (_composite(lefts, rights), None):
        if pair is not None:
            matches, lefts, rights = _take(matches, pair, lefts, rights)
    matches, lefts, rights = _take(matches, _groups(lefts, rights), lefts, rights)
    if window is not None:
        matches, lefts, rights = _take(matches, _window(lefts, rights, window), lefts, rights)
    found = Matched(
        tuple(matches), tuple(left_twice), tuple(right_twice), tuple(lefts), tuple(rights)
    )
    _assert_covered(found, len(left), len(right))
    return found
