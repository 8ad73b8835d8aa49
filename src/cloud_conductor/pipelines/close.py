"""Close the store-days of a business date: listed, sealed, drafted (R-2.7, design decision 10).

One run serves all stores of a date. It may be run again at any time: drafting changes nothing when
the facts are the same, and a late sale makes a new version of its entries (§13).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting import day, flow, journal
from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.custody import closed_shifts
from cloud_conductor.accounting.facts import DayFacts, split
from cloud_conductor.accounting.level_payouts import deposit_dates
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.journal import KIND_ORDER
from cloud_conductor.domain.stores import Store
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.ingest.flow_landing import LandingDeps, run_landing
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.ledger import BankLine
from cloud_conductor.ports.pos import Listed, PosAdapter
from cloud_conductor.state import accounting as books
from cloud_conductor.state import conform as conform_state
from cloud_conductor.state.accounting import DayRow

log = logging.getLogger("conductor")

PREPARER = "service:scheduler"
BANK_DAYS = timedelta(days=6)  # a deposit bag reaches the bank within 5 days
FACT_TABLES = (
    "sales",
    "tenders",
    "payouts",
    "payout_entries",
    "cash_shifts",
    "cash_events",
    "gift_card_activities",
)
"""Tables whose newer rows make a store-day due again: each of them can change an entry."""


@dataclass(frozen=True)
class CloseDeps:
    """What closing and reconciling need. lake_lock: one writer of the lake at a time.

    bank_account: ledger code of the bank account, for statement lines; empty for none. processors:
    source -> who settles its cards; the source's own name where none is given.
    """

    clock: Clock
    stores: Sequence[Store]
    ingest: ingest.IngestDeps
    conform: conform.ConformDeps
    books: flow.BooksDeps
    pos: Mapping[str, PosAdapter]
    accounts: AccountMap
    fees_at: journal.FeesAt
    grace: timedelta
    bank_account: str
    lake_lock: Callable[[], AbstractContextManager[None]]
    processors: Mapping[str, str] = field(default_factory=dict)
    landing: LandingDeps | None = None


class Closed(msgspec.Struct, frozen=True):
    """What a close run did. waiting: stores whose day or control totals are not complete yet."""

    business_date: str
    stores: int = 0
    waiting: tuple[str, ...] = ()
    drafted: int = 0
    blocked: int = 0
    unchanged: int = 0
    findings: tuple[str, ...] = ()


def refresh(deps: CloseDeps) -> None:
    """Read what the sources changed, fetch what events name, conform to the log's end, archive."""
    ingest.run_sweeps(deps.ingest, deps.clock.now())
    land(deps)
    catch_up(deps)


def land(deps: CloseDeps, *, only_due: bool = False) -> None:
    """Take the exports that have landed, where any are configured."""
    if deps.landing is not None:
        run_landing(deps.landing, deps.clock.now(), only_due=only_due)


def catch_up(deps: CloseDeps) -> None:
    """Fetch, conform and archive what the log holds; asks the source only for thin events."""
    ingest.run_fetch(deps.ingest)
    with deps.lake_lock():
        conform.run_conform(deps.conform)
    ingest.run_archive(deps.ingest)


def due_dates(deps: CloseDeps, now: datetime) -> list[date]:
    """Business dates with a store-day that ended and is not closed, or has newer rows since.

    Empty days in between count: a closed store is proven, not assumed (R-2.7). A day whose SALES
    entry is blocked is due again when a day around it has newer rows: a payment it lacks, or the
    sale of one it has too much, may be among them (R-2.8); one blocked by a missing account (D10) is
    due again under another mapping.
    """
    with deps.lake_lock():
        conform.check_lake(deps.conform)
        newest: dict[date, int] = {}
        for table in FACT_TABLES:
            for found, seq in deps.conform.lake.newest(table).items():
                newest[found] = max(seq, newest.get(found, 0))
    if not newest:
        return []
    with deps.books.engine.connect() as connection:
        rows = {(row.store, row.business_date): row for row in books.days(connection)}
        blocked = books.entries(connection, states=("blocked",))
    torn = {date.fromisoformat(row.business_date) for row in blocked if "D03:" in row.error}
    around = {one: _newest_around(newest, one) for one in torn}
    newest |= around
    version = deps.accounts.version
    mapped = {
        (row.store, row.business_date)
        for row in blocked
        if "D10:" in row.error and row.mapping_version != version
    }
    rows |= {key: _still_due(rows[key]) for key in mapped & rows.keys()}
    return [
        one
        for one in _range(min(newest), _last_ended(deps.stores, now))
        if any(_is_due(store, one, rows, newest.get(one, 0), now) for store in deps.stores)
    ]


def closed_dates(deps: CloseDeps, *, since: date) -> list[date]:
    """Business dates from `since` on with a store-day that was closed, sorted."""
    with deps.books.engine.connect() as connection:
        rows = books.days(connection)
    closed = {row.business_date for row in rows if row.state in ("COMPLETE", "POSTED", "EMPTY")}
    return sorted(found for one in closed if (found := date.fromisoformat(one)) >= since)


