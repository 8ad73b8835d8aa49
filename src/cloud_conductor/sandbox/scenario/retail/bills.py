"""Bills worked out in fractions: discounts, charges, taxes inside and on top of prices (R-4.*).

Written from Square's page "Order price adjustments" and the rules, apart from the simulator and
the product: every order the simulator answers with must come to the same total.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cloud_conductor.sandbox.scenario.daybook import part_returned, rounded, shares
from cloud_conductor.sandbox.scenario.retail.places import Tax


@dataclass(frozen=True, slots=True)
class Line:
    """One line to sell. role: where a line that is no sale is owed (gift card, deposit, donation)."""

    name: str
    category: str
    price_minor: int
    units: int
    cost_minor: int = 0
    sku: str = ""
    taxes: tuple[Tax, ...] = ()
    role: str = ""

    @property
    def gross_minor(self) -> int:
        """Price of all its units, taxes inside included."""
        return self.price_minor * self.units


@dataclass(frozen=True, slots=True)
class Cut:
    """One discount. lines: indexes of the lines it is for; None: the whole order. role: its account."""

    name: str
    percent: str | None = None
    amount_minor: int = 0
    lines: tuple[int, ...] | None = None
    role: str = "discounts"
    is_reward: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """One service charge: an amount, or `percent` of the order after discounts (R-9.7)."""

    name: str
    amount_minor: int = 0
    percent: str | None = None
    taxes: tuple[Tax, ...] = ()
    is_gratuity: bool = False


@dataclass(slots=True)
class Part:
    """One line worked out. nets and cuts are as priced; inside: tax that is in the price."""

    line: Line
    net_minor: int
    cuts: dict[str, int] = field(default_factory=dict)
    inside_minor: int = 0
    taxes: dict[str, int] = field(default_factory=dict)

    @property
    def discount_minor(self) -> int:
        """All discounts of the line."""
        return sum(self.cuts.values())


@dataclass(slots=True)
class Bill:
    """A basket worked out. charges: amounts in the order given; taxes: by name, over everything."""

    parts: list[Part]
    cuts: tuple[Cut, ...]
    charges: list[tuple[Charge, int]]
    taxes: dict[str, int]

    @property
    def total_minor(self) -> int:
        """Amount due, without tip."""
        lines = sum(part.net_minor - part.inside_minor for part in self.parts)
        inside = sum(part.inside_minor for part in self.parts)
        on_top = sum(self.taxes.values()) - inside
        return lines + inside + on_top + sum(amount for _, amount in self.charges)


def work_out(
    lines: Sequence[Line], cuts: Sequence[Cut] = (), charges: Sequence[Charge] = ()
) -> Bill:
    """Give the bill: discounts, then charges, then taxes inside, then taxes on top."""
    parts = [Part(line, line.gross_minor) for line in lines]
    _take_cuts(parts, cuts)
    subtotal = sum(part.net_minor for part in parts if part.line.role != "gift_card_liability:sold")
    amounts = [
        rounded(subtotal * Fraction(one.percent) / 100) if one.percent else one.amount_minor
        for one in charges
    ]
    taxes: dict[str, int] = {}
    _inside(parts, taxes)
    _on_top(parts, list(zip(charges, amounts, strict=True)), taxes)
    return Bill(parts, tuple(cuts), list(zip(charges, amounts, strict=True)), taxes)


def _take_cuts(parts: list[Part], cuts: Sequence[Cut]) -> None:
    """Lines before order, percentages before amounts; larger than its lines is clipped (R-4.1)."""
    for of_lines, by_percent in ((True, True), (True, False), (False, True), (False, False)):
        for at, cut in enumerate(cuts):
            if (cut.lines is not None) != of_lines or (cut.percent is not None) != by_percent:
                continue
            chosen = [p for p in parts if p.line.role != "gift_card_liability:sold"]
            if cut.lines is not None:
                chosen = [parts[i] for i in cut.lines]
            for part, amount in zip(chosen, _cut_amounts(cut, chosen), strict=True):
                part.net_minor -= amount
                part.cuts[f"cut-{at}"] = part.cuts.get(f"cut-{at}", 0) + amount


def _cut_amounts(cut: Cut, parts: list[Part]) -> list[int]:
    nets = [part.net_minor for part in parts]
    if cut.lines is not None:
        if cut.percent is not None:
            return [rounded(net * Fraction(cut.percent) / 100) for net in nets]
        return [min(cut.amount_minor, net) for net in nets]
    whole = min(cut.amount_minor, sum(nets))
    if cut.percent is not None:
        whole = rounded(sum(nets) * Fraction(cut.percent) / 100)
    return shares(whole, nets)


def _inside(parts: list[Part], taxes: dict[str, int]) -> None:
    """Tax inside prices, per tax: net = price / (1 + rate) on the sum, then shared (R-4.3)."""
    by_tax: dict[str, tuple[Tax, list[Part]]] = {}
    for part in parts:
        for tax in part.line.taxes:
            if tax.is_inclusive:
                by_tax.setdefault(tax.name, (tax, []))[1].append(part)
    for name, (tax, members) in by_tax.items():
        nets = [part.net_minor for part in members]
        whole = sum(nets) - rounded(Fraction(sum(nets)) / (1 + tax.rate))
        for part, amount in zip(members, shares(whole, nets), strict=True):
            part.inside_minor += amount
            part.taxes[name] = amount
        taxes[name] = taxes.get(name, 0) + whole


def _on_top(
    parts: list[Part], charges: Sequence[tuple[Charge, int]], taxes: dict[str, int]
) -> None:
    """Tax on top of prices: its rate on its whole base, half to even, then shared."""
    members: dict[str, tuple[Tax, list[tuple[Part | None, int]]]] = {}
    for one in parts:
        for tax in one.line.taxes:
            if not tax.is_inclusive:
                base = one.net_minor - one.inside_minor
                members.setdefault(tax.name, (tax, []))[1].append((one, base))
    for charge, amount in charges:
        for tax in charge.taxes:
            members.setdefault(tax.name, (tax, []))[1].append((None, amount))
    for name, (tax, rows) in members.items():
        whole = rounded(sum(base for _, base in rows) * tax.rate)
        split = shares(whole, [base for _, base in rows])
        for (part, _), amount in zip(rows, split, strict=True):
            if part is not None:
                part.taxes[name] = amount
        taxes[name] = taxes.get(name, 0) + whole


@dataclass(frozen=True, slots=True)
class Back:
    """Units of one line given back: gross without tax, discount by role, tax by name, cost."""

    category: str
    gross_minor: int
    cuts: Mapping[str, int]
    taxes: Mapping[str, int]
    cost_minor: int
    sku: str = ""
    units: int = 0

    @property
    def total_minor(self) -> int:
        """Money that goes back for it."""
        return self.gross_minor - sum(self.cuts.values()) + sum(self.taxes.values())


@dataclass(frozen=True, slots=True)
class BackCharge:
    """A service charge given back as a whole: its amount without tax, tax by name."""

    amount_minor: int
    taxes: Mapping[str, int]

    @property
    def total_minor(self) -> int:
        """Money that goes back for it."""
        return self.amount_minor + sum(self.taxes.values())


def charge_back(bill: Bill) -> BackCharge:
    """Give the one charge of a bill back: of each tax what the lines have not."""
    ((_, amount),) = bill.charges
    taxes = {
        name: whole - sum(part.taxes.get(name, 0) for part in bill.parts)
        for name, whole in bill.taxes.items()
    }
    return BackCharge(amount, {name: tax for name, tax in taxes.items() if tax})


def take_back(bill: Bill, at: int, before: int, units: int, *, is_deducted: bool) -> Back:
    """Give units before+1 .. before+units of a line back, cumulatively (R-1.7, R-10.3).

    is_deducted: whether Square's gross has the inclusive tax taken out; it apportions that gross.
    """
    part = bill.parts[at]
    after, whole = before + units, part.line.units

    def share(amount: int) -> int:
        return part_returned(amount, before, after, whole)

    taxes = {name: share(amount) for name, amount in part.taxes.items()}
    inclusive = {tax.name for tax in part.line.taxes if tax.is_inclusive}
    inside = sum(amount for name, amount in taxes.items() if name in inclusive)
    gross = share(part.line.gross_minor) - inside
    if is_deducted:
        gross = share(part.line.gross_minor - part.inside_minor)
    cuts: dict[str, int] = {}
    for uid, amount in part.cuts.items():
        role = bill.cuts[int(uid.removeprefix("cut-"))].role
        cuts[role] = cuts.get(role, 0) + share(amount)
    cost = part.line.cost_minor * units
    return Back(part.line.category, gross, cuts, taxes, cost, part.line.sku, units)
