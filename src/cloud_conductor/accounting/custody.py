"""Cash custody: what a counted drawer says, its over/short, and the bag that goes to the bank (§8)."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.facts import DAY, DayFacts, only
from cloud_conductor.accounting.imbalance import EntryFinding
from cloud_conductor.accounting.legs import Leg
from cloud_conductor.accounting.mapping import slug
from cloud_conductor.domain.findings import Finding

TO_BE_EXPLAINED = "to_be_explained"
DEPOSIT_DAYS = timedelta(days=1)
_MOVEMENTS = ("paid_out", "paid_in", "drop")
_EVENT_COLUMNS = (DAY, "shift_id", "event_id", "event_type", "description", "amount_minor")
_SHIFT_COLUMNS = (
    DAY, "shift_id", "opening_minor", "cash_sales_minor", "cash_refunds_minor", "paid_in_minor",
    "paid_out_minor", "expected_minor", "counted_minor",
)  # fmt: skip
_CUSTODY_COLUMNS = (
    "store", "business_date", "shift_id", "opened_at", "opening_minor", "counted_minor",
)  # fmt: skip


class CashMovement(msgspec.Struct, frozen=True):
    """Cash paid out of or into a drawer, as a magnitude, with the reason given."""

    event_id: str
    amount_minor: int
    reason: str


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A closed drawer session. Amounts are magnitudes; only over_short has a sign.

    day: place of its store-day in the facts it is of.
    """

    shift_id: str
    day: int
    opening_minor: int
    cash_sales_minor: int
    cash_refunds_minor: int
    paid_in_minor: int
    paid_out_minor: int
    expected_minor: int | None
    counted_minor: int
    paid_outs: tuple[CashMovement, ...]
    paid_ins: tuple[CashMovement, ...]
    drops_minor: int = 0

    @property
    def expected(self) -> int:
        """What the drawer should hold (R-8.1)."""
        return (
            self.opening_minor
            + self.cash_sales_minor
            - self.cash_refunds_minor
            + self.paid_in_minor
            - self.paid_out_minor
        )

    @property
    def over_short(self) -> int:
        """Counted less expected; negative is short."""
        return self.counted_minor - self.expected

    @property
    def deposit(self) -> int:
        """What leaves for the bank: all but the float, which stays, and what is in the safe."""
        return self.counted_minor - self.opening_minor + self.drops_minor


def closed_shifts(facts: DayFacts) -> list[Shift]:
    """Shifts that were counted, by id. An ended shift is not counted yet: it makes no entry."""
    rows = only(facts.cash_shifts, "state", ("closed",)).select(_SHIFT_COLUMNS).to_pylist()
    events: dict[tuple[int, str], list[dict[str, Any]]] = {}
    moving = only(facts.cash_events, "event_type", _MOVEMENTS)
    for event in moving.select(_EVENT_COLUMNS).to_pylist():
        events.setdefault((event[DAY], event["shift_id"]), []).append(event)
    return [
        _shift(row, events.get((row[DAY], row["shift_id"]), []))
        for row in sorted(rows, key=lambda row: str(row["shift_id"]))
        if row["counted_minor"] is not None
    ]


def uncounted(facts: DayFacts) -> list[tuple[int, str]]:
    """(day, id) of shifts that ended without a count: they have no over/short, no bag (R-8.1)."""
    closed = only(facts.cash_shifts, "state", ("closed", "ended"))
    rows = closed.filter(pc.is_null(closed["counted_minor"])).to_pylist()
    return sorted((row[DAY], row["shift_id"]) for row in rows)


def cash_legs(shift: Shift) -> list[Leg]:
    """Legs of CASH: over/short and what was paid out and in, one posting per shift (R-8.3)."""
    rows = [
        _leg("cash_over_short", -shift.over_short, shift, shift.shift_id),
        _leg("undeposited_cash", shift.over_short, shift, shift.shift_id),
    ]
    for movement in shift.paid_outs:
        rows.append(
            _leg(
                f"petty_expense.{movement.reason}", movement.amount_minor, shift, movement.event_id
            )
        )
        rows.append(_leg("undeposited_cash", -movement.amount_minor, shift, movement.event_id))
    for movement in shift.paid_ins:
        rows.append(_leg("undeposited_cash", movement.amount_minor, shift, movement.event_id))
        rows.append(_leg("cash_float", -movement.amount_minor, shift, movement.event_id))
    return _moving(rows)


def deposit_legs(shift: Shift) -> list[Leg]:
    """Legs of DEPOSIT: the bag from undeposited cash to the bank."""
    if shift.deposit <= 0:
        return []
    return _moving(
        [
            _leg("bank", shift.deposit, shift, shift.shift_id),
            _leg("undeposited_cash", -shift.deposit, shift, shift.shift_id),
        ]
    )


def deposit_date(business_date: date, bank_date: date | None) -> date:
    """Ledger date of a bag: its bank line's, else the day after the business date."""
    return bank_date if bank_date is not None else business_date + DEPOSIT_DAYS


