"""L1 and L2: what we hold of a store-day against what the source itself lists (§14).

Held sales of neighbouring days may be passed too: a sale that the source lists under another day
(offline sales, R-2.5) is a matter of timing, explained with both dates, not a break.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.breaks import Break, Scope
from cloud_conductor.accounting.levels import LevelResult, Tally, not_connected
from cloud_conductor.ports.pos import Listed

CLOSED_STATES = frozenset({"closed", "completed"})


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """The source's own listing of one store-day, taken over its UTC interval.

    rows: None when the source could not be asked. quarantined: ids of listed objects of which a
    version waits in quarantine (D16).
    """

    scope: Scope
    interval: tuple[datetime, datetime]
    rows: Sequence[Listed] | None
    quarantined: Collection[str] = ()


def pos_total(control: Control) -> int:
    """The POS side of the store-day equation: what the source lists as closed (R-14.5)."""
    return sum(listed_total(row) for row in _latest(control).values())


def compare_records(control: Control, sales: pa.Table) -> LevelResult:
    """L1: every object id and version the source lists is held, and nothing else.

    sales: latest rows of SALES of the store, of this business date and, for timing, of others.
    """
    if control.rows is None:
        return not_connected("L1", "the source's listing is not connected")
    tally = Tally("L1")
    held = _held(sales, control)
    own = {key for key, row in held.items() if _is_own(row, control)}
    listed = _latest(control)
    tally.explain_many(rights=len(control.rows) - len(listed))
    for key in sorted(listed):
        _compare_record(tally, control, listed[key], held.get(key))
    for key in sorted(own - listed.keys()):
        tally.record(_held_only(control, held[key]), lefts=1)
    return tally.result(len(own), len(control.rows))


def compare_totals(
    control: Control,
    sales: pa.Table,
    facts: Mapping[str, pa.Table],
    found_before: Sequence[Break] = (),
) -> LevelResult:
    """L2: totals worked out from the rows of each order against the source's own.

    The source's figure is the listing's for the version we hold, else the one in the order itself.
    Then the store-day as a whole, where what L1 and the orders named explains a difference (D15 for
    the rest). facts: sale_lines, sale_services, sale_taxes of the same sales. found_before: what is in
    both totals and wrong all the same: more came back than was sold (INV-07); and receipts that are
    in neither (D13).
    """
    if control.rows is None:
        return not_connected("L2", "the source's listing is not connected")
    tally = Tally("L2")
    for found in found_before:
        tally.record(found)
    listed = _latest(control)
    parts = recomputed_totals(sales, facts)
    held = _held(sales, control)
    own = [row for row in held.values() if _is_own(row, control) and row["state"] == "closed"]
    for row in own:
        _compare_total(tally, control, row, listed.get(row["sale_id"]), parts[row["sale_id"]])
    coded = sum(found.effect_minor for found in compare_records(control, sales).breaks)
    coded += sum(found.effect_minor for found in tally.breaks)
    difference = pos_total(control) - sum(parts[row["sale_id"]] for row in own)
    if not difference:
        tally.match()
    elif difference == coded:
        tally.explain(lefts=1, rights=1)
    else:
        rest = difference - coded
        message = f"the day's totals differ by {difference}, of which {rest} has no cause"
        day = control.scope.business_date.isoformat()
        unexplained = control.scope.found("L2", "D15", day, message, amount=-rest, effect=rest)
        tally.record(unexplained, lefts=1, rights=1)
    return tally.result(len(own) + 1, len(own) + 1)


def recomputed_totals(sales: pa.Table, facts: Mapping[str, pa.Table]) -> dict[str, int]:
    """Sale id -> subtotal + service + tax + tips + rounding, from the sale's own rows (R-4)."""
    columns = (
        ("sale_lines", "net_minor"), ("sale_services", "amount_minor"), ("sale_taxes", "amount_minor"),
    )  # fmt: skip
    parts = [facts[name].select(["sale_id", column]) for name, column in columns]
    parts += [sales.select(["sale_id", column]) for column in ("tip_minor", "rounding_minor")]
    table = pa.concat_tables([part.rename_columns(["sale_id", "amount_minor"]) for part in parts])
    sums = table.group_by("sale_id").aggregate([("amount_minor", "sum")])
    found = dict(
        zip(sums["sale_id"].to_pylist(), sums["amount_minor_sum"].to_pylist(), strict=True)
    )
    return {sale: found.get(sale) or 0 for sale in sales["sale_id"].to_pylist()}


