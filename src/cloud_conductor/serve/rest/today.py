"""The morning page: sales of the day, till against ledger, what waits, store by store."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from cloud_conductor.accounting.collected import collected
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest import status as glance
from cloud_conductor.serve.rest.endpoint import Endpoint, Scoped, Span, counted, instant
from cloud_conductor.state import alerts as alerting
from cloud_conductor.state import ingest, inventory, screens
from cloud_conductor.state import live as windows
from cloud_conductor.state.screens import Within
from cloud_conductor.wiring import figures
from cloud_conductor.wiring.figures import By, NetSales, Taken

WEEKS = 4
NEEDS_MAX = 7
CLOSED = ("COMPLETE", "POSTED", "EMPTY")
IN_LEDGER = ("posted", "sending", "dead")
Severity = Literal["info", "warning", "critical"]


class Day(Scoped, frozen=True, kw_only=True):
    day: date | None = msgspec.field(default=None, name="date")


class Keyed(Span, frozen=True, kw_only=True):
    """by: what the rows are keyed by."""

    by: By = "none"


class Sales(msgspec.Struct, frozen=True):
    """R-18. expected: mean of the same weekdays up to the same time; null without history."""

    net_minor: int
    gross_minor: int
    discounts_minor: int
    returns_minor: int
    tax_minor: int
    tips_minor: int
    collected_minor: int
    orders: int
    units: str
    aov_minor: int | None
    same_weekday_minor: int | None
    expected_minor: int | None
    expected_low_minor: int | None
    expected_high_minor: int | None
    last_sale_at: datetime | None


class Ledger(msgspec.Struct, frozen=True):
    """Till against ledger on the newest closed date, as last compared (R-14.5)."""

    business_date: date | None
    pos_minor: int
    ledger_minor: int
    difference_minor: int
    unexplained_minor: int
    stores_differing: int
    state: glance.Proven


class Journals(msgspec.Struct, frozen=True):
    total: int
    posted: int
    waiting: int
    by_state: dict[str, int]


class Freshest(msgspec.Struct, frozen=True):
    source: str
    at: datetime
    age_s: float


class Act(msgspec.Struct, frozen=True):
    """Where the button leads: a kind of thing, one of them or all that fit the query."""

    label: str
    kind: str
    id: str | None = None
    query: dict[str, str] = {}


class Need(msgspec.Struct, frozen=True):
    """One thing that waits for somebody, in a sentence with a button."""

    id: str
    kind: Literal["journals", "break", "quarantine", "alert", "stock", "mapping"]
    severity: Severity
    text: str
    count: int
    action: Act


class StoreDay(msgspec.Struct, frozen=True):
    store: str
    name: str
    currency: str
    net_minor: int
    orders: int
    units: str
    last_sale_at: datetime | None
    silent_min: int | None
    is_dead_till: bool
    day_state: str
    expected_minor: int | None
    open_breaks: int
    unexplained_minor: int


class Today(msgspec.Struct, frozen=True):
    """Totals are of `currency`; stores of another one have their own figures in `stores`."""

    as_of: datetime
    business_date: date
    currency: str
    mixed_currencies: bool
    sales: Sales
    ledger: Ledger
    journals: Journals
    freshest: Freshest | None
    needs_you: list[Need]
    stores: list[StoreDay]


class Metric(msgspec.Struct, frozen=True):
    """Net sales by key, and their sum. One currency: that of the first store asked for."""

    currency: str
    rows: list[NetSales]
    total: NetSales


def today(ask: Ask, params: Day) -> Today:
    """Sales of a business date, till against ledger, what waits, and every store."""
    desk, now = ask.desk, ask.desk.now
    scope = ask.scope(params.store)
    day = params.day or desk.current_date(scope)
    currencies = [one.currency for one in desk.stores if one.store in scope]
    currency = currencies[0]
    rows, money = _figures(desk, day, scope)
    expected = _expected(desk, day, scope)
    with desk.books.connect() as connection:
        states = screens.entry_states(connection, Within(stores=scope))
    ledger = _ledger(desk, scope)
    stores = _stores(desk, day, scope, rows, money, expected)
    return Today(
        as_of=now.replace(second=0, microsecond=0),
        business_date=day,
        currency=currency,
        mixed_currencies=len(set(currencies)) > 1,
        sales=_sales(currency, rows, money, expected),
        ledger=ledger,
        journals=Journals(
            total=sum(states.values()),
            posted=states.get("posted", 0),
            waiting=sum(states.get(state, 0) for state in glance.WAITING),
            by_state=states,
        ),
        freshest=_freshest(desk, now),
        needs_you=_needs(ask, scope, states),
        stores=stores,
    )


def net_sales(ask: Ask, params: Keyed) -> Metric:
    """Net sales (R-18) of business dates: the same number as in SQL and on the command line."""
    desk = ask.desk
    scope = ask.scope(params.store)
    until = params.until or params.since or desk.current_date(scope)
    since = params.since or until
    dates = [one for one in desk.lake.dates("sales") if since <= one <= until]
    currency = next(one.currency for one in desk.stores if one.store in scope)
    rows = figures.net_sales(desk.lake, dates, stores=scope, by=params.by) if dates else []
    mine = [row for row in rows if row.currency == currency]
    return Metric(currency, mine, _sum(mine, currency))


def _figures(desk: Desk, day: date, scope: Sequence[str]) -> tuple[list[NetSales], list[Taken]]:
    """Net sales and takings by store of a date, kept while its files are the same.

    While the date is open the live windows are ahead of the facts by up to one flush.
    """

    def make() -> tuple[list[NetSales], list[Taken]]:
        return (
            figures.net_sales(desk.lake, [day], stores=scope, by="store"),
            figures.taken(desk.lake, [day], stores=scope),
        )

    stamp = desk.files("sales", "sale_lines", dates=[day])
    rows, money = desk.keep(("figures", day, tuple(scope)), stamp, make)
    within = Within(tuple(scope), day.isoformat(), day.isoformat())
    with desk.books.connect() as connection:
        states = screens.day_states(connection, within)
    is_closed = sum(states.get(state, 0) for state in CLOSED) == len(scope)
    return (rows, money) if is_closed else _ahead(desk, day, scope, rows, money)


def _ahead(
    desk: Desk, day: date, scope: Sequence[str], rows: list[NetSales], money: list[Taken]
) -> tuple[list[NetSales], list[Taken]]:
    """The same with what the live windows know already: net sales, orders, tax, takings.

    Returns, units and tips are of the last flush; gross is what makes the sum true.
    """
    with desk.worker.connect() as connection:
        stores = windows.store_totals(connection, day.isoformat(), stores=scope)
        lines = windows.totals(connection, day.isoformat(), stores=scope)
        cells = windows.cells(connection, stores=scope, since_us=_recent_us(desk.now))
    if not stores:
        return rows, money
    discounts: dict[str, int] = {}
    for line in lines:
        discounts[line.store] = discounts.get(line.store, 0) + line.discount_minor
    newest = {one.store: one.start_us for one in cells if one.sales}
    sold = {row.key: row for row in rows}
    taken = {row.store: row for row in money}
    ahead, paid = [], []
    for one in stores:
        base, given = sold.get(one.store), taken.get(one.store)
        returns_minor = base.returns_minor if base else 0
        discounts_minor = discounts.get(one.store, 0)
        ahead.append(
            NetSales(
                key=one.store,
                currency=one.currency,
                net_minor=one.net_minor,
                gross_minor=one.net_minor + discounts_minor + returns_minor,
                discounts_minor=discounts_minor,
                returns_minor=returns_minor,
                orders=one.sales,
                units=base.units if base else "0",
            )
        )
        paid.append(
            Taken(
                store=one.store,
                currency=one.currency,
                collected_minor=one.total_minor,
                tax_minor=one.tax_minor,
                tips_minor=given.tips_minor if given else 0,
                last_sale_us=max(newest.get(one.store, 0), given.last_sale_us if given else 0),
            )
        )
    return ahead, paid


def _recent_us(now: datetime) -> int:
    """A day ago, in microseconds: far enough back for the newest window of any open day."""
    return int((now - timedelta(days=1)).timestamp()) * 1_000_000


def _expected(desk: Desk, day: date, scope: Sequence[str]) -> dict[str, list[int]]:
    """Store -> net sales of up to four same weekdays before, newest first, until the same time.

    A day that is over is compared with whole days.
    """
    store = next(one for one in desk.stores if one.store in scope)
    start, end = store.day_interval(day)
    elapsed = min(desk.now, end) - start
    minute = int(elapsed.total_seconds() // 300)
    held = set(desk.lake.dates("sales"))
    weeks = [
        one
        for week in range(1, WEEKS + 1)
        if day.toordinal() > 7 * week and (one := day - timedelta(days=7 * week)) in held
    ]

    def make() -> dict[str, list[int]]:
        days = [(one, store.day_interval(one)[0] + elapsed) for one in weeks]
        found: dict[str, dict[date, int]] = {}
        for row in figures.sold_until(desk.lake, days, stores=scope):
            found.setdefault(row["store"], {})[row["business_date"]] = row["net_minor"]
        return {
            name: [by_day[one] for one in weeks if one in by_day] for name, by_day in found.items()
        }

    return desk.keep(("expected", day, tuple(scope)), (minute, tuple(weeks)), make)


def _sales(
    currency: str, rows: list[NetSales], money: list[Taken], expected: dict[str, list[int]]
) -> Sales:
    mine = [row for row in rows if row.currency == currency]
    taken = [row for row in money if row.currency == currency]
    total = _sum(mine, currency)
    names = {row.store for row in taken} | {row.key for row in mine} | set(expected)
    weeks = [expected[name] for name in names if name in expected]
    whole = [sum(each) for each in zip(*weeks, strict=False)] if weeks else []
    last_us = max((row.last_sale_us for row in taken), default=None)
    sold_minor = total.gross_minor - total.discounts_minor
    return Sales(
        net_minor=total.net_minor,
        gross_minor=total.gross_minor,
        discounts_minor=total.discounts_minor,
        returns_minor=total.returns_minor,
        tax_minor=sum(row.tax_minor for row in taken),
        tips_minor=sum(row.tips_minor for row in taken),
        collected_minor=sum(row.collected_minor for row in taken),
        orders=total.orders,
        units=total.units,
        aov_minor=round(Decimal(sold_minor) / total.orders) if total.orders else None,
        same_weekday_minor=whole[0] if whole else None,
        expected_minor=sum(whole) // len(whole) if whole else None,
        expected_low_minor=min(whole) if len(whole) > 1 else None,
        expected_high_minor=max(whole) if len(whole) > 1 else None,
        last_sale_at=instant(last_us),
    )


def _sum(rows: Sequence[NetSales], currency: str) -> NetSales:
    units = sum((Decimal(row.units) for row in rows), Decimal(0))
    return NetSales(
        key="",
        currency=currency,
        net_minor=sum(row.net_minor for row in rows),
        gross_minor=sum(row.gross_minor for row in rows),
        discounts_minor=sum(row.discounts_minor for row in rows),
        returns_minor=sum(row.returns_minor for row in rows),
        orders=sum(row.orders for row in rows),
        units=figures.plain(f"{units:f}"),
    )


def _ledger(desk: Desk, scope: tuple[str, ...]) -> Ledger:
    """The newest closed date: the source's own total, and what its posted entries collected."""
    with desk.books.connect() as connection:
        closed = [
            row for row in screens.days(connection, Within(stores=scope)) if row.state in CLOSED
        ]
        if not closed:
            return Ledger(None, 0, 0, 0, 0, 0, "never")
        traded = [row for row in closed if row.state != "EMPTY"] or closed
        newest = traded[0].business_date
        of_day = Within(stores=(*scope, "*"), first=newest, last=newest)
        levels = screens.levels(connection, of_day)
        breaks = screens.breaks(connection, of_day, limit=10_000)
        booked = screens.entries(
            connection, of_day, states=IN_LEDGER, kinds=["SALES"], limit=10_000
        )
    pos_minor = sum(row.control_minor or 0 for row in closed if row.business_date == newest)
    ledger_minor = sum(collected(row.entry) for row in booked)
    is_open = [row for row in breaks if row.state in screens.OPEN_BREAKS]
    state: glance.Proven = "green"
    if not levels:
        state = "never"
    elif is_open:
        state = "breaks"
    elif any(row.state == "not_connected" for row in levels):
        state = "not_connected"
    return Ledger(
        business_date=date.fromisoformat(newest),
        pos_minor=pos_minor,
        ledger_minor=ledger_minor,
        difference_minor=pos_minor - ledger_minor,
        unexplained_minor=sum(row.unexplained_minor for row in levels),
        stores_differing=len({row.store for row in is_open}),
        state=state,
    )


