"""Flows of sale and payment as stories: each plays itself at a till and yields when it goes on.

A story is started at an instant of a trading day while the store is open. It writes its slips
from its own fractions. `FLOWS` names each with its weight: how often a store-day has it.
"""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from cloud_conductor.sandbox.scenario.daybook import card_fee, rounded
from cloud_conductor.sandbox.scenario.retail.bills import Charge, Cut
from cloud_conductor.sandbox.scenario.retail.book import Slip
from cloud_conductor.sandbox.scenario.retail.till import DECLINED, GIFT_CARD_ROLE, Ticket, Till
from cloud_conductor.sandbox.square.errors import SquareError

Story = Generator[datetime, None, None]
Telling = Callable[[Till, random.Random, datetime, date], Story]
MINUTE = timedelta(minutes=1)
TIPPED = ("10", "15", "20")


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of story: how often a store-day has it, the rules it is about, how Square says it."""

    tell: Telling
    weight: float
    rules: str
    said: str


FLOWS: dict[str, Flow] = {}


def flow(weight: float, rules: str, said: str) -> Callable[[Telling], Telling]:
    """Register a story under its function's name."""

    def known(tell: Telling) -> Telling:
        FLOWS[tell.__name__] = Flow(tell, weight, rules, said)
        return tell

    return known


def sell(till: Till, rng: random.Random, at: datetime) -> Ticket:
    """An ordinary sale: a basket, sometimes a discount, by card or cash, sometimes with a tip."""
    lines = till.basket(rng)
    cuts = [Cut("Weekday", percent=rng.choice(("5", "10", "12.5")))] if rng.random() < 0.12 else []
    ticket = till.order(rng, lines, cuts)
    kind = "card" if rng.random() < 0.65 else "cash"
    due = ticket.bill.total_minor
    is_tipped = kind == "card" and rng.random() < 0.15
    tip = rounded(due * Fraction(rng.choice(TIPPED)) / 100) if is_tipped else 0
    till.ring(at, till.pay_all(ticket, kind, at, tip=tip))
    return ticket