def close_date(deps: CloseDeps, business_date: date, *, preparer: str = PREPARER) -> Closed:
    """Close every store whose day has ended; the others are left for later."""
    now = deps.clock.now()
    ended = [store for store in deps.stores if store.day_interval(business_date)[1] <= now]
    if not ended:
        return Closed(business_date.isoformat())
    with deps.lake_lock():
        conform.run_seal(deps.conform, business_date)
        facts_seq = _facts_seq(deps, business_date)
        tables = read_facts(deps, business_date)
    bank = cache(lambda: _bank_lines(deps, business_date))
    with deps.books.engine.connect() as connection:
        known = {
            row.store: row
            for row in books.days(connection)
            if row.business_date == business_date.isoformat()
        }
    waiting = quarantined_ids(deps)
    listed = control_rows(deps, ended, business_date, business_date)
    desk = _Desk(deps, business_date, now, split(tables), bank, facts_seq, waiting, listed)
    rows: list[DayRow] = []
    made_days: list[tuple[Store, journal.DayEntries]] = []
    for store in ended:
        row, made = desk.store_day(store, known.get(store.store))
        rows.append(row)
        if made is not None:
            made_days.append((store, made))
    drafted = flow.DraftResult()
    if made_days:
        drafted = _draft(deps, business_date, made_days, preparer)
    with books.writing(deps.books.engine) as writer:
        deferred = books.entries(writer.connection, keys=drafted.deferred)
        unfinished = {row.store for row in deferred}
        for row in rows:
            writer.put_day(_still_due(row) if row.store in unfinished else row)
    closed = Closed(
        business_date=business_date.isoformat(),
        stores=len(ended),
        waiting=tuple(row.store for row in rows if row.state == "ENDED"),
        drafted=len(drafted.drafted),
        blocked=len(drafted.blocked),
        unchanged=drafted.unchanged,
        findings=tuple(
            f"{store.store} {one.kind}: {one.finding.message}"
            for store, made in made_days
            for one in made.findings
        ),
    )
    log.info("day.closed", extra={"fields": msgspec.structs.asdict(closed)})
    return closed


def _draft(
    deps: CloseDeps,
    business_date: date,
    days: Sequence[tuple[Store, journal.DayEntries]],
    preparer: str,
) -> flow.DraftResult:
    """Drafts of all stores that may close, in one transaction."""
    return flow.draft_entries(
        deps.books,
        [entry for _, made in days for entry in made.entries],
        preparer,
        withheld=[
            one
            for store, made in days
            for one in flow.withheld_of(store, business_date, made, deps.accounts.version)
        ],
        covers=[(kind, store.store, business_date) for store, _ in days for kind in KIND_ORDER],
    )


def mark_posted(deps: CloseDeps) -> int:
    """Move days on whose entries are all posted (COMPLETE -> POSTED); gives how many moved."""
    with books.writing(deps.books.engine) as writer:
        open_days = [row for row in books.days(writer.connection) if row.state == "COMPLETE"]
        left: set[tuple[str, str]] = {
            (row.store, row.business_date)
            for row in books.entries(
                writer.connection,
                states=("draft", "approved", "pending", "sending", "blocked", "rejected", "dead"),
            )
        }
        done = [row for row in open_days if (row.store, row.business_date) not in left]
        for row in done:
            writer.put_day(
                msgspec.structs.replace(row, state="POSTED", updated_us=deps.books.now_us)
            )
    return len(done)


def read_facts(deps: CloseDeps, business_date: date) -> dict[str, pa.Table]:
    """Enriched facts of all stores of a date, each payment on the day of its sale (R-2.8)."""
    return conform.day_facts(deps.conform.lake, business_date)


def quarantined_ids(deps: CloseDeps) -> frozenset[str]:
    """Ids of objects of which a version waits in quarantine (D16)."""
    rows = conform_state.quarantine(deps.conform.engine)
    return frozenset(row.object_id for row in rows if row.object_id)


def control_rows(
    deps: CloseDeps, stores: Sequence[Store], first: date, last: date
) -> dict[str, dict[date, list[Listed]] | None]:
    """Store -> business date -> the source's own listing; None for a store that cannot be asked.

    Stores of one source whose days begin at the same instants are asked together.
    """
    groups: dict[tuple[str, datetime, datetime], list[Store]] = {}
    for store in stores:
        start, end = store.day_interval(first)[0], store.day_interval(last)[1]
        groups.setdefault((store.source, start, end), []).append(store)
    found: dict[str, dict[date, list[Listed]] | None] = {}
    for (source, start, end), some in groups.items():
        if source not in deps.pos:  # exports: there is nobody to ask
            found |= dict.fromkeys((store.store for store in some), None)
            continue
        try:
            rows = deps.pos[source].control([store.location_id for store in some], start, end)
        except ConductorError as error:
            fields = {"source": source, "stores": len(some), "error": str(error)}
            log.warning("control.failed", extra={"fields": fields})
            found |= dict.fromkeys((store.store for store in some), None)
            continue
        by_place = {store.location_id: store for store in some}
        days: dict[str, dict[date, list[Listed]]] = {store.store: {} for store in some}
        for row in rows:
            store = by_place[row.location_id]
            days[store.store].setdefault(store.business_date(row.occurred_at), []).append(row)
        found |= days
    return found


