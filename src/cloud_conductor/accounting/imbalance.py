"""What R-6.1 allows a store-day's tenders and sales to differ by, and what it does not. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting import legs
from cloud_conductor.accounting.facts import DAY, DayFacts, only
from cloud_conductor.domain.findings import Finding
from cloud_conductor.domain.journal import EntryKind

SALES_NAMED_MAX = 5


class EntryFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one entry. severity error: the entry was not made; warning: it was.

    amount_minor: tenders less sales (R-6.1), payout less entries (INV-11), or 0. sale_ids: the
    sales concerned, sorted.
    """

    kind: EntryKind
    source_id: str
    finding: Finding
    amount_minor: int = 0
    sale_ids: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        return self.finding.severity == "error"


class Imbalance(msgspec.Struct, frozen=True):
    """A store-day whose sales do not all add up. owed: sale -> what goes back to a customer (R-9.17)."""

    owed: Mapping[str, int]
    findings: Sequence[EntryFinding]


Excess = Mapping[str | None, int]
"""Sale -> tenders less sale, where that is not 0; None: of tenders that name no sale."""


def excesses(table: pa.Table) -> dict[int, Excess]:
    """Store-day -> its sales that do not add up, from the legs of SALES."""
    per_sale = table.group_by([DAY, "sale_id"]).aggregate([("amount_minor", "sum")])
    wrong = per_sale.filter(pc.not_equal(per_sale["amount_minor_sum"], 0))
    found: dict[int, dict[str | None, int]] = {}
    columns = (wrong[name].to_pylist() for name in (DAY, "sale_id", "amount_minor_sum"))
    for day, sale, amount in zip(*columns, strict=True):
        found.setdefault(day, {})[sale] = amount
    return dict(found)


def imbalance(facts: DayFacts, day: int, excess: Excess) -> Imbalance:
    """What is owed back to customers (R-9.17), and what R-6.1 does not allow.

    A sale paid twice is explained by itself: the second payment is owed, also when another sale
    lacks as much; so is a return whose refund failed. Any other difference of the day blocks the
    entry and names the sales.
    """
    owed: dict[str, int] = {}
    findings: list[EntryFinding] = []
    source_id = facts.days[day].business_date.isoformat()
    tenders = facts.tenders.filter(pc.equal(facts.tenders[DAY], day))
    total = sum(excess.values())
    if total == 0 and not _unpaid(tenders, excess):
        return Imbalance(owed, findings)
    for sale in sorted(sale for sale, amount in excess.items() if sale and amount > 0):
        amount = excess[sale]
        if _is_paid_twice(tenders, sale, amount):
            code, text = "D04", _twice_text(sale, amount)
        elif _is_not_given_back(tenders, sale, amount):
            code, text = "D03", _not_given_back_text(sale, amount)
        else:
            continue
        owed[sale] = amount
        findings.append(_finding(source_id, code, text, (sale,), -amount, "warning"))
    left = total - sum(owed.values())
    if left:
        rest = excess.keys() - owed.keys()
        sales = tuple(sorted(sale for sale in rest if sale))
        text = _imbalance_text(left, (*sales, *(["none that we hold"] if None in rest else [])))
        findings.append(_finding(source_id, "D03", text, sales, left, "error"))
    return Imbalance(owed, findings)


def owed_legs(owed: Mapping[int, Mapping[str, int]]) -> pa.Table:
    """Legs of what is owed to customers, by store-day and sale."""
    rows = [
        {
            "role": "due_to_customers",
            "movement": "",
            "amount_minor": -amount,
            "sale_id": sale,
            "fact": "sales",
            "fact_id": sale,
            DAY: day,
        }
        for day, sales in sorted(owed.items())
        for sale, amount in sorted(sales.items())
    ]
    return pa.Table.from_pylist(rows, schema=legs.LEGS)


def moved_cards(facts: DayFacts) -> dict[int, EntryFinding]:
    """Gift card balances changed by no sale and no tender: no entry has them (R-9.2, INV-10)."""
    moved = only(facts.gift_card_activities, "activity_type", legs.UNSOLD_ACTIVITIES)
    by_kind = moved.group_by([DAY, "activity_type"]).aggregate([("amount_minor", "sum")])
    sums: dict[int, dict[str, int]] = {}
    for row in by_kind.to_pylist():
        if row["amount_minor_sum"]:
            sums.setdefault(row[DAY], {})[row["activity_type"]] = row["amount_minor_sum"]
    return {
        day: _finding(
            facts.days[day].business_date.isoformat(),
            "D03",
            _moved_text(kinds.items()),
            (),
            sum(kinds.values()),
            "warning",
            "/gift_card_activities",
        )
        for day, kinds in sums.items()
    }


def _moved_text(amounts: Iterable[tuple[str, int]]) -> str:
    named = ", ".join(f"{kind} {amount}" for kind, amount in sorted(amounts))
    return (
        f"gift card balances changed without a sale or tender: {named} minor units. The liability"
        " in the books does not follow (R-9.2): enter it by hand, or correct the cards"
    )


def _unpaid(tenders: pa.Table, excess: Excess) -> list[str]:
    """Sales that lack money; not those whose money was given back under another sale's name."""
    refunds = only(legs.counted(tenders), "event", ("refund",))
    given_back = set(refunds["sale_id"].to_pylist())
    return [
        sale for sale, amount in excess.items() if sale and amount < 0 and sale not in given_back
    ]


def _is_paid_twice(tenders: pa.Table, sale: str, excess: int) -> bool:
    """Two captured payments of one amount on the sale, one of them too much (R-9.17)."""
    own = only(legs.counted(tenders), "sale_id", (sale,))
    amounts: list[int] = legs.tender_amount(only(own, "event", ("payment",))).to_pylist()
    return amounts.count(excess) >= 2


def _is_not_given_back(tenders: pa.Table, sale: str, excess: int) -> bool:
    """A refund of that amount on the sale that the processor did not carry out."""
    failed = only(only(tenders, "event", ("refund",)), "state", ("failed",))
    return -excess in legs.tender_amount(only(failed, "sale_id", (sale,))).to_pylist()


def _twice_text(sale: str, amount: int) -> str:
    return (
        f"sale {sale} was paid twice: {amount} minor units are owed to the customer"
        " until refunded (R-9.17)"
    )


def _not_given_back_text(sale: str, amount: int) -> str:
    return (
        f"the refund of sale {sale} failed: {amount} minor units are owed to the customer until"
        " they are given back"
    )


def _imbalance_text(left: int, sales: Sequence[str]) -> str:
    named = ", ".join(sales[:SALES_NAMED_MAX]) + (", ..." if len(sales) > SALES_NAMED_MAX else "")
    return (
        f"tenders exceed sales by {left} minor units (R-6.1, INV-06); sales concerned: {named}."
        " Sweep the source again; no entry is made until both sides agree"
    )


def _finding(
    source_id: str,
    code: str,
    message: str,
    sale_ids: tuple[str, ...],
    amount: int,
    severity: Literal["error", "warning"],
    pointer: str = "/sales",
) -> EntryFinding:
    return EntryFinding(
        kind="SALES",
        source_id=source_id,
        finding=Finding(code=code, pointer=pointer, message=message, severity=severity),
        amount_minor=amount,
        sale_ids=sale_ids,
    )
