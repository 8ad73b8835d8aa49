"""What a played day must look like in the books, computed apart from the product.

`truth_of(dump, stores)` reads what a seller holds (GET /sandbox/dump) and gives figures and
balanced entries per store and business date (R-2.2, R-2.8, R-6.*, R-7.*, R-8.*), with its own
business days, its own allocation and exact integers. Amounts are signed: debit > 0.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from cloud_conductor.sandbox.clock import parse_instant

Json = dict[str, Any]

SCHEMA = "sandbox.truth/v1"
KINDS = ("SALES", "CASH", "DEPOSIT", "FEES", "COGS", "PAYOUT")


@dataclass(frozen=True, slots=True)
class Store:
    """A location as accounting sees it.

    cutoff: local time the business day starts, `HH:MM`. tax_splits: for each tax by its name at
    the point of sale, percent per jurisdiction; a tax without a split is its own jurisdiction.
    """

    name: str
    location_id: str
    time_zone: str
    cutoff: str = "00:00"
    currency: str = "USD"
    tax_splits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def business_date(self, instant: str) -> date:
        """Date of the trading day an instant falls into: `[D at cutoff, D+1 at cutoff)`."""
        moment, zone = parse_instant(instant), ZoneInfo(self.time_zone)
        day = moment.astimezone(zone).date() + timedelta(days=1)
        while self._start(day, zone) > moment:
            day -= timedelta(days=1)
        return day

    def _start(self, day: date, zone: ZoneInfo) -> datetime:
        """Instant the trading day `day` starts; `fold=0` where ambiguous (R-2.2)."""
        return parse_instant(
            datetime.combine(day, time.fromisoformat(self.cutoff), zone).isoformat()
        )

    def json(self) -> Json:
        """Give the store as the truth file lists it."""
        return {
            "store": self.name,
            "location_id": self.location_id,
            "time_zone": self.time_zone,
            "cutoff": self.cutoff,
            "currency": self.currency,
            "tax_splits": {tax: dict(split) for tax, split in self.tax_splits.items()},
        }


class Lines:
    """Lines of one entry by role; zero lines vanish."""

    def __init__(self) -> None:
        self.amounts: dict[str, int] = defaultdict(int)

    def add(self, role: str, amount: int) -> None:
        """Debit (> 0) or credit (< 0) a role."""
        self.amounts[role] += amount

    def json(self) -> dict[str, int]:
        """Roles with an amount, sorted; asserts that they sum to zero."""
        assert sum(self.amounts.values()) == 0, dict(self.amounts)
        return {role: amount for role, amount in sorted(self.amounts.items()) if amount}


@dataclass(slots=True)
class Day:
    """One store and business date while it is added up."""

    figures: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tax: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    entries: dict[str, Lines] = field(default_factory=lambda: defaultdict(Lines))
    trading: bool = False


def split(total: int, weights: list[Fraction]) -> list[int]:
    """Largest-remainder split of `total`; ties to the lowest index (R-1.6)."""
    sign, amount = (-1 if total < 0 else 1), abs(total)
    shares = [amount * weight / sum(weights) for weight in weights]
    parts = [share.numerator // share.denominator for share in shares]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for i in order[: amount - sum(parts)]:
        parts[i] += 1
    return [sign * part for part in parts]


def slug(name: str) -> str:
    """Name of a category as a mapping dimension: `Café` -> `cafe`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "_".join(plain.lower().split())


def truth_of(
    dump: Json,
    stores: Iterable[Store],
    *,
    scenario: str,
    planted: Iterable[Json] = (),
) -> Json:
    """Truth of everything a seller holds; asserts its own balance (R-6.1, INV-01) on the way."""
    book = _Book(dump)
    known = list(stores)
    store_days, payouts, balances = [], [], []
    for store in known:
        days: dict[date, Day] = defaultdict(Day)
        book.add_orders(store, days)
        book.add_fees(store, days)
        book.add_drawers(store, days)
        paid = book.add_payouts(store, days)
        store_days += [_store_day(store, day, days[day]) for day in sorted(days)]
        payouts += paid
        balances.append(_balances(store, days))
    return {
        "schema": SCHEMA,
        "scenario": scenario,
        "stores": [store.json() for store in known],
        "store_days": store_days,
        "payouts": payouts,
        "balances": balances,
        "planted": list(planted),
    }


