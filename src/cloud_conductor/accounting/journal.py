"""Entries of one store-day, made from its facts and an account map: pure (§6, R-13.1).

A store-day gives at most one SALES, FEES and COGS entry, and one CASH and DEPOSIT entry per closed
shift and one PAYOUT entry per payout. What can't be entered is a finding that blocks its own entry
only: an unmapped role (D10), or facts that do not add up (D03, D04). There is no plug.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting import custody, legs, settlement
from cloud_conductor.accounting.facts import FACTS_OF, DayFacts, fact_set_hash, only, total
from cloud_conductor.accounting.mapping import ROLES, AccountMap, Resolved, label
from cloud_conductor.domain.findings import Finding
from cloud_conductor.domain.journal import EntryKind, JournalEntry, JournalLine

FeesAt = Literal["sale", "payout"]
_ROOT_ORDER = {role.partition(".")[0]: place for place, role in enumerate(ROLES)}
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


class DayEntries(msgspec.Struct, frozen=True):
    """Entries in KIND_ORDER, what stands in the way of others, and the legs of each entry.

    legs: (kind, source_id) -> table of `legs.LEGS`: the lineage of its lines (INV-17). unmapped:
    entries that balance but have lines without an account, named in `findings` (D10); they must
    not be posted.
    """

    entries: tuple[JournalEntry, ...]
    findings: tuple[EntryFinding, ...]
    legs: Mapping[tuple[EntryKind, str], pa.Table]
    unmapped: tuple[JournalEntry, ...] = ()


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Legs of an entry to be, or what forbids it."""

    kind: EntryKind
    source_id: str
    ledger_date: date
    legs: pa.Table
    fact_set_hash: str
    findings: tuple[EntryFinding, ...] = ()


def day_entries(
    facts: DayFacts,
    accounts: AccountMap,
    *,
    fees_at: FeesAt = "sale",
    bank_dates: Mapping[str, date] | None = None,
) -> DayEntries:
    """Every entry the facts of a store-day call for, as version 1.

    bank_dates: shift id -> date of the bank line its deposit bag matched; the day after the
    business date where none did yet.
    """
    drafts = [
        *_sales(facts),
        *(_fees(facts) if fees_at == "sale" else []),
        *_costs(facts),
        *_custody(facts, bank_dates or {}),
        *_payouts(facts, fees_at),
    ]
    entries: list[JournalEntry] = []
    unmapped: list[JournalEntry] = []
    findings: list[EntryFinding] = [*_uncounted(facts), *_moved_cards(facts)]
    lineage: dict[tuple[EntryKind, str], pa.Table] = {}
    for draft in drafts:
        findings += draft.findings
        if any(finding.blocks for finding in draft.findings):
            continue
        entry, gaps = _assemble(draft, facts, accounts)
        findings += gaps
        if entry is not None:
            (unmapped if gaps else entries).append(entry)
            lineage[draft.kind, draft.source_id] = draft.legs
    return DayEntries(tuple(entries), tuple(findings), lineage, tuple(unmapped))


def lineage_of(line: JournalLine, table: pa.Table, accounts: AccountMap) -> pa.Table:
    """Legs that make up a line; they sum to it (INV-17)."""
    roles = [
        role for role in table["role"].unique().to_pylist() if _rule(accounts, role) == line.role
    ]
    return only(only(table, "role", roles), "movement", (line.movement,))


def _assemble(
    draft: _Draft, facts: DayFacts, accounts: AccountMap
) -> tuple[JournalEntry | None, list[EntryFinding]]:
    """Sum legs by (rule, movement); no entry when nothing is left.

    An unmapped role that moves money keeps its line, without an account, and is a gap (D10).
    """
    sums: dict[tuple[str, str, str], int] = {}
    gaps: list[EntryFinding] = []
    by_role = draft.legs.group_by(["role", "movement"]).aggregate([("amount_minor", "sum")])
    for row in by_role.to_pylist():
        found = accounts.resolve(row["role"])
        mapped = found if isinstance(found, Resolved) else Resolved(row["role"], "")
        key = (mapped.rule, mapped.account_code, row["movement"])
        sums[key] = sums.get(key, 0) + row["amount_minor_sum"]
        if not isinstance(found, Resolved) and row["amount_minor_sum"]:
            gaps.append(
                EntryFinding(
                    kind=draft.kind,
                    source_id=draft.source_id,
                    finding=found,
                    amount_minor=row["amount_minor_sum"],
                )
            )
    gaps.sort(key=lambda gap: gap.finding.pointer)
    entry = JournalEntry(
        kind=draft.kind,
        entity=facts.entity,
        store=facts.store,
        currency=facts.currency,
        business_date=facts.business_date,
        ledger_date=draft.ledger_date,
        source_id=draft.source_id,
        lines=entry_lines(sums),
        mapping_version=accounts.version,
        fact_set_hash=draft.fact_set_hash,
    )
    if not entry.lines:
        return None, gaps
    assert entry.is_balanced, f"{entry.kind} {entry.source_id} does not balance (INV-01)"
    return entry, gaps


