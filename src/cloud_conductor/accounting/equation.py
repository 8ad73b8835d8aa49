"""The report of a store-day is an equation, not a list (R-14.5).

    POS total - ledger total = sum of coded items + D15

and D15 must be 0 for green. POS total is what the source lists; ledger total what the ledger's
documents of the day say was collected.
"""

from collections.abc import Iterable
from datetime import date

import msgspec

from cloud_conductor.accounting.breaks import Break
from cloud_conductor.accounting.collected import collected, collected_by
from cloud_conductor.accounting.level_ledger import Pairing


class CodedItem(msgspec.Struct, frozen=True):
    """What one break takes from the difference."""

    code: str
    key: str
    effect_minor: int


class Equation(msgspec.Struct, frozen=True):
    """One store-day; amounts in minor units of its currency."""

    store: str
    business_date: date
    pos_minor: int
    ledger_minor: int
    coded: tuple[CodedItem, ...]

    @property
    def difference_minor(self) -> int:
        return self.pos_minor - self.ledger_minor

    @property
    def coded_minor(self) -> int:
        return sum(item.effect_minor for item in self.coded)

    @property
    def unexplained_minor(self) -> int:
        """D15: what no coded item accounts for."""
        return self.difference_minor - self.coded_minor

    @property
    def holds(self) -> bool:
        """Every cent of the difference has a code; the store-day may still have open breaks."""
        return self.unexplained_minor == 0


def store_day_equation(
    store: str,
    business_date: date,
    *,
    pos_minor: int,
    ledger_minor: int,
    breaks: Iterable[Break],
) -> Equation:
    """The equation of a store-day; breaks of other store-days and without effect are left out."""
    own = [
        CodedItem(found.code, found.key, found.effect_minor)
        for found in breaks
        if (found.store, found.business_date) == (store, business_date)
        and found.effect_minor
        and found.code != "D15"
    ]
    coded = tuple(sorted(own, key=lambda item: (item.code, item.key)))
    return Equation(store, business_date, pos_minor, ledger_minor, coded)


def ledger_totals(pairing: Pairing) -> dict[tuple[str, date], int]:
    """(store, business date) -> what the ledger says was collected: its SALES documents on our dates.

    pairing: of all entries and documents. A document counts as often as it is there; one that
    somebody dated to another day does not count here.
    """
    totals: dict[tuple[str, date], int] = {}
    for pair in pairing.pairs:
        entry = pair.booked.entry
        total = collected(entry) * len(pair.extras)
        if pair.document is not None and pair.document.ledger_date == entry.ledger_date:
            total += collected_by(pair.document, entry)
        key = (entry.store, entry.business_date)
        totals[key] = totals.get(key, 0) + total
    return totals


def ledger_total(store: str, business_date: date, pairing: Pairing) -> int:
    """The same of one store-day."""
    return ledger_totals(pairing).get((store, business_date), 0)
