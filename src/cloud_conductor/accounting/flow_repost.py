"""What somebody voided in the ledger, drafted once more: the one way an entry leaves `posted`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from cloud_conductor.accounting import posting, versions
from cloud_conductor.accounting.deps import BooksDeps, record_acts, say
from cloud_conductor.accounting.flow_drafts import lock_problem
from cloud_conductor.accounting.level_ledger import LOST_KEY_DAYS, Booked, pair_documents
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import RepostRefused
from cloud_conductor.domain.journal import posting_key
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import EntryRow, Writer
from cloud_conductor.state.tables.accounting import ENTRY

NEVER_SENT: dict[str, Any] = {
    "readback_hash": "", "external_id": "", "approved_by": "", "posted_at_us": None, "attempts": 0,
    "first_sent_us": None, "last_sent_us": None, "batch_id": "",
}  # fmt: skip


def repost(deps: BooksDeps, actor: str, keys: Sequence[str], reason: str) -> list[str]:
    """Draft entries anew whose documents are in force no longer; gives the keys of the drafts.

    The old version becomes `void` and counts for nothing; the new one has its lines, the next
    version number and so a key of its own, and waits for somebody else's approval (R-15.3). All or
    none: raises RepostRefused for an entry that was never posted, or that the ledger still holds in
    any form: under its key, dated anew within 31 days, or without its key.
    """
    with deps.engine.connect() as connection:
        rows = books.entries(connection, keys=keys)
    if not rows:
        return []
    for row in rows:
        if "void" not in posting.MOVES[row.state]:
            raise RepostRefused(f"{row.name} is {row.state}: nothing of it was voided (R-13.7)")
    _check_gone(deps, rows)
    with books.writing(deps.engine) as writer:
        drafts = [_stand_in(deps, writer, row, actor) for row in rows]
        writer.update_entries(
            ("state", "error"), [(row.posting_key, "void", reason) for row in rows]
        )
        writer.insert(ENTRY, drafts)
        voided = [
            Act(actor, "entry.void", row.posting_key, reason, row.content_hash) for row in rows
        ]
        made = [
            Act(
                actor,
                f"entry.{new.state}",
                new.posting_key,
                f"for {new.replaces}",
                "",
                new.content_hash,
            )
            for new in drafts
        ]
        record_acts(deps, writer, [*voided, *made])
    say("journal.reposted", drafted=len(drafts), actor=actor)
    return [row.posting_key for row in drafts]


def _check_gone(deps: BooksDeps, rows: Sequence[EntryRow]) -> None:
    """Ask the ledger, as L6 does, whether any of these is still in force there."""
    dates = [row.entry.ledger_date for row in rows]
    around = LOST_KEY_DAYS + timedelta(days=1)
    held = deps.ledger.documents(min(dates) - LOST_KEY_DAYS, max(dates) + around)
    booked = [Booked(row.posting_key, "posted", row.entry) for row in rows]
    for pair in pair_documents(booked, held).pairs:
        if (document := pair.document) is not None:
            raise RepostRefused(
                f"{pair.booked.name} is in the ledger as {document.external_id} of"
                f" {document.ledger_date}, {document.status}: posting it again would double it (R-13.6)"
            )


def _stand_in(deps: BooksDeps, writer: Writer, row: EntryRow, actor: str) -> EntryRow:
    """The next version of an entry, with the lines of the voided one."""
    locked = deps.ledger.lock_date()
    open_from = None if locked is None else locked + timedelta(days=1)
    latest = books.versions(writer.connection, row.identity)[-1].version
    step = versions.repost(latest, row.entry, open_from=open_from)
    writer.entry_seq += 1
    problem = lock_problem(step.entry.ledger_date, locked)
    return replace(
        row,
        posting_key=posting_key(row.organisation, step.entry),
        seq=writer.entry_seq,
        version=step.entry.version,
        ledger_date=step.entry.ledger_date.isoformat(),
        content_hash=step.entry.content_hash,
        payload=msgspec.json.encode(step.entry).decode(),
        correction=step.kind,
        replaces=row.posting_key,
        state="blocked" if problem else "draft",
        created_by=actor,
        created_us=deps.now_us,
        error=problem,
        **NEVER_SENT,
    )
