"""The seeded plan of a chain's days: who buys, returns, exchanges, counts and is paid, and when.

Pure: the same seed gives the same steps. Every store-day holds a number of ordinary sales and one
of each special flow, so that a short run meets them all: a gift card sold and redeemed with a
second tender, a refund on another day, a return unit by unit (R-1.7), an exchange and an even one
(R-9.10), an order cancelled before payment, a no-sale, a paid-out, a drawer that is over or short,
and sales seconds before and after the cut-off (R-2.2).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud_conductor.sandbox.scenario.catalogue import ITEMS, Item, StorePlan

PACIFIC = ZoneInfo("America/Los_Angeles")
FLOAT_MINOR = 20000
REWARD_MINOR = 500
CUTOFF_MARGIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Discount:
    """A reduction of the whole order: `percent` as text or `amount_minor`; may be a reward."""

    name: str
    percent: str | None = None
    amount_minor: int = 0
    is_reward: bool = False


@dataclass(frozen=True, slots=True)
class Sale:
    """A basket and how it is paid; `label` lets a later return find it.

    A ticket was opened before `at`; `updates` of it changed the open order.
    A planted sale carries (JSON pointer, value) of what the POS will say wrongly about it.
    """

    at: datetime
    basket: tuple[tuple[Item, int], ...]
    tender: str
    discount: Discount | None = None
    service_minor: int = 0
    tip_percent: int = 0
    label: str = ""
    is_ticket: bool = False
    updates: int = 0
    corrupt: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class GiftCardSale:
    """A gift card sold for money; a liability, not a sale (R-9.1)."""

    at: datetime
    amount_minor: int
    label: str


@dataclass(frozen=True, slots=True)
class Redemption:
    """A basket paid as far as the labelled gift card reaches, the rest in cash (R-9.2)."""

    at: datetime
    basket: tuple[tuple[Item, int], ...]
    card_label: str


@dataclass(frozen=True, slots=True)
class Return:
    """Units of a labelled sale's only line brought back; the money goes back the way it came."""

    at: datetime
    label: str
    units: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """One unit of a labelled sale back, another item taken in that order, difference by card."""

    at: datetime
    label: str
    item: Item


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A ticket voided before payment: no money fact (R-3.3)."""

    at: datetime
    basket: tuple[tuple[Item, int], ...]


@dataclass(frozen=True, slots=True)
class DrawerOpened:
    """A shift begins with its float."""

    at: datetime
    float_minor: int = FLOAT_MINOR


@dataclass(frozen=True, slots=True)
class DrawerEvent:
    """Cash paid out of the drawer for a reason, or the drawer opened with no sale (amount 0)."""

    at: datetime
    event_type: str
    amount_minor: int
    description: str


@dataclass(frozen=True, slots=True)
class DrawerClosed:
    """A shift ends; the count differs from what is expected by `over_short_minor`."""

    at: datetime
    over_short_minor: int


@dataclass(frozen=True, slots=True)
class PayoutSent:
    """The processor pays out what became effective before `until` (17:00 Pacific, R-2.9)."""

    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class TicketOpened:
    """The order of a later sale is opened, and updated as often as the sale says."""

    at: datetime
    sale: Sale


Step = (
    Sale
    | TicketOpened
    | GiftCardSale
    | Redemption
    | Return
    | Exchange
    | Cancelled
    | DrawerOpened
    | DrawerEvent
    | DrawerClosed
    | PayoutSent
)


@dataclass(slots=True)
class StoreDays:
    """Plans one store's days; `rng` is the store's own, so stores do not disturb each other."""

    plan: StorePlan
    first_day: date
    days: int
    orders_per_day: int
    rng: random.Random
    steps: list[Step] = field(default_factory=list)

    def local(self, day: date, at: time) -> datetime:
        """Instant of a local time on a trading day; before the cut-off it is the next date's."""
        if at < self.plan.cutoff:
            day += timedelta(days=1)
        return datetime.combine(day, at, ZoneInfo(self.plan.time_zone)).astimezone(UTC)

    def all_steps(self) -> list[Step]:
        """Give every step of every day, in the order of time."""
        for number in range(self.days):
            day = self.first_day + timedelta(days=number)
            last = number == self.days - 1
            self._till_day(day)
            self._ordinary_sales(day)
            self._around_cutoff(day)
            self._gift_card(day)
            self._labelled_sales(day)
            self._returns(day, day if last else day + timedelta(days=1))
            self._audit_events(day)
        return sorted(self.steps, key=lambda step: step.at)

    def _till_day(self, day: date) -> None:
        opened = self.local(day, self.plan.opens)
        closed = self.local(day, self.plan.closes)
        amount = self.rng.randrange(400, 2500)
        self.steps += [
            DrawerOpened(opened),
            DrawerEvent(opened + timedelta(hours=4), "PAID_OUT", amount, "window cleaner"),
            DrawerClosed(closed, self.rng.choice((-155, -50, -1, 0, 0, 25, 100))),
        ]
        cut = datetime.combine(day, time(17), PACIFIC).astimezone(UTC)
        self.steps.append(PayoutSent(cut + timedelta(minutes=30), cut))

    def _moment(
        self, day: date, *, after_hours: float = 0.1, before_hours: float = 1.0
    ) -> datetime:
        """Pick an instant while the drawer is open, at least so far from its ends."""
        start = self.local(day, self.plan.opens) + timedelta(hours=after_hours)
        end = self.local(day, self.plan.closes) - timedelta(hours=before_hours)
        return start + timedelta(seconds=self.rng.randrange(int((end - start).total_seconds())))

    def _basket(self, lines_max: int = 4) -> tuple[tuple[Item, int], ...]:
        items = self.rng.sample(ITEMS, self.rng.randint(1, lines_max))
        return tuple((item, self.rng.choice((1, 1, 1, 2, 3))) for item in items)

    def _discount(self, basket: tuple[tuple[Item, int], ...]) -> Discount | None:
        gross = sum(item.price_minor * units for item, units in basket)
        dice = self.rng.random()
        if dice < 0.15:
            return Discount("Weekday", percent=self.rng.choice(("5", "10", "12.5", "20")))
        if dice < 0.25 and gross > 1000:
            return Discount("Neighbours", amount_minor=self.rng.randrange(100, 800))
        if dice < 0.32 and gross > 1500:
            return Discount("Loyalty reward", amount_minor=REWARD_MINOR, is_reward=True)
        return None

    def _ordinary_sales(self, day: date) -> None:
        for _ in range(self.orders_per_day):
            at, basket = self._moment(day), self._basket()
            tender = "card" if self.rng.random() < 0.65 else "cash"
            cafe = any(item.category == "cafe" for item, _ in basket)
            fitted = any(item.category == "apparel" for item, _ in basket)
            waited = timedelta(minutes=3 * (self.rng.random() < 0.1))
            self._sell(
                Sale(
                    at,
                    basket,
                    tender,
                    self._discount(basket),
                    service_minor=500 if fitted and self.rng.random() < 0.2 else 0,
                    tip_percent=15 if cafe and tender == "card" and self.rng.random() < 0.5 else 0,
                    is_ticket=bool(waited),
                    updates=2 if waited else 0,
                ),
                waited,
            )

    def _sell(self, sale: Sale, waited: timedelta) -> None:
        if sale.is_ticket:
            self.steps.append(TicketOpened(sale.at - waited, sale))
        self.steps.append(sale)

    def _around_cutoff(self, day: date) -> None:
        """Sell just after the day starts (a ticket opened before it) and just before it ends."""
        zone = ZoneInfo(self.plan.time_zone)
        start = datetime.combine(day, self.plan.cutoff, zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), self.plan.cutoff, zone).astimezone(UTC)
        after = Sale(start + CUTOFF_MARGIN, self._basket(2), "card", is_ticket=True, updates=2)
        self._sell(after, 2 * CUTOFF_MARGIN)
        self.steps.append(Sale(end - CUTOFF_MARGIN, self._basket(2), "card"))

    def _gift_card(self, day: date) -> None:
        sold = self._moment(day, before_hours=6)
        label = f"card {day}"
        later = sold + timedelta(seconds=self.rng.randrange(600, 4 * 3600))
        home = [item for item in ITEMS if item.category == "home"]
        self.steps += [
            GiftCardSale(sold, self.rng.choice((2500, 5000)), label),
            Redemption(later, ((self.rng.choice(home), 3),), label),
        ]

    def _labelled_sales(self, day: date) -> None:
        """Sell what will come back; early in the day, so that it can come back the same day."""
        tee, cap, mug, lamp = (_item(sku) for sku in ("APP-TEE", "APP-CAP", "HOM-MUG", "HOM-LMP"))
        off = Discount("Season", percent="10")
        wanted: tuple[tuple[str, Item, int, str, Discount | None], ...] = (
            ("by unit", tee, 3, "card", off),
            ("whole", lamp, 1, "card", Discount("Scratched", amount_minor=333)),
            ("cash", mug, 2, "cash", None),
            ("exchange", cap, 1, "card", None),
            ("even", mug, 1, "cash", None),
        )
        for name, item, units, tender, discount in wanted:
            at = self.local(day, self.plan.opens) + timedelta(seconds=self.rng.randrange(300, 3000))
            sale = Sale(at, ((item, units),), tender, discount, label=f"{name} {day}")
            self.steps.append(sale)

    def _returns(self, day: date, later: date) -> None:
        first = self._moment(day, after_hours=1.5, before_hours=5)
        second = max(self._moment(later, after_hours=2, before_hours=4), first)
        self.steps += [
            Return(first, f"by unit {day}", 1),
            Return(second + timedelta(seconds=1), f"by unit {day}", 1),
            Return(second + timedelta(minutes=9), f"by unit {day}", 1),
            Return(self._moment(later, after_hours=1.5), f"whole {day}", 1),
            Return(self._moment(later, after_hours=1.5), f"cash {day}", 2),
            Exchange(self._moment(later, after_hours=1.5), f"exchange {day}", _item("APP-SCF")),
            Exchange(self._moment(later, after_hours=1.5), f"even {day}", _item("HOM-MUG")),
        ]

    def _audit_events(self, day: date) -> None:
        at = self._moment(day)
        self.steps += [
            Cancelled(at, self._basket()),
            DrawerEvent(at + timedelta(minutes=2), "NO_SALE", 0, "change for a customer"),
        ]


