"""What reconciliation found, kept: results of levels, and the life of each break (R-14.7, R-14.8)."""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from cloud_conductor.accounting.breaks import Break
from cloud_conductor.accounting.deps import BooksDeps, record_acts, say
from cloud_conductor.accounting.levels import LevelResult
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BreakRow, LevelRow, Writer
from cloud_conductor.state.tables.accounting import BREAK

ENDED = ("resolved", "verified")
ACCEPTED = "accepted: "

SPANNING = frozenset({"L4", "L6"})
"""Levels that compare a whole span of dates at once."""


def record_levels(
    deps: BooksDeps, store: str, business_date: date, results: Sequence[LevelResult]
) -> None:
    """Keep what each level of one store-day said; see `record_all`."""
    span = (business_date, business_date)
    record_all(deps, {(store, business_date): results}, span)


def record_all(
    deps: BooksDeps,
    scopes: Mapping[tuple[str, date], Sequence[LevelResult]],
    span: tuple[date, date],
) -> None:
    """Keep what each level said of each (store, business date), and move its breaks on.

    span: first and last business date that were compared. L4 and L6 look at all of it at once, so
    their breaks of any date in it are moved on, whatever span found them.

    A break found again keeps its id and age; one that is gone is resolved, and verified when the
    next run does not find it either. A level that is not connected changes no break of its own.
    """
    now_us = deps.now_us
    with books.writing(deps.engine) as writer:
        before: dict[str, list[BreakRow]] = {}
        for row in books.current_breaks(writer.connection):
            before.setdefault(row.scope, []).append(row)
        rows: list[LevelRow] = []
        for (store, business_date), results in scopes.items():
            for result in results:
                rows.append(_level_row(store, business_date, result, now_us))
                if result.state == "not_connected":
                    continue
                scope = f"{result.level}:{store}"
                if result.level not in SPANNING:
                    scope = f"{scope}:{business_date}"
                known = [row for row in before.get(scope, ()) if _is_within(row, span)]
                if known or result.breaks:
                    _record(writer, scope, known, result.breaks, now_us)
        writer.put_levels(rows)
    say("reconcile.recorded", scopes=len(scopes), levels=len(rows))


def accept_break(deps: BooksDeps, break_id: str, actor: str, reason: str) -> None:
    """Resolve a break by a person's word, audited. It stays so until its amount changes.

    Raises ConfigError for an unknown break or an empty reason.
    """
    with books.writing(deps.engine) as writer:
        history = books.break_history(writer.connection, break_id)
        if not history or not reason.strip():
            raise ConfigError(f"no break {break_id}, or no reason given", hint="conductor status")
        row = history[-1]
        _append(writer, row, "resolved", deps.now_us, f"{ACCEPTED}{reason}")
        record_acts(deps, writer, [Act(actor, "break.accepted", break_id, reason)])


def assign_break(deps: BooksDeps, break_id: str, actor: str, owner: str) -> None:
    """Give an open break to somebody, audited. Raises ConfigError for an unknown or ended one."""
    with books.writing(deps.engine) as writer:
        history = books.break_history(writer.connection, break_id)
        if not history or history[-1].state in ENDED:
            raise ConfigError(f"no open break {break_id}", hint="conductor status")
        row = msgspec.structs.replace(history[-1], owner=owner)
        _append(writer, row, "assigned", deps.now_us, f"by {actor}")
        record_acts(deps, writer, [Act(actor, "break.assigned", break_id, owner)])


def _is_within(row: BreakRow, span: tuple[date, date]) -> bool:
    return span[0].isoformat() <= row.business_date <= span[1].isoformat()


def _level_row(store: str, business_date: date, result: LevelResult, now_us: int) -> LevelRow:
    return LevelRow(
        store=store,
        business_date=business_date.isoformat(),
        level=result.level,
        state=result.state,
        unexplained_minor=result.unexplained_minor,
        compared_us=now_us,
        payload=msgspec.json.encode(result).decode(),
    )


def _record(
    writer: Writer,
    scope: str,
    known: Sequence[BreakRow],
    breaks: Sequence[Break],
    now_us: int,
) -> None:
    """Move the breaks of one scope on: found ones open or stay, others are resolved or verified."""
    before = {row.break_id: row for row in known}
    found = {one.id: _row(one, scope, now_us) for one in breaks}
    for break_id, row in found.items():
        present = before.get(break_id)
        if present is None:
            _append(writer, row, row.state, now_us, "")
        elif not _is_same(present, row):
            state = row.state if present.state in ENDED else _carried(present, row)
            kept = msgspec.structs.replace(
                row, detected_us=present.detected_us, owner=present.owner
            )
            reason = "found again" if present.state in ENDED else ""
            _append(writer, kept, state, now_us, reason)
    for break_id, row in before.items():
        if break_id not in found and row.state != "verified":
            state = "verified" if row.state == "resolved" else "resolved"
            _append(writer, row, state, now_us, "not found any more")


def _is_same(present: BreakRow, row: BreakRow) -> bool:
    """Whether a found break needs no new row: unchanged, or accepted at this very amount."""
    if present.state in ENDED:
        return present.reason.startswith(ACCEPTED) and present.amount_minor == row.amount_minor
    told = (present.code, present.amount_minor, present.effect_minor, present.message)
    return told == (row.code, row.amount_minor, row.effect_minor, row.message) and (
        _carried(present, row) == present.state
    )


def _carried(present: BreakRow, row: BreakRow) -> str:
    """An assignment outlives a change of the break."""
    return "assigned" if present.state == "assigned" else row.state


def _append(writer: Writer, row: BreakRow, state: str, now_us: int, reason: str) -> None:
    writer.break_seq += 1
    fields = {"seq": writer.break_seq, "state": state, "at_us": now_us, "reason": reason}
    writer.insert(BREAK, [msgspec.structs.replace(row, **fields)])


def _row(found: Break, scope: str, now_us: int) -> BreakRow:
    return BreakRow(
        seq=0,
        break_id=found.id,
        at_us=now_us,
        state="auto_explained" if found.is_explained else "open",
        scope=scope,
        level=found.level,
        code=found.code,
        item=found.key,
        store=found.store,
        business_date=found.business_date.isoformat(),
        amount_minor=found.amount_minor,
        effect_minor=found.effect_minor,
        currency=found.currency,
        left_ref=found.left,
        right_ref=found.right,
        message=found.message,
        hint=found.hint,
        owner=found.owner,
        detected_us=now_us,
    )