def shift_problem(shift: Shift) -> tuple[Finding, int] | None:
    """What needs a look and does not stop the entry (D11).

    The register's own sum differs from its figures, or the count does not cover the float.
    """
    stated = shift.expected_minor
    if stated is not None and stated != shift.expected:
        gap = stated - shift.expected
        message = (
            f"shift {shift.shift_id}: the register expects {stated} minor units, its own figures"
            f" give {shift.expected} (R-8.1)"
        )
        return Finding("D11", "/cash_shifts/expected_minor", message, "warning"), gap
    if shift.deposit < 0:
        message = (
            f"shift {shift.shift_id}: counted {shift.counted_minor} minor units, less than its"
            f" float of {shift.opening_minor}: nothing to deposit (R-8.2)"
        )
        return Finding("D11", "/cash_shifts/counted_minor", message, "warning"), shift.deposit
    return None


class CustodyGap(msgspec.Struct, frozen=True):
    """A drawer that was opened with other cash than the shift before left in it (R-8.2, D11).

    gap_minor: opening(n+1) - (counted(n) - what was taken to the bank); negative: cash is missing.
    """

    store: str
    business_date: date
    shift_id: str
    register: str
    gap_minor: int

    @property
    def finding(self) -> EntryFinding:
        message = (
            f"register {self.register}: shift {self.shift_id} opened with {abs(self.gap_minor)}"
            f" minor units {'less' if self.gap_minor < 0 else 'more'} than the shift before left"
            " (R-8.2)"
        )
        return EntryFinding(
            kind="CASH",
            source_id=self.shift_id,
            finding=Finding("D11", "/cash_shifts/opening_minor", message, "warning"),
            amount_minor=self.gap_minor,
        )


def custody_gaps(shifts: pa.Table, events: pa.Table) -> list[CustodyGap]:
    """Gaps between counted shifts of one register and the next ones, in the order of time.

    shifts, events: rows of CASH_SHIFTS and CASH_EVENTS of some days. Registers that do not say who
    they are, and shifts after an uncounted one, are not compared.
    """
    opened = only(events, "event_type", ("opened",))
    names = (opened[name].to_pylist() for name in ("shift_id", "description"))
    registers: dict[str, str] = dict(zip(*names, strict=True))
    left: dict[tuple[str, str], int | None] = {}
    found: list[CustodyGap] = []
    # Some rows a store-day.
    rows = shifts.select(_CUSTODY_COLUMNS).to_pylist()
    for row in sorted(rows, key=lambda row: (row["opened_at"], row["shift_id"])):
        register = registers.get(row["shift_id"])
        if register is None:
            continue
        key, opening, counted = (row["store"], register), row["opening_minor"], row["counted_minor"]
        before = left.get(key)
        if before is not None and before != opening:
            gap = CustodyGap(
                row["store"], row["business_date"], row["shift_id"], register, opening - before
            )
            found.append(gap)
        left[key] = None if counted is None else counted - max(counted - opening, 0)
    return found


def _shift(row: dict[str, Any], events: list[dict[str, Any]]) -> Shift:
    paid_out, paid_in = _amount(row, "paid_out_minor"), _amount(row, "paid_in_minor")
    drops = sum(_amount(one, "amount_minor") for one in events if one["event_type"] == "drop")
    return Shift(
        shift_id=row["shift_id"],
        day=row[DAY],
        opening_minor=_amount(row, "opening_minor"),
        cash_sales_minor=_amount(row, "cash_sales_minor"),
        cash_refunds_minor=_amount(row, "cash_refunds_minor"),
        paid_in_minor=paid_in,
        paid_out_minor=paid_out,
        expected_minor=row["expected_minor"],
        counted_minor=row["counted_minor"],
        paid_outs=_movements(row["shift_id"], events, "paid_out", paid_out - drops),
        paid_ins=_movements(row["shift_id"], events, "paid_in", paid_in),
        drops_minor=drops,
    )


def _movements(
    shift_id: str, events: list[dict[str, Any]], event_type: str, stated: int
) -> tuple[CashMovement, ...]:
    """The shift's total by reason. What no event names is to be explained (R-8.5)."""
    known = [
        CashMovement(
            event["event_id"],
            _amount(event, "amount_minor"),
            slug(event["description"], TO_BE_EXPLAINED),
        )
        for event in sorted(events, key=lambda event: str(event["event_id"]))
        if event["event_type"] == event_type
    ]
    rest = stated - sum(movement.amount_minor for movement in known)
    if rest:
        known.append(CashMovement(shift_id, rest, TO_BE_EXPLAINED))
    return tuple(known)


def _amount(row: dict[str, Any], column: str) -> int:
    """Magnitude: registers sign refunds and paid-outs either way."""
    return abs(int(row[column] or 0))


def _leg(role: str, amount: int, shift: Shift, fact_id: str) -> Leg:
    fact = "cash_shifts" if fact_id == shift.shift_id else "cash_events"
    return Leg(role, amount, fact, fact_id)


def _moving(rows: list[Leg]) -> list[Leg]:
    return [row for row in rows if row.amount_minor]