def planted_sale(days: StoreDays, day: date) -> Sale:
    """Give a cash sale of one line whose JSON the POS will state wrongly (D16)."""
    wrong = days.rng.choice(
        (
            ("/line_items/0/quantity", "two"),
            ("/total_money/currency", "XTS"),
            ("/total_money/amount", "12.40"),
        )
    )
    item = days.rng.choice(ITEMS)
    at = days.local(day, days.plan.opens) + timedelta(hours=2, seconds=days.rng.randrange(3600))
    return Sale(at, ((item, 1),), "cash", corrupt=wrong)


def store_steps(plan: StorePlan, seed: int, first_day: date, days: int, orders: int) -> StoreDays:
    """Give the planner of one store, seeded by the scenario's seed and the store's name."""
    return StoreDays(plan, first_day, days, orders, random.Random(f"{seed}/{plan.store}"))


def merged(stores: dict[str, list[Step]]) -> Iterator[tuple[str, Step]]:
    """Give every store's steps in one order of time; ties by store name."""
    rows = [
        (step.at, store, number, step)
        for store in stores
        for number, step in enumerate(stores[store])
    ]
    for _, store, _, step in sorted(rows, key=lambda row: row[:3]):
        yield store, step


def _item(sku: str) -> Item:
    return next(item for item in ITEMS if item.sku == sku)
