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


class Watched(Scoped, frozen=True, kw_only=True):
    """minutes: how far back the windows reach."""

    minutes: Annotated[int, Meta(ge=5, le=2_880)] = 240


class OneStore(Params, frozen=True):
    store: Code
    day: date | None = msgspec.field(default=None, name="date")


class WindowShown(msgspec.Struct, frozen=True):
    """One window [start, end) of a store and department (R-22.1)."""

    store: str
    department: str
    start: datetime
    end: datetime
    state: Literal["provisional", "final"]
    orders: int
    units: str
    net_minor: int
    currency: str


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


class Bands(msgspec.Struct, frozen=True):
    store: str
    business_date: date
    start: datetime
    currency: str
    actual: list[Point]
    expected: list[Band]


class Live(msgspec.Struct, frozen=True):
    """watermark: what happened before it is complete, but for late ones. seq rises with changes."""

    as_of: datetime
    business_date: date
    seq: int
    watermark: datetime | None
    currency: str
    windows: list[WindowShown]
    stores: list[StoreNow]
    departments: list[DepartmentNow]
    tenders: list[TenderNow]


def live(ask: Ask, params: Watched) -> Live:
    """Windows of the last hours, stores by shortfall, departments and tenders of the day."""
    desk, scope = ask.desk, ask.scope(params.store)
    day = desk.current_date(scope)
    page = today.today(ask, today.Day(store=list(scope), day=day))
    since_us = int((desk.now - timedelta(minutes=params.minutes)).timestamp()) * 1_000_000
    with desk.worker.connect() as connection:
        head = windows.head(connection)
        cells = windows.cells(connection, stores=scope, since_us=since_us)
        totals = windows.totals(connection, day.isoformat(), stores=scope)
        tenders = windows.tender_totals(connection, day.isoformat(), stores=scope)
        bands = {one: _band(desk, connection, day, one) for one in scope}
    return Live(
        as_of=page.as_of,
        business_date=day,
        seq=head.seq,
        watermark=instant(head.watermark_us or None),
        currency=page.currency,
        windows=[_window(one) for one in cells],
        stores=_stores(page.stores, bands),
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
        so_far = windows.actual(connection, day.isoformat(), store=store)
        expected = windows.expected(connection, day.isoformat(), store=store)
    return Bands(
        store=store,
        business_date=day,
        start=start,
        currency=place.currency,
        actual=[Point(one.offset_s, one.net_minor) for one in so_far],
        expected=[
            Band(one.offset_s, one.low_minor, one.middle_minor, one.high_minor, one.days)
            for one in expected
        ],
    )


def _band(desk: Desk, connection: Connection, day: date, store: str) -> windows.Band | None:
    """What the same weekdays had sold by now."""
    place = desk.store(store)
    assert place is not None, "it is in the scope"
    elapsed_s = (desk.now - place.day_interval(day)[0]).total_seconds()
    found = windows.expected(connection, day.isoformat(), store=store)
    reached = [one for one in found if one.offset_s <= elapsed_s]
    return reached[-1] if reached else None


def _window(one: windows.Cell) -> WindowShown:
    return WindowShown(
        store=one.store,
        department=one.department,
        start=at(one.start_us),
        end=at(one.end_us),
        state=one.state,
        orders=one.sales,
        units=text(one.quantity),
        net_minor=one.net_minor,
        currency=one.currency,
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


def _stores(
    rows: Sequence[today.StoreDay], bands: Mapping[str, windows.Band | None]
) -> list[StoreNow]:
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
