"""L4: from each tender to the payout that settled it, and from each payout to the bank (§7, §14)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.breaks import Break, Scope
from cloud_conductor.accounting.level_tenders import moved_items, tender_key
from cloud_conductor.accounting.levels import LevelResult, Tally, not_connected
from cloud_conductor.accounting.matching import Item, Match, match
from cloud_conductor.accounting.settlement import SETTLED_TYPES
from cloud_conductor.domain.money import major
from cloud_conductor.ports.ledger import BankLine

ARRIVAL_BANKING_DAYS = 4  # batched on the next day, at the bank within two more; one to spare
BANK_WINDOW = (-1, 3)
"""Days from a payout's arrival date to its bank line (R-14.2, tier 4)."""
DEPOSIT_WINDOW = (0, 5)
"""Days from a deposit bag's business date to its bank line (R-8.4)."""
NO_BANK_LINES = "bank lines are not connected: payouts are not followed to the bank"
_SATURDAY = 5


class BankIndex(NamedTuple):
    """Which payouts the references of bank lines name: by line id, and the lines by payout id."""

    of_line: Mapping[str, Sequence[str]]
    of_payout: Mapping[str, Sequence[BankLine]]


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The two sides of L4 of one store, over all dates still of interest.

    payout_entries: of `payouts`. known: ids of tenders outside `tenders` that entries may name
    (earlier than the books). bank_lines: None when not connected. index: of these lines and the
    payouts of any store; worked out when not given.
    """

    tenders: pa.Table
    payouts: pa.Table
    payout_entries: pa.Table
    known: Collection[str] = ()
    bank_lines: Sequence[BankLine] | None = None
    index: BankIndex | None = None


def bank_index(lines: Iterable[BankLine], payout_ids: Collection[str]) -> BankIndex:
    """Every payout whose id stands in a line's reference."""
    ids = {one for one in payout_ids if one}
    lengths = {len(one) for one in ids}
    of_line: dict[str, tuple[str, ...]] = {}
    of_payout: dict[str, list[BankLine]] = {}
    for line in lines:
        text = line.reference
        named = {
            part
            for length in lengths
            for start in range(len(text) - length + 1)
            if (part := text[start : start + length]) in ids
        }
        if named:
            of_line[line.line_id] = tuple(sorted(named))
        for one in named:
            of_payout.setdefault(one, []).append(line)
    return BankIndex(of_line, of_payout)


def compare_payouts(scope: Scope, settlement: Settlement, today: date) -> LevelResult:
    """L4. A tender no payout has settled yet is in transit until its expected arrival (R-7.3)."""
    parts = (settlement.tenders, settlement.payouts, settlement.payout_entries)
    if not any(table.num_rows for table in parts):
        return not_connected("L4", "the processor's payouts are not connected")
    tally = Tally("L4")
    left, right = _settled(tally, scope, settlement, today)
    payouts = _payouts_add_up(tally, scope, settlement)
    banked_left, banked_right = _banked(tally, scope, settlement, today)
    return tally.result(left + payouts + banked_left, right + payouts + banked_right)


def expected_arrival(business_date: date, banking_days: int = ARRIVAL_BANKING_DAYS) -> date:
    """The date by which the money of a business date is due, in days Monday to Friday (R-7.3)."""
    day, left = business_date, banking_days
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY
    return day


def deposit_dates(
    scope: Scope, deposits: Mapping[str, int], bank_lines: Sequence[BankLine]
) -> dict[str, date]:
    """Shift id -> date of the bank line of its bag: amount exact, 0 to 5 days (R-8.4).

    deposits: shift id -> amount. A bag that could be two lines gets none.
    """
    bags = [
        Item(
            key=f"shift:{shift}",
            amount_minor=amount,
            currency=scope.currency,
            store=scope.store,
            business_date=scope.business_date,
        )
        for shift, amount in deposits.items()
    ]
    found = match(bags, _bank_items(scope, bank_lines), window=DEPOSIT_WINDOW)
    return {
        pair.left[0].key.partition(":")[2]: pair.right[0].business_date for pair in found.matches
    }


