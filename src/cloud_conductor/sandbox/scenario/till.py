"""A till of the chain: plays planned steps into a Square seller and books what they mean.

Amounts are worked out here first, in fractions, and every order the seller answers with must come
to the same total: `Disagreement` otherwise. So the truth never comes from the simulator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from functools import singledispatchmethod
from typing import Any

from cloud_conductor.sandbox.scenario.catalogue import Item, StorePlan
from cloud_conductor.sandbox.scenario.daybook import (
    DayBook,
    DrawerCount,
    Goods,
    PayoutMeant,
    Receipt,
    card_fee,
    part_returned,
    rounded,
    shares,
)
from cloud_conductor.sandbox.scenario.demand import (
    Cancelled,
    Discount,
    DrawerClosed,
    DrawerEvent,
    DrawerOpened,
    Exchange,
    GiftCardSale,
    PayoutSent,
    Redemption,
    Return,
    Sale,
    Step,
    TicketOpened,
)

Json = dict[str, Any]
Call = Callable[[str, str, Json | None], Json]
CASH_STEP_MINOR = 500  # customers pay cash in fives
REWARD_POINTS = 100
CARD_NONCE = "cnon:card-nonce-ok"


class Disagreement(AssertionError):
    """The seller's arithmetic and the scenario's own give different totals."""


@dataclass(frozen=True, slots=True)
class Bill:
    """One basket worked out: goods with their discounts, tax by name, service, no tip."""

    goods: tuple[Goods, ...]
    tax_minor: int
    service_minor: int

    @property
    def total_minor(self) -> int:
        """Amount due."""
        net = sum(line.gross_minor - line.discount_minor for line in self.goods)
        return net + self.tax_minor + self.service_minor


def work_out(
    basket: Sequence[tuple[Item, int]],
    rate: Fraction,
    discount: Discount | None = None,
    service_minor: int = 0,
) -> Bill:
    """Give the bill of a basket (R-4.*): discount over all lines, one tax on all that is taxed."""
    gross = [item.price_minor * units for item, units in basket]
    cut = 0
    if discount is not None:
        cut = min(discount.amount_minor, sum(gross))
        if discount.percent is not None:
            cut = rounded(sum(gross) * Fraction(discount.percent) / 100)
    goods = tuple(
        Goods(item.category, whole, part, item.cost_minor * units)
        for (item, units), whole, part in zip(basket, gross, shares(cut, gross), strict=True)
    )
    taxed = [
        line.gross_minor - line.discount_minor
        for (item, _), line in zip(basket, goods, strict=True)
        if item.taxed
    ]
    return Bill(goods, rounded((sum(taxed) + service_minor) * rate), service_minor)


@dataclass(slots=True)
class Sold:
    """A labelled sale of one line, as a return needs it."""

    order_id: str
    payment_id: str
    tender: str
    item: Item
    units: int
    bill: Bill
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Balance:
    """One entry of the processor's balance: a charge or (negative) a refund."""

    at: datetime
    reference: str
    gross_minor: int
    fee_minor: int