def _compare_record(
    tally: Tally, control: Control, listed: Listed, held: dict[str, Any] | None
) -> None:
    """One listed sale: held as listed, older, newer, under another day, or not at all."""
    scope, total, key = control.scope, listed_total(listed), listed.object_id
    missing = "D16" if key in control.quarantined else "D01"
    theirs = f"{listed.state} v{listed.version}, {listed.total_minor}"
    if held is None:
        message = (
            f"sale {key} is in quarantine: it broke the contract"
            if missing == "D16"
            else f"the source lists sale {key}, we do not hold it"
        )
        found = scope.found("L1", missing, key, message, amount=-total, right=theirs, effect=total)
        return tally.record(found, rights=1)
    ours = _words(held)
    if not _is_own(held, control):
        message = (
            f"sale {key} belongs to {held['business_date']} by the till's time; the source lists"
            f" it under {scope.business_date} (R-2.5)"
        )
        found = scope.found(
            "L1", "D05", key, message, left=ours, right=theirs, effect=total, is_explained=True
        )
        return tally.record(found, rights=1)
    if held["version_rank"] == listed.version:
        return tally.match()
    is_newer = held["version_rank"] > listed.version
    message = (
        f"sale {key} changed after the listing was taken"
        if is_newer
        else f"sale {key}: version {listed.version} is not held yet"
    )
    amount = _held_total(held) - total
    found = scope.found(
        "L1",
        "D05" if is_newer else missing,
        key,
        message,
        amount=amount,
        left=ours,
        right=theirs,
        effect=-amount,
        is_explained=is_newer,
    )
    return tally.record(found, lefts=1, rights=1)


def _held_only(control: Control, held: dict[str, Any]) -> Break:
    """A sale the listing lacks: timing when the source's cloud dates it outside the day (D02)."""
    start, end = control.interval
    total, key, at = _held_total(held), held["sale_id"], held["source_created_at"]
    is_timing = not start <= at < end
    message = (
        f"sale {key} was made on {control.scope.business_date}; the source dates it {at} (R-2.5)"
        if is_timing
        else f"we hold sale {key}, the source does not list it"
    )
    return control.scope.found(
        "L1",
        "D05" if is_timing else "D02",
        key,
        message,
        amount=total,
        left=_words(held),
        effect=-total,
        is_explained=is_timing,
    )


def _compare_total(
    tally: Tally, control: Control, row: dict[str, Any], listed: Listed | None, ours: int
) -> None:
    same = listed is not None and listed.version == row["version_rank"]
    stated = row["source_total_minor"]
    theirs = listed_total(listed) if listed is not None and same else stated
    if ours == theirs == stated:
        return tally.match()
    key = row["sale_id"]
    message = (
        f"sale {key}: its rows give {ours}, the source's total is {theirs}"
        f" ({stated} in the order itself) (R-3.1)"
    )
    found = control.scope.found(
        "L2",
        "D03",
        key,
        message,
        amount=ours - theirs,
        left=str(ours),
        right=str(theirs),
        effect=theirs - ours,
    )
    return tally.record(found, lefts=1, rights=1)


def _words(held: Mapping[str, Any]) -> str:
    return f"{held['state']} v{held['version_rank']}, {held['source_total_minor']}"


def _held(sales: pa.Table, control: Control) -> dict[str, dict[str, Any]]:
    columns = [
        "sale_id", "business_date", "state", "version_rank", "source_total_minor",
        "source_created_at",
    ]  # fmt: skip
    rows = sales.filter(pc.equal(sales["store"], control.scope.store)).select(columns).to_pylist()
    return {row["sale_id"]: row for row in sorted(rows, key=lambda row: str(row["sale_id"]))}


def _latest(control: Control) -> dict[str, Listed]:
    """One row per object, the newest version: a list may show one twice while it changes."""
    rows = sorted(control.rows or (), key=lambda row: row.version)
    return {row.object_id: row for row in rows}


def _is_own(row: Mapping[str, Any], control: Control) -> bool:
    return bool(row["business_date"] == control.scope.business_date)


def listed_total(row: Listed) -> int:
    return row.total_minor if row.state.lower() in CLOSED_STATES else 0


def _held_total(row: Mapping[str, Any]) -> int:
    return int(row["source_total_minor"] or 0) if row["state"] == "closed" else 0
