"""Six levels over a span of business dates: two independent records each (§14).

Levels L1, L2, L3 and L5 are worked out per store-day, L4 per store, L6 once per organisation; here
they are added up. Nothing is written but the breaks found, which keep their id and age.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting import flow, journal, returned
from cloud_conductor.accounting.breaks import LEVELS, Break, Level, Scope
from cloud_conductor.accounting.custody import custody_gaps
from cloud_conductor.accounting.equation import Equation, ledger_totals, store_day_equation
from cloud_conductor.accounting.facts import DayFacts, split
from cloud_conductor.accounting.level_books import compare_books
from cloud_conductor.accounting.level_ledger import (
    Booked,
    LedgerSide,
    Pairing,
    compare_ledger,
    pair_documents,
)
from cloud_conductor.accounting.level_payouts import Settlement, compare_payouts
from cloud_conductor.accounting.level_sales import (
    Control,
    compare_records,
    compare_totals,
    pos_total,
)
from cloud_conductor.accounting.level_tenders import compare_tenders
from cloud_conductor.accounting.levels import LevelResult, combined, not_connected
from cloud_conductor.conform.span import span_facts
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.domain.stores import Store
from cloud_conductor.pipelines.close import (
    BANK_DAYS,
    CloseDeps,
    bank_lines,
    closed_dates,
    control_rows,
    quarantined_ids,
)
from cloud_conductor.ports.ledger import BankLine, LedgerDocument
from cloud_conductor.ports.pos import Listed
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryRow

log = logging.getLogger("conductor")

LEDGER_BEFORE = timedelta(days=1)
LEDGER_AFTER = timedelta(days=8)  # documents somebody re-dated, deposits dated by the bank
SETTLED_WITHIN = timedelta(days=14)  # payouts of a tender come this much later at the latest
SHIFTS_WITHIN = timedelta(days=7)  # a drawer's shift before the first one compared
IN_LEDGER = ("sending", "posted", "dead")
IN_BOOKS = ("draft", "approved", "pending", "sending", "posted", "dead")
EVERY_STORE = "*"  # scope of a level that looks at a whole organisation
CONTROL_ROLES = ("clearing", "undeposited_cash", "gift_card_liability", "tips_payable")


class Reconciliation(msgspec.Struct, frozen=True):
    """Levels added up, the equation of each store-day, and every break."""

    levels: tuple[LevelResult, ...]
    equations: tuple[Equation, ...]
    breaks: tuple[Break, ...]

    @property
    def unexplained_minor(self) -> int:
        """Absolute D15 amounts of levels and equations: the headline (R-18)."""
        return sum(level.unexplained_minor for level in self.levels) + sum(
            abs(one.unexplained_minor) for one in self.equations
        )

    @property
    def is_green(self) -> bool:
        return all(level.state == "green" for level in self.levels) and not self.unexplained_minor


class _Held(msgspec.Struct, frozen=True):
    """What we hold: facts of the span by date, settlements around it, the books, quarantine."""

    facts: Mapping[date, Mapping[str, Mapping[str, pa.Table]]]
    settled: Mapping[str, Mapping[str, pa.Table]]
    booked: Sequence[EntryRow]
    by_day: Mapping[tuple[str, str], Sequence[EntryRow]]
    quarantined: frozenset[str]
    over_returned: Mapping[tuple[str, date], Sequence[Break]]
    custody_gaps: Mapping[tuple[str, date], Sequence[journal.EntryFinding]]

    def of_store(self, table: str, store: str) -> pa.Table:
        """Rows of one store over all dates of the span."""
        parts = [one[store][table] for one in self.facts.values() if table in one.get(store, ())]
        return pa.concat_tables([TABLES[table].empty_table(), *parts])

    def is_bare(self, control: Control) -> bool:
        """Nothing to compare: no facts, no entries, and the source lists nothing either."""
        scope = control.scope
        return (
            control.rows == []
            and scope.store not in self.facts[scope.business_date]
            and (scope.store, scope.business_date.isoformat()) not in self.by_day
        )


def reconcile(deps: CloseDeps, dates: Sequence[date]) -> Reconciliation:
    """All levels for the store-days of `dates` (sorted, not empty) that have ended."""
    now = deps.clock.now()
    held = _held(deps, dates)
    scopes: dict[tuple[str, date], list[LevelResult]] = defaultdict(list)
    controls: dict[tuple[str, date], Control] = {}
    bank = _try_bank(deps, dates)
    listed = control_rows(deps, deps.stores, dates[0], dates[-1])
    known = _scopes_with_breaks(deps)
    for store in deps.stores:
        ended = [one for one in dates if store.day_interval(one)[1] <= now]
        if not ended:
            continue
        wide = {name: held.of_store(name, store.store) for name in ("sales", "tenders")}
        for one in ended:
            control = _control(store, one, listed[store.store], held.quarantined)
            key = (store.store, one)
            controls[key] = control
            if not held.is_bare(control) or key in known:
                scopes[key] += _store_day_levels(deps, store, control, held, wide)
        level = _payout_level(store, ended, held, bank, today=store.local_date(now))
        scopes[store.store, ended[-1]].append(level)
    pairing, ledger_level = _ledger_level(deps, dates, held)
    scopes[EVERY_STORE, dates[-1]].append(ledger_level)
    levels = tuple(_over_all(level, scopes) for level in LEVELS)
    breaks = tuple(found for level in levels for found in level.breaks)
    is_read = ledger_level.state != "not_connected"
    equations = tuple(_equations(controls, breaks, pairing)) if is_read else ()
    outcome = Reconciliation(levels=levels, equations=equations, breaks=breaks)
    flow.record_all(deps.books, scopes, (dates[0], dates[-1]))
    log.info(
        "reconcile.finished",
        extra={
            "fields": {
                "dates": len(dates),
                "levels": {one.level: one.state for one in levels},
                "unexplained_minor": outcome.unexplained_minor,
            }
        },
    )
    return outcome


def _over_all(
    level: Level, scopes: Mapping[tuple[str, date], Sequence[LevelResult]]
) -> LevelResult:
    found = [one for results in scopes.values() for one in results if one.level == level]
    return combined(found or [not_connected(level, "no store-day has ended")])


def _held(deps: CloseDeps, dates: Sequence[date]) -> _Held:
    lake = deps.conform.lake
    with deps.lake_lock():
        whole = span_facts(lake, dates)
        facts = {one: split(_of_date(whole, one)) for one in dates}
        settled = {
            name: lake.read(name, _around(lake.dates(name), dates, SETTLED_WITHIN))
            for name in ("payouts", "payout_entries")
        }
        taken = _around(lake.dates("tenders"), dates, 2 * SETTLED_WITHIN)
        settled["tenders"] = lake.read("tenders", taken)
        over = _over_returned(deps, facts)
        gaps = _custody_gaps(deps, dates)
    with deps.books.engine.connect() as connection:
        booked = books.entries(connection, states=IN_BOOKS)
    by_day: dict[tuple[str, str], list[EntryRow]] = defaultdict(list)
    for row in booked:
        by_day[row.store, row.business_date].append(row)
    return _Held(
        facts=facts,
        settled=split(settled),
        booked=booked,
        by_day=dict(by_day),
        quarantined=quarantined_ids(deps),
        over_returned=over,
        custody_gaps=gaps,
    )


def _custody_gaps(
    deps: CloseDeps, dates: Sequence[date]
) -> dict[tuple[str, date], list[journal.EntryFinding]]:
    """Store-day -> drawers opened with other cash than was left, also on days before (R-8.2)."""
    lake = deps.conform.lake
    before = dates[0] - SHIFTS_WITHIN
    near = [one for one in lake.dates("cash_shifts") if before <= one <= dates[-1]]
    found: dict[tuple[str, date], list[journal.EntryFinding]] = defaultdict(list)
    for gap in custody_gaps(lake.read("cash_shifts", near), lake.read("cash_events", near)):
        found[gap.store, gap.business_date].append(gap.finding)
    return dict(found)


def _over_returned(
    deps: CloseDeps, facts: Mapping[date, Mapping[str, Mapping[str, pa.Table]]]
) -> dict[tuple[str, date], list[Break]]:
    """Store-day -> what came back on it beyond what was sold, whenever that was (INV-07)."""
    lake = deps.conform.lake
    found: list[returned.Sold] = []
    sales = sorted({one for rows in _all(facts, "sale_lines") for one in returned.originals(rows)})
    if sales:
        columns: Sequence[str] = returned.LINE_COLUMNS
        sold = lake.read("sale_lines", columns=columns, where=("sale_id", sales))
        back = lake.read("sale_lines", columns=columns, where=("return_of_sale_id", sales))
        found += returned.returned_lines(
            pa.concat_tables(
                [
                    sold.filter(pc.equal(sold["event"], "sale")),
                    back.filter(pc.equal(back["event"], "return")),
                ]
            )
        )
    payments = sorted({one for rows in _all(facts, "tenders") for one in returned.paid_back(rows)})
    if payments:
        columns = returned.TENDER_COLUMNS
        paid = lake.read("tenders", columns=columns, where=("tender_id", payments))
        back = lake.read("tenders", columns=columns, where=("original_tender_id", payments))
        found += returned.refunded_tenders(
            pa.concat_tables(
                [
                    paid.filter(pc.equal(paid["event"], "payment")),
                    back.filter(pc.equal(back["event"], "refund")),
                ]
            )
        )
    currency = {store.store: store.currency for store in deps.stores}
    by_day: dict[tuple[str, date], list[Break]] = defaultdict(list)
    for one in found:
        by_day[one.store, one.on] += returned.over_returned([one], currency[one.store])
    return dict(by_day)


def _all(
    facts: Mapping[date, Mapping[str, Mapping[str, pa.Table]]], table: str
) -> Iterable[pa.Table]:
    return [one[table] for stores in facts.values() for one in stores.values() if table in one]


def dates_with_breaks(deps: CloseDeps, *, since: date) -> list[date]:
    """Business dates from `since` on with a break that is not verified as gone, sorted."""
    found = {one for _, one in _scopes_with_breaks(deps) if one >= since}
    return sorted(found & set(closed_dates(deps, since=since)))


def _scopes_with_breaks(deps: CloseDeps) -> set[tuple[str, date]]:
    """Store-days with a break that is not verified as gone: they are looked at even when bare."""
    with deps.books.engine.connect() as connection:
        rows = books.current_breaks(connection)
    return {
        (row.store, date.fromisoformat(row.business_date))
        for row in rows
        if row.state != "verified"
    }


def _of_date(whole: Mapping[str, pa.Table], business_date: date) -> dict[str, pa.Table]:
    day = pa.scalar(business_date, pa.date32())
    return {name: rows.filter(pc.equal(rows["business_date"], day)) for name, rows in whole.items()}


def _around(present: Sequence[date], dates: Sequence[date], within: timedelta) -> list[date]:
    """Partitions within a time of the dates. A payout near them names tenders still older."""
    return [one for one in present if dates[0] - within <= one <= dates[-1] + within]


def _control(
    store: Store,
    business_date: date,
    listed: Mapping[date, Sequence[Listed]] | None,
    quarantined: frozenset[str],
) -> Control:
    return Control(
        scope=Scope(store=store.store, business_date=business_date, currency=store.currency),
        interval=store.day_interval(business_date),
        rows=None if listed is None else list(listed.get(business_date, ())),
        quarantined=quarantined,
    )


def _store_day_levels(
    deps: CloseDeps,
    store: Store,
    control: Control,
    held: _Held,
    wide: Mapping[str, pa.Table],
) -> Iterable[LevelResult]:
    """L1, L2, L3 and L5. wide: the store's sales and tenders over all dates of the span."""
    scope = control.scope
    day = DayFacts.of(
        store,
        scope.business_date,
        held.facts[scope.business_date].get(store.store, {}),
        processor=deps.processors.get(store.source, ""),
        quarantined=held.quarantined,
    )
    children = {name: getattr(day, name) for name in ("sale_lines", "sale_services", "sale_taxes")}
    yield compare_records(control, wide["sales"])
    over = held.over_returned.get((scope.store, scope.business_date), ())
    yield compare_totals(control, day.sales, children, over)
    yield (
        compare_tenders(
            scope,
            day.of_closed_sales(day.sale_tenders),
            wide["tenders"],
            quarantined=held.quarantined,
        )
        if store.source in deps.pos
        else not_connected("L3", "an export has no second record of its payments")
    )
    entries = journal.day_entries(day, deps.accounts, fees_at=deps.fees_at)
    gaps = held.custody_gaps.get((scope.store, scope.business_date), ())
    entries = msgspec.structs.replace(entries, findings=(*entries.findings, *gaps))
    booked = [
        row.entry for row in held.by_day.get((scope.store, scope.business_date.isoformat()), ())
    ]
    total = int(pc.sum(day.closed_sales["total_minor"], min_count=0).as_py())
    yield compare_books(scope, entries, booked, sales_total_minor=total)


