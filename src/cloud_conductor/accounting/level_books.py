"""L5: what the facts of a store-day call for against the entries in our books (INV-05)."""

from collections import Counter
from collections.abc import Iterable, Sequence

from cloud_conductor.accounting.breaks import Scope
from cloud_conductor.accounting.collected import collected
from cloud_conductor.accounting.journal import DayEntries, EntryFinding
from cloud_conductor.accounting.levels import LevelResult, Tally
from cloud_conductor.domain.journal import EntryKind, JournalEntry
from cloud_conductor.domain.money import major

_Source = tuple[EntryKind, str]
_EXPLAINED_WARNINGS = ("D14",)  # lines without a cost: no entry claims them


def compare_books(
    scope: Scope, day: DayEntries, booked: Sequence[JournalEntry], *, sales_total_minor: int
) -> LevelResult:
    """L5, per store x day x account: facts by mapping against the sum of all versions booked.

    booked: every version in the books of the store's business date, drafts included, refused ones
    not. sales_total_minor: closed sales of the day (R-14.5), for a SALES entry that can't be made.
    Records are lines: of canonical entries on the left, of summed versions on the right.
    """
    tally = Tally("L5")
    held: dict[_Source, list[JournalEntry]] = {}
    for entry in booked:
        held.setdefault((entry.kind, entry.source_id), []).append(entry)
    made, same = _without_same(day.entries, held)
    tally.match(same, same, cases=same)
    wanted = {(entry.kind, entry.source_id): _sums([entry]) for entry in (*made, *day.unmapped)}
    sums = {source: _sums(entries) for source, entries in held.items()}
    in_books = {source: sum(map(collected, entries)) for source, entries in held.items()}
    canonical = {(entry.kind, entry.source_id): collected(entry) for entry in made}
    blocked: dict[_Source, EntryFinding] = {}
    for finding in day.findings:
        if finding.blocks:
            blocked.setdefault((finding.kind, finding.source_id), finding)
        else:
            _warn(tally, scope, finding)
    for source in sorted(wanted.keys() | sums.keys() | blocked.keys()):
        left, right = wanted.get(source, {}), sums.get(source, {})
        effect = canonical.get(source, 0) - in_books.get(source, 0)
        if source in blocked:
            if source[0] == "SALES":
                effect = sales_total_minor - in_books.get(source, 0)
            _blocked(tally, scope, blocked[source], (len(left), len(right)), effect)
        else:
            _compare(tally, scope, source, left, right, effect)
    return tally.result(same + sum(map(len, wanted.values())), same + sum(map(len, sums.values())))


def _without_same(
    entries: Sequence[JournalEntry], held: dict[_Source, list[JournalEntry]]
) -> tuple[list[JournalEntry], int]:
    """Entries that the books do not hold line by line in one version, and the lines of the others.

    Those are taken out of `held`: they agree account by account.
    """
    left: list[JournalEntry] = []
    same = 0
    for entry in entries:
        source = (entry.kind, entry.source_id)
        booked = held.get(source, ())
        accounts = {(line.account_code, line.movement) for line in entry.lines}
        if (
            len(booked) == 1
            and booked[0].lines == entry.lines
            and len(accounts) == len(entry.lines)
        ):
            del held[source]
            same += len(accounts)
        else:
            left.append(entry)
    return left, same


def _compare(
    tally: Tally,
    scope: Scope,
    source: _Source,
    left: dict[str, int],
    right: dict[str, int],
    effect: int,
) -> None:
    """One entry: its accounts agree, or it is missing, groundless, or needs a delta (R-13.2)."""
    if left == right:
        return tally.match(len(left), len(right), cases=len(left))
    name = f"{source[0]} {source[1]}"
    gaps = Counter(left)
    gaps.subtract(right)
    accounts = ", ".join(
        f"{account} {major(gap, scope.currency)}" for account, gap in sorted(gaps.items()) if gap
    )
    if not right:
        code, message = "D01", f"{name} is not in the books"
    elif not left:
        code, message = "D02", f"{name} is in the books, the facts call for none"
    else:
        code, message = "D03", f"{name}: facts less books by account: {accounts} (a delta is due)"
    found = scope.found(
        "L5",
        code,
        f"{source[0]}:{source[1]}",
        message,
        amount=sum(gap for gap in gaps.values() if gap > 0),
        left=_words(left),
        right=_words(right),
        effect=effect,
    )
    return tally.record(found, lefts=len(left), rights=len(right))


def _blocked(
    tally: Tally, scope: Scope, finding: EntryFinding, counts: tuple[int, int], effect: int
) -> None:
    found = scope.found(
        "L5",
        finding.finding.code,
        f"{finding.kind}:{finding.source_id}",
        f"{finding.kind} {finding.source_id}: {finding.finding.message}",
        amount=finding.amount_minor,
        left=", ".join(finding.sale_ids),
        effect=effect,
    )
    tally.record(found, lefts=counts[0], rights=counts[1])


def _warn(tally: Tally, scope: Scope, finding: EntryFinding) -> None:
    """Something beside an entry that was made: money owed back (R-9.17), a drawer's own sum."""
    is_owed = finding.kind == "SALES" and bool(finding.sale_ids)
    found = scope.found(
        "L5",
        finding.finding.code,
        f"{finding.kind}:{finding.source_id}:{finding.finding.pointer}:{','.join(finding.sale_ids)}",
        finding.finding.message,
        amount=finding.amount_minor,
        left=", ".join(finding.sale_ids),
        effect=finding.amount_minor if is_owed else 0,
        is_explained=finding.finding.code in _EXPLAINED_WARNINGS,
    )
    tally.record(found)


def _sums(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """Amount per account and movement over versions, zero sums left out."""
    sums: Counter[str] = Counter()
    for entry in entries:
        for line in entry.lines:
            movement = f" ({line.movement})" if line.movement else ""
            sums[f"{line.account_code or line.role}{movement}"] += line.amount_minor
    return {account: amount for account, amount in sums.items() if amount}


def _words(sums: dict[str, int]) -> str:
    return f"{len(sums)} lines, debit {sum(a for a in sums.values() if a > 0)}" if sums else ""