def _settled(tally: Tally, scope: Scope, settlement: Settlement, today: date) -> tuple[int, int]:
    """Tenders with a processor against payout entries, by tender id. Gives both populations."""
    settled = _agreed(settlement)
    tally.match(len(settled), len(settled), cases=len(settled))
    tenders = settlement.tenders.filter(
        pc.invert(pc.is_in(_keys(settlement.tenders), value_set=settled))
    )
    with_processor = pc.not_equal(pc.fill_null(tenders["processor"], ""), "")
    lefts = moved_items(tenders.filter(with_processor))
    others = settlement.payout_entries.filter(
        pc.invert(pc.is_in(_entry_keys(settlement.payout_entries), value_set=settled))
    )
    entries = others.to_pylist()
    settling = [row for row in entries if row["entry_type"] in SETTLED_TYPES]
    tally.explain_many(rights=len(entries) - len(settling))  # fees, holds: no tender by nature
    rights = [_entry_item(row) for row in settling]
    found = match(lefts, rights)
    fees = _fees(tenders, settling)
    for pair in found.matches:
        _compare_pair(tally, scope, pair, fees)
    for item, _ in found.left_twice:
        tally.record(_break(scope, "D04", item, f"{item.key} is recorded twice"), lefts=1)
    for item, _ in found.right_twice:
        tally.record(_break(scope, "D04", item, f"{item.key} is paid out twice"), rights=1)
    for item in found.left_open:
        tally.record(_in_transit(scope, item, today), lefts=1)
    for item in found.right_open:
        if item.key.partition(":")[2] in settlement.known:
            tally.explain(rights=1)
        else:
            message = f"{item.label} settles {item.key}, which we do not hold"
            tally.record(_break(scope, "D02", item, message), rights=1)
    return len(settled) + len(lefts), len(settled) + len(entries)


def _agreed(settlement: Settlement) -> pa.Array:
    """Keys of tenders that moved and of one entry each, alone under their key, equal in gross and fee.

    Exact keys are matched before anything else (R-14.2), so the rest is compared without them.
    """
    ours: dict[str, tuple[int, int] | None] = {}
    tenders = settlement.tenders
    columns = ("state", "event", "processor", "amount_minor", "tip_minor", "fee_minor")
    given = (tenders[name].to_pylist() for name in columns)
    for key, state, event, processor, amount, tip, fee in zip(
        _keys(tenders).to_pylist(), *given, strict=True
    ):
        moved = processor and (state == "captured" or (state == "pending" and event == "refund"))
        found = (amount + (tip or 0), fee or 0) if moved and key not in ours else None
        ours[key] = found
    theirs: dict[str, tuple[int, int] | None] = {}
    entries = settlement.payout_entries
    given = (entries[name].to_pylist() for name in ("entry_type", "gross_minor", "fee_minor"))
    for key, kind, gross, fee in zip(_entry_keys(entries).to_pylist(), *given, strict=True):
        settles = key is not None and kind in SETTLED_TYPES
        theirs[key] = (gross, fee or 0) if settles and key not in theirs else None
    agreed = [key for key, found in ours.items() if found is not None and theirs.get(key) == found]
    return pa.array(agreed, pa.string())


def _keys(tenders: pa.Table) -> pa.ChunkedArray:
    """`tender_key` of every row."""
    return pc.binary_join_element_wise(tenders["event"], tenders["tender_id"], ":")


def _entry_keys(entries: pa.Table) -> pa.ChunkedArray:
    """Key of the tender that an entry names; null where it names none."""
    event = pc.if_else(pc.equal(entries["entry_type"], "refund"), "refund", "payment")
    tender = pc.if_else(pc.equal(entries["tender_id"], ""), None, entries["tender_id"])
    return pc.binary_join_element_wise(event, tender, ":")


