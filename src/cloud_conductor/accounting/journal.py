"""Entries of store-days, made from their facts and an account map: pure (§6, R-13.1).

A store-day gives at most one SALES, FEES, COGS and DISPUTE entry, one CASH and DEPOSIT entry per
closed shift and one PAYOUT entry per payout. What can't be entered is a finding that blocks its own
entry only: an unmapped role (D10), or facts that do not add up (D03, D04). There is no plug.

Many store-days are worked out together: sums of legs by store-day, role and movement are taken of
whole columns, and only what is left, some ten sums a store-day, is looked at one by one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting import custody, legs, settlement
from cloud_conductor.accounting.facts import (
    DAY,
    FACTS_OF,
    DayFacts,
    fact_names,
    hash_of_facts,
    only,
)
from cloud_conductor.accounting.imbalance import (
    EntryFinding,
    excesses,
    imbalance,
    moved_cards,
    owed_legs,
)
from cloud_conductor.accounting.mapping import ROLES, AccountMap, Resolved, label
from cloud_conductor.domain.findings import Finding
from cloud_conductor.domain.journal import EntryKind, JournalEntry, JournalLine

__all__ = [
    "DayEntries", "EntryFinding", "FeesAt", "day_entries", "entry_lines", "lineage_of",
    "span_entries",
]  # fmt: skip

FeesAt = Literal["sale", "payout"]
_ROOT_ORDER = {role.partition(".")[0]: place for place, role in enumerate(ROLES)}
_Sums = dict[tuple[str, str], int]
"""(role, movement) -> amount."""
_NamesOfSource = dict[tuple[int, str], list[str]]


class DayEntries(msgspec.Struct, frozen=True):
    """Entries in KIND_ORDER, what stands in the way of others, and the legs of each entry.

    legs: (kind, source_id) -> table of `legs.LEGS`: the lineage of its lines (INV-17); only when
    one store-day was asked for. unmapped: entries that balance but have lines without an account,
    named in `findings` (D10); they must not be posted.
    """

    entries: tuple[JournalEntry, ...]
    findings: tuple[EntryFinding, ...]
    legs: Mapping[tuple[EntryKind, str], pa.Table]
    unmapped: tuple[JournalEntry, ...] = ()


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of the legs of an entry to be, or what forbids it. own: its legs."""

    kind: EntryKind
    day: int
    source_id: str
    ledger_date: date
    sums: _Sums
    fact_set_hash: str
    findings: tuple[EntryFinding, ...] = ()
    own: pa.Table | Sequence[legs.Leg] = ()


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
    assert facts.is_one_day, "facts of one store-day"
    dates = {(0, shift): on for shift, on in (bank_dates or {}).items()}
    (made,) = span_entries(facts, accounts, fees_at=fees_at, bank_dates=dates)
    return made


def span_entries(
    facts: DayFacts,
    accounts: AccountMap,
    *,
    fees_at: FeesAt = "sale",
    bank_dates: Mapping[tuple[int, str], date] | None = None,
    hashed: bool = True,
) -> list[DayEntries]:
    """The same of every store-day of `facts`, in their order.

    bank_dates: by place of the store-day and shift id. hashed: whether entries name the set of facts
    they stand on; comparing needs it not.
    """
    maker = _Maker(facts, accounts, fees_at, bank_dates or {}, hashed)
    drafts: list[list[_Draft]] = [[] for _ in facts.days]
    for draft in maker.drafts():
        drafts[draft.day].append(draft)
    before: list[list[EntryFinding]] = [[] for _ in facts.days]
    for day, shift in custody.uncounted(facts):
        before[day].append(_uncounted(shift))
    for day, gap in custody.unposted_gaps(facts):
        before[day].append(gap)
    for day, finding in moved_cards(facts).items():
        before[day].append(finding)
    return [maker.day(drafts[day], before[day]) for day in range(len(facts.days))]