@dataclass(slots=True)
class Till:
    """One store's till; `ids` maps SKUs and the tax's name to catalog object ids.

    `loyalty` is (account id, reward tier id) of the customer who collects points.
    """

    square: Call
    book: DayBook
    plan: StorePlan
    location_id: str
    ids: dict[str, str]
    loyalty: tuple[str, str]
    tickets: dict[Sale, Json] = field(default_factory=dict)
    sold: dict[str, Sold] = field(default_factory=dict)
    cards: dict[str, tuple[str, int]] = field(default_factory=dict)
    balance: list[Balance] = field(default_factory=list)
    shift_id: str = ""
    shift: list[int] = field(default_factory=lambda: [0, 0, 0])  # float, cash, paid out
    writes: int = 0

    @singledispatchmethod
    def play(self, step: Step) -> None:
        """Do one step now; the caller has set the clock to `step.at`."""
        raise TypeError(step)

    # ---- sales ---------------------------------------------------------------------------------

    @play.register
    def _ticket(self, step: TicketOpened) -> None:
        order = self._order(self._lines(step.sale.basket), step.sale)
        for number in range(step.sale.updates):
            change = {
                "location_id": self.location_id,
                "version": order["version"],
                "ticket_name": f"Table {number + 1}",
            }
            order = self._write("PUT", f"/v2/orders/{order['id']}", {"order": change})["order"]
        self.tickets[step.sale] = order

    @play.register
    def _sale(self, step: Sale) -> None:
        bill = work_out(step.basket, self.plan.tax_rate, step.discount, step.service_minor)
        order = self.tickets.pop(step, None) or self._order(self._lines(step.basket), step)
        self._agree(order, bill.total_minor)
        if step.corrupt is not None:
            pointer, value = step.corrupt
            wrong = {"order_id": order["id"], "pointer": pointer, "value": value}
            self.square("POST", "/sandbox/corrupt", wrong)
        tip = rounded(Fraction(bill.total_minor * step.tip_percent, 100))
        payment_id = self._pay(order, bill.total_minor, step.tender, step.at, tip=tip)
        paid = bill.total_minor + tip
        receipt = self._receipt(bill, {step.tender: paid}, tip=tip)
        self.book.ring(self.plan.store, step.at, receipt)
        if step.corrupt is not None:
            day = self.book.stores[self.plan.store].business_date(step.at)
            self.book.plant(
                "D16", self.plan.store, day, receipt, order_id=order["id"], pointer=step.corrupt[0]
            )
        if step.label:
            item, units = step.basket[0]
            self.sold[step.label] = Sold(order["id"], payment_id, step.tender, item, units, bill)

    @play.register
    def _gift_card_sale(self, step: GiftCardSale) -> None:
        line = {
            "uid": "card",
            "name": "Gift card",
            "quantity": "1",
            "item_type": "GIFT_CARD",
            "base_price_money": _usd(step.amount_minor),
        }
        order = self._order([line], None, taxed=False)
        self._agree(order, step.amount_minor)
        self._pay(order, step.amount_minor, "card", step.at)
        card = self._write(
            "POST",
            "/v2/gift-cards",
            {"location_id": self.location_id, "gift_card": {"type": "DIGITAL"}},
        )["gift_card"]
        activity = {
            "type": "ACTIVATE",
            "location_id": self.location_id,
            "gift_card_id": card["id"],
            "activate_activity_details": {"order_id": order["id"], "line_item_uid": "card"},
        }
        self._write("POST", "/v2/gift-cards/activities", {"gift_card_activity": activity})
        self.cards[step.label] = (card["id"], step.amount_minor)
        receipt = Receipt(
            gift_sold_minor=step.amount_minor,
            tenders={"card": step.amount_minor},
            fee_minor=card_fee(step.amount_minor),
        )
        self.book.ring(self.plan.store, step.at, receipt)

    @play.register
    def _redemption(self, step: Redemption) -> None:
        bill = work_out(step.basket, self.plan.tax_rate)
        order = self._order(self._lines(step.basket), None)
        self._agree(order, bill.total_minor)
        card_id, funds = self.cards.pop(step.card_label)
        by_card = min(funds, bill.total_minor)
        by_cash = bill.total_minor - by_card
        parts = [self._payment(order, by_card, card_id, held=True)]
        if by_cash:
            parts.append(self._payment(order, by_cash, "CASH", held=True))
            self.shift[1] += by_cash
        body = {"payment_ids": [payment["id"] for payment in parts]}
        self._write("POST", f"/v2/orders/{order['id']}/pay", body)
        tenders = {"gift_card": by_card, "cash": by_cash}
        self.book.ring(self.plan.store, step.at, self._receipt(bill, tenders))

    @play.register
    def _cancelled(self, step: Cancelled) -> None:
        order = self._order(self._lines(step.basket), None)
        change = {
            "location_id": self.location_id,
            "version": order["version"],
            "state": "CANCELED",
        }
        self._write("PUT", f"/v2/orders/{order['id']}", {"order": change})

    # ---- goods back ----------------------------------------------------------------------------

    @play.register
    def _return(self, step: Return) -> None:
        sold = self.sold[step.label]
        back, tax = self._taken_back(sold, step.units)
        amount = back.gross_minor - back.discount_minor + tax
        order = self._return_order(sold, step.units, None)
        self._agree(order, -amount)
        refund = self._write(
            "POST",
            "/v2/refunds",
            {
                "payment_id": sold.payment_id,
                "amount_money": _usd(amount),
                "reason": "Returned goods",
            },
        )["refund"]
        if sold.tender == "card":
            self.balance.append(Balance(step.at, refund["id"], -amount, 0))
        else:
            self.shift[1] -= amount
        receipt = Receipt(
            returned=(back,),
            returned_tax={self.plan.tax_name: tax},
            tenders={sold.tender: -amount},
        )
        self.book.ring(self.plan.store, step.at, receipt)

    @play.register
    def _exchange(self, step: Exchange) -> None:
        sold = self.sold[step.label]
        back, tax = self._taken_back(sold, 1)
        bill = work_out([(step.item, 1)], self.plan.tax_rate)
        due = bill.total_minor - (back.gross_minor - back.discount_minor + tax)
        order = self._return_order(sold, 1, step.item)
        self._agree(order, due)
        if due:
            self._pay(order, due, "card", step.at)
        else:
            self._write("POST", f"/v2/orders/{order['id']}/pay", {"payment_ids": []})
        receipt = Receipt(
            sold=bill.goods,
            returned=(back,),
            tax={self.plan.tax_name: bill.tax_minor},
            returned_tax={self.plan.tax_name: tax},
            tenders={"card": due},
            fee_minor=card_fee(due) if due else 0,
        )
        self.book.ring(self.plan.store, step.at, receipt)

    def _taken_back(self, sold: Sold, units: int) -> tuple[Goods, int]:
        """Give the goods and the tax of the next units of a sale, cumulatively (R-1.7, R-10.3)."""
        before, after = sold.returned, sold.returned + units
        line = sold.bill.goods[0]
        gross, discount, tax = (
            part_returned(total, before, after, sold.units)
            for total in (line.gross_minor, line.discount_minor, sold.bill.tax_minor)
        )
        sold.returned = after
        return Goods(line.category, gross, discount, sold.item.cost_minor * units), tax

    def _return_order(self, sold: Sold, units: int, taken: Item | None) -> Json:
        order: Json = {
            "location_id": self.location_id,
            "returns": [
                {
                    "source_order_id": sold.order_id,
                    "return_line_items": [
                        {"source_line_item_uid": "line-1", "quantity": str(units)}
                    ],
                }
            ],
        }
        if taken is not None:
            order |= {"line_items": self._lines([(taken, 1)]), "taxes": self._taxes()}
        return dict(self._write("POST", "/v2/orders", {"order": order})["order"])

    # ---- the drawer and the processor ----------------------------------------------------------

    @play.register
    def _drawer_opened(self, step: DrawerOpened) -> None:
        body = {"location_id": self.location_id, "opened_cash_money": _usd(step.float_minor)}
        found = self.square("POST", "/sandbox/cash-drawers/shifts", body)
        self.shift_id = found["cash_drawer_shift"]["id"]
        self.shift = [step.float_minor, 0, 0]

    @play.register
    def _drawer_event(self, step: DrawerEvent) -> None:
        body: Json = {"event_type": step.event_type, "description": step.description}
        body["event_money"] = _usd(step.amount_minor)
        self.square("POST", f"/sandbox/cash-drawers/shifts/{self.shift_id}/events", body)
        self.shift[2] += step.amount_minor

    @play.register
    def _drawer_closed(self, step: DrawerClosed) -> None:
        opened, cash, paid_out = self.shift
        counted = opened + cash - paid_out + step.over_short_minor
        body = {"closed_cash_money": _usd(counted)}
        self.square("POST", f"/sandbox/cash-drawers/shifts/{self.shift_id}/close", body)
        day = self.book.stores[self.plan.store].business_date(step.at)
        self.book.count(self.plan.store, day, DrawerCount(opened, paid_out, counted, cash))

    @play.register
    def _payout(self, step: PayoutSent) -> None:
        due = [entry for entry in self.balance if entry.at < step.until]
        if not due:
            return
        self.balance = [entry for entry in self.balance if entry.at >= step.until]
        body = {"location_id": self.location_id, "until": step.until.isoformat()}
        payout = self.square("POST", "/sandbox/payouts", body)["payout"]
        gross, fee = sum(e.gross_minor for e in due), sum(e.fee_minor for e in due)
        self._agree({"net_amount_due_money": payout["amount_money"]}, gross - fee)
        sent = self._local_date(step.at)
        references = tuple(entry.reference for entry in due)
        meant = PayoutMeant(payout["id"], sent, gross, fee, references)
        self.book.pay_out(self.plan.store, meant)

    def _local_date(self, at: datetime) -> date:
        return self.book.stores[self.plan.store].business_date(at)

    # ---- Square's own words --------------------------------------------------------------------

    def _write(self, method: str, path: str, body: Json) -> Json:
        """Call with the next idempotency key of this till."""
        self.writes += 1
        key = f"{self.plan.store}-{self.writes:06d}"
        return self.square(method, path, {"idempotency_key": key, **body})

    def _lines(self, basket: Sequence[tuple[Item, int]]) -> list[Json]:
        lines: list[Json] = []
        for number, (item, units) in enumerate(basket, 1):
            line: Json = {
                "uid": f"line-{number}",
                "catalog_object_id": self.ids[item.sku],
                "quantity": str(units),
            }
            if not item.taxed:
                line["pricing_blocklists"] = {
                    "blocked_taxes": [{"uid": f"exempt-{number}", "tax_uid": "tax"}]
                }
            lines.append(line)
        return lines

    def _taxes(self) -> list[Json]:
        tax_id = self.ids[self.plan.tax_name]
        return [{"uid": "tax", "catalog_object_id": tax_id, "scope": "ORDER"}]

    def _order(self, lines: list[Json], sale: Sale | None, *, taxed: bool = True) -> Json:
        order: Json = {"location_id": self.location_id, "line_items": lines}
        if taxed:
            order["taxes"] = self._taxes()
        discount = sale.discount if sale is not None else None
        if discount is not None and not discount.is_reward:
            order["discounts"] = [_discount(discount)]
        if sale is not None and sale.service_minor:
            order["service_charges"] = [
                {
                    "uid": "service",
                    "name": "Alterations",
                    "amount_money": _usd(sale.service_minor),
                    "calculation_phase": "SUBTOTAL_PHASE",
                    "taxable": True,
                }
            ]
        created = dict(self._write("POST", "/v2/orders", {"order": order})["order"])
        if discount is not None and discount.is_reward:
            return self._reward(created["id"])
        return created

    def _reward(self, order_id: str) -> Json:
        """Collect the points of a reward and take it on the open order; give the order then."""
        account_id, tier_id = self.loyalty
        points = {"accumulate_points": {"points": REWARD_POINTS}, "location_id": self.location_id}
        self._write("POST", f"/v2/loyalty/accounts/{account_id}/accumulate", points)
        reward = {
            "loyalty_account_id": account_id,
            "reward_tier_id": tier_id,
            "order_id": order_id,
        }
        self._write("POST", "/v2/loyalty/rewards", {"reward": reward})
        return dict(self.square("GET", f"/v2/orders/{order_id}", None)["order"])

    def _pay(self, order: Json, amount: int, tender: str, at: datetime, *, tip: int = 0) -> str:
        """Pay the whole order by one tender, which completes it; gives the payment's id."""
        source = CARD_NONCE if tender == "card" else "CASH"
        payment = self._payment(order, amount, source, tip=tip)
        paid = amount + tip
        if tender == "card":
            self.balance.append(Balance(at, payment["id"], paid, card_fee(paid)))
        else:
            self.shift[1] += paid
        return str(payment["id"])

    def _payment(
        self, order: Json, amount: int, source: str, *, tip: int = 0, held: bool = False
    ) -> Json:
        body: Json = {
            "source_id": source,
            "amount_money": _usd(amount),
            "order_id": order["id"],
            "location_id": self.location_id,
        }
        if tip:
            body["tip_money"] = _usd(tip)
        if held:
            body["autocomplete"] = False
        if source == "CASH":
            given = -(-amount // CASH_STEP_MINOR) * CASH_STEP_MINOR
            body["cash_details"] = {"buyer_supplied_money": _usd(given)}
        return dict(self._write("POST", "/v2/payments", body)["payment"])

    def _receipt(self, bill: Bill, tenders: dict[str, int], *, tip: int = 0) -> Receipt:
        by_card = tenders.get("card", 0)
        return Receipt(
            sold=bill.goods,
            tax={self.plan.tax_name: bill.tax_minor},
            service_minor=bill.service_minor,
            tip_minor=tip,
            tenders=tenders,
            fee_minor=card_fee(by_card) if by_card else 0,
        )

    def _agree(self, answer: Json, due: int) -> None:
        found = answer["net_amount_due_money"]["amount"]
        if found != due:
            msg = f"{self.plan.store} {answer.get('id')}: Square says {found}, worked out {due}"
            raise Disagreement(msg)


def _discount(discount: Discount) -> Json:
    out: Json = {"uid": "discount", "name": discount.name, "scope": "ORDER"}
    if discount.percent is not None:
        return out | {"percentage": discount.percent, "type": "FIXED_PERCENTAGE"}
    return out | {"amount_money": _usd(discount.amount_minor), "type": "FIXED_AMOUNT"}


def _usd(amount_minor: int) -> Json:
    return {"amount": amount_minor, "currency": "USD"}
