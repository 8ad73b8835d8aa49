"""L3: the tenders sales name against the processor's own records of them (§14).

It proves that the money side of the entries, made from the processor's records, is what the sales
state.
"""

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.breaks import Break, Scope
from cloud_conductor.accounting.facts import only
from cloud_conductor.accounting.legs import orderless
from cloud_conductor.accounting.levels import LevelResult, Tally
from cloud_conductor.accounting.matching import Item, Match, match

MOVED_STATES = ("captured", "pending")
STUCK_STATES = ("failed", "voided", "authorised")


def compare_tenders(
    scope: Scope,
    sale_tenders: pa.Table,
    tenders: pa.Table,
    *,
    quarantined: Collection[str] = (),
    on_tickets: Collection[str] = (),
) -> LevelResult:
    """L3: each tender a sale names against the processor's record, by event and tender id.

    sale_tenders: of the day's closed sales. tenders: of the store, of this day and of others: a
    tender dated another day than its sale is explained with both dates (D05). quarantined: ids of
    sales, payments and refunds of which a version waits in quarantine (D16). on_tickets: tender
    ids that are of the day on which their open tickets close (D05; L1 has the ones that closed).
    """
    tally = Tally("L3")
    tenders = _near(scope, tenders, sale_tenders)
    named = [tender_item(row, row["amount_minor"]) for row in sale_tenders.to_pylist()]
    rights = _of_scope(scope, moved_items(tenders), {item.key for item in named})
    found = match(named, rights)
    for pair in found.matches:
        _compare_pair(tally, scope, pair)
    for item, _ in found.left_twice:
        tally.record(_twice(scope, item), lefts=1)
    for item, _ in found.right_twice:
        tally.record(_twice(scope, item), rights=1)
    stuck = {
        tender_key(row): row["state"] for row in only(tenders, "state", STUCK_STATES).to_pylist()
    }
    for item in found.left_open:
        tally.record(_unpaid(scope, item, stuck.get(item.key), quarantined), lefts=1)
    sales = {tender_key(row): row["sale_id"] for row in tenders.to_pylist()}
    unlinked = {tender_key(row) for row in tenders.filter(orderless(tenders)).to_pylist()}
    for item in found.right_open:
        if item.key.partition(":")[2] in on_tickets:
            tally.record(_on_ticket(scope, item, sales[item.key]), rights=1)
            continue
        tally.record(
            _unnamed(scope, item, sales[item.key], quarantined, is_unlinked=item.key in unlinked),
            rights=1,
        )
    return tally.result(len(named), len(rights))


def moved_items(tenders: pa.Table) -> list[Item]:
    """Processor's tenders that moved money, amounts with tip; as the entries count them."""
    return [
        tender_item(row, row["amount_minor"] + (row["tip_minor"] or 0))
        for row in only(tenders, "state", MOVED_STATES).to_pylist()
        if row["state"] == "captured" or row["event"] == "refund"
    ]


def tender_item(row: dict[str, Any], amount: int) -> Item:
    """A row of TENDERS or SALE_TENDERS as an item to match."""
    return Item(
        key=tender_key(row),
        amount_minor=amount,
        currency=row.get("currency") or "",
        store=row["store"],
        business_date=row["business_date"],
        label=f"{row['tender_type']} {amount} of {row['business_date']}",
    )


def tender_key(row: dict[str, Any]) -> str:
    """Payments and refunds have ids of their own: `payment:<id>`, `refund:<id>`."""
    return f"{row['event']}:{row['tender_id']}"


def _near(scope: Scope, tenders: pa.Table, sale_tenders: pa.Table) -> pa.Table:
    """Tenders of the day, and of other days those with the id of one its sales name."""
    ids = sale_tenders["tender_id"].combine_chunks()
    of_day = pc.equal(tenders["business_date"], pa.scalar(scope.business_date, pa.date32()))
    return tenders.filter(pc.or_(of_day, pc.is_in(tenders["tender_id"], value_set=ids)))


def _of_scope(scope: Scope, items: list[Item], named: set[str]) -> list[Item]:
    """Tenders of the day, and of other days those the day's sales name."""
    return [
        item for item in items if item.business_date == scope.business_date or item.key in named
    ]


def _compare_pair(tally: Tally, scope: Scope, pair: Match) -> None:
    (left,), (right,) = pair.left, pair.right
    if pair.difference_minor:
        message = (
            f"{left.key}: the sale states {left.amount_minor}, the processor {right.amount_minor}"
        )
        differing = scope.found(
            "L3",
            "D03",
            left.key,
            message,
            amount=pair.difference_minor,
            left=left.label,
            right=right.label,
        )
        return tally.record(differing, lefts=1, rights=1)
    if left.business_date == right.business_date:
        return tally.match()
    message = (
        f"{left.key}: sale of {left.business_date}, taken on {right.business_date} by the processor"
    )
    timing = scope.found(
        "L3", "D05", left.key, message, left=left.label, right=right.label, is_explained=True
    )
    return tally.record(timing, lefts=1, rights=1)


def _twice(scope: Scope, item: Item) -> Break:
    message = f"{item.key} is recorded twice"
    return scope.found("L3", "D04", item.key, message, amount=item.amount_minor, left=item.label)


def _unnamed(
    scope: Scope, item: Item, sale: str | None, quarantined: Collection[str], *, is_unlinked: bool
) -> Break:
    """A tender the processor has and no sale of the day names."""
    if is_unlinked:
        message = f"{item.key} was given back with nothing rung up (R-9.11)"
        return scope.found(
            "L3",
            "D02",
            item.key,
            message,
            amount=-item.amount_minor,
            right=item.label,
            effect=-item.amount_minor,
            is_explained=True,
        )
    code, message = "D02", f"the processor has {item.key}, no sale of the day names it"
    if sale in quarantined:
        code, message = "D16", f"{item.key} paid for sale {sale}, which is in quarantine"
    return scope.found("L3", code, item.key, message, amount=-item.amount_minor, right=item.label)


def _on_ticket(scope: Scope, item: Item, sale: str | None) -> Break:
    """Paid on an order that has not closed (R-2.8)."""
    message = f"{item.key} was paid on order {sale}, which is open: it is of the day it closes"
    amount = -item.amount_minor
    return scope.found(
        "L3", "D05", item.key, message, amount=amount, right=item.label, is_explained=True
    )


def _unpaid(scope: Scope, item: Item, state: str | None, quarantined: Collection[str]) -> Break:
    """A tender the sale names and the processor has not taken."""
    code, message = "D01", f"the sale names {item.key}, the processor has no record of it"
    if item.key.partition(":")[2] in quarantined:
        code, message = "D16", f"the record of {item.key} is in quarantine"
    elif state is not None:
        message = f"the sale names {item.key}, the processor has it as {state} (R-2.6)"
    return scope.found("L3", code, item.key, message, amount=item.amount_minor, left=item.label)
