"""A store's tills in Square's words: orders, payments, refunds, drawers, payouts.

Amounts are worked out before (`bills`); an order that the seller totals otherwise is a
`Disagreement`. So nothing here comes from the simulator but ids.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.scenario.catalogue import ITEMS, Item
from cloud_conductor.sandbox.scenario.daybook import card_fee, rounded
from cloud_conductor.sandbox.scenario.retail.bills import (
    Back,
    BackCharge,
    Bill,
    Charge,
    Cut,
    Line,
    work_out,
)
from cloud_conductor.sandbox.scenario.retail.book import Book, Count, Paid, Slip
from cloud_conductor.sandbox.scenario.retail.hours import Hours
from cloud_conductor.sandbox.scenario.retail.places import Country, Place

Json = dict[str, Any]
Call = Callable[[str, str, Json | None], Json]
CARD = "cnon:card-nonce-ok"
DECLINED = "cnon:card-nonce-declined"
GIFT_CARD_ROLE = "gift_card_liability:sold"
NAMES = {  # external means of payment: the name the till gives them (docs: the generator's page)
    "house_account": "House account",
    "store_credit": "Store credit",
    "deposit": "Layaway deposit",
    "vendor_coupon": "Vendor coupon",
}


class Disagreement(AssertionError):
    """The seller's arithmetic and the scenario's own give different totals."""


@dataclass(slots=True)
class Shelf:
    """What the seller asks for each item now: price and cost in minor units, by SKU."""

    country: Country
    prices: dict[str, int] = field(default_factory=dict)
    costs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with the price list in the country's money."""
        self.prices = {one.sku: self.country.amount(one.price_minor) for one in ITEMS}
        self.costs = {one.sku: self.country.amount(one.cost_minor) for one in ITEMS}


@dataclass(slots=True)
class Drawer:
    """One open shift of one register."""

    shift_id: str
    day: date
    float_minor: int
    cash_minor: int = 0
    paid_in_minor: int = 0
    paid_out_minor: int = 0
    drops_minor: int = 0
    float_change_minor: int = 0
    gap_minor: int = 0

    @property
    def stays_minor(self) -> int:
        """Its float as it was changed so far."""
        return self.float_minor + self.float_change_minor


@dataclass(frozen=True, slots=True)
class Owed:
    """One entry of the processor's balance: net amount and the roles a payout relieves."""

    at: datetime
    roles: Mapping[str, int]


@dataclass(slots=True)
class Ticket:
    """An order that was sold: its bill and its payments by means."""

    order: Json
    bill: Bill
    payments: dict[str, Json] = field(default_factory=dict)
    returned: dict[int, int] = field(default_factory=dict)

    @property
    def payment_id(self) -> str:
        """Id of its first payment."""
        return str(next(iter(self.payments.values()))["id"])