def _payout_level(
    store: Store,
    dates: Sequence[date],
    held: _Held,
    bank: Sequence[BankLine] | None,
    *,
    today: date,
) -> LevelResult:
    """L4 of a store: tenders of the dates, in whatever payout they were settled."""
    scope = Scope(store=store.store, business_date=dates[-1], currency=store.currency)
    near = {
        name: held.settled.get(store.store, {}).get(name, TABLES[name].empty_table())
        for name in ("tenders", "payouts", "payout_entries")
    }
    settlement = Settlement(
        tenders=held.of_store("tenders", store.store),
        payouts=near["payouts"],
        payout_entries=near["payout_entries"],
        known=frozenset(near["tenders"]["tender_id"].to_pylist()),
        bank_lines=bank,
    )
    return compare_payouts(scope, settlement, today)


def _ledger_level(
    deps: CloseDeps, dates: Sequence[date], held: _Held
) -> tuple[Pairing, LevelResult]:
    """L6 of a window around the dates: whatever is dated in it, ours and others'."""
    start, end = dates[0] - LEDGER_BEFORE, dates[-1] + LEDGER_AFTER
    booked = [
        Booked(row.posting_key, row.state, row.entry)
        for row in held.booked
        if row.state in IN_LEDGER and start <= row.entry.ledger_date < end
    ]
    documents = _try_documents(deps, start, end)
    last, before = end - timedelta(days=1), start - timedelta(days=1)
    ledger = deps.books.ledger
    side = LedgerSide(
        documents=documents,
        control_accounts=deps.accounts.accounts(*CONTROL_ROLES),
        on=last,
        trial_balance=ledger.trial_balance(last) if documents is not None else None,
        opening=ledger.trial_balance(before) if documents is not None else {},
    )
    currency = deps.stores[0].currency if deps.stores else "USD"
    return (
        pair_documents(booked, documents or ()),
        compare_ledger(booked, side, currency=currency),
    )


def _try_documents(deps: CloseDeps, start: date, end: date) -> list[LedgerDocument] | None:
    try:
        return deps.books.ledger.documents(start, end)
    except ConductorError as error:
        log.warning("ledger.unread", extra={"fields": {"error": str(error)}})
        return None


def _try_bank(deps: CloseDeps, dates: Sequence[date]) -> list[BankLine] | None:
    """Lines of every payout that is compared: those around the dates (`_around`), once banked."""
    try:
        first, last = dates[0] - SETTLED_WITHIN, dates[-1] + SETTLED_WITHIN
        return bank_lines(deps, first, last + BANK_DAYS)
    except ConductorError as error:
        log.warning("bank_lines.failed", extra={"fields": {"error": str(error)}})
        return None


def _equations(
    controls: Mapping[tuple[str, date], Control], breaks: Sequence[Break], pairing: Pairing
) -> Iterable[Equation]:
    """R-14.5 for every store-day whose source could be asked."""
    totals = ledger_totals(pairing)
    for (store, business_date), control in sorted(controls.items()):
        if control.rows is None:
            continue
        yield store_day_equation(
            store,
            business_date,
            pos_minor=pos_total(control),
            ledger_minor=totals.get((store, business_date), 0),
            breaks=breaks,
        )
