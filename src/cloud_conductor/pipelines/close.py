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
from pathlib import Path

import msgspec
import pyarrow as pa

from cloud_conductor.accounting import flow, journal
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.conform import flow as conform
from cloud_conductor.conform.span import span_facts
from cloud_conductor.domain.errors import ConductorError
from cloud_conductor.domain.journal import KIND_ORDER
from cloud_conductor.domain.stores import Store
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.ingest import flow_watch as watch
from cloud_conductor.ingest.flow_landing import LandingDeps, run_landing
from cloud_conductor.pipelines import desk
from cloud_conductor.pipelines.drawers import newest_before, with_drawers
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.ledger import BankLine
from cloud_conductor.ports.pos import Listed, PosAdapter
from cloud_conductor.state import accounting as books
from cloud_conductor.state import conform as conform_state
from cloud_conductor.state.accounting import DayRow

log = logging.getLogger("conductor")

PREPARER = "service:scheduler"
WINDOW = timedelta(days=31)
"""How far apart dates are that are worked on together: a month of a large chain fits in memory."""
BANK_READ = timedelta(days=180)  # Xero's Finance API answers for 12 months at most
BANK_DAYS = timedelta(days=6)  # a deposit bag reaches the bank within 5 days
FACT_TABLES = (
    "sales",
    "tenders",
    "payouts",
    "payout_entries",
    "disputes",
    "cash_shifts",
    "cash_events",
    "gift_card_activities",
)
"""Tables whose newer rows make a store-day due again: each of them can change an entry."""


