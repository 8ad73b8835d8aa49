"""What a scenario meant: exact figures and balanced entries per store and business day.

A scenario tells this book what it rang up (`Receipt`), counted (`DrawerCount`) and was paid
(`PayoutMeant`); the book gives the truth, schema `sandbox.truth/v1`. It never reads a simulator's
answer: what the simulator holds and what was meant are two records. All amounts are minor units,
sales positive, debits positive in entries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Splits = Mapping[str, Mapping[str, str]]  # tax name -> jurisdiction -> percent, as text
FEE_RATE = Fraction(26, 1000)
FEE_FIXED_MINOR = 10


def rounded(exact: Fraction) -> int:
    """Round to a whole minor unit, half to even (R-1.5)."""
    return round(exact)


def shares(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Split `total` by largest remainder, ties to the lowest index, negatives mirrored (R-1.6)."""
    whole = sum((Fraction(weight) for weight in weights), Fraction(0))
    if not whole:
        weights, whole = [1] * len(weights), Fraction(len(weights))
    exact = [Fraction(abs(total)) * weight / whole for weight in weights]
    out = [int(part) for part in exact]
    largest = sorted(range(len(out)), key=lambda i: (out[i] - exact[i], i))
    for i in largest[: abs(total) - sum(out)]:
        out[i] += 1
    return [-part for part in out] if total < 0 else out


def part_returned(total: int, before: int, after: int, units: int) -> int:
    """Give the share of `total` for units before+1 .. after of `units`, cumulatively (R-1.7)."""
    return rounded(Fraction(total * after, units)) - rounded(Fraction(total * before, units))


def card_fee(amount_minor: int) -> int:
    """Give the processing fee of one card charge: 2.6 % + 0.10 of amount and tip, half-even."""
    return rounded(amount_minor * FEE_RATE) + FEE_FIXED_MINOR


@dataclass(frozen=True, slots=True)
class Goods:
    """One line of merchandise sold or returned."""

    category: str
    gross_minor: int
    discount_minor: int = 0
    cost_minor: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """One closed order: what was sold, returned, collected and how it was paid.

    `tax` and `returned_tax` are the POS's amounts by tax name. `tenders` holds card, cash (net of
    change) and gift_card, negative where money went back. The equation R-6.1 must hold.
    """

    sold: tuple[Goods, ...] = ()
    returned: tuple[Goods, ...] = ()
    tax: Mapping[str, int] = field(default_factory=dict)
    returned_tax: Mapping[str, int] = field(default_factory=dict)
    service_minor: int = 0
    tip_minor: int = 0
    gift_sold_minor: int = 0
    tenders: Mapping[str, int] = field(default_factory=dict)
    fee_minor: int = 0

    @property
    def total_minor(self) -> int:
        """Amount due: sales less returns, with service, tax, tip and gift cards sold."""
        goods = sum(line.gross_minor - line.discount_minor for line in self.sold)
        back = sum(line.gross_minor - line.discount_minor for line in self.returned)
        tax = sum(self.tax.values()) - sum(self.returned_tax.values())
        return goods - back + tax + self.service_minor + self.tip_minor + self.gift_sold_minor


@dataclass(frozen=True, slots=True)
class DrawerCount:
    """One closed cash drawer shift; `counted_minor` before the float is taken out."""

    float_minor: int
    paid_out_minor: int
    counted_minor: int
    cash_minor: int

    @property
    def over_short_minor(self) -> int:
        """Counted less expected; negative is short (domain section 8)."""
        return self.counted_minor - (self.float_minor + self.cash_minor - self.paid_out_minor)


@dataclass(frozen=True, slots=True)
class PayoutMeant:
    """One transfer to the bank: the balance entries it must hold."""

    payout_id: str
    sent_date: date
    gross_minor: int
    fee_minor: int
    payment_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreMeant:
    """One store of a scenario, as its master data says."""

    store: str
    location_id: str
    time_zone: str
    cutoff: time
    tax_splits: Splits
    currency: str = "USD"

    def business_date(self, at: datetime) -> date:
        """Trading day D of an instant in [instant(D, cutoff), instant(D+1, cutoff)) (R-2.2)."""
        day = at.astimezone(ZoneInfo(self.time_zone)).date()
        return day if at >= self.day_start(day) else day - timedelta(days=1)

    def day_start(self, day: date) -> datetime:
        """First instant of a trading day, aware UTC; fold 0 where the cutoff is ambiguous."""
        local = datetime.combine(day, self.cutoff, ZoneInfo(self.time_zone))
        return local.astimezone(UTC)

    def as_truth(self) -> dict[str, Any]:
        """Give the store's row of the truth."""
        return {
            "store": self.store,
            "location_id": self.location_id,
            "time_zone": self.time_zone,
            "cutoff": self.cutoff.strftime("%H:%M"),
            "currency": self.currency,
            "tax_splits": {name: dict(split) for name, split in self.tax_splits.items()},
        }


