"""Cash custody: what a counted drawer says, its over/short, and the bag that goes to the bank (§8)."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pyarrow.compute as pc

from cloud_conductor.accounting.facts import DAY, DayFacts, only
from cloud_conductor.accounting.legs import Leg
from cloud_conductor.accounting.mapping import slug
from cloud_conductor.domain.findings import Finding

TO_BE_EXPLAINED = "to_be_explained"
DEPOSIT_DAYS = timedelta(days=1)


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
        """What leaves for the bank: all but the float, which stays for the next shift."""
        return self.counted_minor - self.opening_minor


def closed_shifts(facts: DayFacts) -> list[Shift]:
    """Shifts that were counted, by id. An ended shift is not counted yet: it makes no entry."""
    rows = only(facts.cash_shifts, "state", ("closed",)).to_pylist()
    events: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for event in facts.cash_events.to_pylist():
        events.setdefault((event[DAY], event["shift_id"]), []).append(event)
    return [
        _shift(row, events.get((row[DAY], row["shift_id"]), []))
        for row in sorted(rows, key=lambda row: str(row["shift_id"]))
        if row["counted_minor"] is not None
    ]


def uncounted(facts: DayFacts) -> list[tuple[int, str]]:
    """(day, id) of shifts that were closed without a count: they have no over/short, no bag (R-8.1)."""
    closed = only(facts.cash_shifts, "state", ("closed",))
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


def custody_gap(previous: Shift, following: Shift) -> int:
    """Cash that went missing between two shifts of one drawer; 0 when the float was left (R-8.2).

    opening(n+1) - (counted(n) - deposit(n)); negative when money is missing.
    """
    return following.opening_minor - (previous.counted_minor - max(previous.deposit, 0))


def _shift(row: dict[str, Any], events: list[dict[str, Any]]) -> Shift:
    paid_out, paid_in = _amount(row, "paid_out_minor"), _amount(row, "paid_in_minor")
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
        paid_outs=_movements(row["shift_id"], events, "paid_out", paid_out),
        paid_ins=_movements(row["shift_id"], events, "paid_in", paid_in),
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