@dataclass(frozen=True)
class CloseDeps:
    """What closing and reconciling need. lake_lock: one writer of the lake at a time.

    bank_account: ledger code of the bank account, for statement lines; empty for none. processors:
    source -> who settles its cards; the source's own name where none is given. folder: whose disk
    has to have room, where state is kept on one.
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
    folder: Path | None = None
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
    watch.run_places(deps.ingest, deps.clock.now())


def land(deps: CloseDeps, *, only_due: bool = False) -> None:
    """Take the exports that have landed, where any are configured."""
    if deps.landing is not None:
        run_landing(deps.landing, deps.clock.now(), only_due=only_due)


def catch_up(deps: CloseDeps) -> None:
    """Fetch, conform and archive what the log holds; asks the source only for thin events."""
    take_in(deps.ingest, deps.conform, deps.lake_lock)


def take_in(
    coming: ingest.IngestDeps,
    conforming: conform.ConformDeps,
    lake_lock: Callable[[], AbstractContextManager[None]],
) -> None:
    """`catch_up` where there are no books."""
    ingest.run_fetch(coming)
    with lake_lock():
        conform.run_conform(conforming)
    ingest.run_archive(coming)
    watch.run_watch(coming)


def due_dates(deps: CloseDeps, now: datetime) -> list[date]:
    """Business dates with a store-day that ended and is not closed, or has newer rows since.

    Empty days in between count: a closed store is proven, not assumed (R-2.7). A day whose SALES
    entry is blocked is due again when a day around it has newer rows: a payment it lacks, or the
    sale of one it has too much, may be among them (R-2.8); one blocked by a missing account (D10) is
    due again under another mapping. So is a day whose drawers were opened after some that have newer
    rows: a count that came late says what they were opened with too little (R-8.2).
    """
    with deps.lake_lock():
        conform.check_lake(deps.conform)
        by_table = {table: deps.conform.lake.newest(table) for table in FACT_TABLES}
    newest: dict[date, int] = {}
    for some in by_table.values():
        for found, seq in some.items():
            newest[found] = max(seq, newest.get(found, 0))
    if not newest:
        return []
    with deps.books.engine.connect() as connection:
        rows = books.day_states(connection)
        blocked = books.blocked_entries(connection)
    torn = {date.fromisoformat(row.business_date) for row in blocked if "D03:" in row.error}
    around = {one: _newest_around(newest, one) for one in torn}
    newest |= around
    for one in by_table["cash_shifts"]:
        newest[one] = max(newest[one], newest_before(by_table, one))
    version = deps.accounts.version
    mapped = {
        (row.store, row.business_date)
        for row in blocked
        if "D10:" in row.error and row.mapping_version != version
    }
    for store, on in mapped:
        if store in rows.get(on, ()):
            rows[on][store] = (rows[on][store][0], 0)
    return [
        one
        for one in _range(min(newest), _last_ended(deps.stores, now))
        if _is_due(deps.stores, one, rows.get(one.isoformat(), {}), newest.get(one, 0), now)
    ]


def closed_dates(deps: CloseDeps, *, since: date) -> list[date]:
    """Business dates from `since` on with a store-day that was closed, sorted."""
    with deps.books.engine.connect() as connection:
        return books.dates_in(connection, ("COMPLETE", "POSTED", "EMPTY"), since)


def close_date(deps: CloseDeps, business_date: date, *, preparer: str = PREPARER) -> Closed:
    """Close every store whose day has ended; the others are left for later."""
    (closed,) = close_dates(deps, [business_date], preparer=preparer)
    return closed


def close_dates(
    deps: CloseDeps, dates: Sequence[date], *, preparer: str = PREPARER
) -> list[Closed]:
    """`close_date` of many dates: they are read, listed and drafted some WINDOW_DAYS at a time."""
    return [_close(deps, window, preparer) for window in windows(dates)]


def windows(dates: Sequence[date]) -> Iterator[Sequence[date]]:
    """Dates in order, so many at a time that memory is bounded, none far from the next."""
    ordered = sorted(set(dates))
    start = 0
    for n in range(1, len(ordered) + 1):
        if n == len(ordered) or ordered[n] - ordered[start] >= WINDOW:
            yield ordered[start:n]
            start = n


def _close(deps: CloseDeps, dates: Sequence[date], preparer: str) -> Closed:
    """One window: read, work out, draft, write down."""
    now = deps.clock.now()
    name = "/".join(sorted({dates[0].isoformat(), dates[-1].isoformat()}))
    days = [
        (store, one) for one in dates for store in deps.stores if store.day_interval(one)[1] <= now
    ]
    if not days:
        return Closed(name)
    worked_out = desk.work_out(
        _read(deps, dates, days, now),
        desk.Rules(deps.accounts, deps.fees_at, deps.grace, deps.processors),
    )
    made = [one for one in worked_out if one.made is not None]
    drafted = _draft(deps, made, preparer) if made else flow.DraftResult()
    with books.writing(deps.books.engine) as writer:
        deferred = books.heads(writer.connection, keys=drafted.deferred)
        unfinished = {(row.store, row.business_date) for row in deferred}
        rows = [one.row for one in worked_out]
        writer.put_days(
            [
                _still_due(row) if (row.store, row.business_date) in unfinished else row
                for row in rows
            ]
        )
    closed = Closed(
        business_date=name,
        stores=len({row.store for row in rows}),
        waiting=tuple(dict.fromkeys(row.store for row in rows if row.state == "ENDED")),
        drafted=len(drafted.drafted),
        blocked=len(drafted.blocked),
        unchanged=drafted.unchanged,
        findings=tuple(
            f"{one.store.store} {found.kind}: {found.finding.message}"
            for one in made
            for found in (one.made.findings if one.made else ())
        ),
    )
    log.info("day.closed", extra={"fields": msgspec.structs.asdict(closed)})
    return closed


def _read(
    deps: CloseDeps, dates: Sequence[date], days: Sequence[tuple[Store, date]], now: datetime
) -> desk.Read:
    """Seal the dates and read all that is known of them."""
    with deps.lake_lock():
        conform.run_seals(deps.conform, dates)
        facts_seq = _facts_seq(deps, dates)
        tables = with_drawers(deps.conform.lake, span_facts(deps.conform.lake, dates))
    with deps.books.engine.connect() as connection:
        known = books.days(connection, dates[0], dates[-1])
    stores = list({store.store: store for store, _ in days}.values())
    return desk.Read(
        now=now,
        now_us=deps.books.now_us,
        days=days,
        tables=tables,
        facts_seq=facts_seq,
        known={(row.store, row.business_date): row for row in known},
        listed=control_rows(deps, stores, dates[0], dates[-1]),
        quarantined=quarantined_ids(deps),
        bank=cache(lambda: _bank_lines(deps, dates[0], dates[-1])),
    )


def _draft(deps: CloseDeps, days: Sequence[desk.WorkedOut], preparer: str) -> flow.DraftResult:
    """Drafts of all store-days that may close, in one transaction."""
    made = [(one.store, one.business_date, one.made) for one in days if one.made is not None]
    return flow.draft_entries(
        deps.books,
        [entry for _, _, found in made for entry in found.entries],
        preparer,
        withheld=[
            one
            for store, on, found in made
            if found.findings
            for one in flow.withheld_of(store, on, found, deps.accounts.version)
        ],
        covers=[(kind, store.store, on) for store, on, _ in made for kind in KIND_ORDER],
    )


def mark_posted(deps: CloseDeps) -> int:
    """Move days on whose entries are all posted (COMPLETE -> POSTED); gives how many moved."""
    unposted = ("draft", "approved", "pending", "sending", "blocked", "rejected", "dead")
    with books.writing(deps.books.engine) as writer:
        return books.move_days(writer.connection, "COMPLETE", "POSTED", unposted, deps.books.now_us)


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


def bank_lines(deps: CloseDeps, start: date, end: date) -> list[BankLine] | None:
    """Statement lines of the bank account dated in [start, end); None when not connected."""
    if not deps.bank_account:
        return None
    found: list[BankLine] = []
    while start < end:
        stop = min(start + BANK_READ, end)
        lines = deps.books.ledger.bank_lines(deps.bank_account, start, stop)
        if lines is None:
            return None
        found += lines
        start = stop
    return found


def _bank_lines(deps: CloseDeps, first: date, last: date) -> Sequence[BankLine]:
    try:
        return bank_lines(deps, first, last + BANK_DAYS) or ()
    except ConductorError as error:
        log.warning("bank_lines.failed", extra={"fields": {"error": str(error)}})
        return ()


def _facts_seq(deps: CloseDeps, dates: Sequence[date]) -> dict[date, int]:
    """Everything a close of a date looks at is older than this, days around it included."""
    newest = {table: deps.conform.lake.newest(table) for table in FACT_TABLES}
    return {
        one: max(
            newest_before(newest, one), *(_newest_around(some, one) for some in newest.values())
        )
        for one in dates
    }


def _newest_around(newest: Mapping[date, int], business_date: date) -> int:
    within = conform.SALE_WITHIN.days
    near = (business_date + timedelta(days=n) for n in range(-within, within + 1))
    return max((newest.get(one, 0) for one in near), default=0)


def _still_due(row: DayRow) -> DayRow:
    """A day whose next version waits for one on its way: closed again until it is drafted."""
    return msgspec.structs.replace(row, facts_seq=0)


def _is_due(
    stores: Sequence[Store],
    business_date: date,
    rows: Mapping[str, tuple[str, int]],
    newest_seq: int,
    now: datetime,
) -> bool:
    """Whether a store-day of the date has ended and is open, or has newer facts than its close."""
    for store in stores:
        state, seq = rows.get(store.store, ("OPEN", 0))
        is_open = state in ("OPEN", "ENDED")
        if (is_open or newest_seq > seq) and store.day_interval(business_date)[1] <= now:
            return True
    return False


def _last_ended(stores: Sequence[Store], now: datetime) -> date:
    """The newest business date that has ended in at least one store."""
    return max(store.business_date(now) - timedelta(days=1) for store in stores)


def _range(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
