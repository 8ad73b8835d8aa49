"""What reconciliation found, kept: results of levels, and the life of each break (R-14.7, R-14.8)."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from cloud_conductor.accounting import by_hand
from cloud_conductor.accounting.breaks import Break
from cloud_conductor.accounting.deps import BooksDeps, record_acts, say
from cloud_conductor.accounting.levels import LevelResult
from cloud_conductor.domain.audit import Act
from cloud_conductor.domain.errors import ConfigError, Conflict, NotFound
from cloud_conductor.state import accounting as books
from cloud_conductor.state.accounting import BreakRow, LevelRow, Writer
from cloud_conductor.state.breaks import matched_breaks
from cloud_conductor.state.tables.accounting import BREAK

ENDED = ("resolved", "verified")
PROPOSED = "proposed"
ACCEPTED, MATCHED = "accepted: ", "matched: "

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
        _end_broken_matches(writer, now_us)
    say("reconcile.recorded", scopes=len(scopes), levels=len(rows))


def accept_break(deps: BooksDeps, break_id: str, actor: str, reason: str) -> BreakRow:
    """Resolve a break by a person's word, audited. It stays so until its amount changes.

    Above `break_minor_max` it is only proposed, and resolved when another approves (R-15.3).
    Raises ConfigError for an unknown break or an empty reason, Conflict for one that has ended or
    was proposed already.
    """
    with books.writing(deps.engine) as writer:
        history = books.break_history(writer.connection, break_id)
        if not history or not reason.strip():
            raise ConfigError(f"no break {break_id}, or no reason given", hint="conductor status")
        (row,) = _settle(deps, writer, history[-1:], actor, f"{ACCEPTED}{reason}")
        record_acts(deps, writer, [Act(actor, _act(row, "accepted"), break_id, reason)])
    return row


def match_breaks(
    deps: BooksDeps, ids: Sequence[str], actor: str, reason: str = ""
) -> list[BreakRow]:
    """Resolve breaks that are one another's counterparts, audited (R-14.8).

    Above `break_minor_max` they are only proposed. They stay so until one of them changes or goes.
    Raises NotFound, Conflict for one that has ended or was proposed, BadRequest (`check_match`).
    """
    with books.writing(deps.engine) as writer:
        rows = [_newest(writer, one) for one in ids]
        by_hand.check_match(rows)
        match_id = hashlib.sha256("|".join([*sorted(ids), str(deps.now_us)]).encode()).hexdigest()
        told = f"{MATCHED}{reason}"
        settled = _settle(deps, writer, rows, actor, told, match_id=match_id[:16])
        others = " ".join(sorted(ids))
        acts = [
            Act(actor, _act(row, "matched"), row.break_id, f"{others} {reason}") for row in settled
        ]
        record_acts(deps, writer, acts)
    return settled


def approve_break(deps: BooksDeps, break_id: str, approver: str) -> list[BreakRow]:
    """Resolve what another person proposed, and what it was matched with, audited (R-15.3).

    Raises NotFound, Conflict for a break that is not proposed, ApprovalRefused for its proposer.
    """
    with books.writing(deps.engine) as writer:
        rows = _proposed(writer, break_id)
        by_hand.check_second(rows, approver)
        done = [
            _append(
                writer, row, "resolved", deps.now_us, row.reason,
                actor=approver, match_id=row.match_id,
            )
            for row in rows
        ]  # fmt: skip
        acts = [Act(approver, "break.approved", row.break_id, row.reason) for row in done]
        record_acts(deps, writer, acts)
    return done


def decline_break(deps: BooksDeps, break_id: str, actor: str, reason: str) -> list[BreakRow]:
    """Open again what was proposed, and what it was matched with, audited.

    Raises NotFound, Conflict for a break that is not proposed.
    """
    with books.writing(deps.engine) as writer:
        done = [
            _append(writer, row, "open", deps.now_us, f"declined: {reason}", actor=actor)
            for row in _proposed(writer, break_id)
        ]
        acts = [Act(actor, "break.declined", row.break_id, reason) for row in done]
        record_acts(deps, writer, acts)
    return done


def assign_break(deps: BooksDeps, break_id: str, actor: str, owner: str) -> None:
    """Give an open break to somebody, audited. Raises ConfigError for an unknown or ended one."""
    with books.writing(deps.engine) as writer:
        history = books.break_history(writer.connection, break_id)
        if not history or history[-1].state in ENDED:
            raise ConfigError(f"no open break {break_id}", hint="conductor status")
        row = msgspec.structs.replace(history[-1], owner=owner)
        _append(writer, row, "assigned", deps.now_us, f"by {actor}", actor=actor)
        record_acts(deps, writer, [Act(actor, "break.assigned", break_id, owner)])


def _settle(
    deps: BooksDeps,
    writer: Writer,
    rows: Sequence[BreakRow],
    actor: str,
    reason: str,
    match_id: str = "",
) -> list[BreakRow]:
    for row in rows:
        if row.state in (*ENDED, PROPOSED):
            raise Conflict(f"break {row.break_id} is {row.state}")
    is_for_two = by_hand.needs_second(rows, deps.approval.break_minor_max)
    state = PROPOSED if is_for_two else "resolved"
    return [
        _append(writer, row, state, deps.now_us, reason, actor=actor, match_id=match_id)
        for row in rows
    ]


def _act(row: BreakRow, done: str) -> str:
    return f"break.{PROPOSED if row.state == PROPOSED else done}"


def _newest(writer: Writer, break_id: str) -> BreakRow:
    history = books.break_history(writer.connection, break_id)
    if not history:
        raise NotFound(f"no break {break_id}")
    return history[-1]


def _proposed(writer: Writer, break_id: str) -> list[BreakRow]:
    """A proposed break with all that it was matched with."""
    row = _newest(writer, break_id)
    if row.state != PROPOSED:
        raise Conflict(f"break {break_id} is {row.state}: nobody proposed to resolve it")
    if not row.match_id:
        return [row]
    return matched_breaks(writer.connection)[row.match_id]


def _end_broken_matches(writer: Writer, now_us: int) -> None:
    """Open what is left of a match of which a run changed or ended only a part."""
    for match_id, rows in matched_breaks(writer.connection).items():
        if len({(row.match_id, row.state) for row in rows}) == 1:
            continue
        for row in rows:
            if row.match_id == match_id and row.state in ("resolved", PROPOSED):
                _append(writer, row, "open", now_us, "what it was matched with has changed")


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
            kept = msgspec.structs.replace(
                row, detected_us=present.detected_us, owner=present.owner
            )
            if present.state == PROPOSED and present.amount_minor == row.amount_minor:
                _append(
                    writer, kept, PROPOSED, now_us, present.reason,
                    actor=present.actor, match_id=present.match_id,
                )  # fmt: skip
            else:
                reason = "found again" if present.state in ENDED else ""
                _append(writer, kept, _carried(present, row), now_us, reason)
    for break_id, row in before.items():
        if break_id not in found and row.state != "verified":
            state = "verified" if row.state == "resolved" else "resolved"
            _append(writer, row, state, now_us, "not found any more", match_id=row.match_id)


def _is_same(present: BreakRow, row: BreakRow) -> bool:
    """Whether a found break needs no new row: unchanged, or settled by hand at this very amount."""
    if present.state in ENDED:
        is_settled = present.reason.startswith((ACCEPTED, MATCHED))
        return is_settled and present.amount_minor == row.amount_minor
    told = (present.code, present.amount_minor, present.effect_minor, present.message)
    return told == (row.code, row.amount_minor, row.effect_minor, row.message) and (
        present.state in (PROPOSED, _carried(present, row))
    )


def _carried(present: BreakRow, row: BreakRow) -> str:
    """An assignment outlives a change of the break."""
    return "assigned" if present.state == "assigned" else row.state


def _append(
    writer: Writer,
    row: BreakRow,
    state: str,
    now_us: int,
    reason: str,
    *,
    actor: str = "",
    match_id: str = "",
) -> BreakRow:
    writer.break_seq += 1
    fields = {"seq": writer.break_seq, "state": state, "at_us": now_us, "reason": reason}
    added = msgspec.structs.replace(row, **fields, actor=actor, match_id=match_id)
    writer.insert(BREAK, [added])
    return added


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
