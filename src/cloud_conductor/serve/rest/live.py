"""What happens in the shops now: five-minute windows, stores by shortfall, departments, tenders."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from cloud_conductor.inventory.movements import text
from cloud_conductor.serve.desk import Ask, Desk
from cloud_conductor.serve.rest import today
from cloud_conductor.serve.rest.endpoint import Code, Endpoint, Params, Scoped, at, instant
from cloud_conductor.state import live as windows

USUAL_KEPT_S = 300


class Watched(Scoped, frozen=True, kw_only=True):
    """minutes: how far back the windows of a day that goes on reach.

    day: one that is over is shown whole, and final.
    """

    day: date | None = msgspec.field(default=None, name="date")
    minutes: Annotated[int, Meta(ge=5, le=2_880)] = 240


class OneStore(Params, frozen=True):
    store: Code
    day: date | None = msgspec.field(default=None, name="date")


Settled = Literal["provisional", "final"]


class WindowShown(msgspec.Struct, frozen=True):
    """One window [start, end) of a department, of all chosen stores together (R-22.1).

    orders: those with a line of the department; an order may have lines of several.
    """

    department: str
    start: datetime
    end: datetime
    state: Settled
    orders: int
    units: str
    net_minor: int
    currency: str


class Total(msgspec.Struct, frozen=True):
    """One window [start, end) over departments. orders: distinct ones."""

    start: datetime
    end: datetime
    state: Settled
    orders: int
    units: str
    net_minor: int


class StoreNow(msgspec.Struct, frozen=True):
    store: str
    name: str
    currency: str
    net_minor: int
    orders: int
    last_sale_at: datetime | None
    silent_min: int | None
    is_dead_till: bool
    expected_minor: int | None
    expected_low_minor: int | None
    expected_high_minor: int | None


class DepartmentNow(msgspec.Struct, frozen=True):
    department: str
    net_minor: int
    units: str


class TenderNow(msgspec.Struct, frozen=True):
    tender_type: str
    amount_minor: int
    count: int


class Point(msgspec.Struct, frozen=True):
    """Net sales up to the end of a window, in seconds from the day's start."""

    offset_s: int
    net_minor: int


class Band(msgspec.Struct, frozen=True):
    """10, 50 and 90 % of `days` same weekdays had sold less by then."""

    offset_s: int
    low_minor: int
    mid_minor: int
    high_minor: int
    days: int


class Course(msgspec.Struct, frozen=True):
    """Net sales of a business day so far, and what the same weekdays had sold by then.

    until: where the day is now, in seconds from its start; its end when it is over.
    """

    start: datetime
    until_s: int
    actual: list[Point]
    expected: list[Band]


class Bands(msgspec.Struct, frozen=True):
    store: str
    business_date: date
    start: datetime
    currency: str
    actual: list[Point]
    expected: list[Band]


class Live(msgspec.Struct, frozen=True):
    """watermark: what happened before it is complete, but for late ones. seq rises with changes.

    course: null where the days of the chosen stores do not begin together.
    """

    as_of: datetime
    business_date: date
    is_over: bool
    seq: int
    watermark: datetime | None
    currency: str
    course: Course | None
    totals: list[Total]
    windows: list[WindowShown]
    stores: list[StoreNow]
    departments: list[DepartmentNow]
    tenders: list[TenderNow]


def live(ask: Ask, params: Watched) -> Live:
    """Windows, stores by shortfall, departments and tenders: of the last hours, or of a past day."""
    desk, scope = ask.desk, ask.scope(params.store)
    day = params.day or desk.current_date(scope)
    page = today.today(ask, today.Day(store=list(scope), day=day))
    is_over = all(one.business_date(desk.now) > day for one in desk.stores if one.store in scope)
    asked = windows.Asked(scope, page.currency, since_us=_since_us(ask, params))
    if params.day is not None and (is_over or params.day != desk.current_date(scope)):
        asked = windows.Asked(scope, page.currency, day.isoformat())
    with desk.worker.connect() as connection:
        head = windows.head(connection)
        slots = windows.slots(connection, asked)
        cells = windows.department_slots(connection, asked)
        totals = windows.totals(connection, day.isoformat(), stores=scope)
        tenders = windows.tender_totals(connection, day.isoformat(), stores=scope)
        course = _course(desk, connection, day, scope)
    final_until_us = _us(desk.now) if is_over else head.final_until_us
    return Live(
        as_of=page.as_of,
        business_date=day,
        is_over=is_over,
        seq=head.seq,
        watermark=instant(head.watermark_us or None),
        currency=page.currency,
        course=course,
        totals=_totals(slots, cells, final_until_us),
        windows=[_window(one, page.currency, final_until_us) for one in cells],
        stores=_stores(page.stores, _by_now(desk, day, scope)),
        departments=_departments(totals, page.currency),
        tenders=_tenders(tenders, page.currency),
    )


def band(ask: Ask, params: OneStore) -> Bands:
    """Net sales of a store's day so far, and what the same weekdays had sold by then."""
    (store,) = ask.scope([params.store])
    day = params.day or ask.desk.current_date((store,))
    place = ask.desk.store(store)
    assert place is not None, "it is in the scope"
    start = place.day_interval(day)[0]
    with ask.desk.worker.connect() as connection:
        so_far = windows.actual(connection, day.isoformat(), stores=[store])
    return Bands(
        store=store,
        business_date=day,
        start=start,
        currency=place.currency,
        actual=_points(so_far),
        expected=_band(_usual(ask.desk, day, (store,))),
    )


