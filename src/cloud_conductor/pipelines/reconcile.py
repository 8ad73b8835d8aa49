"""Six levels over a span of business dates: two independent records each (§14).

Levels L1, L2, L3 and L5 are worked out per store-day, L4 per store, L6 once per organisation; here
they are added up. Nothing is written but the breaks found, which keep their id and age.

A long span is read in windows. Store-days whose two sides are equal as sets are settled by that;
only the others are looked at record by record (accounting.agreed, accounting.sifting).
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting import digests, flow, returned
from cloud_conductor.accounting.agreed import Way
from cloud_conductor.accounting.breaks import LEVELS, Break, Level, Scope
from cloud_conductor.accounting.collected import collected
from cloud_conductor.accounting.equation import Equation, ledger_totals, store_day_equation
from cloud_conductor.accounting.facts import split
from cloud_conductor.accounting.level_ledger import (
    Booked,
    LedgerSide,
    compare_ledger,
    pair_documents,
)
from cloud_conductor.accounting.level_payouts import Settlement, bank_index, compare_payouts
from cloud_conductor.accounting.level_sales import (
    pos_total,
)
from cloud_conductor.accounting.levels import LevelResult, combined, not_connected
from cloud_conductor.accounting.sifting import Sieve
from cloud_conductor.conform.span import span_facts
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.pipelines.close import (
    BANK_DAYS,
    WINDOW,
    CloseDeps,
    bank_lines,
    closed_dates,
    control_rows,
    windows,
)
from cloud_conductor.pipelines.drawers import with_drawers
from cloud_conductor.pipelines.sequence import sequence_breaks
from cloud_conductor.pipelines.window import Window, facts_of
from cloud_conductor.ports.ledger import BankLine
from cloud_conductor.state import accounting as books

log = logging.getLogger("conductor")

LEDGER_BEFORE = timedelta(days=1)
LEDGER_AFTER = timedelta(days=8)  # documents somebody re-dated, deposits dated by the bank
SETTLED_WITHIN = timedelta(days=14)  # payouts of a tender come this much later at the latest
IN_LEDGER = ("sending", "posted", "dead")
IN_BOOKS = ("draft", "approved", "pending", "sending", "posted", "dead")
TENDER_COLUMNS = (
    "store", "business_date", "event", "tender_id", "tender_type", "processor", "state", "currency",
    "amount_minor", "tip_minor", "fee_minor",
)  # fmt: skip
_NO_TENDERS = TABLES["tenders"].empty_table().select(TENDER_COLUMNS)
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


@dataclass
class _Sum:
    """What the windows of a span add up to.

    levels: per level, one result a window. pos: store-day -> what its source lists. collected:
    posting key of a SALES entry in the books -> its store-day and what it says was collected.
    tenders: all of the span, as far as L4 looks at them.
    """

    levels: dict[Level, list[LevelResult]] = field(default_factory=lambda: defaultdict(list))
    pos: dict[tuple[str, date], int] = field(default_factory=dict)
    collected: dict[str, tuple[str, date, int]] = field(default_factory=dict)
    tenders: list[pa.Table] = field(default_factory=list)

    def add(self, scopes: Mapping[tuple[str, date], Sequence[LevelResult]]) -> None:
        by_level: dict[Level, list[LevelResult]] = defaultdict(list)
        for results in scopes.values():
            for result in results:
                by_level[result.level].append(result)
        for level, found in by_level.items():
            self.levels[level].append(combined(found))


def reconcile(
    deps: CloseDeps, dates: Sequence[date], *, way: Way = digests.compare
) -> Reconciliation:
    """All levels for the store-days of `dates` (sorted, not empty) that have ended.

    way: how sets are compared; digests.exactly joins every row.
    """
    now = deps.clock.now()
    known = _scopes_with_breaks(deps)
    total = _Sum()
    for window in windows(dates):
        scopes = _store_days(_window(deps, window, now, total, way), window, now, known, total)
        total.add(scopes)
        flow.record_all(deps.books, scopes, (window[0], window[-1]))
    last: dict[tuple[str, date], list[LevelResult]] = dict(_payout_levels(deps, dates, total))
    ledger_level, totals = _ledger_level(deps, dates, total)
    last[EVERY_STORE, dates[-1]] = [ledger_level]
    total.add(last)
    flow.record_all(deps.books, last, (dates[0], dates[-1]))
    levels = tuple(
        combined(total.levels[level] or [not_connected(level, "no store-day has ended")])
        for level in LEVELS
    )
    breaks = tuple(found for level in levels for found in level.breaks)
    is_read = ledger_level.state != "not_connected"
    equations = tuple(_equations(total.pos, breaks, totals)) if is_read else ()
    outcome = Reconciliation(levels=levels, equations=equations, breaks=breaks)
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


def _store_days(
    window: Window,
    dates: Sequence[date],
    now: datetime,
    known: Collection[tuple[str, date]],
    total: _Sum,
) -> dict[tuple[str, date], list[LevelResult]]:
    """L1, L2, L3 and L5 of a window's store-days that have ended."""
    scopes: dict[tuple[str, date], list[LevelResult]] = {}
    for store in window.deps.stores:
        for one in dates:
            if store.day_interval(one)[1] > now:
                continue
            control = window.control(store, one)
            key = (store.store, one)
            if control.rows is not None:
                total.pos[key] = pos_total(control)
            if not window.is_bare(control) or key in known:
                scopes[key] = list(window.levels(store, control))
    return scopes


