"""What waits for a person's judgement, one case at a time, oldest first."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal

import msgspec

from cloud_conductor.domain.money import major
from cloud_conductor.inventory.movements import text
from cloud_conductor.serve.desk import Ask
from cloud_conductor.serve.rest.endpoint import EPOCH, Endpoint, Page, Ref, Scoped, at
from cloud_conductor.serve.rest.looking import entry_ref
from cloud_conductor.state import inventory, screens
from cloud_conductor.state.screens import Within

SHOWN_MAX = 200
DRAWER_DATES = 7
Severity = Literal["info", "warning", "critical"]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to judge, with its reasons in words. Its decision is taken where the thing is."""

    id: str
    kind: Literal["drawer", "blocked_entry", "negative_stock", "unknown_sku", "late_sale", "break"]
    store: str
    business_date: date | None
    amount_minor: int | None
    currency: str | None
    title: str
    reasons: list[str]
    since: datetime | None
    severity: Severity
    ref: Ref


def review(ask: Ask, params: Scoped) -> Page[Case]:
    """Cases for a person, oldest first."""
    scope = ask.scope(params.store)
    cases = [
        *_breaks(ask, scope),
        *_entries(ask, scope),
        *_drawers(ask, scope),
        *_stock(ask, scope),
    ]
    cases.sort(key=lambda one: (one.since or EPOCH, one.id))
    return Page(cases[:SHOWN_MAX])


def _breaks(ask: Ask, scope: tuple[str, ...]) -> Iterator[Case]:
    """Open breaks that nobody has been given."""
    with ask.desk.books.connect() as connection:
        rows = screens.breaks(connection, Within(scope), states=["open"], limit=SHOWN_MAX)
    for row in rows:
        yield Case(
            id=f"break-{row.break_id}",
            kind="break",
            store=row.store,
            business_date=date.fromisoformat(row.business_date),
            amount_minor=row.amount_minor,
            currency=row.currency,
            title=f"{row.code}: {row.message}",
            reasons=[one for one in (row.hint, f"level {row.level}") if one],
            since=at(row.detected_us),
            severity="critical" if row.code == "D15" else "warning",
            ref=Ref(kind="break", id=row.break_id, label=f"{row.code} {row.item}"),
        )


def _entries(ask: Ask, scope: tuple[str, ...]) -> Iterator[Case]:
    """Entries that stand still."""
    if not ask.principal.may("journals.read"):
        return
    with ask.desk.books.connect() as connection:
        rows = screens.entries(
            connection, Within(scope), states=["blocked", "rejected", "dead"], limit=SHOWN_MAX
        )
    for row in rows:
        yield Case(
            id=f"entry-{row.posting_key}",
            kind="blocked_entry",
            store=row.store,
            business_date=date.fromisoformat(row.business_date),
            amount_minor=row.debit_minor,
            currency=row.currency,
            title=f"{row.name} is {row.state}",
            reasons=[row.error] if row.error else [],
            since=at(row.created_us),
            severity="critical" if row.state == "dead" else "warning",
            ref=entry_ref(ask.desk, row),
        )


def _drawers(ask: Ask, scope: tuple[str, ...]) -> Iterator[Case]:
    """Drawers of the last days that were not counted as expected."""
    lake = ask.desk.lake
    least = ask.desk.house.config.alerts.drawer_short_minor
    dates = lake.dates("cash_shifts")[-DRAWER_DATES:]
    for row in lake.read("cash_shifts", dates).to_pylist() if dates else ():
        counted, expected = row["counted_minor"], row["expected_minor"]
        if counted is None or expected is None or row["store"] not in scope:
            continue
        over_minor = counted - expected
        if abs(over_minor) < least:
            continue
        word = "short" if over_minor < 0 else "over"
        amount = f"{row['currency']} {major(abs(over_minor), row['currency'])}"
        yield Case(
            id=f"drawer-{row['shift_id']}",
            kind="drawer",
            store=row["store"],
            business_date=row["business_date"],
            amount_minor=over_minor,
            currency=row["currency"],
            title=f"A drawer is {word} by {amount}",
            reasons=[
                f"expected {major(expected, row['currency'])}",
                f"counted {major(counted, row['currency'])}",
            ],
            since=row["closed_at"],
            severity="warning",
            ref=Ref(kind="shift", id=row["shift_id"], label=row["shift_id"]),
        )


def _stock(ask: Ask, scope: tuple[str, ...]) -> Iterator[Case]:
    """SKUs below zero, and sold products without a SKU."""
    with ask.desk.worker.connect() as connection:
        rows = [row for row in inventory.stock(connection, stores=scope) if row.quantity < 0]
        waiting = [row for row in inventory.unknown(connection) if row.store in scope]
    for row in rows[:SHOWN_MAX]:
        yield Case(
            id=f"stock-{row.store}-{row.sku}",
            kind="negative_stock",
            store=row.store,
            business_date=None,
            amount_minor=None,
            currency=None,
            title=f"{row.sku} is {text(row.quantity)} at {row.store}",
            reasons=["sold before a receipt or a count was entered (R-11.3)"],
            since=at(row.last_movement_us),
            severity="info",
            ref=Ref(kind="sku", id=row.sku, label=row.sku),
        )
    products = {(row.source, row.product_id): row for row in reversed(waiting)}
    for (source, product_id), row in products.items():
        yield Case(
            id=f"unknown-{source}-{product_id}",
            kind="unknown_sku",
            store=row.store,
            business_date=None,
            amount_minor=None,
            currency=None,
            title=f"{row.name or product_id} was sold and has no SKU",
            reasons=["its sales are posted; its stock waits for a name (R-11.4)"],
            since=at(row.occurred_us),
            severity="info",
            ref=Ref(kind="product", id=product_id, label=row.name or product_id),
        )


ENDPOINTS = [Endpoint("GET", "/review", review, Page[Case], params=Scoped)]