def _store_day(store: Store, day: date, held: Day) -> Json:
    figures: Json = {f"{name}_minor": held.figures.get(name, 0) for name in FIGURES}
    net = figures["gross_sales_minor"] - figures["discounts_minor"] - figures["returns_minor"]
    figures["net_sales_minor"] = net
    figures["tax_minor"] = {name: held.tax[name] for name in sorted(held.tax)}
    figures["orders"] = held.figures.get("orders", 0)
    _check_equation(figures, held)
    return {
        "store": store.name,
        "business_date": day.isoformat(),
        "currency": store.currency,
        "trading": held.trading,
        "figures": figures,
        "entries": [
            {"kind": kind, "lines": lines}
            for kind in KINDS
            if kind in held.entries and (lines := held.entries[kind].json())
        ],
    }


FIGURES = (
    "gross_sales",
    "discounts",
    "returns",
    "service",
    "tips",
    "gift_cards_sold",
    "gift_cards_redeemed",
    "card",
    "cash",
    "external",
    "cash_rounding",
    "fees",
    "cogs",
    "over_short",
    "paid_out",
    "deposit",
)


def _check_equation(figures: Json, held: Day) -> None:
    """Sales + liabilities = tenders (R-6.1)."""
    collected = figures["net_sales_minor"] + sum(held.tax.values())
    for name in ("service", "tips", "gift_cards_sold", "cash_rounding"):
        collected += figures[f"{name}_minor"]
    names = ("card", "cash", "gift_cards_redeemed", "external")
    tendered = sum(figures[f"{name}_minor"] for name in names)
    assert collected == tendered, (collected, tendered)


def _balances(store: Store, days: Mapping[date, Day]) -> Json:
    """What every role holds after all entries: clearing = named unpaid entries (R-7.1)."""
    sums: dict[str, int] = defaultdict(int)
    for held in days.values():
        for entry in held.entries.values():
            for role, amount in entry.amounts.items():
                sums[role] += amount
    return {"store": store.name, "roles": {role: sums[role] for role in sorted(sums)}}


