"""Cash custody: what a counted drawer says, its over/short, and the bag that goes to the bank (§8).

A shift opens with what the one before on its register left. Which one that was is worked out where
facts are read (`followed`), and comes in as columns of its row (`with_left`).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

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
STOOD_STILL = timedelta(days=31)
"""A register that was not opened for longer begins anew."""
FLOAT_SIGNS = {"float_raised": 1, "float_lowered": -1}
_MOVEMENTS = ("paid_out", "paid_in", "drop", *FLOAT_SIGNS)
_EVENT_COLUMNS = (DAY, "shift_id", "event_id", "event_type", "description", "amount_minor")
_SHIFT_COLUMNS = (
    DAY, "shift_id", "opening_minor", "cash_sales_minor", "cash_refunds_minor", "paid_in_minor",
    "paid_out_minor", "expected_minor", "counted_minor",
)  # fmt: skip
LEFT_SHIFT_COLUMNS = (
    "store", "business_date", "shift_id", "opened_at", "opening_minor", "counted_minor",
)  # fmt: skip
LEFT_EVENT_COLUMNS = ("store", "shift_id", "event_type", "amount_minor", "description")
_LEFT = {"register": pa.string(), "shift_before": pa.string(), "left_before_minor": pa.int64()}
"""What `with_left` adds to CASH_SHIFTS; null where nothing is compared."""


class CashMovement(msgspec.Struct, frozen=True):
    """Cash paid out of or into a drawer, as a magnitude, with the reason given."""

    event_id: str
    amount_minor: int
    reason: str


class Before(msgspec.Struct, frozen=True):
    """The shift before on the same register, and what it left in the drawer."""

    register: str
    shift_id: str
    left_minor: int


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A closed drawer session. Amounts are magnitudes; over_short, float_change, gap have a sign.

    day: place of its store-day in the facts it is of. before: None where nothing is compared.
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
    float_change_minor: int = 0
    before: Before | None = None

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
    def float_minor(self) -> int:
        """What stays in the drawer: the float it was opened with, as it was changed since."""
        return self.opening_minor + self.float_change_minor

    @property
    def deposit(self) -> int:
        """What leaves for the bank: all but the float, which stays, and what is in the safe."""
        return self.counted_minor - self.float_minor + self.drops_minor

    @property
    def gap(self) -> int:
        """Opened with, less what the shift before left; negative: cash is missing (R-8.2)."""
        return self.opening_minor - self.before.left_minor if self.before else 0


def closed_shifts(facts: DayFacts) -> list[Shift]:
    """Shifts that were counted, by id. An ended shift is not counted yet: it makes no entry."""
    closed = only(_told(facts.cash_shifts), "state", ("closed",))
    rows = closed.select([*_SHIFT_COLUMNS, *_LEFT]).to_pylist()
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


def unposted_gaps(facts: DayFacts) -> list[tuple[int, EntryFinding]]:
    """Gaps of shifts that are not counted yet, by store-day: entered with their count (R-8.2)."""
    shifts = _told(facts.cash_shifts)
    is_gap = pc.not_equal(shifts["opening_minor"], shifts["left_before_minor"])
    waits = pc.or_(pc.not_equal(shifts["state"], "closed"), pc.is_null(shifts["counted_minor"]))
    found = []
    for row in shifts.filter(pc.and_(is_gap, waits)).to_pylist():
        before = _before(row)
        assert before is not None, "what is null differs from nothing"
        gap = row["opening_minor"] - before.left_minor
        finding = _gap_finding(row["shift_id"], before, gap, "entered when the shift is counted")
        one = EntryFinding(
            kind="CASH", source_id=row["shift_id"], finding=finding, amount_minor=gap
        )
        found.append((row[DAY], one))
    return sorted(found, key=lambda one: (one[0], one[1].source_id))


def cash_legs(shift: Shift) -> list[Leg]:
    """Legs of CASH: one posting per shift (R-8.3).

    Over/short, what was paid out and in, and what the drawer was opened with more or less than was
    left in it (R-8.2). A float that is changed moves between the drawer and the change fund in the
    safe: both are the float.
    """
    rows = [
        _leg("cash_custody_diff", -shift.gap, shift, shift.shift_id),
        _leg("cash_float", shift.gap, shift, shift.shift_id),
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


def shift_problems(shift: Shift) -> list[tuple[Finding, int]]:
    """What needs a look and does not stop the entry (D11), each with its amount.

    The register's own sum differs from its figures, the count does not cover the float, or the
    drawer was opened with other cash than was left in it.
    """
    found: list[tuple[Finding, int]] = []
    stated = shift.expected_minor
    if stated is not None and stated != shift.expected:
        gap = stated - shift.expected
        message = (
            f"shift {shift.shift_id}: the register expects {stated} minor units, its own figures"
            f" give {shift.expected} (R-8.1)"
        )
        found.append((Finding("D11", "/cash_shifts/expected_minor", message, "warning"), gap))
    elif shift.deposit < 0:
        message = (
            f"shift {shift.shift_id}: counted {shift.counted_minor} minor units, less than its"
            f" float of {shift.float_minor}: nothing to deposit (R-8.2)"
        )
        finding = Finding("D11", "/cash_shifts/counted_minor", message, "warning")
        found.append((finding, shift.deposit))
    if shift.before is not None and shift.gap:
        posted = "posted to Cash in transit differences"
        found.append((_gap_finding(shift.shift_id, shift.before, shift.gap, posted), shift.gap))
    return found


def _gap_finding(shift_id: str, before: Before, gap: int, what_then: str) -> Finding:
    message = (
        f"register {before.register}: shift {shift_id} opened with {abs(gap)} minor units"
        f" {'less' if gap < 0 else 'more'} than shift {before.shift_id} left (R-8.2):"
        f" {what_then} (cash_custody_diff)"
    )
    return Finding("D11", "/cash_shifts/opening_minor", message, "warning")


class Drawer(NamedTuple):
    """A shift as the next one on its register sees it. left_minor: None when it was not counted."""

    store: str
    register: str
    business_date: date
    opened_at: datetime
    shift_id: str
    left_minor: int | None


def drawers(shifts: pa.Table, events: pa.Table) -> list[Drawer]:
    """Shifts of some days whose registers say who they are.

    shifts, events: rows of CASH_SHIFTS and CASH_EVENTS with LEFT_SHIFT_COLUMNS, LEFT_EVENT_COLUMNS.
    """
    telling = only(events, "event_type", ("opened", *FLOAT_SIGNS)).select(LEFT_EVENT_COLUMNS)
    registers: dict[tuple[str, str], str] = {}
    changes: dict[tuple[str, str], int] = {}
    columns = (telling[name].to_pylist() for name in LEFT_EVENT_COLUMNS)
    for store, shift, kind, amount, text in zip(*columns, strict=True):
        if kind in FLOAT_SIGNS:
            changes[store, shift] = changes.get((store, shift), 0) + FLOAT_SIGNS[kind] * abs(amount)
        elif text:
            registers[store, shift] = text
    columns = (shifts[name].to_pylist() for name in LEFT_SHIFT_COLUMNS)
    found: list[Drawer] = []
    # Some rows a store-day.
    for store, on, shift, opened_at, opening, counted in zip(*columns, strict=True):
        register = registers.get((store, shift))
        if register is not None:
            stays = (opening or 0) + changes.get((store, shift), 0)
            left = None if counted is None else min(counted, stays)
            found.append(Drawer(store, register, on, opened_at, shift, left))
    return found


def followed(found: Iterable[Drawer]) -> list[tuple[Drawer, Drawer | None]]:
    """Each drawer with the one before on its register, in the order of time.

    None: the register's first, or the first since it stood still for longer than STOOD_STILL.
    """
    pairs: list[tuple[Drawer, Drawer | None]] = []
    before: Drawer | None = None
    for one in sorted(found, key=lambda one: one[:5]):
        is_next = (
            before is not None
            and (before.store, before.register) == (one.store, one.register)
            and one.business_date - before.business_date <= STOOD_STILL
        )
        pairs.append((one, before if is_next else None))
        before = one
    return pairs


def with_left(shifts: pa.Table, pairs: Sequence[tuple[Drawer, Drawer | None]]) -> pa.Table:
    """CASH_SHIFTS with what the shift before left beside each row (R-8.2).

    Null where nothing is compared: the first shift of a register, one after an uncounted one, and
    registers that do not say who they are.
    """
    told = {
        (one.store, one.shift_id): (one.register, before.shift_id, before.left_minor)
        for one, before in pairs
        if before is not None and before.left_minor is not None
    }
    keys = zip(shifts["store"].to_pylist(), shifts["shift_id"].to_pylist(), strict=True)
    rows = [told.get(key, (None, None, None)) for key in keys]
    for place, (name, kind) in enumerate(_LEFT.items()):
        shifts = shifts.append_column(name, pa.array([row[place] for row in rows], kind))
    return shifts


def _told(shifts: pa.Table) -> pa.Table:
    """Shifts with the columns of `with_left`, where nobody looked at other days without a value."""
    return shifts if "left_before_minor" in shifts.column_names else with_left(shifts, ())


def _before(row: dict[str, Any]) -> Before | None:
    if row["left_before_minor"] is None:
        return None
    return Before(row["register"], row["shift_before"], row["left_before_minor"])


def _shift(row: dict[str, Any], events: list[dict[str, Any]]) -> Shift:
    paid_out, paid_in = _amount(row, "paid_out_minor"), _amount(row, "paid_in_minor")
    moved = dict.fromkeys(_MOVEMENTS, 0)
    for one in events:
        moved[one["event_type"]] += _amount(one, "amount_minor")
    drops, raised, lowered = moved["drop"], moved["float_raised"], moved["float_lowered"]
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
        paid_outs=_movements(row["shift_id"], events, "paid_out", paid_out - drops - lowered),
        paid_ins=_movements(row["shift_id"], events, "paid_in", paid_in - raised),
        drops_minor=drops,
        float_change_minor=raised - lowered,
        before=_before(row),
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
