"""Cash drawers and payouts as stories: shifts with their events, and the processor's days."""

import random
from datetime import date, datetime, timedelta

from cloud_conductor.sandbox.scenario.retail.stories import Story, flow
from cloud_conductor.sandbox.scenario.retail.till import Till

FLOAT_CENTS = 20_000
FLOAT_STEP_CENTS = 5_000
OVER_SHORT_CENTS = (-155, -50, -1, 0, 0, 0, 25, 100)
PAID_OUTS = ("window cleaner", "stamps", "Milk & sugar", "taxi")
SENT_AFTER = timedelta(minutes=30)
SATURDAY = 5


def shifts(till: Till, rng: random.Random, day: date, register: str, planned: set[str]) -> Story:
    """One register's day: one shift, or two with a handover; opened, used, counted."""
    opens, closes = till.hours.opens(day), till.hours.closes(day)
    floats = till.floats
    usual = till.country.amount(FLOAT_CENTS)
    middle = opens + (closes - opens) / 2
    ends = [middle, closes] if rng.random() < 0.25 else [closes]
    yield opens
    if "float_missing" in planned and floats.get(register, 0) >= usual:
        floats[register] -= till.country.amount(FLOAT_STEP_CENTS)
    for end in ends:
        opened = floats.setdefault(register, usual)
        till.open_drawer(register, day, opened)
        yield end
        floats[register] = till.drawers[register].stays_minor
        over = till.country.amount(rng.choice(OVER_SHORT_CENTS))
        if till.drawers[register].cash_minor + over < 0:
            over = 0  # nobody loses cash that nobody took
        is_counted = "uncounted_shift" not in planned or end != closes
        till.close_drawer(register, over, is_counted=is_counted)
        if not is_counted:
            floats.pop(register)


def payouts(till: Till, first: date, last: date) -> Story:
    """A transfer each banking day of what became effective before the processor's cut (R-2.9)."""
    day = first
    while day <= last:
        cut = till.hours.cut(day)
        if day.weekday() < SATURDAY:
            yield cut + SENT_AFTER
            till.pay_out(cut + SENT_AFTER, cut)
        day += timedelta(days=1)


@flow(0.4, "R-8.1, R-8.5", "drawer event PAID_OUT with its reason")
def paid_out(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Cash out of the drawer for an expense."""
    _move(
        till, rng, "PAID_OUT", till.country.amount(rng.randrange(300, 2000)), rng.choice(PAID_OUTS)
    )
    yield from ()


@flow(0.1, "R-8.1", "drawer event PAID_IN")
def paid_in(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Change brought in."""
    _move(till, rng, "PAID_IN", till.country.amount(rng.randrange(1000, 5000)), "change")
    yield from ()


@flow(0.15, "R-8.1", "drawer event PAID_OUT named `Safe drop`")
def safe_drop(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Cash to the safe during the shift: part of its bag, no expense."""
    _move(till, rng, "PAID_OUT", till.country.amount(4_000), "Safe drop")
    yield from ()


@flow(0.03, "R-8.1, R-8.2", "drawer event PAID_OUT named `Float lowered`, PAID_IN `Float raised`")
def float_change(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Between a drawer's float and the change fund, booked: the next shift opens with the new float."""
    register = _drawer(till, rng)
    step, usual = till.country.amount(FLOAT_STEP_CENTS), till.country.amount(FLOAT_CENTS)
    if register:
        drawer = till.drawers[register]
        is_raised = drawer.stays_minor < usual or (
            drawer.stays_minor == usual and rng.random() < 0.5
        )
        kind, name = ("PAID_IN", "Float raised") if is_raised else ("PAID_OUT", "Float lowered")
        till.drawer_event(register, kind, step, name)
        drawer.float_change_minor += step if is_raised else -step
    yield from ()


@flow(0.3, "R-2.8", "drawer event NO_SALE")
def no_sale(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """The drawer opened without a sale: an audit event, no money."""
    register = _drawer(till, rng)
    if register:
        till.drawer_event(register, "NO_SALE", 0, "change for a customer")
    yield from ()


def _drawer(till: Till, rng: random.Random) -> str:
    """One of the registers whose drawer is open; none is an empty text."""
    return rng.choice(sorted(till.drawers)) if till.drawers else ""


def _move(till: Till, rng: random.Random, kind: str, amount: int, reason: str) -> None:
    register = _drawer(till, rng)
    if not register:
        return
    drawer = till.drawers[register]
    taken = drawer.cash_minor + drawer.paid_in_minor - drawer.paid_out_minor - drawer.drops_minor
    if kind == "PAID_OUT" and taken < amount + till.country.amount(200):
        return
    till.drawer_event(register, kind, amount, reason)
    if kind == "PAID_IN":
        drawer.paid_in_minor += amount
    elif reason == "Safe drop":
        drawer.drops_minor += amount
    else:
        drawer.paid_out_minor += amount


@flow(0.02, "R-8.2", "the next shift opens with less than was left")
def float_missing(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A mark on the day: `shifts` opens a drawer with 50.00 less and nothing booked."""
    yield from ()


@flow(0.02, "R-8.1", "shift ENDED, never counted")
def uncounted_shift(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A mark on the day: `shifts` leaves its last shift uncounted."""
    yield from ()


SHIFT_FLOWS = ("float_missing", "uncounted_shift")