class _Book:
    """The dump, indexed."""

    def __init__(self, dump: Json) -> None:
        self._dump = dump
        self._payments = {one["id"]: one for one in dump["payments"]}
        self._orders = {one["id"]: one for one in dump["orders"]}
        self._catalog = {one["id"]: one for one in dump["catalog"]}

    def add_orders(self, store: Store, days: dict[date, Day]) -> None:
        """Add the completed orders of a store: entries SALES and COGS."""
        for order in self._dump["orders"]:
            if order["location_id"] == store.location_id and order["state"] == "COMPLETED":
                held = days[store.business_date(self._paid_at(order))]
                held.trading = True
                self._add_sale(store, order, held)
                for entry in order.get("returns", []):
                    self._add_return(store, entry, held)
                self._add_tenders(order, held)

    def _paid_at(self, order: Json) -> str:
        """Instant the customer paid: the device's, if it was offline then (R-2.5)."""
        offline = [
            self._payments[tender["payment_id"]]["offline_payment_details"]["client_created_at"]
            for tender in order.get("tenders", [])
            if self._payments[tender["payment_id"]].get("is_offline_payment")
        ]
        return str(min(offline, default=order["closed_at"]))

    def _add_sale(self, store: Store, order: Json, held: Day) -> None:
        sales, has_sale = held.entries["SALES"], False
        for line in order.get("line_items", []):
            if line["item_type"] == "GIFT_CARD":
                amount = line["total_money"]["amount"]
                held.figures["gift_cards_sold"] += amount
                sales.add("gift_card_liability:sold", -amount)
                continue
            has_sale = True
            gross, discount = _net_of_tax(line)
            held.figures["gross_sales"] += gross
            held.figures["discounts"] += discount
            sales.add(f"sales.{self._category(line)}", -gross)
            sales.add("discounts", discount)
            self._add_cost(line, held, sign=1)
        for charge in order.get("service_charges", []):
            self._add_charge(charge, held, sign=1)
        held.figures["orders"] += has_sale
        self._add_taxes(store, order.get("taxes", []), held, sign=1)
        tips = order.get("total_tip_money", {}).get("amount", 0)
        held.figures["tips"] += tips
        sales.add("tips_payable", -tips)
        rounding = order.get("rounding_adjustment", {}).get("amount_money", {}).get("amount", 0)
        held.figures["cash_rounding"] += rounding
        sales.add("cash_rounding", -rounding)

    def _add_return(self, store: Store, entry: Json, held: Day) -> None:
        sales = held.entries["SALES"]
        for line in entry.get("return_line_items", []):
            gross, discount = _net_of_tax(line)
            held.figures["returns"] += gross
            held.figures["discounts"] -= discount
            sales.add(f"returns.{self._category(line)}", gross)
            sales.add("discounts", -discount)
            self._add_cost(line, held, sign=-1)
        for charge in entry.get("return_service_charges", []):
            self._add_charge(charge, held, sign=-1)
        self._add_taxes(store, entry.get("return_taxes", []), held, sign=-1)

    def _add_charge(self, charge: Json, held: Day, *, sign: int) -> None:
        """Service charge: a gratuity is owed to the staff, anything else is revenue (R-9.7)."""
        amount = sign * charge["applied_money"]["amount"]
        gratuity = charge.get("type") == "AUTO_GRATUITY"
        held.figures["tips" if gratuity else "service"] += amount
        held.entries["SALES"].add("tips_payable" if gratuity else "service_revenue", -amount)

    def _add_taxes(self, store: Store, taxes: list[Json], held: Day, *, sign: int) -> None:
        """Tax as charged, split over its jurisdictions per order (R-4.4, R-10.1)."""
        for tax in taxes:
            amount = tax["applied_money"]["amount"]
            shares = store.tax_splits.get(tax["name"], {slug(tax["name"]).upper(): "1"})
            parts = split(amount, [Fraction(percent) for percent in shares.values()])
            for jurisdiction, part in zip(shares, parts, strict=True):
                held.tax[jurisdiction] += sign * part
                held.entries["SALES"].add(f"tax_payable.{jurisdiction}", -sign * part)

    def _add_tenders(self, order: Json, held: Day) -> None:
        """Tenders taken, tips included, net of change; refunds as they were given (R-9.12)."""
        for tender in order.get("tenders", []):
            kind = tender["type"]
            self._add_tender(kind, tender["amount_money"]["amount"], held)
        for refund in order.get("refunds", []):
            payment = self._payments[refund["tender_id"]]
            self._add_tender(_tender_type(payment), -refund["amount_money"]["amount"], held)

    def _add_tender(self, kind: str, amount: int, held: Day) -> None:
        figure, role = {
            "CARD": ("card", "clearing.square"),
            "CASH": ("cash", "undeposited_cash"),
            "SQUARE_GIFT_CARD": ("gift_cards_redeemed", "gift_card_liability:redeemed"),
            "OTHER": ("external", "clearing.external"),
        }[kind]
        held.figures[figure] += amount
        held.entries["SALES"].add(role, amount)

    def _add_cost(self, line: Json, held: Day, *, sign: int) -> None:
        """Cost at sale from the catalog, once rounded per line, half to even."""
        variation = self._catalog.get(line.get("catalog_object_id", ""))
        kept = (variation or {}).get("custom_attribute_values", {}).get("unit_cost")
        if kept is None:
            return
        # Unit costs are decimal major units of a currency with two decimals.
        cost = sign * round(Fraction(line["quantity"]) * Fraction(kept["number_value"]) * 100)
        held.figures["cogs"] += cost
        held.entries["COGS"].add("cogs", cost)
        held.entries["COGS"].add("inventory", -cost)

    def _category(self, line: Json) -> str:
        variation = self._catalog.get(line.get("catalog_object_id", ""))
        if variation is None:
            return "other"
        data = self._catalog[variation["item_variation_data"]["item_id"]]["item_data"]
        chosen = data.get("reporting_category") or next(iter(data.get("categories", [])), None)
        if chosen is None:
            return "other"
        return slug(self._catalog[chosen["id"]]["category_data"]["name"])

    def add_fees(self, store: Store, days: dict[date, Day]) -> None:
        """Add the processing fees on the day of their charge (fees_at=sale): entry FEES."""
        for payment in self._dump["payments"]:
            if payment["location_id"] != store.location_id or payment["status"] != "COMPLETED":
                continue
            fee = sum(one["amount_money"]["amount"] for one in payment.get("processing_fee", []))
            order = self._orders[payment["order_id"]]
            if fee and order["state"] == "COMPLETED":
                held = days[store.business_date(self._paid_at(order))]
                held.figures["fees"] += fee
                held.entries["FEES"].add("merchant_fees.square", fee)
                held.entries["FEES"].add("clearing.square", -fee)

    def add_drawers(self, store: Store, days: dict[date, Day]) -> None:
        """Add the closed shifts, on the day they opened: entries CASH and DEPOSIT (R-8.*).

        over_short = counted - expected. deposit = counted - opening float of the same shift: the
        float stays in the drawer.
        """
        for shift in self._dump["cash_drawer_shifts"]:
            if shift["location_id"] != store.location_id or shift["state"] != "CLOSED":
                continue
            held = days[store.business_date(shift["opened_at"])]
            held.trading = True
            amounts = {n: v["amount"] for n, v in shift.items() if n.endswith("_money")}
            counted, opened = amounts["closed_cash_money"], amounts["opened_cash_money"]
            over = counted - amounts["expected_cash_money"]
            paid = amounts["cash_paid_out_money"] - amounts["cash_paid_in_money"]
            held.figures["over_short"] += over
            held.figures["paid_out"] += paid
            held.figures["deposit"] += counted - opened
            cash = held.entries["CASH"]
            cash.add("cash_over_short", -over)
            cash.add("petty_expense", paid)
            cash.add("undeposited_cash", over - paid)
            held.entries["DEPOSIT"].add("bank", counted - opened)
            held.entries["DEPOSIT"].add("undeposited_cash", opened - counted)

    def add_payouts(self, store: Store, days: dict[date, Day]) -> list[Json]:
        """Add the payouts on the local date they were sent: entry PAYOUT, fees booked at sale."""
        found = []
        for payout in self._dump["payouts"]:
            if payout["location_id"] != store.location_id:
                continue
            entries = [e for e in self._dump["payout_entries"] if e["payout_id"] == payout["id"]]
            sent = parse_instant(payout["created_at"]).astimezone(ZoneInfo(store.time_zone)).date()
            gross = sum(one["gross_amount_money"]["amount"] for one in entries)
            fee = sum(one["fee_amount_money"]["amount"] for one in entries)
            net = payout["amount_money"]["amount"]
            assert gross - fee == net, payout["id"]
            lines = days[sent].entries["PAYOUT"]
            lines.add("bank", net)
            lines.add("clearing.square", -net)
            found.append(
                {
                    "id": payout["id"],
                    "store": store.name,
                    "sent_date": sent.isoformat(),
                    "gross_minor": gross,
                    "fee_minor": fee,
                    "net_minor": net,
                    "entry_payment_ids": [_paid_thing(one) for one in entries],
                }
            )
        return found


def _tender_type(payment: Json) -> str:
    """Order's tender type of a payment."""
    if payment["source_type"] == "CARD":
        brand = payment["card_details"]["card"]["card_brand"]
        return "SQUARE_GIFT_CARD" if brand == "SQUARE_GIFT_CARD" else "CARD"
    return "CASH" if payment["source_type"] == "CASH" else "OTHER"


def _paid_thing(entry: Json) -> str:
    """Id of the payment of a charge, of the refund of a refund."""
    details = entry.get("type_refund_details") or entry["type_charge_details"]
    return str(details.get("refund_id") or details["payment_id"])


def _net_of_tax(line: Json) -> tuple[int, int]:
    """Gross and discount of a line, both net of tax: gross - discount = net sale (R-10.4).

    Exclusive tax: the line's own gross. Inclusive tax: net plus the discount as given.
    """
    discount = line["total_discount_money"]["amount"]
    service = line.get("total_service_charge_money", {}).get("amount", 0)
    net = line["total_money"]["amount"] - line["total_tax_money"]["amount"] - service
    return net + discount, discount
