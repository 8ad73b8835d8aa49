"""What happens in the shops now: five-minute windows, stores by shortfall, departments, tenders."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest import today
from cloud_conductor.serve.rest.endpoint import Endpoint, Scoped, at
from cloud_conductor.wiring import figures
from cloud_conductor.wiring.figures import Window

WATERMARK = timedelta(minutes=10)


class Watched(Scoped, frozen=True, kw_only=True):
    """minutes: how far back the windows reach."""

    minutes: Annotated[int, Meta(ge=5, le=2_880)] = 240


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


class Live(msgspec.Struct, frozen=True):
    """watermark: what happened before it is complete, but for late ones."""

    as_of: datetime
    business_date: date
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
    dates = [day - timedelta(days=1), day]

    def make() -> tuple[list[Window], list[figures.NetSales], list[figures.Tendered]]:
        return (
            figures.windows(desk.lake, dates, stores=scope),
            figures.net_sales(desk.lake, [day], stores=scope, by="department"),
            figures.tenders_of(desk.lake, [day], stores=scope),
        )

    stamp = desk.files("sales", "sale_lines", "tenders", dates=dates)
    windows, departments, tenders = desk.keep(("live", day, scope), stamp, make)
    newest_us = max((one.end_us for one in windows), default=None)
    watermark = None if newest_us is None else at(newest_us) - WATERMARK
    since = desk.now - timedelta(minutes=params.minutes)
    return Live(
        as_of=page.as_of,
        business_date=day,
        watermark=watermark,
        currency=page.currency,
        windows=[_window(one, watermark) for one in windows if at(one.end_us) > since],
        stores=_stores(page.stores),
        departments=[DepartmentNow(one.key, one.net_minor, one.units) for one in departments],
        tenders=[TenderNow(one.tender_type, one.amount_minor, one.count) for one in tenders],
    )


def _window(one: Window, watermark: datetime | None) -> WindowShown:
    is_final = watermark is not None and at(one.end_us) <= watermark
    return WindowShown(
        store=one.store,
        department=one.department,
        start=at(one.start_us),
        end=at(one.end_us),
        state="final" if is_final else "provisional",
        orders=one.orders,
        units=figures.plain(one.units),
        net_minor=one.net_minor,
        currency=one.currency,
    )


def _stores(rows: Sequence[today.StoreDay]) -> list[StoreNow]:
    """The largest shortfall first."""
    ordered = sorted(rows, key=lambda row: row.net_minor - (row.expected_minor or 0))
    return [
        StoreNow(
            store=row.store,
            name=row.name,
            currency=row.currency,
            net_minor=row.net_minor,
            orders=row.orders,
            last_sale_at=row.last_sale_at,
            silent_min=row.silent_min,
            is_dead_till=row.is_dead_till,
            expected_minor=row.expected_minor,
            expected_low_minor=None,
            expected_high_minor=None,
        )
        for row in ordered
    ]


ENDPOINTS = [Endpoint("GET", "/live", live, Live, params=Watched)]
