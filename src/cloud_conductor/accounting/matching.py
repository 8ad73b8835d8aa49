"""Matching two populations in tiers, each record used once (R-14.2, INV-28).

Tiers: 1 exact key; 2 composite exact (same trait and amount, within 10 minutes); 3 groups by an
explicit reference with equal sums; 4 same amount within a window of days. In tiers 2 to 4 more than
one candidate matches nothing. The outcome does not depend on the order of the records.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import date, datetime, timedelta

import msgspec

NEAR = timedelta(minutes=10)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a side.

    trait: what a composite match compares (tender type, last 4, auth code); empty takes no part in
    tier 2. group: explicit reference for tier 3; empty has none. label: the record in words.
    """

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
        left = sum(item.amount_minor for item in self.left)
        return left - sum(item.amount_minor for item in self.right)


class Matched(msgspec.Struct, frozen=True):
    """Every record of both sides, in exactly one place (INV-28).

    left_twice, right_twice: (record, the one before it under the same key) (D04).
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
    lefts, left_twice = _first_of_key(left, right)
    rights, right_twice = _first_of_key(right, lefts)
    matches: list[Match] = []
    tiers: list[Callable[[list[Item], list[Item]], list[Match]]] = [_by_key, _composite, _groups]
    if window is not None:
        tiers.append(lambda some, others: _window(some, others, window))
    for tier in tiers:
        found = tier(lefts, rights)
        matches += found
        lefts = _without(lefts, [item for pair in found for item in pair.left])
        rights = _without(rights, [item for pair in found for item in pair.right])
    outcome = Matched(
        tuple(matches), tuple(left_twice), tuple(right_twice), tuple(lefts), tuple(rights)
    )
    _assert_covered(outcome, len(left), len(right))
    return outcome


def _order(item: Item) -> tuple[date, int, str, str, str, str, str, str, str]:
    return (
        item.business_date,
        item.amount_minor,
        item.key,
        item.store,
        item.trait,
        item.at.isoformat() if item.at else "",
        item.group,
        item.label,
        item.currency,
    )


def _first_of_key(
    items: Sequence[Item], others: Sequence[Item]
) -> tuple[list[Item], list[tuple[Item, Item]]]:
    """One record per key, sorted, and the repeats.

    The one kept is the first whose amount the other side has too, else the first.
    """
    there = {(item.key, item.amount_minor) for item in others}
    by_key: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(items, key=_order):
        by_key[item.key].append(item)
    kept: list[Item] = []
    twice: list[tuple[Item, Item]] = []
    for key, group in by_key.items():
        at = next((n for n, item in enumerate(group) if (key, item.amount_minor) in there), 0)
        kept.append(group[at])
        twice += [(item, group[at]) for n, item in enumerate(group) if n != at]
    return sorted(kept, key=_order), twice


def _by_key(lefts: list[Item], rights: list[Item]) -> list[Match]:
    by_key = {item.key: item for item in rights}
    return [Match(1, (item,), (by_key[item.key],)) for item in lefts if item.key in by_key]


def _composite(lefts: list[Item], rights: list[Item]) -> list[Match]:
    def bucket(item: Item) -> Hashable:
        return (item.store, item.currency, item.trait, item.amount_minor)

    def fits(one: Item, other: Item) -> bool:
        return one.at is not None and other.at is not None and abs(one.at - other.at) <= NEAR

    def timed(items: list[Item]) -> list[Item]:
        return [item for item in items if item.trait and item.at is not None]

    return _unique_pairs(2, timed(lefts), timed(rights), bucket, fits)


def _groups(lefts: list[Item], rights: list[Item]) -> list[Match]:
    """Equal sums under one explicit reference and currency, many to one or n to m."""
    left_groups, right_groups = _grouped(lefts), _grouped(rights)
    pairs = [
        Match(3, tuple(left_groups[group]), tuple(right_groups[group]))
        for group in sorted(left_groups.keys() & right_groups.keys())
    ]
    return [pair for pair in pairs if pair.difference_minor == 0]


def _window(lefts: list[Item], rights: list[Item], window: tuple[int, int]) -> list[Match]:
    def bucket(item: Item) -> Hashable:
        return (item.currency, item.amount_minor)

    def fits(one: Item, other: Item) -> bool:
        days = (other.business_date - one.business_date).days
        same_place = not one.store or not other.store or one.store == other.store
        return window[0] <= days <= window[1] and same_place

    return _unique_pairs(4, lefts, rights, bucket, fits)


def _unique_pairs(
    tier: int,
    lefts: list[Item],
    rights: list[Item],
    bucket: Callable[[Item], Hashable],
    fits: Callable[[Item, Item], bool],
) -> list[Match]:
    """Pairs in which each record is the other's only candidate."""
    by_bucket: dict[Hashable, list[int]] = defaultdict(list)
    for n, item in enumerate(rights):
        by_bucket[bucket(item)].append(n)
    candidates = [[n for n in by_bucket[bucket(one)] if fits(one, rights[n])] for one in lefts]
    wanted: dict[int, int] = defaultdict(int)
    for found in candidates:
        for n in found:
            wanted[n] += 1
    return [
        Match(tier, (one,), (rights[found[0]],))
        for one, found in zip(lefts, candidates, strict=True)
        if len(found) == 1 and wanted[found[0]] == 1
    ]


def _grouped(items: list[Item]) -> dict[tuple[str, str], list[Item]]:
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.group:
            groups[item.group, item.currency].append(item)
    return groups


def _without(items: list[Item], taken: list[Item]) -> list[Item]:
    """Keys are unique within a side by now, so a key names its record."""
    keys = {item.key for item in taken}
    return [item for item in items if item.key not in keys]


def _assert_covered(found: Matched, left: int, right: int) -> None:
    in_left = sum(len(pair.left) for pair in found.matches)
    in_right = sum(len(pair.right) for pair in found.matches)
    assert in_left + len(found.left_twice) + len(found.left_open) == left, "INV-28, left"
    assert in_right + len(found.right_twice) + len(found.right_open) == right, "INV-28, right"
