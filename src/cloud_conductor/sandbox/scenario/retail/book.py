"""What the chain meant: slips of each sale, refund and count, added up per store-day.

A story writes a `Slip` from its own fractions, never from a simulator's answer. All amounts are
minor units, debits positive. Truth: schema `sandbox.truth/v2`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from cloud_conductor.sandbox.scenario.daybook import StoreMeant, shares
from cloud_conductor.sandbox.scenario.retail.bills import Back, BackCharge, Bill

Json = dict[str, Any]
KINDS = ("SALES", "CASH", "DEPOSIT", "FEES", "COGS", "PAYOUT", "DISPUTE")
TENDERS = {  # means of payment: the role it is entered under
    "card": "clearing.square",
    "cash": "undeposited_cash",
    "gift_card": "gift_card_liability:redeemed",
    "store_credit": "store_credit_liability:redeemed",
    "house_account": "ar.house",
    "deposit": "customer_deposits:used",
    "vendor_coupon": "vendor_receivable:tendered",
    "uncollected": "uncollected_offline",
}
REFUNDS = {
    "gift_card": "gift_card_liability:refunded",
    "store_credit": "store_credit_liability:refunded",
}


@dataclass(slots=True)
class Slip:
    """One closed order or one refund: signed amounts by role, taxes by the POS's names.

    figures: what facts must add up to. units: what its goods move in stock, by SKU. cost_minor: of
    goods sold less goods returned.
    """

    roles: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    taxes: list[Mapping[str, int]] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    units: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cost_minor: int = 0
    fee_minor: int = 0

    def sold(self, bill: Bill) -> "Slip":
        """Everything on a bill: goods, discounts, charges and taxes; what is owed has its role."""
        is_sale = False
        for part in bill.parts:
            gross = part.line.gross_minor - part.inside_minor
            if part.line.role:
                self.roles[part.line.role] -= gross
                self.figures[part.line.role.partition(":")[0]] += gross
                continue
            is_sale = True
            self.roles[f"sales.{part.line.category}"] -= gross
            self.figures["gross_sales"] += gross
            self.cost_minor += part.line.cost_minor * part.line.units
            self.units[part.line.sku] -= part.line.units
            for uid, amount in part.cuts.items():
                self._discount(bill.cuts[int(uid.removeprefix("cut-"))].role, amount)
        for charge, amount in bill.charges:
            self.roles["tips_payable" if charge.is_gratuity else "service_revenue"] -= amount
            self.figures["gratuities" if charge.is_gratuity else "service"] += amount
        self.taxes.append(bill.taxes)
        self.figures["tax"] += sum(bill.taxes.values())
        self.figures["orders"] += is_sale
        return self

    def returned(self, back: Iterable[Back]) -> "Slip":
        """Goods given back in one order."""
        by_name: dict[str, int] = {}
        for one in back:
            self.roles[f"returns.{one.category}"] += one.gross_minor
            self.figures["returns"] += one.gross_minor
            self.cost_minor -= one.cost_minor
            self.units[one.sku] += one.units
            for role, amount in one.cuts.items():
                self._discount(role, -amount)
            for name, amount in one.taxes.items():
                by_name[name] = by_name.get(name, 0) - amount
        self.taxes.append(by_name)
        self.figures["tax"] += sum(by_name.values())
        return self

    def charge_returned(self, back: BackCharge) -> "Slip":
        """A service charge given back (R-9.7)."""
        self.roles["returns.service"] += back.amount_minor
        self.figures["service"] -= back.amount_minor
        self.taxes.append({name: -amount for name, amount in back.taxes.items()})
        self.figures["tax"] -= sum(back.taxes.values())
        return self

    def refunded_amount(self, amount: int, role: str = "returns.uncategorised") -> "Slip":
        """Money given back without goods (R-9.11), or money that was owed (R-9.17)."""
        self.roles[role] += amount
        if role.startswith("returns."):
            self.figures["returns"] += amount
        return self

    def tip(self, amount: int) -> "Slip":
        """A voluntary tip: owed to the staff (R-9.6)."""
        self.roles["tips_payable"] -= amount
        self.figures["tips"] += amount
        return self

    def rounding(self, amount: int) -> "Slip":
        """Cash rounding of what is due: negative when less was taken (R-4.5)."""
        self.roles["cash_rounding"] -= amount
        self.figures["cash_rounding"] += amount
        return self

    def tender(self, kind: str, amount: int, fee: int = 0) -> "Slip":
        """Money taken; negative: given back. fee: what the processor keeps of it."""
        role = REFUNDS.get(kind, TENDERS[kind]) if amount < 0 else TENDERS[kind]
        self.roles[role] += amount
        self.figures[f"tender_{kind}"] += amount
        self.fee_minor += fee
        return self

    def owed(self, amount: int) -> "Slip":
        """Taken too much: owed until given back (R-9.17)."""
        self.roles["due_to_customers"] -= amount
        return self

    def _discount(self, role: str, amount: int) -> None:
        self.roles[role] += amount
        self.figures["discounts"] += amount


@dataclass(frozen=True, slots=True)
class Count:
    """One counted drawer shift. drops: cash taken to the safe during it, part of its bag.

    float_change: between the drawer's float and the change fund, negative when lowered. gap: opened
    with, less what the shift before left in the drawer; negative when cash is missing.
    """

    shift_id: str
    float_minor: int
    cash_minor: int
    paid_in_minor: int
    paid_out_minor: int
    drops_minor: int
    float_change_minor: int
    gap_minor: int
    counted_minor: int

    @property
    def stays_minor(self) -> int:
        """The float that belongs in the drawer from now on."""
        return self.float_minor + self.float_change_minor

    @property
    def over_short_minor(self) -> int:
        """Counted less expected; negative is short (section 8)."""
        expected = self.stays_minor + self.cash_minor + self.paid_in_minor
        return self.counted_minor - (expected - self.paid_out_minor - self.drops_minor)

    @property
    def bag_minor(self) -> int:
        """What goes to the bank: all but the float, and what is in the safe."""
        return self.counted_minor - self.stays_minor + self.drops_minor


@dataclass(frozen=True, slots=True)
class Paid:
    """One transfer to the bank: net by role it relieves, negative payouts included."""

    payout_id: str
    sent: date
    roles: Mapping[str, int]

    @property
    def net_minor(self) -> int:
        """What reached the bank, or left it."""
        return -sum(self.roles.values())


class Book:
    """The truth of one seller, filled while it is played. now: what its clock says."""

    def __init__(self, stores: Iterable[StoreMeant]) -> None:
        """Open an empty book for these stores."""
        self.stores = {store.store: store for store in stores}
        self.breaks: set[tuple[str, str, str]] = set()
        self.told: dict[str, int] = defaultdict(int)
        self.stock: dict[tuple[str, str], int] = defaultdict(int)
        self.now = datetime.min.replace(tzinfo=UTC)
        self._receipts: dict[str, dict[int, date]] = defaultdict(dict)
        self._slips: dict[tuple[str, date], list[Slip]] = defaultdict(list)
        self._counts: dict[tuple[str, date], list[Count]] = defaultdict(list)
        self._paid: dict[tuple[str, date], list[Paid]] = defaultdict(list)
        self._lost: dict[tuple[str, date], int] = defaultdict(int)

    def ring(self, store: str, at: datetime, slip: Slip) -> None:
        """Book a slip on the trading day of `at`; ValueError unless R-6.1 holds for it."""
        taxes = sum(sum(one.values()) for one in slip.taxes)
        if sum(slip.roles.values()) != taxes:
            msg = f"{store} {at}: {dict(slip.roles)} against taxes of {taxes}"
            raise ValueError(msg)
        self._slips[store, self.day(store, at)].append(slip)
        for sku, units in slip.units.items():
            self.stock[store, sku] += units

    def day(self, store: str, at: datetime) -> date:
        """Trading day of an instant (R-2.2)."""
        return self.stores[store].business_date(at)

    def count(self, store: str, day: date, count: Count) -> None:
        """Book a shift on the trading day it was opened."""
        self._counts[store, day].append(count)

    def pay_out(self, store: str, paid: Paid) -> None:
        """Book a transfer on the date it was sent (R-2.8)."""
        self._paid[store, paid.sent].append(paid)

    def return_payout(self, store: str, payout: Paid) -> None:
        """The bank did not take a transfer: its net is in the processor's balance again (R-7.4)."""
        some = self._paid[store, payout.sent]
        clearing = payout.roles.get("clearing.square", 0) + payout.net_minor
        back = {**payout.roles, "clearing.square": clearing}
        some[some.index(payout)] = Paid(payout.payout_id, payout.sent, back)

    def lose(self, store: str, at: datetime, amount: int) -> None:
        """A dispute is lost: what was held back for it never comes (R-7.5)."""
        self._lost[store, self.day(store, at)] += amount

    def expect(self, code: str, store: str, day: date) -> None:
        """Note a break that must be found open, because a story made it (R-14.4)."""
        self.breaks.add((code, store, day.isoformat()))

    def receipt(self, store: str, number: int) -> None:
        """Note that the order with this receipt number is made now."""
        self._receipts[store][number] = self.day(store, self.now)

    def _gaps(self) -> set[tuple[str, str, str]]:
        """Numbers that were printed and never came, on the day of the next one that did (D13)."""
        return {
            ("D13", store, told[number].isoformat())
            for store, told in self._receipts.items()
            for number in told
            if number > min(told) and number - 1 not in told
        }

    def truth(self, **more: Any) -> Json:
        """Give all that was meant: store-days in order of store and date."""
        keys = sorted(
            self._slips.keys() | self._counts.keys() | self._paid.keys() | self._lost.keys()
        )
        return {
            "schema": "sandbox.truth/v2",
            "stores": [store.as_truth() for store in self.stores.values()],
            "store_days": [self._store_day(store, day) for store, day in keys],
            "payouts": [
                {"id": one.payout_id, "store": store, "sent_date": day.isoformat()}
                | {"net_minor": one.net_minor}
                for (store, day), some in sorted(self._paid.items())
                for one in some
            ],
            "bags": [
                {"shift_id": one.shift_id, "store": store, "business_date": day.isoformat()}
                | {"amount_minor": one.bag_minor}
                for (store, day), some in sorted(self._counts.items())
                for one in some
                if one.bag_minor > 0
            ],
            "breaks": sorted(self.breaks | self._gaps()),
            "flows": dict(sorted(self.told.items())),
            "stock": [
                {"store": store, "sku": sku, "units": units}
                for (store, sku), units in sorted(self.stock.items())
            ],
            **more,
        }

    def _store_day(self, store: str, day: date) -> Json:
        slips, counts = self._slips.get((store, day), []), self._counts.get((store, day), [])
        entries: dict[str, dict[str, int]] = {kind: defaultdict(int) for kind in KINDS}
        figures: dict[str, int] = defaultdict(int)
        for slip in slips:
            self._add(entries, slip, self.stores[store].tax_splits)
            for name, amount in slip.figures.items():
                figures[name] += amount
        for count in counts:
            _add_count(entries, count)
        for paid in self._paid.get((store, day), []):
            _add_amounts(entries["PAYOUT"], {"bank": paid.net_minor, **paid.roles})
        lost = self._lost.get((store, day), 0)
        _add_amounts(entries["DISPUTE"], {"chargeback_loss": lost, "dispute_receivable": -lost})
        figures["fees"] = entries["FEES"].get("merchant_fees.square", 0)
        figures["cogs"] = entries["COGS"].get("cogs", 0)
        figures["over_short"] = sum(one.over_short_minor for one in counts)
        return {
            "store": store,
            "business_date": day.isoformat(),
            "currency": self.stores[store].currency,
            "figures": {name: figures[name] for name in sorted(figures) if figures[name]},
            "entries": [
                _entry(kind, lines) for kind, lines in entries.items() if any(lines.values())
            ],
        }

    def _add(
        self,
        entries: Mapping[str, dict[str, int]],
        slip: Slip,
        splits: Mapping[str, Mapping[str, str]],
    ) -> None:
        sales = entries["SALES"]
        _add_amounts(sales, slip.roles)
        for taxes in slip.taxes:
            for name, amount in taxes.items():
                parts = shares(amount, [Fraction(rate) for rate in splits[name].values()])
                for jurisdiction, part in zip(splits[name], parts, strict=True):
                    _add_amounts(sales, {f"tax_payable.{jurisdiction}": -part})
        fee = {"merchant_fees.square": slip.fee_minor, "clearing.square": -slip.fee_minor}
        _add_amounts(entries["FEES"], fee)
        _add_amounts(entries["COGS"], {"cogs": slip.cost_minor, "inventory": -slip.cost_minor})