@flow(0, "R-2.8", "order, payment")
def ordinary(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """What every till does all day."""
    sell(till, rng, at)
    yield from ()


@flow(0.03, "D13", "`reference_id` of the next order is one too high")
def receipt_lost(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A receipt was printed and its sale never comes: its number stays missing."""
    till.print_receipt()
    yield from ()


@flow(0.06, "D13", "order with a `reference_id` below those before it")
def receipt_late(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A receipt is printed and its sale is rung up days later: its number is missing till then."""
    number = till.print_receipt()
    later = till.hours.later(at, day, rng, (1, 12))
    if later is not None:
        yield later
        ticket = till.order(rng, till.basket(rng), receipt=number)
        till.ring(later, till.pay_all(ticket, "card", later))


@flow(0.25, "R-4.1, R-4.2", "line and order discounts, percentages and amounts, on one order")
def several_discounts(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Four discounts on one basket; one is larger than its line."""
    lines = [
        till.of("APP-TEE", 2),
        till.of("HOM-MUG", 3),
        till.of("GRO-PST"),
        till.of("CAF-CAK", 2),
    ]
    price = till.shelf.prices["GRO-PST"]
    cuts = [
        Cut("Season", percent="12.5", lines=(0, 1)),
        Cut("Dented", amount_minor=price * 2, lines=(2,)),
        Cut("Members", percent="7"),
        Cut("Neighbours", amount_minor=till.country.amount(rng.randrange(50, 400))),
    ]
    till.ring(at, till.pay_all(till.order(rng, lines, cuts), rng.choice(("card", "cash")), at))
    yield from ()


@flow(0.2, "R-9.4", "loyalty reward on the order")
def loyalty_reward(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Points used: a discount when used."""
    lines = [till.of("HOM-CND"), *till.basket(rng, 2)]
    cut = Cut("Reward", amount_minor=till.country.amount(500), is_reward=True)
    till.ring(at, till.pay_all(till.order(rng, lines, [cut]), "card", at))
    yield from ()


@flow(0.25, "R-9.7", "service charge, taxable; AUTO_GRATUITY service charge")
def service_and_gratuity(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Alterations are revenue and taxed; a mandatory gratuity is the staff's."""
    lines = [till.of("APP-JKT"), till.of("CAF-LUN", 2)]
    on_top = tuple(tax for tax in lines[0].taxes if not tax.is_inclusive)
    charges = [
        Charge("Alterations", amount_minor=till.country.amount(500), taxes=on_top),
        Charge("Gratuity", percent="18", is_gratuity=True),
    ]
    till.ring(at, till.pay_all(till.order(rng, lines, [], charges), "card", at))
    yield from ()


@flow(0.2, "R-3.3", "two approved payments, then PayOrder")
def split_tender(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Half by card, the rest in cash."""
    ticket = till.order(rng, [till.of("HOM-LMP"), *till.basket(rng)])
    due = ticket.bill.total_minor
    by_card = due // 2
    by_cash = due - by_card
    card = till.pay(ticket, "card", by_card, at, is_held=True)
    cash = till.pay(ticket, "cash", by_cash, at, is_held=True)
    till.settle(ticket, card, cash)
    till.charged(at, by_card)
    slip = Slip().sold(ticket.bill).tender("card", by_card, card_fee(by_card))
    till.ring(at, slip.tender("cash", by_cash))
    yield from ()


@flow(0.2, "R-3.3", "payment FAILED, then another payment of the same order")
def failed_tender(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A card is declined, the next one works."""
    ticket = till.order(rng, till.basket(rng))
    try:
        till.pay(ticket, "declined", ticket.bill.total_minor, at, source=DECLINED)
    except SquareError:
        ticket.payments.clear()
    yield at + MINUTE
    at += MINUTE
    till.ring(at, till.pay_all(ticket, rng.choice(("card", "cash")), at))


@flow(0.15, "R-2.8, R-9.6", "payment APPROVED; its tip and its capture come later")
def tip_settled_later(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A tip is written on the slip, typed in after the day's close and captured then."""
    ticket = till.order(rng, [till.of("CAF-LUN", 2), *till.basket(rng, 2)])
    due = ticket.bill.total_minor
    payment = till.pay(ticket, "card", due, at, is_held=True)
    typed = till.hours.closes(day) + rng.choice((-10, 45, 200)) * MINUTE
    yield typed
    tip = rounded(due * Fraction(rng.choice(TIPPED)) / 100)
    change = {"payment": {"tip_money": till.money(tip)}}
    till.write("PUT", f"/v2/payments/{payment['id']}", change)
    till.write("POST", f"/v2/payments/{payment['id']}/complete", {})
    till.charged(typed, due + tip)
    slip = Slip().sold(till.closed(ticket.bill)).tip(tip)
    slip.tender("card", due + tip, card_fee(due + tip))
    till.ring(typed, slip)


@flow(0.3, "R-9.1, R-9.2, INV-10", "GIFT_CARD line, activity ACTIVATE or LOAD; card as a tender")
def gift_card(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A card is sold, loaded again, redeemed with a second tender, and a refund goes onto it."""
    first, more = (till.country.amount(rng.choice((2000, 2500, 5000))) for _ in range(2))
    card_id = sell_card(till, rng, at, first)
    loaded = till.hours.later(at, day, rng, (0, 3))
    if loaded is None:
        return
    yield loaded
    sell_card(till, rng, loaded, more, card_id)
    used = till.hours.later(loaded, till.book.day(till.store, loaded), rng, (0, 3))
    if used is None:
        return
    yield used
    ticket = till.order(rng, [till.of("APP-JKT", 2), till.of("HOM-VAS")])
    due = ticket.bill.total_minor
    by_card = min(first + more, due - 100)
    gift = till.pay(ticket, "gift_card", by_card, used, source=card_id, is_held=True)
    rest = till.pay(ticket, "card", due - by_card, used, is_held=True)
    till.settle(ticket, gift, rest)
    till.charged(used, due - by_card)
    slip = Slip().sold(ticket.bill).tender("gift_card", by_card)
    till.ring(used, slip.tender("card", due - by_card, card_fee(due - by_card)))
    back = till.hours.later(used, till.book.day(till.store, used), rng, (1, 4))
    if back is None:
        return
    yield back
    amount = min(till.country.amount(700), by_card)
    till.refund(gift, amount, back, "gift_card", reason="Goodwill")
    till.ring(back, Slip().refunded_amount(amount).tender("gift_card", -amount))


def sell_card(till: Till, rng: random.Random, at: datetime, amount: int, card_id: str = "") -> str:
    """Sell a new gift card, or money onto one; gives its id."""
    ticket = till.order(rng, [till.owed_line("Gift card", amount, GIFT_CARD_ROLE)])
    till.ring(at, till.pay_all(ticket, "card", at))
    member = "load_activity_details" if card_id else "activate_activity_details"
    if not card_id:
        wanted = {"location_id": till.location_id, "gift_card": {"type": "DIGITAL"}}
        card_id = till.write("POST", "/v2/gift-cards", wanted)["gift_card"]["id"]
    activity = {
        "type": member.partition("_")[0].upper(),
        "location_id": till.location_id,
        "gift_card_id": card_id,
        member: {"order_id": ticket.order["id"], "line_item_uid": "line-0"},
    }
    till.write("POST", "/v2/gift-cards/activities", {"gift_card_activity": activity})
    return card_id


@flow(0.15, "R-3.3", "order CANCELED; before that a payment APPROVED and CANCELED")
def voided(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A ticket voided before payment, or after a payment that was not captured."""
    ticket = till.order(rng, till.basket(rng))
    if rng.random() < 0.5:
        payment = till.pay(ticket, "card", ticket.bill.total_minor, at, is_held=True)
        yield at + 2 * MINUTE
        till.write("POST", f"/v2/payments/{payment['id']}/cancel", {})
    order = till.square("GET", f"/v2/orders/{ticket.order['id']}", None)["order"]
    change = {"location_id": till.location_id, "version": order["version"], "state": "CANCELED"}
    till.write("PUT", f"/v2/orders/{order['id']}", {"order": change})


@flow(0.12, "R-9.8", "tender OTHER named `House account`; later a custom amount `Account payment`")
def house_account(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A known customer pays at the end of the month."""
    ticket = till.order(rng, [till.of("GRO-BOX", 3), *till.basket(rng, 2)])
    till.ring(at, till.pay_all(ticket, "house_account", at))
    paid = till.hours.later(at, day, rng, (3, 12))
    if paid is None:
        return
    yield paid
    amount = ticket.bill.total_minor
    line = till.owed_line("Account payment", amount, "ar.house:settled")
    till.ring(paid, till.pay_all(till.order(rng, [line]), "card", paid))


@flow(0.12, "R-9.9", "custom amount `Layaway deposit`; at pick-up a tender OTHER of that name")
def layaway(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A deposit now, the goods with all their tax when they are picked up."""
    part = till.country.amount(rng.randrange(2000, 6000))
    line = till.owed_line("Layaway deposit", part, "customer_deposits:taken")
    till.ring(at, till.pay_all(till.order(rng, [line]), rng.choice(("card", "cash")), at))
    picked = till.hours.later(at, day, rng, (2, 15))
    if picked is None:
        return
    yield picked
    ticket = till.order(rng, [till.of("APP-JKT"), till.of("HOM-LMP", 2)])
    rest = ticket.bill.total_minor - part
    used = till.pay(ticket, "deposit", part, picked, is_held=True)
    card = till.pay(ticket, "card", rest, picked, is_held=True)
    till.settle(ticket, used, card)
    till.charged(picked, rest)
    slip = Slip().sold(ticket.bill).tender("deposit", part)
    till.ring(picked, slip.tender("card", rest, card_fee(rest)))


@flow(0.08, "R-2.8, R-9.9", "payment captured on an order that stays OPEN; the rest closes it")
def part_payment(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Something down on an open ticket, the rest days later: all of it is of the day it closes."""
    picked = till.hours.later(at, day, rng, (1, 15))
    if picked is None:
        return
    ticket = till.order(rng, [till.of("HOM-LMP"), *till.basket(rng, 2)])
    down, by = ticket.bill.total_minor // 3, rng.choice(("card", "cash"))
    till.pay(ticket, by, down, at)
    yield picked
    rest = ticket.bill.total_minor - down
    till.pay(ticket, "card", rest, picked)
    slip = Slip().sold(till.closed(ticket.bill)).tender("card", rest, card_fee(rest))
    till.ring(picked, slip.tender(by, down, card_fee(down) if by == "card" else 0))


@flow(0.2, "R-9.13", "discount `Comp: ...` of 100 %, `Employee meal`")
def comp(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A plate on the house, and a meal of the staff: nothing due, or half."""
    is_comp = rng.random() < 0.6
    cut = Cut("Comp: kitchen", percent="100", role="discounts.comp")
    if not is_comp:
        cut = Cut("Employee meal", percent="50", role="discounts.employee")
    ticket = till.order(rng, [till.of("CAF-LUN"), till.of("CAF-ESP")], [cut])
    till.ring(at, till.pay_all(ticket, "card", at))
    yield from ()


@flow(0.15, "R-9.14", "discount `Vendor coupon ...`, or a tender OTHER of that name")
def vendor_coupon(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """A vendor pays part of it: as a discount he funds, or as a means of payment."""
    lines = [till.of("GRO-OIL", 2), till.of("APP-SOX", 2)]
    amount = till.country.amount(rng.randrange(100, 300))
    if rng.random() < 0.5:
        cut = Cut("Vendor coupon oil", amount_minor=amount, role="vendor_receivable")
        till.ring(at, till.pay_all(till.order(rng, lines, [cut]), "card", at))
        return
    ticket = till.order(rng, lines)
    rest = ticket.bill.total_minor - amount
    coupon = till.pay(ticket, "vendor_coupon", amount, at, is_held=True)
    card = till.pay(ticket, "card", rest, at, is_held=True)
    till.settle(ticket, coupon, card)
    till.charged(at, rest)
    slip = Slip().sold(ticket.bill).tender("vendor_coupon", amount)
    till.ring(at, slip.tender("card", rest, card_fee(rest)))
    yield from ()


@flow(0.2, "R-9.15", "custom amount `Donation`, untaxed")
def donation(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Rounded up for a good cause, beside goods."""
    line = till.owed_line(
        "Donation", till.country.amount(rng.randrange(20, 500)), "donations_payable"
    )
    ticket = till.order(rng, [*till.basket(rng, 2), line])
    till.ring(at, till.pay_all(ticket, rng.choice(("card", "cash")), at))
    yield from ()


@flow(0.06, "R-9.17", "two captured payments on one order; the second refunded days later")
def double_charge(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """The till charges a card twice; the customer gets it back days later."""
    ticket = till.order(rng, [till.of("HOM-TWL"), *till.basket(rng, 2)])
    due = ticket.bill.total_minor
    slip = till.pay_all(ticket, "card", at)
    yield at + MINUTE / 2
    again = till.square("POST", f"/sandbox/payments/{ticket.payment_id}/duplicate", {})["payment"]
    till.charged(at + MINUTE / 2, due)
    till.ring(at, slip.tender("card", due, card_fee(due)).owed(due))
    till.book.expect("D04", till.store, till.book.day(till.store, at))
    back = till.hours.later(at, day, rng, (1, 4))
    if back is None:
        return
    yield back
    till.refund(again, due, back, "card", reason="Charged twice")
    slip = Slip().refunded_amount(due, "due_to_customers").tender("card", -due)
    till.ring(back, slip)


@flow(0.15, "R-2.5", "payment with `client_created_at`, uploaded hours or days later")
def offline(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """The line was down: the sale belongs to the day the customer paid."""
    lines = till.basket(rng)
    uploaded = at + timedelta(minutes=rng.choice((30, 300, 1500, 3500)))
    yield uploaded
    ticket = till.order(rng, lines)
    due = ticket.bill.total_minor
    till.pay(ticket, "card", due, uploaded, offline=at)
    till.ring(at, Slip().sold(ticket.bill).tender("card", due, card_fee(due)))


@flow(0.06, "R-2.6", "offline payment APPROVED, FAILED a day after it was uploaded")
def offline_declined(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """The issuer declines what was taken offline: the sale stands, nobody pays."""
    lines = till.basket(rng)
    yield at + timedelta(hours=rng.choice((1, 5)))
    ticket = till.order(rng, lines)
    due = ticket.bill.total_minor
    payment = till.pay(ticket, "card", due, at, offline=at, is_held=True)
    yield at + timedelta(hours=30)
    till.square("POST", f"/sandbox/payments/{payment['id']}/fail", {})
    till.ring(at, Slip().sold(ticket.bill).tender("uncollected", due))
    till.book.expect("D01", till.store, day)


@flow(0.3, "R-2.2", "order opened before the cut-off, closed seconds after it; one just before it")
def around_cutoff(till: Till, rng: random.Random, at: datetime, day: date) -> Story:
    """Seconds on both sides of the border between two trading days."""
    start = till.book.stores[till.store].day_start(day + timedelta(days=1))
    if start < at:
        return
    yield start - MINUTE / 2
    ticket = till.order(rng, till.basket(rng, 2))
    till.ring(start - MINUTE / 2, till.pay_all(ticket, "card", start - MINUTE / 2))
    ticket = till.order(rng, till.basket(rng, 2))
    yield start + MINUTE / 2
    till.ring(start + MINUTE / 2, till.pay_all(ticket, "card", start + MINUTE / 2))
