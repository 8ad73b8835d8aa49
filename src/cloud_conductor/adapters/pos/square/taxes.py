"""One combined POS tax split over filing authorities, losing nothing (R-10.1, R-1.6)."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from operator import sub

import msgspec

from cloud_conductor.adapters.pos.square.rows import millionths
from cloud_conductor.domain.money import allocate
from cloud_conductor.domain.stores import Store

UNNAMED = "Tax"


class Authority(msgspec.Struct, frozen=True):
    """Who a part of a tax is owed to; rate in millionths of a percent, None where unknown."""

    jurisdiction: str
    rate: int | None
    derived: bool


class Split(msgspec.Struct, frozen=True):
    """How one tax of the POS is owed. weights: statutory rates as integers."""

    authorities: tuple[Authority, ...]
    weights: tuple[int, ...]


@lru_cache(maxsize=4_096)
def split_of(store: Store, name: str, percentage: str | None) -> Split:
    """The store's statutory split of a tax of this name; else the tax is its own authority."""
    for split in store.tax_splits:
        if split.tax == name:
            rates = tuple(millionths(rate) for _, rate in split.parts)
            return Split(
                tuple(
                    Authority(jurisdiction, rate, derived=True)
                    for (jurisdiction, _), rate in zip(split.parts, rates, strict=True)
                ),
                rates,
            )
    rate = millionths(percentage) if percentage else None
    return Split((Authority(jurisdiction_of(name), rate, derived=False),), (1,))


def jurisdiction_of(name: str) -> str:
    """A tax name as a mapping key: `Café tax 5%` gives CAFE_TAX_5."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_") or "TAX"


def telescope(amounts: Sequence[int], weights: tuple[int, ...]) -> list[int]:
    """Shares of each amount, one after the other, such that columns sum to the whole's allocation.

    Amount i gets allocate(T_i) - allocate(T_{i-1}), T the running total: each amount's shares sum
    to it, and the order's sums are those of the order's tax split once (golden day O3).
    """
    if len(weights) == 1:
        return list(amounts)
    shares: list[int] = []
    before, running = _allocated(0, weights), 0
    for amount in amounts:
        running += amount
        after = _allocated(running, weights)
        shares += map(sub, after, before)
        before = after
    return shares


@lru_cache(maxsize=65_536)
def _allocated(total: int, weights: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(allocate(total, weights))