def _freshest(desk: Desk, now: datetime) -> Freshest | None:
    """The feed that succeeded last."""
    done = [row for row in ingest.sweep_states(desk.worker) if row.last_success is not None]
    if not done:
        return None
    newest = max(done, key=lambda row: row.last_success or now)
    assert newest.last_success is not None
    age_s = max(0.0, 60.0 * ((now - newest.last_success).total_seconds() // 60))
    return Freshest(f"{newest.source} {newest.kind}", newest.last_success, age_s)


def _stores(
    desk: Desk,
    day: date,
    scope: tuple[str, ...],
    rows: list[NetSales],
    money: list[Taken],
    expected: dict[str, list[int]],
) -> list[StoreDay]:
    now = desk.now
    sold = {row.key: row for row in rows}
    last = {row.store: row.last_sale_us for row in money}
    of_day = Within(stores=scope, first=day.isoformat(), last=day.isoformat())
    with desk.books.connect() as connection:
        states = {row.store: row.state for row in screens.days(connection, of_day)}
        breaks = screens.breaks(connection, of_day, states=screens.OPEN_BREAKS, limit=10_000)
        levels = screens.levels(connection, of_day)
    limit_min = desk.house.config.alerts.dead_till_min
    newest_us = max(last.values(), default=None)
    is_trading = newest_us is not None and now - _at(newest_us) < timedelta(minutes=limit_min)
    found = []
    for one in (store for store in desk.stores if store.store in scope):
        row, last_at = sold.get(one.store), instant(last.get(one.store))
        silent_min = None if last_at is None else max(0, int((now - last_at).total_seconds() // 60))
        is_now = one.business_date(now) == day
        weeks = expected.get(one.store, [])
        found.append(
            StoreDay(
                store=one.store,
                name=one.store,
                currency=one.currency,
                net_minor=row.net_minor if row else 0,
                orders=row.orders if row else 0,
                units=row.units if row else "0",
                last_sale_at=last_at,
                silent_min=silent_min if is_now else None,
                is_dead_till=is_now and is_trading and (silent_min or 0) > limit_min,
                day_state=states.get(one.store, "OPEN"),
                expected_minor=sum(weeks) // len(weeks) if weeks else None,
                open_breaks=sum(one.store == each.store for each in breaks),
                unexplained_minor=sum(
                    each.unexplained_minor for each in levels if each.store == one.store
                ),
            )
        )
    return found


def _at(us: int) -> datetime:
    found = instant(us)
    assert found is not None
    return found


def _needs(ask: Ask, scope: tuple[str, ...], states: dict[str, int]) -> list[Need]:
    """What waits for somebody, the most urgent first; only what this person can do something about."""
    desk = ask.desk
    found: list[Need] = []
    with desk.books.connect() as connection:
        within = Within(stores=(*scope, "*"))
        breaks = screens.breaks(connection, within, states=screens.OPEN_BREAKS, limit=1_000)
        alerts = alerting.alerts(connection, states=("open",), stores=scope)
    with desk.worker.connect() as connection:
        groups = screens.quarantine_groups(connection)
        stock = inventory.troubles(connection)
    for alert in [one for one in alerts if one.severity == "critical"][:2]:
        act = Act("Look", "alert", alert.alert_id)
        found.append(Need(alert.alert_id, "alert", "critical", alert.title, 1, act))
    for row in breaks[:2]:
        act = Act("Open the break", "break", row.break_id)
        text = f"{row.store} {row.business_date}: {row.message}"
        found.append(Need(row.break_id, "break", "critical", text, 1, act))
    if len(breaks) > 2:
        act = Act("Show all", "break", None, {"state": "open"})
        text = f"{counted(len(breaks) - 2, 'more difference')} between till and ledger"
        found.append(Need("breaks", "break", "warning", text, len(breaks) - 2, act))
    found += _journal_needs(states)
    if groups:
        held = sum(one.count for one in groups)
        act = Act("Fix and release", "quarantine", groups[0].group)
        text = f"{counted(held, 'record')} in quarantine: {groups[0].message}"
        found.append(Need("quarantine", "quarantine", "warning", text, held, act))
    if stock.unknown:
        act = Act("Map products", "stock", None, {"state": "unknown"})
        said = f"{counted(stock.unknown, 'sold product')} without a SKU"
        found.append(Need("unknown-sku", "stock", "info", said, stock.unknown, act))
    if stock.negative:
        act = Act("Show them", "stock", None, {"state": "negative"})
        text = f"{counted(stock.negative, 'SKU')} below zero: a receipt or a count is missing"
        found.append(Need("negative-stock", "stock", "info", text, stock.negative, act))
    return found[:NEEDS_MAX]


def _journal_needs(states: dict[str, int]) -> list[Need]:
    told: tuple[tuple[str, str, str, Severity], ...] = (
        ("draft", "to approve", "Review and approve", "warning"),
        ("blocked", "blocked", "See why", "warning"),
        ("rejected", "refused by the ledger", "See why", "critical"),
        ("dead", "not as the ledger holds them", "See why", "critical"),
    )
    return [
        Need(
            f"journals-{state}",
            "journals",
            severity,
            f"{counted(states[state], 'entry', 'entries')} {text}",
            states[state],
            Act(label, "journals", None, {"state": state}),
        )
        for state, text, label, severity in told
        if states.get(state)
    ]


ENDPOINTS = [
    Endpoint("GET", "/today", today, Today, params=Day, etag=True),
    Endpoint("GET", "/metrics/net-sales", net_sales, Metric, params=Keyed),
]