def _add_count(entries: Mapping[str, dict[str, int]], count: Count) -> None:
    over, out, inside = count.over_short_minor, count.paid_out_minor, count.paid_in_minor
    cash = {"cash_over_short": -over, "petty_expense": out, "cash_custody_diff": -count.gap_minor}
    cash["cash_float"] = count.gap_minor - inside
    _add_amounts(entries["CASH"], {**cash, "undeposited_cash": over - out + inside})
    bag = max(count.bag_minor, 0)
    _add_amounts(entries["DEPOSIT"], {"bank": bag, "undeposited_cash": -bag})


def _add_amounts(lines: dict[str, int], amounts: Mapping[str, int]) -> None:
    for role, amount in amounts.items():
        lines[role] = lines.get(role, 0) + amount


def _entry(kind: str, lines: Mapping[str, int]) -> Json:
    """Give an entry without zero lines (R-6.4); ValueError if it does not balance (INV-01)."""
    if sum(lines.values()):
        msg = f"{kind} does not balance: {dict(lines)}"
        raise ValueError(msg)
    return {"kind": kind, "lines": {role: lines[role] for role in sorted(lines) if lines[role]}}


def bank_lines(truth: Json, text: Any, account_code: str = "090") -> list[Json]:
    """Statement of a bank that got every payout on its day and every bag the next day.

    text: minor units to the currency's decimal text.
    """
    lines = [
        {
            "bank_account_code": account_code,
            "date": paid["sent_date"],
            "amount": text(paid["net_minor"]),
            "payee": "SQUARE",
            "reference": paid["id"],
        }
        for paid in truth["payouts"]
        if paid["net_minor"]
    ]
    for bag in truth["bags"]:
        banked = date.fromisoformat(bag["business_date"]) + timedelta(days=1)
        lines.append(
            {
                "bank_account_code": account_code,
                "date": banked.isoformat(),
                "amount": text(bag["amount_minor"]),
                "payee": "CASH DEPOSIT",
                "reference": f"{bag['store']} {bag['business_date']}",
            }
        )
    return sorted(lines, key=lambda line: (line["date"], line["reference"], line["amount"]))
