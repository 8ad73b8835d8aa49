"""Flows of goods and money that come back, as stories."""

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from cloud_conductor.sandbox.scenario.daybook import card_fee
from cloud_conductor.sandbox.scenario.retail.bills import (
    Back,
    Charge,
    Cut,
    Line,
    charge_back,
    take_back,
    work_out,
)
from cloud_conductor.sandbox.scenario.retail.book import Slip
from cloud_conductor.sandbox.scenario.retail.stories import MINUTE, Story, flow, sell_card
from cloud_conductor.sandbox.scenario.retail.till import CARD, Json, Owed, Ticket, Till

UNDECIDED_AFTER = timedelta(days=6)
"""Disputes that would be decided longer after the last day of trade are still open in the end."""
Units = Sequence[tuple[int, int]]  # (line of the sale, units that come back)


def taken_back(till: Till, ticket: Ticket, units: Units) -> tuple[list[Back], Json]:
    """Work out what comes back of a sale, and say it in Square's words."""
    back, lines = [], []
    for at, count in units:
        before = ticket.returned.get(at, 0)
        ticket.returned[at] = before + count
        back.append(
            take_back(ticket.bill, at, before, count, is_deducted=till.country.deducts_inclusive)
        )
        lines.append({"source_line_item_uid": f"line-{at}", "quantity": str(count)})
    return back, {"source_order_id": ticket.order["id"], "return_line_items": lines}


def give_back(
    till: Till, rng: random.Random, ticket: Ticket, units: Units, at: datetime, kind: str
) -> None:
    """Take units of a sale back; the money goes back the way it came."""
    back, said = taken_back(till, ticket, units)
    till.order(rng, [], returns=[said], back=back)
    amount = sum(one.total_minor for one in back)
    till.refund(next(iter(ticket.payments.values())), amount, at, kind)
    till.ring(at, Slip().returned(back).tender(kind, -amount))


def give_back_all(till: Till, rng: random.Random, ticket: Ticket, at: datetime) -> None:
    """Take a whole card sale back."""
    units = [(at_, part.line.units) for at_, part in enumerate(ticket.bill.parts)]
    give_back(till, rng, ticket, units, at, "card")


