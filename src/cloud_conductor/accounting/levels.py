"""What a reconciliation level reports, and how its items are counted (§14, INV-28).

Each level compares two populations made by two systems, or two records one system made
independently. It is green when every record on both sides is matched or explained; a level whose
second source is not connected says so and is never green (R-14.4b).
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from cloud_conductor.accounting.breaks import Break, Level

LevelState = Literal["green", "breaks", "not_connected"]

SOURCES: dict[Level, tuple[str, str]] = {
    "L1": ("records held", "source's control listing"),
    "L2": ("order arithmetic from lines", "source's own totals"),
    "L3": ("tenders named by sales", "processor's payments and refunds"),
    "L4": ("processor's payments and refunds", "payout entries and bank lines"),
    "L5": ("facts by mapping", "entries in the books"),
    "L6": ("posted entries", "ledger documents and trial balance"),
}


class Side(msgspec.Struct, frozen=True):
    """How many records of one side are where; they add up to the population (INV-28)."""

    population: int = 0
    matched: int = 0
    explained: int = 0
    open: int = 0

    def __add__(self, other: "Side") -> "Side":
        return Side(
            self.population + other.population,
            self.matched + other.matched,
            self.explained + other.explained,
            self.open + other.open,
        )


class LevelResult(msgspec.Struct, frozen=True):
    """One level of one scope. matched, explained, open: cases (a pair counts once).

    unexplained_minor: sum of absolute D15 amounts, the headline (R-18). notes: what could not be
    compared, e.g. bank lines that are not connected.
    """

    level: Level
    sources: tuple[str, str]
    state: LevelState
    left: Side
    right: Side
    matched: int
    explained: int
    open: int
    unexplained_minor: int
    breaks: tuple[Break, ...]
    notes: tuple[str, ...] = ()


class Tally:
    """Counts the cases of one level while it is worked out; `result` proves full coverage."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self._matched = [0, 0, 0]  # cases, left records, right records
        self._explained = [0, 0, 0]
        self._open = [0, 0, 0]
        self._breaks: list[Break] = []
        self._notes: list[str] = []

    def match(self, lefts: int = 1, rights: int = 1, *, cases: int = 1) -> None:
        _add(self._matched, cases, lefts, rights)

    def record(self, found: Break, *, lefts: int = 0, rights: int = 0) -> None:
        """A break and the records it stands for; explained ones count as explained."""
        assert found.level == self.level
        _add(self._explained if found.is_explained else self._open, 1, lefts, rights)
        self._breaks.append(found)

    def explain(self, lefts: int = 0, rights: int = 0) -> None:
        """A case that needs nothing: a record without a counterpart by its nature."""
        _add(self._explained, 1, lefts, rights)

    def explain_many(self, *, lefts: int = 0, rights: int = 0) -> None:
        """Records that each need no counterpart."""
        _add(self._explained, lefts + rights, lefts, rights)

    @property
    def breaks(self) -> tuple[Break, ...]:
        """What was recorded so far."""
        return tuple(self._breaks)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def result(self, left_population: int, right_population: int) -> LevelResult:
        """The level's report. Asserts that every record of both sides was counted once (INV-28)."""
        left, right = (
            Side(population, self._matched[n], self._explained[n], self._open[n])
            for n, population in ((1, left_population), (2, right_population))
        )
        for side in (left, right):
            assert side.population == side.matched + side.explained + side.open, "INV-28"
        return LevelResult(
            level=self.level,
            sources=SOURCES[self.level],
            state="breaks" if self._open[0] else "green",
            left=left,
            right=right,
            matched=self._matched[0],
            explained=self._explained[0],
            open=self._open[0],
            unexplained_minor=_unexplained(self._breaks),
            breaks=tuple(sorted(self._breaks, key=_break_order)),
            notes=tuple(self._notes),
        )


def not_connected(level: Level, why: str) -> LevelResult:
    """A level that has only one of its two sources: never green (R-14.4b)."""
    nothing = Side()
    return LevelResult(
        level, SOURCES[level], "not_connected", nothing, nothing, 0, 0, 0, 0, (), (why,)
    )


def combined(results: Sequence[LevelResult]) -> LevelResult:
    """One level over several scopes: green only if all connected parts are, and one is connected."""
    assert results, "a level over no scope says nothing"
    assert len({result.level for result in results}) == 1
    states = {result.state for result in results}
    return LevelResult(
        level=results[0].level,
        sources=results[0].sources,
        state="breaks"
        if "breaks" in states
        else "not_connected"
        if len(states) > 1
        else states.pop(),
        left=sum((result.left for result in results), Side()),
        right=sum((result.right for result in results), Side()),
        matched=sum(result.matched for result in results),
        explained=sum(result.explained for result in results),
        open=sum(result.open for result in results),
        unexplained_minor=sum(result.unexplained_minor for result in results),
        breaks=tuple(sorted((b for r in results for b in r.breaks), key=_break_order)),
        notes=tuple(dict.fromkeys(note for result in results for note in result.notes)),
    )


def _add(counts: list[int], cases: int, lefts: int, rights: int) -> None:
    counts[0] += cases
    counts[1] += lefts
    counts[2] += rights


def _unexplained(breaks: Iterable[Break]) -> int:
    return sum(abs(found.amount_minor) for found in breaks if found.code == "D15")


def _break_order(found: Break) -> tuple[str, str, str, str]:
    return (found.business_date.isoformat(), found.store, found.key, found.code)