def _usual(desk: Desk, day: date, stores: tuple[str, ...]) -> list[windows.Band]:
    """What the same weekdays had sold. Past weeks hardly change: what is found is kept a while."""

    def make() -> list[windows.Band]:
        with desk.worker.connect() as connection:
            return windows.expected(connection, day.isoformat(), stores=stores)

    stamp = int(desk.now.timestamp()) // USUAL_KEPT_S
    return desk.keep(("usual", day, stores), stamp, make) or make()


def _by_now(desk: Desk, day: date, scope: Sequence[str]) -> dict[str, windows.Band]:
    """Store -> what its same weekdays had sold by now."""
    found = {}
    for place in (one for one in desk.stores if one.store in scope):
        elapsed_s = (desk.now - place.day_interval(day)[0]).total_seconds()
        usual = _usual(desk, day, (place.store,))
        reached = [one for one in usual if one.offset_s <= elapsed_s]
        if reached:
            found[place.store] = reached[-1]
    return found


def _course(desk: Desk, connection: Connection, day: date, scope: tuple[str, ...]) -> Course | None:
    """The day so far and the band it runs in, of stores whose days begin together."""
    places = [one for one in desk.stores if one.store in scope]
    spans = {one.day_interval(day) for one in places}
    if len(spans) > 1 or len({one.currency for one in places}) > 1:
        return None
    ((start, end),) = spans
    so_far = windows.actual(connection, day.isoformat(), stores=scope)
    until = max(start, min(desk.now.replace(second=0, microsecond=0), end))
    return Course(
        start=start,
        until_s=int((until - start).total_seconds()),
        actual=_points(so_far),
        expected=_band(_usual(desk, day, scope)),
    )


def _points(steps: Sequence[windows.Step]) -> list[Point]:
    return [Point(one.offset_s, one.net_minor) for one in steps]


def _band(rows: Sequence[windows.Band]) -> list[Band]:
    return [
        Band(one.offset_s, one.low_minor, one.middle_minor, one.high_minor, one.days)
        for one in rows
    ]


def _since_us(ask: Ask, params: Watched) -> int:
    return _us(ask.desk.now - timedelta(minutes=params.minutes))


def _us(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000


def _state(start_us: int, final_until_us: int) -> Settled:
    return "final" if start_us + windows.WINDOW_US <= final_until_us else "provisional"


def _totals(
    slots: Sequence[windows.Slot], cells: Sequence[windows.DepartmentSlot], final_until_us: int
) -> list[Total]:
    units: dict[int, int] = {}
    for cell in cells:
        units[cell.start_us] = units.get(cell.start_us, 0) + cell.quantity
    return [
        Total(
            start=at(one.start_us),
            end=at(one.start_us + windows.WINDOW_US),
            state=_state(one.start_us, final_until_us),
            orders=one.sales,
            units=text(units.get(one.start_us, 0)),
            net_minor=one.net_minor,
        )
        for one in slots
    ]


def _window(one: windows.DepartmentSlot, currency: str, final_until_us: int) -> WindowShown:
    return WindowShown(
        department=one.department,
        start=at(one.start_us),
        end=at(one.start_us + windows.WINDOW_US),
        state=_state(one.start_us, final_until_us),
        orders=one.sales,
        units=text(one.quantity),
        net_minor=one.net_minor,
        currency=currency,
    )


def _departments(rows: Sequence[windows.Total], currency: str) -> list[DepartmentNow]:
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.currency == currency:
            net_minor, quantity = sums.get(row.department, (0, 0))
            sums[row.department] = (net_minor + row.net_minor, quantity + row.quantity)
    ordered = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [DepartmentNow(name, net, text(quantity)) for name, (net, quantity) in ordered]


def _tenders(rows: Sequence[windows.TenderTotal], currency: str) -> list[TenderNow]:
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.currency == currency:
            amount_minor, count = sums.get(row.tender_type, (0, 0))
            count += row.payments + row.refunds
            sums[row.tender_type] = (amount_minor + row.amount_minor, count)
    ordered = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [TenderNow(name, amount, count) for name, (amount, count) in ordered]


def _stores(rows: Sequence[today.StoreDay], bands: Mapping[str, windows.Band]) -> list[StoreNow]:
    """The largest shortfall first."""
    found = []
    for row in rows:
        one = bands.get(row.store)
        found.append(
            StoreNow(
                store=row.store,
                name=row.name,
                currency=row.currency,
                net_minor=row.net_minor,
                orders=row.orders,
                last_sale_at=row.last_sale_at,
                silent_min=row.silent_min,
                is_dead_till=row.is_dead_till,
                expected_minor=one.middle_minor if one else row.expected_minor,
                expected_low_minor=one.low_minor if one else None,
                expected_high_minor=one.high_minor if one else None,
            )
        )
    return sorted(found, key=lambda one: one.net_minor - (one.expected_minor or 0))


ENDPOINTS = [
    Endpoint("GET", "/live", live, Live, params=Watched),
    Endpoint("GET", "/live/{store}/band", band, Bands, params=OneStore),
]