class DayBook:
    """The truth of a whole scenario, filled while it is played."""

    def __init__(self, stores: Iterable[StoreMeant]) -> None:
        """Open an empty book for these stores."""
        self.stores = {store.store: store for store in stores}
        self._receipts: dict[tuple[str, date], list[Receipt]] = {}
        self._counts: dict[tuple[str, date], list[DrawerCount]] = {}
        self._payouts: list[tuple[str, PayoutMeant]] = []
        self._sent: dict[tuple[str, date], list[PayoutMeant]] = {}
        self.planted: list[dict[str, Any]] = []

    def ring(self, store: str, at: datetime, receipt: Receipt) -> None:
        """Book a closed order on the trading day of `at`; raises ValueError if R-6.1 fails."""
        if receipt.total_minor != sum(receipt.tenders.values()):
            msg = f"{store} {at}: due {receipt.total_minor}, tendered {receipt.tenders}"
            raise ValueError(msg)
        day = self.stores[store].business_date(at)
        self._receipts.setdefault((store, day), []).append(receipt)

    def count(self, store: str, day: date, drawer: DrawerCount) -> None:
        """Book a drawer shift on the trading day it was opened."""
        self._counts.setdefault((store, day), []).append(drawer)

    def pay_out(self, store: str, payout: PayoutMeant) -> None:
        """Book a payout on the date it was sent (R-2.8)."""
        self._payouts.append((store, payout))
        self._sent.setdefault((store, payout.sent_date), []).append(payout)

    def plant(self, kind: str, store: str, day: date, receipt: Receipt | None, **more: Any) -> None:
        """Note a planted break; with a receipt, what the ledger will miss by kind of entry."""
        row: dict[str, Any] = {"kind": kind, "store": store, "business_date": day.isoformat()}
        if receipt is not None:
            figures, entries = self._summarize(self.stores[store], [receipt], [])
            row |= {"figures": figures, "entries": entries}
        self.planted.append(row | more)

    def truth(self, scenario: str, **more: Any) -> dict[str, Any]:
        """Give all that was meant, schema `sandbox.truth/v1`: store by store, then by date."""
        keys = self._receipts.keys() | self._counts.keys()
        keys |= self._sent.keys()
        order = {store: number for number, store in enumerate(self.stores)}
        days = sorted(keys, key=lambda key: (order[key[0]], key[1]))
        store_days = [self._store_day(store, day) for store, day in days]
        return {
            "schema": "sandbox.truth/v1",
            "scenario": scenario,
            "stores": [store.as_truth() for store in self.stores.values()],
            "store_days": store_days,
            "payouts": [_payout_row(store, payout) for store, payout in self._payouts],
            "balances": [_balances(store, store_days) for store in self.stores],
            "planted": self.planted,
            **more,
        }

    def _store_day(self, store: str, day: date) -> dict[str, Any]:
        key = (store, day)
        figures, entries = self._summarize(
            self.stores[store], self._receipts.get(key, []), self._counts.get(key, [])
        )
        for payout in self._sent.get(key, ()):
            net = payout.gross_minor - payout.fee_minor
            entry = _entry("PAYOUT", {"bank": net, "clearing.square": -net})
            if entry["lines"]:
                entries.append(entry | {"source_id": payout.payout_id})
        return {
            "store": store,
            "business_date": day.isoformat(),
            "currency": self.stores[store].currency,
            "trading": key in self._receipts or key in self._counts,
            "figures": figures,
            "entries": entries,
        }

    def _summarize(
        self, store: StoreMeant, receipts: Sequence[Receipt], counts: Sequence[DrawerCount]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        sales, cogs, fees = _sales_lines(store, receipts)
        deposit = sum(count.counted_minor - count.float_minor for count in counts)
        over_short = sum(count.over_short_minor for count in counts)
        paid_out = sum(count.paid_out_minor for count in counts)
        custody = {
            "cash_over_short": -over_short,
            "petty_expense": paid_out,
            "undeposited_cash": over_short - paid_out,
        }
        entries = [
            _entry("SALES", sales),
            _entry("CASH", custody),
            _entry("DEPOSIT", {"bank": deposit, "undeposited_cash": -deposit}),
            _entry("FEES", {"merchant_fees.square": fees, "clearing.square": -fees}),
            _entry("COGS", {"cogs": cogs, "inventory": -cogs}),
        ]
        figures = _figures(receipts, sales)
        figures |= {
            "fees_minor": fees,
            "cogs_minor": cogs,
            "over_short_minor": over_short,
            "paid_out_minor": paid_out,
            "deposit_minor": deposit,
        }
        return figures, [entry for entry in entries if entry["lines"]]


def _sales_lines(store: StoreMeant, receipts: Sequence[Receipt]) -> tuple[dict[str, int], int, int]:
    lines: dict[str, int] = {}
    cogs = fees = 0

    def add(role: str, amount: int) -> None:
        lines[role] = lines.get(role, 0) + amount

    for receipt in receipts:
        add("clearing.square", receipt.tenders.get("card", 0))
        add("undeposited_cash", receipt.tenders.get("cash", 0))
        add("gift_card_liability:redeemed", receipt.tenders.get("gift_card", 0))
        for sign, goods in ((1, receipt.sold), (-1, receipt.returned)):
            for line in goods:
                add("discounts", sign * line.discount_minor)
                side = "sales" if sign > 0 else "returns"
                add(f"{side}.{line.category}", -sign * line.gross_minor)
                cogs += sign * line.cost_minor
        for sign, taxes in ((-1, receipt.tax), (1, receipt.returned_tax)):
            for name, amount in taxes.items():
                split = store.tax_splits[name]
                parts = shares(amount, [Fraction(rate) for rate in split.values()])
                for jurisdiction, part in zip(split, parts, strict=True):
                    add(f"tax_payable.{jurisdiction}", sign * part)
        add("service_revenue", -receipt.service_minor)
        add("tips_payable", -receipt.tip_minor)
        add("gift_card_liability:sold", -receipt.gift_sold_minor)
        fees += receipt.fee_minor
    return lines, cogs, fees


def _figures(receipts: Sequence[Receipt], sales: Mapping[str, int]) -> dict[str, Any]:
    gross = sum(line.gross_minor for receipt in receipts for line in receipt.sold)
    returns = sum(line.gross_minor for receipt in receipts for line in receipt.returned)
    tax = {
        role.removeprefix("tax_payable."): -amount
        for role, amount in sorted(sales.items())
        if role.startswith("tax_payable.")
    }
    discounts = sales.get("discounts", 0)
    return {
        "gross_sales_minor": gross,
        "discounts_minor": discounts,
        "returns_minor": returns,
        "net_sales_minor": gross - discounts - returns,
        "service_minor": -sales.get("service_revenue", 0),
        "tax_minor": tax,
        "tips_minor": -sales.get("tips_payable", 0),
        "gift_cards_sold_minor": -sales.get("gift_card_liability:sold", 0),
        "gift_cards_redeemed_minor": sales.get("gift_card_liability:redeemed", 0),
        "card_minor": sales.get("clearing.square", 0),
        "cash_minor": sales.get("undeposited_cash", 0),
        "external_minor": 0,
        "cash_rounding_minor": 0,
        "orders": sum(1 for receipt in receipts if receipt.sold),
    }


def _entry(kind: str, lines: Mapping[str, int]) -> dict[str, Any]:
    """Give an entry without zero lines (R-6.4); ValueError if it does not balance (INV-01)."""
    if sum(lines.values()):
        msg = f"{kind} does not balance: {dict(lines)}"
        raise ValueError(msg)
    return {"kind": kind, "lines": {role: lines[role] for role in sorted(lines) if lines[role]}}


def _balances(store: str, store_days: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What every role of a store holds after all entries (R-7.1)."""
    roles: dict[str, int] = {}
    for day in store_days:
        if day["store"] == store:
            for entry in day["entries"]:
                for role, amount in entry["lines"].items():
                    roles[role] = roles.get(role, 0) + amount
    return {"store": store, "roles": {role: roles[role] for role in sorted(roles)}}


def _payout_row(store: str, payout: PayoutMeant) -> dict[str, Any]:
    return {
        "id": payout.payout_id,
        "store": store,
        "sent_date": payout.sent_date.isoformat(),
        "gross_minor": payout.gross_minor,
        "fee_minor": payout.fee_minor,
        "net_minor": payout.gross_minor - payout.fee_minor,
        "entry_payment_ids": list(payout.payment_ids),
    }