def lineage_of(line: JournalLine, table: pa.Table, accounts: AccountMap) -> pa.Table:
    """Legs that make up a line; they sum to it (INV-17)."""
    roles = [
        role for role in table["role"].unique().to_pylist() if _rule(accounts, role) == line.role
    ]
    return only(only(table, "role", roles), "movement", (line.movement,))


def entry_lines(sums: Mapping[tuple[str, str, str], int]) -> tuple[JournalLine, ...]:
    """Lines of (role, account, movement) -> amount: zero ones dropped (R-6.4), debits first."""
    lines = [
        (amount < 0, _place(role), role, movement, account, amount)
        for (role, account, movement), amount in sums.items()
        if amount
    ]
    lines.sort()
    return tuple(
        JournalLine(role, account, amount, _label(role, movement), movement)
        for _, _, role, movement, account, amount in lines
    )


@lru_cache(maxsize=4096)
def _place(role: str) -> int:
    return _ROOT_ORDER[role.partition(".")[0]]


@lru_cache(maxsize=4096)
def _label(role: str, movement: str) -> str:
    return label(role, movement)


def _rule(accounts: AccountMap, role: str) -> str:
    found = accounts.resolve(role)
    return found.rule if isinstance(found, Resolved) else ""


@dataclass(frozen=True)
class _Maker:
    """One run over some store-days. _roles: role -> what the map says of it."""

    facts: DayFacts
    accounts: AccountMap
    fees_at: FeesAt
    bank_dates: Mapping[tuple[int, str], date]
    hashed: bool
    _roles: dict[str, Resolved | Finding] = field(default_factory=dict)
    _names: dict[str, list[list[str]]] = field(default_factory=dict)

    def drafts(self) -> Iterator[_Draft]:
        """Drafts of all store-days, kind by kind."""
        yield from self._sales()
        if self.fees_at == "sale":
            yield from self._of_days("FEES", legs.fee_legs(self.facts), {})
        yield from self._costs()
        yield from self._custody()
        yield from self._payouts()
        yield from self._of_days("DISPUTE", legs.dispute_legs(self.facts), {})

    def day(self, drafts: Iterable[_Draft], before: Sequence[EntryFinding]) -> DayEntries:
        """What the drafts of one store-day come to. before: findings that concern no draft."""
        entries: list[JournalEntry] = []
        unmapped: list[JournalEntry] = []
        findings = list(before)
        lineage: dict[tuple[EntryKind, str], pa.Table] = {}
        for draft in drafts:
            findings += draft.findings
            if any(finding.blocks for finding in draft.findings):
                continue
            entry, gaps = self._assemble(draft)
            findings += gaps
            if entry is not None:
                (unmapped if gaps else entries).append(entry)
                if self.facts.is_one_day:
                    own = draft.own
                    own = own if isinstance(own, pa.Table) else legs.as_table(own)
                    lineage[draft.kind, draft.source_id] = own
        return DayEntries(tuple(entries), tuple(findings), lineage, tuple(unmapped))

    def _assemble(self, draft: _Draft) -> tuple[JournalEntry | None, list[EntryFinding]]:
        """Sums by (rule, account, movement); no entry when nothing is left.

        An unmapped role that moves money keeps its line, without an account, and is a gap (D10).
        """
        sums: dict[tuple[str, str, str], int] = {}
        gaps: list[EntryFinding] = []
        for (role, movement), amount in draft.sums.items():
            found = self._roles.get(role)
            if found is None:
                found = self._roles[role] = self.accounts.resolve(role)
            if isinstance(found, Resolved):
                key = (found.rule, found.account_code, movement)
            else:
                key = (role, "", movement)
                if amount:
                    gaps.append(
                        EntryFinding(
                            kind=draft.kind,
                            source_id=draft.source_id,
                            finding=found,
                            amount_minor=amount,
                        )
                    )
            sums[key] = sums.get(key, 0) + amount
        gaps.sort(key=lambda gap: gap.finding.pointer)
        lines = entry_lines(sums)
        if not lines:
            return None, gaps
        scope = self.facts.days[draft.day]
        entry = JournalEntry(
            kind=draft.kind,
            entity=scope.entity,
            store=scope.store,
            currency=scope.currency,
            business_date=scope.business_date,
            ledger_date=draft.ledger_date,
            source_id=draft.source_id,
            lines=lines,
            mapping_version=self.accounts.version,
            fact_set_hash=draft.fact_set_hash,
        )
        assert entry.is_balanced, f"{entry.kind} {entry.source_id} does not balance (INV-01)"
        return entry, gaps

    def _sales(self) -> Iterator[_Draft]:
        """SALES: checked against R-6.1 before it is an entry (INV-06)."""
        table = legs.sales_legs(self.facts)
        owed: dict[int, Mapping[str, int]] = {}
        findings: dict[int, Sequence[EntryFinding]] = {}
        for day, excess in excesses(table).items():
            found = imbalance(self.facts, day, excess)
            owed[day], findings[day] = found.owed, found.findings
        if any(owed.values()):
            table = pa.concat_tables([table, owed_legs(owed)])
        return self._of_days("SALES", table, findings)

    def _costs(self) -> Iterator[_Draft]:
        """COGS of the lines whose cost is known; the others are listed, never guessed."""
        missing = legs.lines_without_cost(self.facts)
        findings: dict[int, Sequence[EntryFinding]] = {}
        sales = missing.group_by([DAY, "sale_id"]).aggregate([([], "count_all")])
        by_day: dict[int, dict[str, int]] = {}
        for row in sales.to_pylist():
            by_day.setdefault(row[DAY], {})[row["sale_id"]] = row["count_all"]
        for day, counts in by_day.items():
            source_id = self.facts.days[day].business_date.isoformat()
            findings[day] = [_without_cost(source_id, counts)]
        return self._of_days("COGS", legs.cost_legs(self.facts), findings)

    def _of_days(
        self, kind: EntryKind, table: pa.Table, findings: Mapping[int, Sequence[EntryFinding]]
    ) -> Iterator[_Draft]:
        """Drafts of a kind that a store-day has one of."""
        sums: dict[int, _Sums] = {day: {} for day in findings}
        grouped = table.group_by([DAY, "role", "movement"]).aggregate([("amount_minor", "sum")])
        columns = [
            grouped[name].to_pylist() for name in (DAY, "role", "movement", "amount_minor_sum")
        ]
        for day, role, movement, amount in zip(*columns, strict=True):
            sums.setdefault(day, {})[role, movement] = amount
        for day, found in sums.items():
            business_date = self.facts.days[day].business_date
            yield _Draft(
                kind=kind,
                day=day,
                source_id=business_date.isoformat(),
                ledger_date=business_date,
                sums=found,
                fact_set_hash=self._hash_of_day(kind, day),
                findings=tuple(findings.get(day, ())),
                own=table if self.facts.is_one_day else (),
            )

    def _custody(self) -> Iterator[_Draft]:
        """CASH and DEPOSIT of every closed shift, CASH first (§8)."""
        shifts = custody.closed_shifts(self.facts)
        names = self._names_of(FACTS_OF["CASH"], "shift_id") if shifts else {}
        for shift in shifts:
            scope = self.facts.days[shift.day]
            key = (shift.day, shift.shift_id)
            own: dict[str, Sequence[str]] = {
                table: found.get(key, ()) for table, found in names.items()
            }
            if shift.before is not None:
                own["left_before"] = (f"{shift.before.shift_id}\x1f{shift.before.left_minor}",)
            yield self._of_source(
                "CASH",
                shift.day,
                shift.shift_id,
                scope.business_date,
                custody.cash_legs(shift),
                own,
                custody.shift_problems(shift),
            )
        for shift in shifts:
            scope = self.facts.days[shift.day]
            bag = custody.deposit_legs(shift)
            key = (shift.day, shift.shift_id)
            on = custody.deposit_date(scope.business_date, self.bank_dates.get(key))
            own = {"cash_shifts": names["cash_shifts"].get(key, ())}
            yield self._of_source("DEPOSIT", shift.day, shift.shift_id, on, bag, own)

    def _payouts(self) -> Iterator[_Draft]:
        """PAYOUT per transfer, from its own entries (R-7.2)."""
        found = settlement.payouts(self.facts)
        names = self._names_of(FACTS_OF["PAYOUT"], "payout_id") if found else {}
        for payout in found:
            yield self._of_source(
                "PAYOUT",
                payout.day,
                payout.payout_id,
                self.facts.days[payout.day].business_date,
                settlement.payout_legs(payout, fees_at_payout=self.fees_at == "payout"),
                {
                    table: texts.get((payout.day, payout.payout_id), ())
                    for table, texts in names.items()
                },
                settlement.payout_problems(payout),
            )

    def _of_source(
        self,
        kind: EntryKind,
        day: int,
        source_id: str,
        ledger_date: date,
        own: Sequence[legs.Leg],
        names: Mapping[str, Sequence[str]],
        problems: Sequence[tuple[Finding, int]] = (),
    ) -> _Draft:
        """Draft of a shift or a payout. names: of the facts it stands on."""
        sums: _Sums = {}
        for leg in own:
            sums[leg.role, ""] = sums.get((leg.role, ""), 0) + leg.amount_minor
        return _Draft(
            kind=kind,
            day=day,
            source_id=source_id,
            ledger_date=ledger_date,
            sums=sums,
            fact_set_hash=hash_of_facts(names) if self.hashed else "",
            findings=tuple(
                EntryFinding(kind=kind, source_id=source_id, finding=finding, amount_minor=amount)
                for finding, amount in problems
            ),
            own=own,
        )

    def _names_of(self, tables: Iterable[str], column: str) -> dict[str, _NamesOfSource]:
        """Table -> (store-day, source id) -> names of its facts."""
        found: dict[str, _NamesOfSource] = {table: {} for table in tables}
        for table, by_source in found.items() if self.hashed else ():
            rows = getattr(self.facts, table)
            columns = (rows[DAY].to_pylist(), rows[column].to_pylist(), fact_names(table, rows))
            for day, source, name in zip(*columns, strict=True):
                by_source.setdefault((day, source), []).append(name)
        return found

    def _hash_of_day(self, kind: EntryKind, day: int) -> str:
        if not self.hashed:
            return ""
        return hash_of_facts({table: self._names_of_day(table)[day] for table in FACTS_OF[kind]})

    def _names_of_day(self, table: str) -> list[list[str]]:
        """Names of a table's facts by store-day; worked out once."""
        if table not in self._names:
            rows = getattr(self.facts, table)
            names = fact_names(table, rows)
            by_day: list[list[str]] = [[] for _ in self.facts.days]
            runs = pc.value_counts(rows[DAY])  # rows stand in the order of their store-days
            start = 0
            for day, count in zip(
                runs.field(0).to_pylist(), runs.field(1).to_pylist(), strict=True
            ):
                by_day[day] = names[start : start + count]
                start += count
            self._names[table] = by_day
        return self._names[table]


def _without_cost(source_id: str, counts: Mapping[str, int]) -> EntryFinding:
    message = (
        f"{sum(counts.values())} sale lines have no unit cost in the catalogue: their cost of"
        " goods is not entered. Set unit_cost, then close the day again"
    )
    return EntryFinding(
        kind="COGS",
        source_id=source_id,
        finding=Finding("D14", "/sale_lines/cost_minor", message, "warning"),
        sale_ids=tuple(sorted(counts)),
    )


def _uncounted(shift: str) -> EntryFinding:
    """A shift that ended without a count makes no entry, and says so (R-8.1)."""
    message = f"shift {shift} has ended without a count: count the drawer at the register"
    finding = Finding("D11", "/cash_shifts/counted_minor", message)
    return EntryFinding(kind="CASH", source_id=shift, finding=finding)
