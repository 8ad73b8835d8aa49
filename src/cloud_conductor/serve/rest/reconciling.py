"""Till against processor, books and ledger: levels, the grid of store-days, breaks and their lives."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal

import msgspec

from cloud_conductor.accounting import by_hand
from cloud_conductor.accounting.collected import collected
from cloud_conductor.accounting.levels import LevelResult, combined
from cloud_conductor.domain.explain import BREAKS
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import (
    Code,
    Endpoint,
    Identity,
    Page,
    Params,
    Ref,
    Span,
    SpanPage,
    at,
    instant,
    page_of,
    place,
    sees,
)
from cloud_conductor.serve.rest.finding import find_break
from cloud_conductor.serve.rest.journals import Entry, actor, entry_of
from cloud_conductor.serve.rest.looking import refs_in
from cloud_conductor.serve.rest.today import IN_LEDGER
from cloud_conductor.state import accounting as books
from cloud_conductor.state import screens
from cloud_conductor.state.accounting import BreakRow, DayRow, LevelRow
from cloud_conductor.state.breaks import matched_breaks
from cloud_conductor.state.screens import Within
from cloud_conductor.wiring import figures

DATES_SHOWN = 7
EVERY_STORE = "*"
UNPOSTED = ("draft", "blocked", "approved", "pending", "rejected")
_LEVEL = msgspec.json.Decoder(LevelResult)
BreakState = Literal["open", "assigned", "proposed", "auto_explained", "resolved", "verified"]


class StoreDate(Params, frozen=True):
    store: Code
    day: date = msgspec.field(name="date")


class BreaksChosen(SpanPage, frozen=True, kw_only=True):
    state: list[BreakState] = msgspec.field(default_factory=list)
    code: list[Code] = msgspec.field(default_factory=list)


class OneBreak(Params, frozen=True):
    id: Identity


class LevelShown(msgspec.Struct, frozen=True):
    """One level over the dates. state: green only if all connected parts are (R-14.4b)."""

    level: str
    title_left: str
    title_right: str
    state: str
    matched: int
    explained: int
    open: int
    unexplained_minor: int
    notes: list[str]


class Cell(msgspec.Struct, frozen=True):
    """One store-day. levels: level -> state. amount_minor: sum of its open breaks."""

    store: str
    business_date: date
    day_state: str
    levels: dict[str, str]
    open: int
    unexplained_minor: int
    amount_minor: int


class Grid(msgspec.Struct, frozen=True):
    levels: list[LevelShown]
    grid: list[Cell]
    unexplained_minor: int
    open_breaks: int
    currency: str
    compared_at: datetime | None


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A difference left open, or explained. effect_minor: what it adds to till less ledger.

    proposed_by: who proposes to resolve it; another has to approve (R-15.3). match_id: the same for
    those that a person matched with one another. may_match: it is a record without a counterpart.
    """

    id: str
    state: str
    level: str
    code: str
    title: str
    store: str
    business_date: date
    amount_minor: int
    effect_minor: int
    currency: str
    message: str
    hint: str
    owner: str
    reason: str
    item: str
    left_ref: str
    right_ref: str
    detected_at: datetime
    at: datetime
    proposed_by: str
    match_id: str
    may_match: bool


class Step(msgspec.Struct, frozen=True):
    at: datetime
    state: str
    owner: str
    reason: str
    actor: str


class Meaning(msgspec.Struct, frozen=True):
    what: str
    why: str
    next: str


class BreakShown(Break, frozen=True, kw_only=True):
    """needs_second: settling it takes two people. why_not_approve: empty when the caller may."""

    needs_second: bool
    why_not_approve: str
    matched_with: list[Break]
    history: list[Step]
    explain: Meaning
    refs: list[Ref]


class DayShown(msgspec.Struct, frozen=True):
    state: str
    control_count: int | None
    control_minor: int | None
    held_count: int | None
    held_minor: int | None
    note: str


class TillRow(msgspec.Struct, frozen=True):
    label: str
    kind: Literal["tender", "total"]
    amount_minor: int
    count: int
    state: Literal["matched", "open"]


class LedgerRow(msgspec.Struct, frozen=True):
    label: str
    kind: str
    id: str
    amount_minor: int
    state: str


class Till(msgspec.Struct, frozen=True):
    title: str
    rows: list[TillRow]


class Books(msgspec.Struct, frozen=True):
    title: str
    rows: list[LedgerRow]


class Coded(msgspec.Struct, frozen=True):
    code: str
    text: str
    effect_minor: int


class Equation(msgspec.Struct, frozen=True):
    """R-14.5: till less ledger is the sum of what is coded, and what is not."""

    pos_minor: int
    ledger_minor: int
    coded: list[Coded]
    unexplained_minor: int


class StoreDay(msgspec.Struct, frozen=True):
    """Two columns of one store-day, and everything between them."""

    store: str
    business_date: date
    currency: str
    day: DayShown | None
    levels: list[LevelShown]
    left: Till
    right: Books
    equation: Equation | None
    breaks: list[Break]
    entries: list[Entry]