@flow(0.15, "R-2.8, R-9.16", "a refund of everything minutes after capture")
def void_after_capture(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A captured sale taken back: a refund event of the same day."""
    ticket = till.order(rng, [till.of("APP-CAP"), till.of("GRO-HNY", 2)])
    till.ring(at, till.pay_all(ticket, "card", at))
    yield at + 3 * MINUTE
    give_back_all(till, rng, ticket, at + 3 * MINUTE)


def sold_before(
    till: Till, rng: random.Random, at: datetime, lines: Sequence[Line], kind: str = "card"
) -> Ticket:
    """A sale that will come back, with a discount on the order."""
    cuts = [Cut("Season", percent="10")] if rng.random() < 0.5 else []
    ticket = till.order(rng, lines, cuts)
    till.ring(at, till.pay_all(ticket, kind, at))
    return ticket


@flow(0.3, "R-1.7, R-2.8, R-10.3, INV-07", "order with `returns`, refund of the payment")
def return_in_parts(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Three of one thing come back one by one, on the day or later."""
    ticket = sold_before(till, rng, at, [till.of("APP-TEE", 3), till.of("CAF-CAK", 3)])
    for days in ((0, 1), (1, 3), (1, 9)):
        back = till.hours.later(at, till.book.day(till.store, at), rng, days)
        if back is None:
            return
        yield back
        at = back
        units = [(0, 1), (1, 1)] if rng.random() < 0.5 else [(0, 1)]
        give_back(till, rng, ticket, units, back, "card")


@flow(0.08, "R-9.7, R-10.3", "order with `returns` of a service charge, refund of the payment")
def service_given_back(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Alterations that went wrong: the charge and its tax come back, the goods stay sold."""
    line = till.of("APP-JKT")
    on_top = tuple(tax for tax in line.taxes if not tax.is_inclusive)
    charge = Charge("Alterations", amount_minor=till.country.amount(700), taxes=on_top)
    ticket = till.order(rng, [line], [], [charge])
    till.ring(at, till.pay_all(ticket, "card", at))
    back = till.hours.later(at, day, rng, (0, 6))
    if back is None:
        return
    yield back
    given = charge_back(ticket.bill)
    said = {
        "source_order_id": ticket.order["id"],
        "return_line_items": [],
        "return_service_charges": [{"source_service_charge_uid": "charge-0"}],
    }
    till.order(rng, [], returns=[said], back=[given])
    till.refund(ticket.payments["card"], given.total_minor, back, "card")
    till.ring(back, Slip().charge_returned(given).tender("card", -given.total_minor))


@flow(0.2, "R-2.8", "order with `returns`, cash refund")
def return_for_cash(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Paid in cash, given back in cash some days later."""
    ticket = till.order(rng, [till.of("HOM-MUG", 2), till.of("GRO-HNY")])
    till.ring(at, till.pay_all(ticket, "cash", at))
    back = till.hours.later(at, day, rng, (0, 6))
    if back is None or "cash" not in ticket.payments:
        return
    yield back
    if ticket.payments["cash"]["device_details"]["device_id"] in till.drawers:
        give_back(till, rng, ticket, [(0, 1), (1, 1)], back, "cash")


@flow(0.12, "R-9.12", "refund of a card payment onto a gift card (`destination_id`)")
def return_onto_gift_card(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Paid by card, given back on a gift card."""
    card_id = sell_card(till, rng, at, till.country.amount(1000))
    ticket = sold_before(till, rng, at, [till.of("APP-SCF"), till.of("HOM-CND", 2)])
    back_at = till.hours.later(at, day, rng, (0, 5))
    if back_at is None:
        return
    yield back_at
    back, said = taken_back(till, ticket, [(1, 1)])
    till.order(rng, [], returns=[said], back=back)
    amount = sum(one.total_minor for one in back)
    till.refund(ticket.payments["card"], amount, back_at, "gift_card", target=card_id)
    till.ring(back_at, Slip().returned(back).tender("gift_card", -amount))


@flow(0.12, "R-9.5", "refund to EXTERNAL named `Store credit`; later a tender OTHER of that name")
def store_credit(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Credit for goods returned, used later."""
    ticket = sold_before(till, rng, at, [till.of("APP-JKT")])
    back_at = till.hours.later(at, day, rng, (0, 5))
    if back_at is None:
        return
    yield back_at
    back, said = taken_back(till, ticket, [(0, 1)])
    till.order(rng, [], returns=[said], back=back)
    credit = sum(one.total_minor for one in back)
    till.refund(ticket.payments["card"], credit, back_at, "store_credit", target="EXTERNAL")
    till.ring(back_at, Slip().returned(back).tender("store_credit", -credit))
    used_at = till.hours.later(back_at, till.book.day(till.store, back_at), rng, (1, 9))
    if used_at is None:
        return
    yield used_at
    later = till.order(rng, [till.of("HOM-LMP"), till.of("HOM-VAS")])
    part = min(credit, later.bill.total_minor - 100)
    rest = later.bill.total_minor - part
    used = till.pay(later, "store_credit", part, used_at, is_held=True)
    card = till.pay(later, "card", rest, used_at, is_held=True)
    till.settle(later, used, card)
    till.charged(used_at, rest)
    slip = Slip().sold(later.bill).tender("store_credit", part)
    till.ring(used_at, slip.tender("card", rest, card_fee(rest)))


@flow(0.12, "R-9.11, R-10.3", "order with `returns` without a source, unlinked refund")
def return_without_receipt(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """No receipt: priced as a sale of today, given back in cash or on a card."""
    line = till.of(rng.choice(("APP-TEE", "HOM-TWL", "GRO-OIL")))
    bill = work_out([line])
    said = {
        "return_line_items": [till.said_line(line)],
        "return_taxes": till.taxes([tax.name for tax in line.taxes]),
    }
    back = take_back(bill, 0, 0, 1, is_deducted=till.country.deducts_inclusive)
    ticket = till.order(rng, [], returns=[said], back=[back])
    kind = rng.choice(("card", "cash"))
    unlinked(till, at, back.total_minor, kind, ticket.order["id"])
    till.ring(at, Slip().returned([back]).tender(kind, -back.total_minor))
    yield from ()


def unlinked(till: Till, at: datetime, amount: int, kind: str, order_id: str = "") -> None:
    """Give money back without a payment of ours."""
    register = till.register()
    body: Json = {
        "unlinked": True,
        "location_id": till.location_id,
        "destination_id": "CASH" if kind == "cash" else CARD,
        "amount_money": till.money(amount),
        "device_details": {"device_id": register},
        "reason": "No receipt",
    }
    if order_id:
        body["order_id"] = order_id
    till.write("POST", "/v2/refunds", body)
    till.given_back(kind, amount, at, register)


@flow(0.05, "R-9.11", "unlinked refund that names no order")
def refund_without_order(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Money given back with nothing rung up at all."""
    amount = till.country.amount(rng.randrange(300, 1500))
    kind = rng.choice(("card", "cash"))
    unlinked(till, at, amount, kind)
    till.ring(at, Slip().refunded_amount(amount).tender(kind, -amount))
    yield from ()


@flow(0.12, "R-2.8", "refund of part of a payment: Square makes a return of one custom amount")
def goodwill(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Some money back, no goods."""
    ticket = sold_before(till, rng, at, [till.of("HOM-CND", 2)])
    back = till.hours.later(at, day, rng, (0, 6))
    if back is None:
        return
    yield back
    amount = till.country.amount(rng.randrange(100, 900))
    till.refund(ticket.payments["card"], amount, back, "card", reason="Goodwill")
    till.ring(back, Slip().refunded_amount(amount).tender("card", -amount))


@flow(0.3, "R-9.10", "order with `returns` and line items")
def exchange(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Other goods for what came back: dearer, even, or cheaper."""
    sku = rng.choice(("APP-CAP", "APP-SCF", "HOM-MUG"))
    ticket = till.order(rng, [till.of(sku)])
    till.ring(at, till.pay_all(ticket, "card", at))
    later = till.hours.later(at, day, rng, (0, 7))
    if later is None:
        return
    yield later
    back, said = taken_back(till, ticket, [(0, 1)])
    taken = rng.choice((sku, "APP-JKT", "APP-SOX"))
    swap = till.order(rng, [till.of(taken)], returns=[said], back=back)
    due = swap.bill.total_minor - sum(one.total_minor for one in back)
    slip = Slip().sold(swap.bill).returned(back)
    if due > 0:
        till.pay(swap, "card", due, later)
        slip.tender("card", due, card_fee(due))
    elif due:
        till.refund(ticket.payments["card"], -due, later, "card")
        slip.tender("card", due)
    else:
        till.settle(swap)
    till.ring(later, slip)


@flow(0.06, "R-7.5", "dispute; payout entries OPEN_DISPUTE, and DISPUTE only when it is won")
def dispute(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """The card's holder contests a sale; the amount is held back, and comes back or is lost."""
    ticket = sold_before(till, rng, at, [till.of("APP-JKT")])
    amount = ticket.bill.total_minor
    opened = at + timedelta(days=rng.randint(2, 6), minutes=11)
    yield opened
    body = {"payment_id": ticket.payment_id}
    found = till.square("POST", "/sandbox/disputes", body)["dispute"]
    till.balance.append(Owed(opened, {"dispute_receivable": amount}))
    ended = opened + timedelta(days=rng.randint(2, 8))
    if till.hours.local_date(ended) > till.hours.last + UNDECIDED_AFTER:
        return
    yield ended
    outcome = rng.choice(("WON", "LOST", "ACCEPTED"))
    if outcome == "ACCEPTED":
        till.square("POST", f"/v2/disputes/{found['id']}/accept", {})
    else:
        till.square("POST", f"/sandbox/disputes/{found['id']}/resolve", {"state": outcome})
    if outcome == "WON":
        till.balance.append(Owed(ended, {"dispute_receivable": -amount}))
    else:
        till.book.lose(till.store, ended, amount)


@flow(0.04, "R-7.4", "payout FAILED after it was sent; entry RETURNED_PAYOUT in the next one")
def payout_failed(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """The bank does not take a payout; it comes with the next one."""
    sold_before(till, rng, at, [till.of("HOM-LMP")])
    yield at + MINUTE
    paid = till.pay_out(at + MINUTE, None)
    yield (back := at + timedelta(days=1))
    if paid is not None:
        till.fail_payout(back, paid)


@flow(0.05, "R-7.4", "payout of type SIMPLE with entry DEPOSIT_FEE; then one below zero")
def instant_and_negative_payout(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Everything paid out at once for a fee; then a refund makes the next payout negative."""
    ticket = sold_before(till, rng, at, [till.of("HOM-LMP", 3)])
    yield at + MINUTE
    till.pay_out(at + MINUTE, None, is_instant=True)
    yield at + 2 * MINUTE
    give_back(till, rng, ticket, [(0, 3)], at + 2 * MINUTE, "card")
    yield at + 3 * MINUTE
    till.pay_out(at + 3 * MINUTE, None)