def entry_lines(sums: Mapping[tuple[str, str, str], int]) -> tuple[JournalLine, ...]:
    """Lines of (role, account, movement) -> amount: zero ones dropped (R-6.4), debits first."""
    lines = [
        JournalLine(role, account, amount, description=label(role, movement), movement=movement)
        for (role, account, movement), amount in sums.items()
        if amount
    ]
    return tuple(sorted(lines, key=_line_order))


def _line_order(line: JournalLine) -> tuple[bool, int, str, str, str]:
    root = line.role.partition(".")[0]
    return (line.amount_minor < 0, _ROOT_ORDER[root], line.role, line.movement, line.account_code)


def _rule(accounts: AccountMap, role: str) -> str:
    found = accounts.resolve(role)
    return found.rule if isinstance(found, Resolved) else ""


def _draft(
    facts: DayFacts, kind: EntryKind, table: pa.Table, findings: Sequence[EntryFinding] = ()
) -> _Draft:
    """Draft of a kind that a store-day has one of."""
    return _Draft(
        kind=kind,
        source_id=facts.business_date.isoformat(),
        ledger_date=facts.business_date,
        legs=table,
        fact_set_hash=fact_set_hash({name: getattr(facts, name) for name in FACTS_OF[kind]}),
        findings=tuple(findings),
    )


def _sales(facts: DayFacts) -> list[_Draft]:
    """SALES: checked against R-6.1 before it is an entry (INV-06)."""
    table = legs.sales_legs(facts)
    owed, findings = _imbalance(facts, table)
    return [_draft(facts, "SALES", pa.concat_tables([table, owed]), findings)]


def _imbalance(facts: DayFacts, table: pa.Table) -> tuple[pa.Table, list[EntryFinding]]:
    """Legs owed back to customers (R-9.17), and what R-6.1 does not allow.

    A sale paid twice is explained by itself: the second payment is owed, also when another sale
    lacks as much; so is a return whose refund failed. Any other difference of the day blocks the
    entry and names the sales.
    """
    per_sale = table.group_by("sale_id").aggregate([("amount_minor", "sum")])
    wrong = per_sale.filter(pc.not_equal(per_sale["amount_minor_sum"], 0))
    excess = dict(
        zip(wrong["sale_id"].to_pylist(), wrong["amount_minor_sum"].to_pylist(), strict=True)
    )
    owed: dict[str, int] = {}
    findings: list[EntryFinding] = []
    if total(table["amount_minor"]) == 0 and not _unpaid(facts, excess):
        return _owed_legs(owed), findings
    for sale in sorted(sale for sale, amount in excess.items() if sale and amount > 0):
        amount = excess[sale]
        if _is_paid_twice(facts, sale, amount):
            code, text = "D04", _twice_text(sale, amount)
        elif _is_not_given_back(facts, sale, amount):
            code, text = "D03", _not_given_back_text(sale, amount)
        else:
            continue
        owed[sale] = amount
        findings.append(_finding(facts, code, text, (sale,), -amount, "warning"))
    left = total(table["amount_minor"]) - sum(owed.values())
    if left:
        rest = excess.keys() - owed.keys()
        sales = tuple(sorted(sale for sale in rest if sale))
        text = _imbalance_text(left, (*sales, *(["none that we hold"] if None in rest else [])))
        findings.append(_finding(facts, "D03", text, sales, left, "error"))
    return _owed_legs(owed), findings


def _unpaid(facts: DayFacts, excess: Mapping[str | None, int]) -> list[str]:
    """Sales that lack money; not those whose money was given back under another sale's name."""
    refunds = only(legs.counted_tenders(facts), "event", ("refund",))
    given_back = set(refunds["sale_id"].to_pylist())
    return [
        sale for sale, amount in excess.items() if sale and amount < 0 and sale not in given_back
    ]


def _is_paid_twice(facts: DayFacts, sale: str, excess: int) -> bool:
    """Two captured payments of one amount on the sale, one of them too much (R-9.17)."""
    tenders = only(legs.counted_tenders(facts), "sale_id", (sale,))
    tenders = only(tenders, "event", ("payment",))
    amounts: list[int] = legs.tender_amount(tenders).to_pylist()
    return amounts.count(excess) >= 2


def _is_not_given_back(facts: DayFacts, sale: str, excess: int) -> bool:
    """A refund of that amount on the sale that the processor did not carry out."""
    failed = only(only(facts.tenders, "event", ("refund",)), "state", ("failed",))
    return -excess in legs.tender_amount(only(failed, "sale_id", (sale,))).to_pylist()