def grid(ask: Ask, params: Span) -> Grid:
    """Levels and store-days of a span; without one, of the last seven closed dates."""
    scope = ask.scope(params.store)
    with ask.desk.books.connect() as connection:
        first, last = _span(screens.days(connection, Within(scope)), params)
        within = Within((*scope, *_whole(ask)), first, last)
        rows = screens.levels(connection, within)
        days = screens.days(connection, Within(scope, first, last))
        breaks = screens.breaks(connection, within, states=screens.OPEN_BREAKS, limit=10_000)
    currency = next(one.currency for one in ask.desk.stores if one.store in scope)
    return Grid(
        levels=_shown(rows),
        grid=list(_cells(days, rows, breaks)),
        unexplained_minor=sum(row.unexplained_minor for row in rows),
        open_breaks=len(breaks),
        currency=currency,
        compared_at=instant(max((row.compared_us for row in rows), default=None)),
    )


def store_day(ask: Ask, params: StoreDate) -> StoreDay:
    """One store-day: what the till says on the left, what the ledger holds on the right."""
    (store,) = ask.scope([params.store])
    day = params.day.isoformat()
    within = Within((store,), day, day)
    with ask.desk.books.connect() as connection:
        days = screens.days(connection, within)
        levels = screens.levels(connection, within)
        breaks = screens.breaks(connection, within, limit=1_000)
        rows = screens.entries(connection, within, limit=1_000)
    found = days[0] if days else None
    currency = next(one.currency for one in ask.desk.stores if one.store == store)
    tenders = figures.tenders_of(ask.desk.lake, [params.day], stores=[store])
    is_open = any(row.state in screens.OPEN_BREAKS and row.level == "L3" for row in breaks)
    till = [
        TillRow(
            one.tender_type, "tender", one.amount_minor, one.count, "open" if is_open else "matched"
        )
        for one in tenders
    ]
    if found is not None and found.control_minor is not None:
        is_same = found.control_minor == found.held_minor
        till.append(
            TillRow(
                "all sales, as the source lists them",
                "total",
                found.control_minor,
                found.control_count or 0,
                "matched" if is_same else "open",
            )
        )
    shows_entries = ask.principal.may("journals.read")
    return StoreDay(
        store=store,
        business_date=params.day,
        currency=currency,
        day=None if found is None else _day(found),
        levels=_shown(levels),
        left=Till("Till", till),
        right=Books(
            "Ledger",
            [
                LedgerRow(row.name, "entry", row.posting_key, row.debit_minor, row.state)
                for row in rows
                if shows_entries
            ],
        ),
        equation=_equation(found, rows, breaks),
        breaks=[break_of(row) for row in breaks],
        entries=[entry_of(ask, row) for row in rows] if shows_entries else [],
    )


def breaks(ask: Ask, params: BreaksChosen) -> Page[Break]:
    """Breaks, newest business date first; without a state, those not resolved."""
    before = place(params.after, str, int)
    scope = (*ask.scope(params.store), *(() if params.store else _whole(ask)))
    within = Within(scope, _iso(params.since), _iso(params.until))
    with ask.desk.books.connect() as connection:
        rows = screens.breaks(
            connection,
            within,
            states=params.state or screens.LIVE_BREAKS,
            codes=params.code,
            before=before,
            limit=params.limit + 1,
        )
    page = page_of(rows, params.limit, lambda row: (row.business_date, row.seq))
    return Page([break_of(row) for row in page.items], page.next)


def one_break(ask: Ask, params: OneBreak) -> BreakShown:
    """A break with its history, what its code means, and what it is about."""
    row = find_break(ask, params.id)
    with ask.desk.books.connect() as connection:
        history = books.break_history(connection, row.break_id)
        together = matched_breaks(connection).get(row.match_id, [])
    meaning = BREAKS.get(row.code)
    return BreakShown(
        **msgspec.structs.asdict(break_of(row)),
        needs_second=by_hand.needs_second(
            [row], ask.desk.house.books_deps.approval.break_minor_max
        ),
        why_not_approve=_why_not(ask, row),
        matched_with=[
            break_of(one)
            for one in together
            if one.break_id != row.break_id and sees(ask, one.store)
        ],
        history=[
            Step(at(one.at_us), one.state, one.owner, one.reason, one.actor) for one in history
        ],
        explain=Meaning(
            meaning.what if meaning else "",
            meaning.why if meaning else "",
            row.hint or (meaning.fix if meaning else ""),
        ),
        refs=refs_in(ask, row.item, row.left_ref, row.right_ref),
    )