def _window(deps: CloseDeps, dates: Sequence[date], now: datetime, total: _Sum, way: Way) -> Window:
    with deps.lake_lock():
        whole = with_drawers(deps.conform.lake, span_facts(deps.conform.lake, dates))
        over = _over_returned(deps, whole)
        for day, missing in sequence_breaks(deps.conform.engine, deps.stores).items():
            over.setdefault(day, []).extend(missing)
    total.tenders.append(whole["tenders"].select(TENDER_COLUMNS))
    facts = facts_of(deps, whole, dates, now)
    booked: dict[tuple[str, date], list[JournalEntry]] = {}
    stores = [store.store for store in deps.stores]
    with deps.books.engine.connect() as connection:
        for key, entry in books.booked_on(connection, stores, dates[0], dates[-1], IN_BOOKS):
            booked.setdefault((entry.store, entry.business_date), []).append(entry)
            if entry.kind == "SALES":
                total.collected[key] = (entry.store, entry.business_date, collected(entry))
    return Window(
        deps=deps,
        dates=dates,
        whole=whole,
        facts=facts,
        booked=booked,
        listed=control_rows(deps, deps.stores, dates[0], dates[-1]),
        quarantined=facts.quarantined,
        over_returned=over,
        way=way,
    )


def _over_returned(
    deps: CloseDeps, facts: Mapping[str, pa.Table]
) -> dict[tuple[str, date], list[Break]]:
    """Store-day -> what came back on it beyond what was sold, whenever that was (INV-07)."""
    lake = deps.conform.lake
    found: list[returned.Sold] = []
    sales = returned.originals(facts["sale_lines"])
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
    payments = returned.paid_back(facts["tenders"])
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


def _around(present: Sequence[date], dates: Sequence[date], within: timedelta) -> list[date]:
    """Partitions within a time of the dates. A payout near them names tenders still older."""
    return [one for one in present if dates[0] - within <= one <= dates[-1] + within]


def _payout_levels(
    deps: CloseDeps, dates: Sequence[date], total: _Sum
) -> Iterator[tuple[tuple[str, date], list[LevelResult]]]:
    """L4 of every store: tenders of the dates, in whatever payout they were settled."""
    now = deps.clock.now()
    lake = deps.conform.lake
    with deps.lake_lock():
        settled = {
            name: lake.read(name, _around(lake.dates(name), dates, SETTLED_WITHIN))
            for name in ("payouts", "payout_entries")
        }
        near = _around(lake.dates("tenders"), dates, 2 * SETTLED_WITHIN)
        known = lake.read("tenders", near, columns=("store", "tender_id"))
    bank = _try_bank(deps, dates)
    index = bank_index(bank, settled["payouts"]["payout_id"].to_pylist()) if bank else None
    of_store = split(settled | {"tenders": pa.concat_tables(total.tenders), "known": known})
    for store in deps.stores:
        ended = [one for one in dates if store.day_interval(one)[1] <= now]
        if not ended:
            continue
        rows = of_store.get(store.store, {})
        scope = Scope(store=store.store, business_date=ended[-1], currency=store.currency)
        settlement = Settlement(
            tenders=rows.get("tenders", _NO_TENDERS),
            payouts=rows.get("payouts", TABLES["payouts"].empty_table()),
            payout_entries=rows.get("payout_entries", TABLES["payout_entries"].empty_table()),
            known=frozenset(rows["known"]["tender_id"].to_pylist() if "known" in rows else ()),
            bank_lines=bank,
            index=index,
        )
        level = compare_payouts(scope, settlement, store.local_date(now))
        yield (store.store, ended[-1]), [level]


