"""Day versions: what to post when facts change after an entry was posted (R-13.2 to R-13.5).

Posted entries never change. Late or corrected facts give a DELTA (what is missing, nothing else); a
wrong account gives a REVERSAL of what was posted and then a REBOOK. Either way v1 and all that
follows sum to the canonical entry of the latest facts (INV-15, INV-20).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec
from msgspec.structs import replace

from cloud_conductor.accounting.journal import entry_lines
from cloud_conductor.domain.journal import JournalEntry

CorrectionKind = Literal["delta", "reversal", "rebook", "repost"]
Leg = tuple[str, str, str]
"""(role, account code, movement)"""


class Correction(msgspec.Struct, frozen=True):
    """A further version of an entry, linked to the version it corrects (R-13.1)."""

    kind: CorrectionKind
    of_version: int
    entry: JournalEntry


def next_version(
    posted: Sequence[JournalEntry], canonical: JournalEntry, *, open_from: date | None = None
) -> JournalEntry | None:
    """What to post next; None when the posted versions sum to `canonical` already.

    posted: every posted version of this entry, oldest first; empty gives `canonical` itself, on its
    own date, locked or not: a first version is never moved to another period (R-13.5).
    canonical: of the latest facts; without lines when they call for no entry any more. Unchanged
    content gives nothing, whatever the facts' hash says (R-13.2). After a reversal the next call
    gives the rebook.
    """
    if not posted:
        return canonical if canonical.lines else None
    steps = corrections(posted, canonical, open_from=open_from)
    return steps[0].entry if steps else None


def corrections(
    posted: Sequence[JournalEntry],
    canonical: JournalEntry,
    *,
    number: int | None = None,
    open_from: date | None = None,
) -> list[Correction]:
    """Every step from `posted` to `canonical`, in order: none, a delta, or reversal and rebook.

    number: of the first step, when it is not the next after the last posted one.
    """
    assert posted, "nothing is posted: the canonical entry itself is version 1"
    held, wanted = summed(posted), summed([canonical])
    latest = posted[-1]
    number = number or latest.version + 1
    if _is_remapped(held, canonical):
        flipped = {leg: -amount for leg, amount in held.items()}
        reversal = _version(latest, flipped, number, open_from)
        rebook = _version(canonical, wanted, number + 1, open_from)
        return [
            Correction("reversal", latest.version, reversal),
            *([Correction("rebook", number, rebook)] if wanted else []),
        ]
    missing = _missing(held, wanted)
    if not missing:
        return []
    delta = _version(canonical, missing, number, open_from)
    return [Correction("delta", latest.version, delta)]


def repost(latest: int, entry: JournalEntry, *, open_from: date | None = None) -> Correction:
    """The entry once more, with its lines, as the version after `latest`, which is void."""
    ledger_date = correction_date(entry.ledger_date, open_from)
    return Correction("repost", latest, replace(entry, version=latest + 1, ledger_date=ledger_date))


def reversal(posted: JournalEntry, *, version: int, open_from: date | None = None) -> JournalEntry:
    """All lines flipped: with the original it sums to zero per account (INV-20)."""
    flipped = {leg: -amount for leg, amount in summed([posted]).items()}
    return _version(posted, flipped, version, open_from)


def correction_date(original: date, open_from: date | None) -> date:
    """The original ledger date while its period is open, else the first open day (R-13.3).

    open_from: first day the ledger still accepts. Never earlier than the original.
    """
    return original if open_from is None else max(original, open_from)


def summed(entries: Sequence[JournalEntry]) -> dict[Leg, int]:
    """Amount per (role, account, movement) over several versions, zero sums left out."""
    sums: Counter[Leg] = Counter()
    for entry in entries:
        for line in entry.lines:
            sums[line.role, line.account_code, line.movement] += line.amount_minor
    return {leg: amount for leg, amount in sums.items() if amount}


def _version(
    entry: JournalEntry, sums: Mapping[Leg, int], version: int, open_from: date | None
) -> JournalEntry:
    return replace(
        entry,
        lines=entry_lines(sums),
        version=version,
        ledger_date=correction_date(entry.ledger_date, open_from),
    )


def _missing(held: Mapping[Leg, int], wanted: Mapping[Leg, int]) -> dict[Leg, int]:
    """Wanted less held. A rule that was only renamed keeps its account: nothing is missing."""
    sums = Counter(wanted)
    sums.subtract(held)
    per_account: Counter[tuple[str, str]] = Counter()
    for (_, account, movement), amount in sums.items():
        per_account[account, movement] += amount
    return {
        (role, account, movement): amount
        for (role, account, movement), amount in sums.items()
        if amount and per_account[account, movement]
    }


def _is_remapped(held: Mapping[Leg, int], canonical: JournalEntry) -> bool:
    """True when the map moved a posted role to another account (R-13.2, wrong mapping)."""
    now = {(line.role, line.movement): line.account_code for line in canonical.lines}
    return any(now.get((role, movement), account) != account for role, account, movement in held)