def _compare_pair(
    tally: Tally, scope: Scope, pair: Match, fees: Mapping[str, tuple[int, int]]
) -> None:
    """Gross must agree (D03); where it does, the fee must (D07)."""
    (left,), (right,) = pair.left, pair.right
    ours, theirs = fees.get(left.key, (0, 0))
    if pair.difference_minor:
        message = f"{left.key}: taken {left.amount_minor}, paid out gross {right.amount_minor}"
        code, amount = "D03", pair.difference_minor
    elif ours != theirs:
        message = f"{left.key}: fee {ours} at the sale, {theirs} in the payout"
        code, amount = "D07", theirs - ours
    else:
        return tally.match()
    found = scope.found(
        "L4",
        code,
        left.key,
        message,
        amount=amount,
        left=left.label,
        right=right.label,
        business_date=left.business_date,
    )
    return tally.record(found, lefts=1, rights=1)


def _in_transit(scope: Scope, item: Item, today: date) -> Break:
    """Not paid out yet: expected (explained) until its due date, overdue after it (R-7.3)."""
    due = expected_arrival(item.business_date)
    is_due = today > due
    message = (
        f"{item.key} was due by {due} and is in no payout"
        if is_due
        else f"{item.key} is in transit, due by {due}"
    )
    return scope.found(
        "L4",
        "D01" if is_due else "D05",
        item.key,
        message,
        amount=item.amount_minor,
        left=item.label,
        is_explained=not is_due,
        business_date=item.business_date,
    )


def _payouts_add_up(tally: Tally, scope: Scope, settlement: Settlement) -> int:
    """Each payout against the sum of its entries (INV-11). Gives the number of payouts."""
    entries = settlement.payout_entries.group_by("payout_id").aggregate([("net_minor", "sum")])
    sums = dict(
        zip(entries["payout_id"].to_pylist(), entries["net_minor_sum"].to_pylist(), strict=True)
    )
    rows = settlement.payouts.to_pylist()
    for row in rows:
        payout, net = row["payout_id"], row["net_minor"]
        held = sums.get(payout, 0)
        if held == net:
            tally.match()
            continue
        message = f"payout {payout} is {net}, its entries give {held} (INV-11)"
        found = scope.found(
            "L4",
            "D03",
            f"payout:{payout}",
            message,
            amount=net - held,
            left=str(net),
            right=str(held),
            business_date=row["business_date"],
        )
        tally.record(found, lefts=1, rights=1)
    return len(rows)


def _banked(tally: Tally, scope: Scope, settlement: Settlement, today: date) -> tuple[int, int]:
    """Payouts against bank lines: by reference, else amount and date, unique on both sides.

    Bank lines that are no payout are none of this level's business. Gives both populations.
    """
    if settlement.bank_lines is None:
        tally.note(NO_BANK_LINES)
        return 0, 0
    rows = [row for row in settlement.payouts.to_pylist() if row["state"] != "failed"]
    ids = [str(row["payout_id"]) for row in rows]
    index = settlement.index
    if index is None:
        index = bank_index(settlement.bank_lines, ids)
    arrived = _arrived(rows, index)
    tally.match(len(arrived), len(arrived), cases=len(arrived))
    lefts = [_payout_item(row) for row in rows if row["payout_id"] not in arrived]
    if not lefts:
        return len(rows), len(arrived)
    taken = set(arrived.values())
    lines = [line for line in settlement.bank_lines if line.line_id not in taken]
    found = match(lefts, _bank_items(scope, lines, frozenset(ids), index), window=BANK_WINDOW)
    for pair in found.matches:
        if not pair.difference_minor:
            tally.match()
            continue
        (left,), (right,) = pair.left, pair.right
        message = f"{left.label}: the bank received {right.amount_minor}"
        differing = msgspec.structs.replace(
            _break(scope, "D03", left, message),
            amount_minor=pair.difference_minor,
            right=right.label,
        )
        tally.record(differing, lefts=1, rights=1)
    for item, _ in found.right_twice:
        tally.record(_break(scope, "D04", item, f"{item.key} is at the bank twice"), rights=1)
    for item, _ in found.left_twice:
        tally.record(_break(scope, "D04", item, f"{item.key} is recorded twice"), lefts=1)
    for item in found.left_open:
        if not item.amount_minor:  # as much given back as taken: no bank hears of it
            tally.explain(lefts=1)
            continue
        is_due = today > expected_arrival(item.business_date, 1)
        message = f"{item.label} is not at the bank" + ("" if is_due else " yet")
        missing = _break(scope, "D01" if is_due else "D05", item, message)
        tally.record(msgspec.structs.replace(missing, is_explained=not is_due), lefts=1)
    rights = sum(len(pair.right) for pair in found.matches) + len(found.right_twice)
    return len(rows), len(arrived) + rights