def _ledger_level(
    deps: CloseDeps, dates: Sequence[date], total: _Sum
) -> tuple[LevelResult, dict[tuple[str, date], int]]:
    """L6 of a window around the dates: whatever is dated in it, ours and others'.

    And store-day -> what the ledger says was collected on it.
    """
    start, end = dates[0] - LEDGER_BEFORE, dates[-1] + LEDGER_AFTER
    last, before = end - timedelta(days=1), start - timedelta(days=1)
    with deps.books.engine.connect() as connection:
        heads = {
            one.posting_key: one for one in books.ledger_heads(connection, start, last, IN_LEDGER)
        }
    sieve = Sieve(heads)
    is_read = _sift(deps, sieve, start, end)
    entries = _entries_in_doubt(deps, sieve) if is_read else {}
    booked = [Booked(key, heads[key].state, entry) for key, entry in entries.items()]
    settled = sieve.settled.keys() - entries.keys()
    ledger = deps.books.ledger
    accounts = deps.accounts.accounts(*CONTROL_ROLES)
    side = LedgerSide(documents=None, control_accounts=accounts, on=last)
    if is_read:
        side = sieve.side(
            entries,
            control_accounts=accounts,
            on=last,
            trial_balance=ledger.trial_balance(last),
            opening=ledger.trial_balance(before),
        )
    currency = deps.stores[0].currency if deps.stores else "USD"
    totals = ledger_totals(pair_documents(booked, side.documents or ()))
    for key in settled & total.collected.keys():
        store, on, minor = total.collected[key]
        totals[store, on] = totals.get((store, on), 0) + minor
    return compare_ledger(booked, side, currency=currency), totals


def _sift(deps: CloseDeps, sieve: Sieve, start: date, end: date) -> bool:
    """Read every document dated in [start, end), a window at a time; False when it cannot be."""
    try:
        while start < end:
            stop = min(start + WINDOW, end)
            sieve.take(deps.books.ledger.documents(start, stop))
            start = stop
    except ConductorError as error:
        log.warning("ledger.unread", extra={"fields": {"error": str(error)}})
        return False
    return True


def _entries_in_doubt(deps: CloseDeps, sieve: Sieve) -> dict[str, JournalEntry]:
    """Entries that have to be looked at one by one, by posting key."""
    doubtful = sieve.doubtful()
    dates = {one.isoformat() for one in sieve.foreign_dates()}
    near = [key for key, head in sieve.heads.items() if head.ledger_date in dates]
    with deps.books.engine.connect() as connection:
        keys = sorted(doubtful | set(near))
        found = {row.posting_key: row.entry for row in books.entries(connection, keys=keys)}
    copied = sieve.copied({key: found[key] for key in near})
    return {key: entry for key, entry in found.items() if key in doubtful or key in copied}


def _try_bank(deps: CloseDeps, dates: Sequence[date]) -> list[BankLine] | None:
    """Lines of every payout that is compared: those around the dates (`_around`), once banked."""
    try:
        first, last = dates[0] - SETTLED_WITHIN, dates[-1] + SETTLED_WITHIN
        return bank_lines(deps, first, last + BANK_DAYS)
    except ConductorError as error:
        log.warning("bank_lines.failed", extra={"fields": {"error": str(error)}})
        return None


def _equations(
    pos: Mapping[tuple[str, date], int],
    breaks: Sequence[Break],
    totals: Mapping[tuple[str, date], int],
) -> Iterator[Equation]:
    """R-14.5 for every store-day whose source could be asked."""
    by_day: dict[tuple[str, date], list[Break]] = defaultdict(list)
    for found in breaks:
        by_day[found.store, found.business_date].append(found)
    for (store, business_date), minor in sorted(pos.items()):
        yield store_day_equation(
            store,
            business_date,
            pos_minor=minor,
            ledger_minor=totals.get((store, business_date), 0),
            breaks=by_day.get((store, business_date), ()),
        )
