"""What people settle by hand: who may, which breaks belong together, what might. Pure.

R-14.2 tier 6 (a suggestion, never confirmed by itself), R-14.8 (resolved by match), R-15.3 (who
resolves a break above the threshold is not who approves it).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import combinations

from cloud_conductor.accounting.approval import POLICY
from cloud_conductor.domain.errors import ApprovalRefused, BadRequest
from cloud_conductor.state.accounting import BreakRow

UNEXPLAINED = "D15"
TOGETHER_MAX = 20
"""Breaks in one match, and candidates that a suggestion looks at."""


def needs_second(rows: Sequence[BreakRow], minor_max: int) -> bool:
    """Whether settling these takes two people: one is above the amount, or unexplained (R-14.6)."""
    return any(abs(row.amount_minor) > minor_max or row.code == UNEXPLAINED for row in rows)


def check_second(rows: Sequence[BreakRow], approver: str) -> None:
    """Raises ApprovalRefused for a nameless approver, and for who proposed one of them."""
    if not approver.removeprefix("user:").strip() or approver == POLICY:
        raise ApprovalRefused("an approver gives a name of their own (R-15.3)")
    for row in rows:
        if row.actor == approver:
            raise ApprovalRefused(
                f"{approver} proposed to resolve {row.break_id} and cannot approve it (R-15.3)",
                hint="let a second person run: conductor breaks approve ID --as NAME",
            )


def may_match(row: BreakRow) -> bool:
    """Whether a break is a record of one side without its counterpart."""
    return bool(row.amount_minor) and bool(row.left_ref) != bool(row.right_ref)


def check_match(rows: Sequence[BreakRow]) -> None:
    """Raises BadRequest unless these are records of both sides of one level that come to nothing.

    A record is used once, and what is left over is a break of its own: it is accepted, not matched.
    """
    if not 2 <= len(rows) <= TOGETHER_MAX or len({row.break_id for row in rows}) != len(rows):
        raise BadRequest(f"a match takes 2 to {TOGETHER_MAX} different breaks")
    if strange := [row.break_id for row in rows if not may_match(row)]:
        raise BadRequest(f"{', '.join(strange)} is no record without a counterpart")
    if len({(row.level, row.currency) for row in rows}) != 1:
        raise BadRequest("a match stays within one level and one currency")
    if rest_minor := sum(row.amount_minor for row in rows):
        raise BadRequest(f"these do not come to 0: {rest_minor} (minor units) is left over")


def candidates(row: BreakRow, others: Sequence[BreakRow]) -> list[BreakRow]:
    """Breaks that may be the counterpart of one: the nearest amount first, then day, then store."""
    if not may_match(row):
        return []
    fitting = [
        other
        for other in others
        if (other.level, other.currency) == (row.level, row.currency)
        and may_match(other)
        and (other.amount_minor < 0) != (row.amount_minor < 0)
    ]

    def nearness(other: BreakRow) -> tuple[int, int, bool, str]:
        rest_minor = abs(row.amount_minor + other.amount_minor)
        days = abs(_ordinal(row) - _ordinal(other))
        return rest_minor, days, row.store != other.store, other.break_id

    return sorted(fitting, key=nearness)


def suggested(row: BreakRow, others: Sequence[BreakRow]) -> list[BreakRow]:
    """Those that together make up for one, if just one choice of them does.

    At most TOGETHER_MAX - 1 are looked at; more give nothing (R-14.2). Their sums are met in the
    middle: a thousand subsets of either half instead of half a million of both.
    """
    if not 1 <= len(others) < TOGETHER_MAX:
        return []
    halves = others[: len(others) // 2], others[len(others) // 2 :]
    first, second = (_subsets(half) for half in halves)
    found: list[BreakRow] = []
    for sum_minor, choices in first.items():
        for one in choices:
            for other in second.get(-row.amount_minor - sum_minor, ()):
                if found:
                    return []
                found = [*one, *other]
    return found


def _subsets(rows: Sequence[BreakRow]) -> dict[int, list[tuple[BreakRow, ...]]]:
    sums: dict[int, list[tuple[BreakRow, ...]]] = defaultdict(list)
    for size in range(len(rows) + 1):
        for some in combinations(rows, size):
            sums[sum(one.amount_minor for one in some)].append(some)
    return sums


def _ordinal(row: BreakRow) -> int:
    return date.fromisoformat(row.business_date).toordinal()
