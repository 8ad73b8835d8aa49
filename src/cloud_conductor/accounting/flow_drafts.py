"""Drafts and approval: bring the outbox to what the facts say, and let people release it.

Acts on the books only; nothing here talks to the ledger but to ask its name and its lock date.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from cloud_conductor.accounting import approval, posting, versions
from cloud_conductor.accounting.deps import BooksDeps, record_acts, say
from cloud_conductor.accounting.journal import DayEntries
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.journal import KIND_ORDER, EntryKind, JournalEntry, posting_key
from cloud_conductor.domain.stores import Store
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryHead, EntryRow, Writer
from cloud_conductor.state.tables.accounting import ENTRY

DECLINED = "declined by "
"""How the reason of an entry begins that a person holds back."""


class DraftResult(msgspec.Struct, frozen=True):
    """What a draft run did, as posting keys.

    deferred: the facts call for a further version, and an earlier one is still on its way.
    """

    drafted: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    unchanged: int = 0


class Withheld(msgspec.Struct, frozen=True):
    """An entry that the facts call for and that cannot be made; entry: its frame, without lines."""

    entry: JournalEntry
    reason: str


class _Wanted(msgspec.Struct, frozen=True):
    """One version that should wait in the outbox."""

    entry: JournalEntry
    correction: str = ""
    replaces: str = ""
    problem: str = ""


def withheld_of(
    store: Store, business_date: date, day: DayEntries, mapping_version: str = ""
) -> list[Withheld]:
    """The entries of a store-day that its findings block, each with its reasons.

    mapping_version: the rules under which they could not be made.
    """
    reasons: dict[tuple[EntryKind, str], list[str]] = {}
    for one in day.findings:
        if one.blocks:
            reason = f"{one.finding.code}: {one.finding.message}"
            reasons.setdefault((one.kind, one.source_id), []).append(reason)
    return [
        Withheld(
            replace(_frame(store, business_date, kind, source_id), mapping_version=mapping_version),
            "; ".join(texts),
        )
        for (kind, source_id), texts in reasons.items()
    ]


def draft_day(
    deps: BooksDeps, store: Store, business_date: date, day: DayEntries, preparer: str
) -> DraftResult:
    """Drafts of one store-day: its entries, its blocked ones with their findings, nothing else.

    Kinds that the facts call for no more are taken back, also after posting (R-13.2).
    """
    return draft_entries(
        deps,
        day.entries,
        preparer,
        withheld=withheld_of(store, business_date, day),
        covers=[(kind, store.store, business_date) for kind in KIND_ORDER],
    )


def draft_entries(
    deps: BooksDeps,
    entries: Sequence[JournalEntry],
    preparer: str,
    *,
    withheld: Sequence[Withheld] = (),
    covers: Collection[tuple[EntryKind, str, date]] = (),
) -> DraftResult:
    """Bring the outbox to what the facts say now; running it again changes nothing.

    entries: canonical entries (whole days, not deltas). A line without account blocks its entry
    and is named (D10). After posting, changed facts become new versions (R-13.2); drafts that were
    never sent are replaced. covers: (kind, store, date) for which `entries` and `withheld` are
    everything: what is in neither is taken back.
    """
    organisation, locked = deps.ledger.organisation(), deps.ledger.lock_date()
    done: dict[str, list[str]] = {name: [] for name in DraftResult.__struct_fields__}
    with books.writing(deps.engine) as writer:
        desk = _Desk(deps, writer, organisation, locked, preparer, done)
        present = [*entries, *(one.entry for one in withheld)]
        desk.look_up(present)
        for entry in entries:
            desk.draft(entry)
        for one in withheld:
            desk.block(one)
        for entry in _vanished(writer, organisation, present, covers):
            desk.draft(entry)
        desk.flush()
    unchanged = len(done.pop("unchanged"))
    result = DraftResult(**{name: tuple(keys) for name, keys in done.items()}, unchanged=unchanged)
    say("journal.drafted", drafted=len(result.drafted), blocked=len(result.blocked))
    return result


@dataclass
class _Desk:
    """One draft run inside its transaction: works on what it looked up, writes at the end.

    done: outcome -> posting keys. _known: identity -> its versions as the books hold them; None
    once they were touched, so that a second word about one entry reads them again.
    """

    deps: BooksDeps
    writer: Writer
    organisation: str
    locked: date | None
    preparer: str
    done: dict[str, list[str]]
    _known: dict[tuple[str, ...], list[EntryRow] | None] = field(default_factory=dict)
    _gone: list[str] = field(default_factory=list)
    _new: list[EntryRow] = field(default_factory=list)
    _acts: list[Act] = field(default_factory=list)

    def look_up(self, frames: Sequence[JournalEntry]) -> None:
        """Read the versions of all these entries; a version 1 is always among them."""
        first = {
            posting_key(self.organisation, frame): books.identity_of(self.organisation, frame)
            for frame in frames
        }
        present = books.present_keys(self.writer.connection, list(first))
        held = [identity for key, identity in first.items() if key in present]
        self._known = {identity: [] for identity in first.values()}
        self._known |= books.versions_of(self.writer.connection, held)

    def flush(self) -> None:
        """Write what was decided so far, and forget what was known of it."""
        self.writer.delete_entries(self._gone)
        self.writer.insert(ENTRY, self._new)
        record_acts(self.deps, self.writer, self._acts)
        for rows in (self._gone, self._new, self._acts):
            rows.clear()

    def draft(self, canonical: JournalEntry) -> None:
        """Bring one entry to its canonical content; without lines: to nothing."""
        waiting, final = self._versions(canonical)
        wanted = self._wanted(final, canonical)
        if any(row.state not in posting.SETTLED for row in final):
            outcome = "deferred" if wanted else "unchanged"
            self.done[outcome].append(final[-1].posting_key)
            return
        for row in waiting:
            if row.version not in {one.entry.version for one in wanted}:
                self._withdraw(row)
        before = {row.version: row for row in waiting}
        for one in wanted:
            self._put(before.get(one.entry.version), self._row(one))
        if not wanted and not waiting:
            self.done["unchanged"].append("")

    def block(self, withheld: Withheld) -> None:
        """Keep a place for an entry that cannot be made, with the reason."""
        waiting, final = self._versions(withheld.entry)
        if any(row.state not in posting.SETTLED for row in final):
            self.done["deferred"].append(final[-1].posting_key)
            return
        for row in waiting[1:]:
            self._withdraw(row)
        entry = replace(withheld.entry, version=_next_version(final))
        self._put(
            waiting[0] if waiting else None, self._row(_Wanted(entry, problem=withheld.reason))
        )

    def _versions(self, frame: JournalEntry) -> tuple[list[EntryRow], list[EntryRow]]:
        """(versions that may still be replaced, versions that may not), oldest first."""
        identity = books.identity_of(self.organisation, frame)
        rows = self._known.get(identity)
        if rows is None:
            self.flush()
            rows = books.versions(self.writer.connection, identity)
        self._known[identity] = None
        waiting = [row for row in rows if row.state in posting.REPLACEABLE]
        return waiting, [row for row in rows if row.state not in posting.REPLACEABLE]

    def _wanted(self, final: Sequence[EntryRow], canonical: JournalEntry) -> list[_Wanted]:
        posted = [row.entry for row in final if row.state == "posted"]
        if not final:
            return [_Wanted(canonical)] if canonical.lines else []
        keys = {row.version: row.posting_key for row in final}
        open_from = None if self.locked is None else self.locked + timedelta(days=1)
        steps: list[versions.Correction] = []
        if posted:
            number = _next_version(final)
            steps = versions.corrections(posted, canonical, number=number, open_from=open_from)
        elif canonical.lines:
            steps = [versions.repost(final[-1].version, canonical, open_from=open_from)]
        wanted: list[_Wanted] = []
        for step in steps:
            wanted.append(_Wanted(step.entry, step.kind, keys[step.of_version]))
            keys[step.entry.version] = posting_key(self.organisation, step.entry)
        return wanted

    def _row(self, wanted: _Wanted) -> EntryRow:
        entry = wanted.entry
        problem = wanted.problem or problem_of(entry, self.locked)
        return EntryRow(
            posting_key=posting_key(self.organisation, entry),
            seq=0,
            organisation=self.organisation,
            kind=entry.kind,
            entity=entry.entity,
            store=entry.store,
            currency=entry.currency,
            business_date=entry.business_date.isoformat(),
            ledger_date=entry.ledger_date.isoformat(),
            source_id=entry.source_id,
            version=entry.version,
            correction=wanted.correction,
            replaces=wanted.replaces,
            document_type=self.deps.ledger.document_type(entry),
            state="blocked" if problem else "draft",
            debit_minor=entry.debit_minor,
            content_hash=entry.content_hash,
            mapping_version=entry.mapping_version,
            fact_set_hash=entry.fact_set_hash,
            created_by=self.preparer,
            created_us=self.deps.now_us,
            error=problem,
            payload=msgspec.json.encode(entry).decode(),
        )

    def _put(self, before: EntryRow | None, row: EntryRow) -> None:
        """Write a waiting version, unless it is there already with the same content."""
        if before is not None and before.payload == row.payload and _keeps(before, row):
            self.done["unchanged"].append(row.posting_key)
            return
        if before is None:
            self.writer.entry_seq += 1
            row = replace(row, seq=self.writer.entry_seq)
        else:
            posting.check_move(before.state, row.state)
            self._gone.append(before.posting_key)
            row = replace(row, seq=before.seq)
        self._new.append(row)
        hashes = (before.content_hash if before else "", row.content_hash)
        self._acts.append(
            Act(self.preparer, f"entry.{row.state}", row.posting_key, row.error, *hashes)
        )
        self.done["blocked" if row.state == "blocked" else "drafted"].append(row.posting_key)

    def _withdraw(self, row: EntryRow) -> None:
        self._gone.append(row.posting_key)
        reason = "the facts no longer call for it"
        self._acts.append(
            Act(self.preparer, "entry.withdrawn", row.posting_key, reason, row.content_hash)
        )
        self.done["withdrawn"].append(row.posting_key)


def approve(
    deps: BooksDeps,
    approver: str,
    *,
    keys: Sequence[str] | None = None,
    store: str = "",
    business_date: date | None = None,
    reason: str = "",
) -> list[str]:
    """Approve all selected drafts or none; without keys every draft that fits. Gives their keys.

    Raises ApprovalRefused (R-15.3).
    """
    with books.writing(deps.engine) as writer:
        rows = books.heads(
            writer.connection,
            keys=keys,
            states=() if keys is not None else ("draft",),
            store=store,
            business_date=business_date,
        )
        approval.check([_candidate(row) for row in rows], approver)
        _set_approved(deps, writer, rows, approver, reason)
    return [row.posting_key for row in rows]


def approve_by_policy(deps: BooksDeps) -> list[str]:
    """Approve what the configured policy allows (R-15.4). Gives the posting keys."""
    if not deps.approval.auto_kinds:
        return []
    organisation = deps.ledger.organisation()
    with deps.engine.connect() as connection:
        if not books.has_entries(connection, "draft", organisation):
            return []
    with books.writing(deps.engine) as writer:
        drafts = books.heads(writer.connection, states=("draft",), organisation=organisation)
        mappings = books.posted_mappings(writer.connection, organisation, approval.POLICY)
        chosen = approval.by_policy([_candidate(row) for row in drafts], deps.approval, mappings)
        keys = {candidate.posting_key for candidate in chosen}
        rows = [row for row in drafts if row.posting_key in keys]
        _set_approved(deps, writer, rows, approval.POLICY, "policy (R-15.4)")
    return [row.posting_key for row in rows]


def decline(deps: BooksDeps, actor: str, keys: Sequence[str], reason: str) -> list[str]:
    """Hold drafts or approved entries back by a person's word; gives the keys of those that were.

    They stay blocked while their facts are the same, until somebody redrafts them.
    """
    with books.writing(deps.engine) as writer:
        rows = books.entries(writer.connection, keys=keys, states=("draft", "approved"))
        for row in rows:
            posting.check_move(row.state, "blocked")
            told = f"{DECLINED}{actor.removeprefix('user:')}: {reason}"
            writer.update_entry(row.posting_key, state="blocked", approved_by="", error=told)
        acts = [Act(actor, "entry.declined", row.posting_key, reason) for row in rows]
        record_acts(deps, writer, acts)
    return [row.posting_key for row in rows]


def redraft(deps: BooksDeps, actor: str, keys: Sequence[str], reason: str = "") -> list[str]:
    """Put rejected or blocked entries back to draft, once a person removed the cause."""
    locked = deps.ledger.lock_date()
    with books.writing(deps.engine) as writer:
        rows = books.entries(writer.connection, keys=keys, states=("rejected", "blocked"))
        rows = [row for row in rows if not problem_of(row.entry, locked)]
        for row in rows:
            posting.check_move(row.state, "draft")
            writer.update_entry(
                row.posting_key, state="draft", approved_by="", error="", batch_id="", attempts=0
            )
        acts = [Act(actor, "entry.draft", row.posting_key, reason) for row in rows]
        record_acts(deps, writer, acts)
    return [row.posting_key for row in rows]


def problem_of(entry: JournalEntry, locked: date | None) -> str:
    """Why an entry must not go to the ledger now; empty when it may."""
    gaps = sorted({line.role for line in entry.lines if not line.account_code})
    if gaps:
        return f"D10: no ledger account for {', '.join(gaps)}; add it to [mapping]"
    return lock_problem(entry.ledger_date, locked)


def lock_problem(ledger_date: date, locked: date | None) -> str:
    """Why nothing of that date may be posted; empty when it may (R-13.5)."""
    if locked is not None and ledger_date <= locked:
        return f"the ledger is locked through {locked}: dated {ledger_date} (R-13.5)"
    return ""


def _keeps(before: EntryRow, row: EntryRow) -> bool:
    """Whether the same content stays as it is: unless its block is gone, or has another reason.

    What a person declined stays declined.
    """
    if before.error.startswith(DECLINED):
        return True
    return before.state != "blocked" or (row.state == "blocked" and before.error == row.error)


def _next_version(final: Sequence[EntryRow]) -> int:
    return final[-1].version + 1 if final else 1


def _frame(store: Store, business_date: date, kind: EntryKind, source_id: str) -> JournalEntry:
    """An entry without lines: what it would be named."""
    return JournalEntry(
        kind=kind,
        entity=store.entity,
        store=store.store,
        currency=store.currency,
        business_date=business_date,
        ledger_date=business_date,
        source_id=source_id,
        lines=(),
    )


def _vanished(
    writer: Writer,
    organisation: str,
    present: Sequence[JournalEntry],
    covers: Collection[tuple[EntryKind, str, date]],
) -> list[JournalEntry]:
    """What the books hold for covered days and the facts no longer call for: entries without lines."""
    dates = {one for _, _, one in covers}
    if not dates:
        return []
    stores = sorted({store for _, store, _ in covers})
    held = books.entries_of_days(writer.connection, organisation, stores, min(dates), max(dates))
    if not held:
        return []
    known = {books.identity_of(organisation, entry) for entry in present}
    wanted = set(covers)
    keys = [
        one.posting_key
        for one in held
        if (one.kind, one.store, date.fromisoformat(one.business_date)) in wanted
        and one.identity not in known
    ]
    rows = books.entries(writer.connection, keys=keys)
    rows.sort(key=lambda row: (row.store, row.business_date, row.seq))
    gone = {row.identity: replace(row.entry, lines=()) for row in rows}
    return list(gone.values())


def _set_approved(
    deps: BooksDeps, writer: Writer, rows: Sequence[EntryHead], approver: str, reason: str
) -> None:
    for row in rows:
        posting.check_move(row.state, "approved")
    given = [(row.posting_key, "approved", approver) for row in rows]
    writer.update_entries(("state", "approved_by"), given)
    record_acts(
        deps,
        writer,
        [
            Act(approver, "entry.approved", row.posting_key, reason, "", row.content_hash)
            for row in rows
        ],
    )
    if rows:
        say("journal.approved", entries=len(rows), approver=approver)


def _candidate(row: EntryHead) -> approval.Candidate:
    return approval.Candidate(
        posting_key=row.posting_key,
        name=row.name,
        state=row.state,
        kind=row.kind,
        created_by=row.created_by,
        mapping_version=row.mapping_version,
        debit_minor=row.debit_minor,
    )