@dataclass(frozen=True)
class _Desk:
    """One close run of one date. bank: asked once, and only when a bag may have reached it."""

    deps: CloseDeps
    business_date: date
    now: datetime
    tables: Mapping[str, Mapping[str, pa.Table]]
    bank: Callable[[], Sequence[BankLine]]
    facts_seq: int
    quarantined: frozenset[str]
    listed: Mapping[str, Mapping[date, Sequence[Listed]] | None]

    def store_day(
        self, store: Store, known: DayRow | None
    ) -> tuple[DayRow, journal.DayEntries | None]:
        """The day's new row, and its entries when it may close."""
        facts = DayFacts.of(
            store,
            self.business_date,
            self.tables.get(store.store, {}),
            processor=self.deps.processors.get(store.source, ""),
            quarantined=self.quarantined,
        )
        interval = store.day_interval(self.business_date)
        totals = self._control(store, facts)
        state = day.next_state(
            known.state if known else "OPEN",  # type: ignore[arg-type]
            self.now,
            interval,
            totals,
            has_other_facts=any(
                getattr(facts, name).num_rows for name in ("tenders", "payouts", "cash_shifts")
            ),
            grace=self.deps.grace,
        )
        row = DayRow(
            store=store.store,
            business_date=self.business_date.isoformat(),
            state=state,
            currency=store.currency,
            updated_us=self.deps.books.now_us,
            control_count=totals.listed_count if totals else None,
            control_minor=totals.listed_minor if totals else None,
            held_count=totals.held_count if totals else None,
            held_minor=totals.held_minor if totals else None,
            facts_seq=self.facts_seq,
        )
        if not day.may_close(state):
            return row, None
        made = journal.day_entries(
            facts,
            self.deps.accounts,
            fees_at=self.deps.fees_at,
            bank_dates=self._deposit_dates(store, facts),
        )
        if state in ("POSTED", "LOCKED"):  # late facts: their deltas are open again (§13)
            row = msgspec.structs.replace(row, state="COMPLETE")
        return row, made

    def _control(self, store: Store, facts: DayFacts) -> day.ControlTotals | None:
        days = self.listed[store.store]
        if days is None:
            return None
        rows = days.get(self.business_date, ())
        listed = {row.object_id: row for row in rows if row.state.upper() == "COMPLETED"}
        held = facts.closed_sales
        return day.ControlTotals(
            listed_count=len(listed),
            listed_minor=sum(row.total_minor for row in listed.values()),
            held_count=held.num_rows,
            held_minor=int(pc.sum(held["source_total_minor"], min_count=0).as_py()),
        )

    def _deposit_dates(self, store: Store, facts: DayFacts) -> dict[str, date]:
        bags = {
            shift.shift_id: shift.deposit for shift in closed_shifts(facts) if shift.deposit > 0
        }
        if not bags:
            return {}
        scope = Scope(store=store.store, business_date=self.business_date, currency=store.currency)
        return deposit_dates(scope, bags, self.bank())


def bank_lines(deps: CloseDeps, start: date, end: date) -> list[BankLine] | None:
    """Statement lines of the bank account dated in [start, end); None when not connected."""
    if not deps.bank_account:
        return None
    return deps.books.ledger.bank_lines(deps.bank_account, start, end)


def _bank_lines(deps: CloseDeps, business_date: date) -> Sequence[BankLine]:
    try:
        return bank_lines(deps, business_date, business_date + BANK_DAYS) or ()
    except ConductorError as error:
        log.warning("bank_lines.failed", extra={"fields": {"error": str(error)}})
        return ()


def _facts_seq(deps: CloseDeps, business_date: date) -> int:
    """Everything a close of the date looks at is older than this, days around it included."""
    return max(
        _newest_around(deps.conform.lake.newest(table), business_date) for table in FACT_TABLES
    )


def _newest_around(newest: Mapping[date, int], business_date: date) -> int:
    near = conform.SALE_WITHIN
    seqs = (seq for one, seq in newest.items() if abs(one - business_date) <= near)
    return max(seqs, default=0)


def _still_due(row: DayRow) -> DayRow:
    """A day whose next version waits for one on its way: closed again until it is drafted."""
    return msgspec.structs.replace(row, facts_seq=0)


def _is_due(
    store: Store,
    business_date: date,
    rows: Mapping[tuple[str, str], DayRow],
    newest_seq: int,
    now: datetime,
) -> bool:
    if store.day_interval(business_date)[1] > now:
        return False
    row = rows.get((store.store, business_date.isoformat()))
    if row is None or row.state in ("OPEN", "ENDED"):
        return True
    return newest_seq > (row.facts_seq or 0)


def _last_ended(stores: Sequence[Store], now: datetime) -> date:
    """The newest business date that has ended in at least one store."""
    return max(store.business_date(now) - timedelta(days=1) for store in stores)


def _range(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
