"""Where the store-days of some dates stand, and their entries: worked out from what was read. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import msgspec
import pyarrow as pa

from cloud_conductor.accounting import day, journal
from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.custody import closed_shifts
from cloud_conductor.accounting.facts import DAY, DayFacts, StoreDay, present_days
from cloud_conductor.accounting.level_payouts import DEPOSIT_WINDOW, deposit_dates
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.domain.stores import Store
from cloud_conductor.ports.ledger import BankLine
from cloud_conductor.ports.pos import Listed
from cloud_conductor.state.accounting import DayRow

Listing = Mapping[str, Mapping[date, Sequence[Listed]] | None]
"""Store -> business date -> what the source lists; None for a store that could not be asked."""

_OTHER_FACTS = ("tenders", "payouts", "disputes", "cash_shifts")
_NOTHING = journal.DayEntries((), (), {})


@dataclass(frozen=True)
class Rules:
    """What does not change from date to date. processors: source -> who settles its cards."""

    accounts: AccountMap
    fees_at: journal.FeesAt
    grace: timedelta
    processors: Mapping[str, str]


@dataclass(frozen=True)
class Read:
    """What was read of some dates. bank: asked once, and only when a bag may have reached it.

    facts_seq: date -> newest fact a close of it looks at. known: (store, date) -> its row so far.
    """

    now: datetime
    now_us: int
    days: Sequence[tuple[Store, date]]
    tables: Mapping[str, pa.Table]
    facts_seq: Mapping[date, int]
    known: Mapping[tuple[str, str], DayRow]
    listed: Listing
    quarantined: frozenset[str]
    bank: Callable[[], Sequence[BankLine]]


class WorkedOut(NamedTuple):
    """A store-day's new row, and its entries when it may close."""

    store: Store
    business_date: date
    row: DayRow
    made: journal.DayEntries | None


class _Held(NamedTuple):
    """Closed sales of a store-day as we hold them, and whether other facts make it a day."""

    sales: int = 0
    minor: int = 0
    has_other_facts: bool = False


_NOTHING_HELD = _Held()


def work_out(read: Read, rules: Rules) -> list[WorkedOut]:
    """Every store-day of `read.days`, in their order; all of them have ended."""
    facts = _facts(read, rules, read.days)
    held = _held(facts)
    rows = [_row(read, rules, store, on, held) for store, on in read.days]
    closing = [
        (store, on)
        for (store, on), row in zip(read.days, rows, strict=True)
        if (store.store, on) in held and day.may_close(row.state)  # type: ignore[arg-type]
    ]
    if len(closing) < len(facts.days):
        facts = _facts(read, rules, closing)
    made = dict(zip(closing, _entries(read, rules, facts), strict=True))
    return [
        WorkedOut(store, on, _reopened(row), made.get((store, on), _NOTHING))
        if day.may_close(row.state)  # type: ignore[arg-type]
        else WorkedOut(store, on, row, None)
        for (store, on), row in zip(read.days, rows, strict=True)
    ]


def _facts(read: Read, rules: Rules, days: Sequence[tuple[Store, date]]) -> DayFacts:
    """Facts of those of the days that have any."""
    present = present_days(read.tables)
    scopes = [
        StoreDay.of(store, on, processor=rules.processors.get(store.source, ""))
        for store, on in days
        if (store.store, on) in present
    ]
    return DayFacts.of_span(scopes, read.tables, quarantined=read.quarantined)


def _held(facts: DayFacts) -> dict[tuple[str, date], _Held]:
    others: set[int] = set()
    for name in _OTHER_FACTS:
        others.update(getattr(facts, name)[DAY].unique().to_pylist())
    sums = facts.closed_sales.group_by(DAY).aggregate(
        [([], "count_all"), ("source_total_minor", "sum")]
    )
    columns = (sums[name].to_pylist() for name in (DAY, "count_all", "source_total_minor_sum"))
    sales = {place: (number, minor or 0) for place, number, minor in zip(*columns, strict=True)}
    return {
        (one.store, one.business_date): _Held(*sales.get(place, (0, 0)), place in others)
        for place, one in enumerate(facts.days)
    }


def _row(
    read: Read,
    rules: Rules,
    store: Store,
    on: date,
    held: Mapping[tuple[str, date], _Held],
) -> DayRow:
    have = held.get((store.store, on), _NOTHING_HELD)
    text = on.isoformat()
    known = read.known.get((store.store, text))
    totals = _control(read.listed[store.store], on, have)
    state = day.next_state(
        known.state if known else "OPEN",  # type: ignore[arg-type]
        read.now,
        store.day_interval(on),
        totals,
        has_other_facts=have.has_other_facts,
        grace=rules.grace,
    )
    return DayRow(
        store=store.store,
        business_date=text,
        state=state,
        currency=store.currency,
        updated_us=read.now_us,
        control_count=totals.listed_count if totals else None,
        control_minor=totals.listed_minor if totals else None,
        held_count=totals.held_count if totals else None,
        held_minor=totals.held_minor if totals else None,
        facts_seq=read.facts_seq[on],
    )


def _reopened(row: DayRow) -> DayRow:
    """Late facts of a posted day: their deltas are open again (§13)."""
    if row.state in ("POSTED", "LOCKED"):
        return msgspec.structs.replace(row, state="COMPLETE")
    return row


def _control(
    days: Mapping[date, Sequence[Listed]] | None, on: date, have: _Held
) -> day.ControlTotals | None:
    if days is None:
        return None
    listed = {
        row.object_id: row.total_minor
        for row in days.get(on, ())
        if row.state.upper() == "COMPLETED"
    }
    return day.ControlTotals(
        listed_count=len(listed),
        listed_minor=sum(listed.values()),
        held_count=have.sales,
        held_minor=have.minor,
    )


def _entries(read: Read, rules: Rules, facts: DayFacts) -> list[journal.DayEntries]:
    return journal.span_entries(
        facts, rules.accounts, fees_at=rules.fees_at, bank_dates=_bank_dates(read, facts)
    )


def _bank_dates(read: Read, facts: DayFacts) -> dict[tuple[int, str], date]:
    """(store-day, shift) -> date of the bank line of its bag."""
    bags: dict[int, dict[str, int]] = {}
    for shift in closed_shifts(facts):
        if shift.deposit > 0:
            bags.setdefault(shift.day, {})[shift.shift_id] = shift.deposit
    if not bags:
        return {}
    by_amount: dict[int, list[BankLine]] = {}
    for line in read.bank():
        by_amount.setdefault(line.amount_minor, []).append(line)
    found: dict[tuple[int, str], date] = {}
    for place, deposits in bags.items():
        scope = facts.days[place]
        last = scope.business_date + timedelta(days=DEPOSIT_WINDOW[1])
        near = [
            line
            for amount in set(deposits.values())
            for line in by_amount.get(amount, ())
            if scope.business_date <= line.posted_date <= last
        ]
        if len(deposits) == 1 and len(near) == 1:
            found[place, next(iter(deposits))] = near[0].posted_date
        elif near:
            dates = deposit_dates(_scope(scope), deposits, near)
            found |= {(place, shift): on for shift, on in dates.items()}
    return found


def _scope(one: StoreDay) -> Scope:
    return Scope(store=one.store, business_date=one.business_date, currency=one.currency)