def break_of(row: BreakRow) -> Break:
    """A break as it is shown."""
    meaning = BREAKS.get(row.code)
    return Break(
        id=row.break_id,
        state=row.state,
        level=row.level,
        code=row.code,
        title=meaning.title.replace("_", " ").capitalize() if meaning else row.code,
        store=row.store,
        business_date=date.fromisoformat(row.business_date),
        amount_minor=row.amount_minor,
        effect_minor=row.effect_minor,
        currency=row.currency,
        message=row.message,
        hint=row.hint,
        owner=row.owner,
        reason=row.reason,
        item=row.item,
        left_ref=row.left_ref,
        right_ref=row.right_ref,
        detected_at=at(row.detected_us),
        at=at(row.at_us),
        proposed_by=row.actor if row.state == "proposed" else "",
        match_id=row.match_id,
        may_match=by_hand.may_match(row),
    )


def _why_not(ask: Ask, row: BreakRow) -> str:
    if row.state != "proposed":
        return f"it is {row.state}"
    if not ask.principal.may("breaks.approve"):
        return "this needs the role approver"
    return "you proposed it (R-15.3)" if row.actor == actor(ask) else ""


def _span(days: Sequence[DayRow], params: Span) -> tuple[str, str]:
    """First and last business date to show."""
    closed = sorted({row.business_date for row in days if row.state not in ("OPEN", "ENDED")})
    last = params.until.isoformat() if params.until else (closed[-1] if closed else "")
    if params.since:
        return params.since.isoformat(), last
    known = [one for one in closed if not last or one <= last]
    if len(known) >= DATES_SHOWN:
        return known[-DATES_SHOWN], last
    if not known:
        return last, last
    return known[0], last


def _whole(ask: Ask) -> tuple[str, ...]:
    """The scope of a whole organisation, for those who see every store."""
    return (EVERY_STORE,) if EVERY_STORE in ask.principal.stores else ()


def _shown(rows: Iterable[LevelRow]) -> list[LevelShown]:
    by_level: dict[str, list[LevelResult]] = {}
    for row in rows:
        by_level.setdefault(row.level, []).append(_LEVEL.decode(row.payload))
    found = []
    for level, results in sorted(by_level.items()):
        one = combined(results)
        found.append(
            LevelShown(
                level=level,
                title_left=one.sources[0],
                title_right=one.sources[1],
                state=one.state,
                matched=one.matched,
                explained=one.explained,
                open=one.open,
                unexplained_minor=one.unexplained_minor,
                notes=list(one.notes),
            )
        )
    return found


def _cells(
    days: Sequence[DayRow], levels: Sequence[LevelRow], breaks: Sequence[BreakRow]
) -> Iterable[Cell]:
    by_day: dict[tuple[str, str], dict[str, LevelRow]] = {}
    for row in levels:
        by_day.setdefault((row.store, row.business_date), {})[row.level] = row
    open_ones: dict[tuple[str, str], list[BreakRow]] = {}
    for found in breaks:
        open_ones.setdefault((found.store, found.business_date), []).append(found)
    for day in days:
        key = (day.store, day.business_date)
        yield Cell(
            store=day.store,
            business_date=date.fromisoformat(day.business_date),
            day_state=day.state,
            levels={name: row.state for name, row in sorted(by_day.get(key, {}).items())},
            open=len(open_ones.get(key, ())),
            unexplained_minor=sum(row.unexplained_minor for row in by_day.get(key, {}).values()),
            amount_minor=sum(row.amount_minor for row in open_ones.get(key, ())),
        )


def _day(row: DayRow) -> DayShown:
    return DayShown(
        row.state, row.control_count, row.control_minor, row.held_count, row.held_minor, row.note
    )


def _equation(
    day: DayRow | None, rows: Sequence[books.EntryRow], breaks: Sequence[BreakRow]
) -> Equation | None:
    """What the source lists against what posted entries collected, and the codes in between."""
    if day is None or day.control_minor is None:
        return None
    posted = [row.entry for row in rows if row.state in IN_LEDGER and row.kind == "SALES"]
    ledger_minor = sum(map(collected, posted))
    coded = [
        Coded(row.code, row.message, row.effect_minor)
        for row in breaks
        if row.effect_minor and row.state in screens.LIVE_BREAKS
    ]
    waiting = [row for row in rows if row.state in UNPOSTED and row.kind == "SALES"]
    if not any(one.code == "D01" for one in coded):
        coded += [
            Coded("D01", f"{row.name} waits: {row.state}", collected(row.entry)) for row in waiting
        ]
    if not posted:
        coded = coded or [Coded("D01", "nothing of this day is posted yet", day.control_minor)]
    left = day.control_minor - ledger_minor - sum(one.effect_minor for one in coded)
    return Equation(day.control_minor, ledger_minor, coded, left)


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


ENDPOINTS = [
    Endpoint("GET", "/reconcile", grid, Grid, params=Span),
    Endpoint("GET", "/reconcile/{store}/{date}", store_day, StoreDay, params=StoreDate),
    Endpoint("GET", "/breaks", breaks, Page[Break], params=BreaksChosen),
    Endpoint("GET", "/breaks/{id}", one_break, BreakShown, params=OneBreak),
]
