"""Breaks: what a reconciliation level could not match, each with exactly one code (R-14.4)."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Literal

import msgspec

Level = Literal["L1", "L2", "L3", "L4", "L5", "L6"]
LEVELS: tuple[Level, ...] = ("L1", "L2", "L3", "L4", "L5", "L6")


class Kind(msgspec.Struct, frozen=True):
    """What a code means, who looks at it, and the first thing to do (R-14.4)."""

    name: str
    family: str
    owner: str
    hint: str


KINDS: Mapping[str, Kind] = {
    "D01": Kind("MISSING_IN_LEDGER", "presence", "finance ops", "conductor explain D01"),
    "D02": Kind("MISSING_IN_POS", "presence", "store + data", "conductor backfill"),
    "D03": Kind("AMOUNT", "amount", "finance ops", "see the lines: conductor journals show KEY"),
    "D04": Kind("DUPLICATE", "duplicate", "finance ops", "reverse the later of the two"),
    "D05": Kind("TIMING", "timing", "system", "nothing: it clears itself"),
    "D06": Kind("TAX", "amount", "tax", "fix the tax mapping, then: conductor run close"),
    "D07": Kind("FEE", "amount", "treasury", "post a fee true-up"),
    "D08": Kind("FX", "amount", "treasury", "check the day's rate"),
    "D09": Kind("UNCOVERED_SOURCE", "presence", "admin", "connect or map the source"),
    "D10": Kind("UNPOSTED_ACCOUNT", "mapping", "admin", "add the role to [mapping]"),
    "D11": Kind("CASH_CUSTODY", "custody", "store", "count again and explain"),
    "D12": Kind("EDITED_IN_LEDGER", "edit", "controller", "restore by a delta, or accept"),
    "D13": Kind("SEQUENCE_GAP", "presence", "data", "conductor backfill"),
    "D14": Kind("INVENTORY", "inventory", "inventory", "set the cost, then: conductor run close"),
    "D15": Kind("UNEXPLAINED", "unexplained", "controller", "investigate; the day stays open"),
    "D16": Kind("QUARANTINED", "presence", "data", "conductor quarantine list"),
}
"""docs/reference/breaks.md says the same at length."""

PRECEDENCE = (
    "D16", "D04", "D02", "D01", "D10", "D03", "D06", "D08", "D07", "D05", "D11", "D12", "D13",
    "D14", "D09", "D15",
)  # fmt: skip
"""Which code is primary when several apply (R-14.4a)."""

AGE_BUCKETS = ((1, "0-1"), (3, "2-3"), (7, "4-7"), (30, "8-30"), (60, "31-60"), (90, "61-90"))


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a level that is not matched.

    key: what both sides would have been matched by. left, right: the two records in words, empty
    where there is none. amount_minor: left less right. effect_minor: what it takes from
    `POS total - ledger total` of its store-day (R-14.5). is_explained: both dates or the state in
    between are known, and it needs nobody (D05).
    """

    level: Level
    code: str
    key: str
    store: str
    business_date: date
    amount_minor: int
    currency: str
    left: str
    right: str
    message: str
    effect_minor: int = 0
    is_explained: bool = False

    @property
    def id(self) -> str:
        """The same break keeps its id and its age from run to run (R-14.7)."""
        identity = f"{self.level}|{KINDS[self.code].family}|{self.store}|{self.key}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    @property
    def hint(self) -> str:
        return KINDS[self.code].hint

    @property
    def owner(self) -> str:
        return KINDS[self.code].owner


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The store-day a level looks at, and its currency."""

    store: str
    business_date: date
    currency: str

    def found(
        self,
        level: Level,
        code: str,
        key: str,
        message: str,
        *,
        amount: int = 0,
        left: str = "",
        right: str = "",
        effect: int = 0,
        is_explained: bool = False,
        business_date: date | None = None,
    ) -> Break:
        """A break of this scope, on its business date unless another is given."""
        return Break(
            level=level,
            code=code,
            key=key,
            store=self.store,
            business_date=business_date or self.business_date,
            amount_minor=amount,
            currency=self.currency,
            left=left,
            right=right,
            message=message,
            effect_minor=effect,
            is_explained=is_explained,
        )


def primary(codes: Iterable[str]) -> str:
    """The one code of an item to which several apply (R-14.4a); D15 when none does."""
    return min(codes, key=PRECEDENCE.index, default="D15")


def age_bucket(business_date: date, today: date) -> str:
    """Age of a break in days since its business date, as the report groups it (R-14.7)."""
    days = (today - business_date) // timedelta(days=1)
    return next((name for last, name in AGE_BUCKETS if days <= last), "> 90")