def _arrived(rows: Sequence[dict[str, Any]], index: BankIndex) -> dict[str, str]:
    """Payout id -> the one bank line that names it and nothing else, to the same amount.

    A reference is matched before anything else (R-14.2), so the rest is compared without them.
    """
    wanted: dict[str, int | None] = {}
    for row in rows:
        payout = row["payout_id"]
        wanted[payout] = None if payout in wanted else row["net_minor"]
    return {
        payout: lines[0].line_id
        for payout, net in wanted.items()
        if len(lines := index.of_payout.get(payout, ())) == 1
        and len(index.of_line[lines[0].line_id]) == 1
        and lines[0].amount_minor == net
    }


def _break(scope: Scope, code: str, item: Item, message: str) -> Break:
    return scope.found(
        "L4",
        code,
        item.key,
        message,
        amount=item.amount_minor,
        left=item.label,
        business_date=item.business_date,
    )


def _entry_item(row: dict[str, Any]) -> Item:
    event = "refund" if row["entry_type"] == "refund" else "payment"
    key = f"{event}:{row['tender_id']}" if row["tender_id"] else f"entry:{row['entry_id']}"
    return Item(
        key=key,
        amount_minor=row["gross_minor"],
        currency=row["currency"],
        store=row["store"],
        business_date=row["business_date"],
        label=f"entry {row['entry_id']} of payout {row['payout_id']}, {_money(row, 'gross_minor')}",
    )


def _money(row: Mapping[str, Any], column: str) -> str:
    """`USD 117.43`."""
    return f"{row['currency']} {major(row[column], row['currency'])}"


def _payout_item(row: dict[str, Any]) -> Item:
    return Item(
        key=f"payout:{row['payout_id']}",
        amount_minor=row["net_minor"],
        currency=row["currency"],
        store=row["store"],
        business_date=row["arrival_date"] or row["business_date"],
        label=f"payout {row['payout_id']} of {_money(row, 'net_minor')}",
    )


def _bank_items(
    scope: Scope,
    lines: Sequence[BankLine],
    payout_ids: Collection[str] = (),
    index: BankIndex | None = None,
) -> list[Item]:
    """Bank lines; one whose reference names one of these payouts takes its key (tier 1)."""
    items = []
    for line in lines:
        named = index.of_line.get(line.line_id, ()) if index else ()
        own = [one for one in named if one in payout_ids]
        items.append(
            Item(
                key=f"payout:{own[0]}" if len(own) == 1 else f"bank:{line.line_id}",
                amount_minor=line.amount_minor,
                currency=scope.currency,
                store="",
                business_date=line.posted_date,
                label=f"bank line {line.line_id} of {line.posted_date}, {line.amount_minor}",
            )
        )
    return items


def _fees(tenders: pa.Table, settling: Sequence[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Tender key -> (fee at the sale, fee in the payout)."""
    ours = {tender_key(row): row["fee_minor"] or 0 for row in tenders.to_pylist()}
    theirs = {_entry_item(row).key: row["fee_minor"] or 0 for row in settling}
    return {key: (fee, theirs.get(key, 0)) for key, fee in ours.items()}