@dataclass(slots=True)
class Till:
    """One store. `ids` maps SKUs and tax names to catalog ids; `people` are customer ids."""

    square: Call
    book: Book
    country: Country
    place: Place
    hours: Hours
    shelf: Shelf
    location_id: str
    ids: Mapping[str, str]
    people: Sequence[str]
    loyalty: tuple[str, str]
    drawers: dict[str, Drawer] = field(default_factory=dict)
    floats: dict[str, int] = field(default_factory=dict)
    left: dict[str, int | None] = field(default_factory=dict)
    balance: list[Owed] = field(default_factory=list)
    writes: int = 0
    receipts: int = 0

    @property
    def store(self) -> str:
        """Name of the place."""
        return self.place.store

    def ring(self, at: datetime, slip: Slip) -> None:
        """Book a slip at this store."""
        self.book.ring(self.store, at, slip)

    def money(self, amount: int) -> Json:
        """Square's Money in the country's currency."""
        return {"amount": amount, "currency": self.country.currency}

    # ---- baskets -------------------------------------------------------------------------------

    def line(self, item: Item, units: int) -> Line:
        """Units of an item at today's price and cost, with the store's taxes on it."""
        taxes = tuple(tax for tax in self.place.taxes if item.category in tax.categories)
        price, cost = self.shelf.prices[item.sku], self.shelf.costs[item.sku]
        return Line(item.name, item.category, price, units, cost, item.sku, taxes)

    def basket(self, rng: random.Random, lines_max: int = 4) -> list[Line]:
        """Some items, each once."""
        items = rng.sample(ITEMS, rng.randint(1, lines_max))
        return [self.line(item, rng.choice((1, 1, 1, 2, 3))) for item in items]

    def closed(self, bill: Bill) -> Bill:
        """The bill of an order that was opened before: its goods cost what they cost now."""
        for part in bill.parts:
            if part.line.sku:
                cost = self.shelf.costs[part.line.sku]
                part.line = replace(part.line, cost_minor=cost)
        return bill

    def of(self, sku: str, units: int = 1) -> Line:
        """Units of one item by its SKU."""
        return self.line(next(item for item in ITEMS if item.sku == sku), units)

    def owed_line(self, name: str, amount: int, role: str) -> Line:
        """A custom amount that is no sale: what the seller owes for it is under `role`."""
        return Line(name, "other", amount, 1, role=role)

    # ---- orders --------------------------------------------------------------------------------

    def order(
        self,
        rng: random.Random,
        lines: Sequence[Line],
        cuts: Sequence[Cut] = (),
        charges: Sequence[Charge] = (),
        *,
        returns: Sequence[Json] = (),
        back: Sequence[Back | BackCharge] = (),
        receipt: int = 0,
    ) -> Ticket:
        """Open an order; Square must come to the bill's total less what comes back.

        receipt: a number printed before; else the next one.
        """
        bill = work_out(lines, cuts, charges)
        number = receipt or self.print_receipt()
        self.book.receipt(self.store, number)
        order: Json = {
            "location_id": self.location_id,
            "reference_id": f"{self.store}-{number}",
        }
        if lines:
            order["line_items"] = [self._line_item(at, one) for at, one in enumerate(lines)]
        taxes = [tax for line in lines for tax in line.taxes]
        taxes += [tax for charge in charges for tax in charge.taxes]
        order["taxes"] = self.taxes(sorted({tax.name for tax in taxes}))
        order["discounts"] = [
            self._discount(f"cut-{at}", cut) for at, cut in enumerate(cuts) if not cut.is_reward
        ]
        for at, cut in enumerate(cuts):
            for line in cut.lines or ():
                applied = order["line_items"][line].setdefault("applied_discounts", [])
                applied.append({"discount_uid": f"cut-{at}"})
        order["service_charges"] = [self._charge(at, one) for at, one in enumerate(charges)]
        order["returns"] = list(returns)
        if self.people and rng.random() < 0.5:
            order["customer_id"] = rng.choice(self.people)
        order = {name: value for name, value in order.items() if value}
        made = self.write("POST", "/v2/orders", {"order": order})["order"]
        if any(cut.is_reward for cut in cuts):
            made = self._reward(made["id"])
        self.agree(made, bill.total_minor - sum(one.total_minor for one in back))
        return Ticket(made, bill)

    def print_receipt(self) -> int:
        """The next receipt number of the store."""
        self.receipts += 1
        return self.receipts

    def agree(self, order: Json, due: int) -> None:
        """Raise Disagreement unless this is due on an order."""
        found = order["net_amount_due_money"]["amount"]
        if found != due:
            msg = f"{self.store} {order.get('id')}: Square says {found}, worked out {due}"
            raise Disagreement(msg)

    def taxes(self, names: Sequence[str]) -> list[Json]:
        """Taxes of an order, each put on its lines by name."""
        return [
            {"uid": name, "catalog_object_id": self.ids[name], "scope": "LINE_ITEM"}
            for name in names
        ]

    def _line_item(self, at: int, line: Line) -> Json:
        found: Json = {
            "uid": f"line-{at}",
            "quantity": str(line.units),
            "base_price_money": self.money(line.price_minor),
        }
        if line.sku:
            found["catalog_object_id"] = self.ids[line.sku]
        else:
            found["name"] = line.name
        if line.role == GIFT_CARD_ROLE:
            found["item_type"] = "GIFT_CARD"
        if line.taxes:
            found["applied_taxes"] = [{"tax_uid": tax.name} for tax in line.taxes]
        return found

    def said_line(self, line: Line) -> Json:
        """One line that comes back without a receipt, as a sale of it would be said."""
        said = self._line_item(0, line)
        del said["uid"]
        return said

    def _discount(self, uid: str, cut: Cut) -> Json:
        scope = "ORDER" if cut.lines is None else "LINE_ITEM"
        found: Json = {"uid": uid, "name": cut.name, "scope": scope}
        if cut.percent is not None:
            return found | {"percentage": cut.percent, "type": "FIXED_PERCENTAGE"}
        return found | {"amount_money": self.money(cut.amount_minor), "type": "FIXED_AMOUNT"}

    def _charge(self, at: int, charge: Charge) -> Json:
        found: Json = {
            "uid": f"charge-{at}",
            "name": charge.name,
            "calculation_phase": "SUBTOTAL_PHASE",
        }
        if charge.is_gratuity:
            found["type"] = "AUTO_GRATUITY"
        if charge.taxes:
            found |= {"taxable": True, "applied_taxes": [{"tax_uid": t.name} for t in charge.taxes]}
        if charge.percent is not None:
            return found | {"percentage": charge.percent}
        return found | {"amount_money": self.money(charge.amount_minor)}

    def _reward(self, order_id: str) -> Json:
        account_id, tier_id = self.loyalty
        points = {"accumulate_points": {"points": 100}, "location_id": self.location_id}
        self.write("POST", f"/v2/loyalty/accounts/{account_id}/accumulate", points)
        reward = {
            "loyalty_account_id": account_id,
            "reward_tier_id": tier_id,
            "order_id": order_id,
        }
        self.write("POST", "/v2/loyalty/rewards", {"reward": reward})
        return dict(self.square("GET", f"/v2/orders/{order_id}", None)["order"])

    # ---- payments ------------------------------------------------------------------------------

    def pay(self, ticket: Ticket, kind: str, amount: int, at: datetime, **how: Any) -> Json:
        """Take a payment; `how`: tip, source, is_held, register, offline (client's instant)."""
        body: Json = {
            "source_id": how.get("source") or _source(kind),
            "amount_money": self.money(amount),
            "order_id": ticket.order["id"],
            "location_id": self.location_id,
        }
        if how.get("tip"):
            body["tip_money"] = self.money(how["tip"])
        if how.get("is_held"):
            body["autocomplete"] = False
        if how.get("offline"):
            body["offline_payment_details"] = {"client_created_at": how["offline"].isoformat()}
        if kind in NAMES:
            body["external_details"] = {"type": "OTHER", "source": NAMES[kind]}
        register = how.get("register") or self.register()
        if kind == "cash":
            given = -(-(amount + how.get("tip", 0)) // 500) * 500
            body["cash_details"] = {"buyer_supplied_money": self.money(given)}
            if register in self.drawers:
                self.drawers[register].cash_minor += amount + how.get("tip", 0)
        body |= {"device_details": {"device_id": register}, "team_member_id": f"TM-{register}"}
        payment = dict(self.write("POST", "/v2/payments", body)["payment"])
        ticket.payments[kind] = payment
        if kind == "card" and not how.get("is_held"):
            self.charged(at, amount + how.get("tip", 0))
        return payment

    def charged(self, at: datetime, amount: int) -> None:
        """Note a captured card charge in the processor's balance, its fee already entered."""
        self.balance.append(Owed(at, {"clearing.square": -(amount - card_fee(amount))}))

    def pay_all(self, ticket: Ticket, kind: str, at: datetime, *, tip: int = 0) -> Slip:
        """Pay the whole order by one means and give the slip; cash to the nearest coin."""
        due = ticket.bill.total_minor
        slip = Slip().sold(self.closed(ticket.bill))
        if not due:
            self.settle(ticket)
            return slip
        if kind == "cash":
            coins = self.country.coin * rounded(Fraction(due, self.country.coin))
            if coins > 0:
                slip.rounding(coins - due)
                due = coins
            else:
                kind = "card"
        self.pay(ticket, kind, due, at, tip=tip)
        if tip:
            slip.tip(tip)
        fee = card_fee(due + tip) if kind == "card" else 0
        return slip.tender(kind, due + tip, fee)

    def settle(self, ticket: Ticket, *payments: Json) -> None:
        """Close an order with payments that were held, or with nothing due."""
        body = {"payment_ids": [payment["id"] for payment in payments]}
        self.write("POST", f"/v2/orders/{ticket.order['id']}/pay", body)

    def register(self) -> str:
        """Name a register whose drawer is open, each in its turn; the first one when none is."""
        names = sorted(self.drawers)
        return names[self.writes % len(names)] if names else f"{self.store}-R1"

    def refund(self, payment: Json, amount: int, at: datetime, kind: str, **how: Any) -> None:
        """Give money of a payment back: the way it came, or `target` (gift card id, EXTERNAL)."""
        body: Json = {
            "payment_id": payment["id"],
            "amount_money": self.money(amount),
            "reason": how.get("reason", "Returned goods"),
        }
        if how.get("target"):
            body["destination_id"] = how["target"]
        if how.get("target") == "EXTERNAL":
            body["external_details"] = {"type": "OTHER", "source": NAMES[kind]}
        self.write("POST", "/v2/refunds", body)
        self.given_back(kind, amount, at, payment.get("device_details", {}).get("device_id", ""))

    def given_back(self, kind: str, amount: int, at: datetime, register: str = "") -> None:
        """Note money that left: out of the processor's balance or out of a drawer."""
        if kind == "card":
            self.balance.append(Owed(at, {"clearing.square": amount}))
        elif kind == "cash" and register in self.drawers:
            self.drawers[register].cash_minor -= amount

    # ---- drawers and the processor -------------------------------------------------------------

    def open_drawer(self, register: str, day: date, float_minor: int) -> None:
        """Begin a shift with its float; a gap when the shift before left other cash (R-8.2)."""
        left = self.left.get(register)
        gap = float_minor - left if left is not None else 0
        if gap:
            self.book.expect("D11", self.store, day)
        body = {
            "location_id": self.location_id,
            "opened_cash_money": self.money(float_minor),
            "device": {"id": register, "name": register},
        }
        found = self.square("POST", "/sandbox/cash-drawers/shifts", body)["cash_drawer_shift"]
        self.drawers[register] = Drawer(found["id"], day, float_minor, gap_minor=gap)

    def drawer_event(self, register: str, kind: str, amount: int, reason: str) -> None:
        """Open a drawer without a sale, or take cash out of it or put some in."""
        body: Json = {"event_type": kind, "description": reason}
        body["event_money"] = self.money(amount)
        shift_id = self.drawers[register].shift_id
        self.square("POST", f"/sandbox/cash-drawers/shifts/{shift_id}/events", body)

    def close_drawer(self, register: str, over_short: int, *, is_counted: bool = True) -> None:
        """End a shift and count it, or leave it uncounted."""
        drawer = self.drawers.pop(register)
        self.left[register] = None
        if not is_counted:
            self.square("POST", f"/sandbox/cash-drawers/shifts/{drawer.shift_id}/end", {})
            self.book.expect("D11", self.store, drawer.day)
            return
        expected = drawer.stays_minor + drawer.cash_minor + drawer.paid_in_minor
        expected -= drawer.paid_out_minor + drawer.drops_minor
        counted = max(expected + over_short, 0)
        body = {"closed_cash_money": self.money(counted)}
        self.square("POST", f"/sandbox/cash-drawers/shifts/{drawer.shift_id}/close", body)
        count = Count(
            drawer.shift_id,
            drawer.float_minor,
            drawer.cash_minor,
            drawer.paid_in_minor,
            drawer.paid_out_minor,
            drawer.drops_minor,
            drawer.float_change_minor,
            drawer.gap_minor,
            counted,
        )
        if count.bag_minor < 0:
            self.book.expect("D11", self.store, drawer.day)
        self.left[register] = min(counted, drawer.stays_minor)
        self.book.count(self.store, drawer.day, count)

    def pay_out(
        self, at: datetime, until: datetime | None, *, is_instant: bool = False
    ) -> Paid | None:
        """Send the bank what became effective before `until`; an instant payout has a fee."""
        body: Json = {"location_id": self.location_id}
        due = [one for one in self.balance if until is None or one.at < until]
        if not due:
            return None
        self.balance = [one for one in self.balance if one not in due]
        if until is not None:
            body["until"] = until.isoformat()
        roles: dict[str, int] = {}
        for one in due:
            for role, amount in one.roles.items():
                roles[role] = roles.get(role, 0) + amount
        if is_instant:
            body["instant"] = True
            fee = rounded(Fraction(15 * max(-sum(roles.values()), 0), 1000))
            roles["merchant_fees.square"] = roles.get("merchant_fees.square", 0) + fee
        payout = self.square("POST", "/sandbox/payouts", body)["payout"]
        self.agree({"net_amount_due_money": payout["amount_money"]}, -sum(roles.values()))
        sent = self.hours.local_date(at)
        paid = Paid(payout["id"], sent, roles)
        self.book.pay_out(self.store, paid)
        return paid

    def fail_payout(self, at: datetime, paid: Paid) -> None:
        """The bank sends a payout back; the next one has it."""
        self.square("POST", f"/sandbox/payouts/{paid.payout_id}/fail", {})
        self.balance.append(Owed(at, {"clearing.square": -paid.net_minor}))
        self.book.return_payout(self.store, paid)

    def write(self, method: str, path: str, body: Json) -> Json:
        """Call with the next idempotency key of this store."""
        self.writes += 1
        return self.square(method, path, {"idempotency_key": f"{self.store}-{self.writes}", **body})


def _source(kind: str) -> str:
    return {"card": CARD, "cash": "CASH"}.get(kind, "EXTERNAL")