def _owed_legs(owed: Mapping[str, int]) -> pa.Table:
    rows = [
        {
            "role": "due_to_customers",
            "movement": "",
            "amount_minor": -amount,
            "sale_id": sale,
            "fact": "sales",
            "fact_id": sale,
        }
        for sale, amount in sorted(owed.items())
    ]
    return pa.Table.from_pylist(rows, schema=legs.LEGS)


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
    facts: DayFacts,
    code: str,
    message: str,
    sale_ids: tuple[str, ...],
    amount: int,
    severity: Literal["error", "warning"],
    pointer: str = "/sales",
) -> EntryFinding:
    return EntryFinding(
        kind="SALES",
        source_id=facts.business_date.isoformat(),
        finding=Finding(code=code, pointer=pointer, message=message, severity=severity),
        amount_minor=amount,
        sale_ids=sale_ids,
    )


def _fees(facts: DayFacts) -> list[_Draft]:
    return [_draft(facts, "FEES", legs.fee_legs(facts))]


def _costs(facts: DayFacts) -> list[_Draft]:
    """COGS of the lines whose cost is known; the others are listed, never guessed."""
    missing = legs.lines_without_cost(facts)
    findings = []
    if missing.num_rows:
        sales = tuple(sorted(missing["sale_id"].unique().to_pylist()))
        message = (
            f"{missing.num_rows} sale lines have no unit cost in the catalogue: their cost of"
            " goods is not entered. Set unit_cost, then close the day again"
        )
        findings.append(
            EntryFinding(
                kind="COGS",
                source_id=facts.business_date.isoformat(),
                finding=Finding("D14", "/sale_lines/cost_minor", message, "warning"),
                sale_ids=sales,
            )
        )
    return [_draft(facts, "COGS", legs.cost_legs(facts), findings)]


def _custody(facts: DayFacts, bank_dates: Mapping[str, date]) -> list[_Draft]:
    """CASH and DEPOSIT of every closed shift, CASH first (§8)."""
    cash: list[_Draft] = []
    bags: list[_Draft] = []
    for shift in custody.closed_shifts(facts):
        shift_id = shift.shift_id
        own = {
            name: only(getattr(facts, name), "shift_id", (shift_id,)) for name in FACTS_OF["CASH"]
        }
        cash.append(
            _Draft(
                kind="CASH",
                source_id=shift_id,
                ledger_date=facts.business_date,
                legs=custody.cash_legs(shift),
                fact_set_hash=fact_set_hash(own),
                findings=_of_source("CASH", shift_id, custody.shift_problem(shift)),
            )
        )
        bags.append(
            _Draft(
                kind="DEPOSIT",
                source_id=shift_id,
                ledger_date=custody.deposit_date(facts.business_date, bank_dates.get(shift_id)),
                legs=custody.deposit_legs(shift),
                fact_set_hash=fact_set_hash({"cash_shifts": own["cash_shifts"]}),
            )
        )
    return cash + bags


def _uncounted(facts: DayFacts) -> list[EntryFinding]:
    """A closed shift without a count makes no entry, and says so (R-8.1)."""
    found = []
    for shift in custody.uncounted(facts):
        message = f"shift {shift} was closed without a count: count the drawer at the register"
        finding = Finding("D11", "/cash_shifts/counted_minor", message)
        found.append(EntryFinding(kind="CASH", source_id=shift, finding=finding))
    return found


def _moved_cards(facts: DayFacts) -> list[EntryFinding]:
    """Gift card balances changed by no sale and no tender: no entry has them (R-9.2, INV-10)."""
    moved = only(facts.gift_card_activities, "activity_type", legs.UNSOLD_ACTIVITIES)
    by_kind = moved.group_by("activity_type").aggregate([("amount_minor", "sum")])
    sums = {row["activity_type"]: row["amount_minor_sum"] for row in by_kind.to_pylist()}
    if not any(sums.values()):
        return []
    named = ", ".join(f"{kind} {amount}" for kind, amount in sorted(sums.items()) if amount)
    message = (
        f"gift card balances changed without a sale or tender: {named} minor units. The liability"
        " in the books does not follow (R-9.2): enter it by hand, or correct the cards"
    )
    amount = sum(sums.values())
    return [_finding(facts, "D03", message, (), amount, "warning", "/gift_card_activities")]


def _payouts(facts: DayFacts, fees_at: FeesAt) -> list[_Draft]:
    """PAYOUT per transfer, from its own entries (R-7.2)."""
    drafts = []
    for payout in settlement.payouts(facts):
        own = {
            name: only(getattr(facts, name), "payout_id", (payout.payout_id,))
            for name in FACTS_OF["PAYOUT"]
        }
        problem = settlement.payout_problem(payout)
        drafts.append(
            _Draft(
                kind="PAYOUT",
                source_id=payout.payout_id,
                ledger_date=facts.business_date,
                legs=settlement.payout_legs(payout, fees_at_payout=fees_at == "payout"),
                fact_set_hash=fact_set_hash(own),
                findings=_of_source("PAYOUT", payout.payout_id, problem),
            )
        )
    return drafts


def _of_source(
    kind: EntryKind, source_id: str, problem: tuple[Finding, int] | None
) -> tuple[EntryFinding, ...]:
    if problem is None:
        return ()
    finding, amount = problem
    return (EntryFinding(kind=kind, source_id=source_id, finding=finding, amount_minor=amount),)
