"""Recompute the demo's JSON from what it kept, with none of the product's code.

    conductor demo --once --json --keep DIR > demo.json
    python tests/outside/recompute.py DIR < demo.json

Reads the generator's truth, both simulators' own dumps, the raw Parquet, the processed Delta
tables and the product's books; works every figure out again; exits 0 and says what was compared,
or exits 1 with the first difference. Amounts are integers of minor units; JSON numbers are read as
int or Decimal, never float.
"""

import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from outside_kept import DifferenceError, Kept, same
from outside_ledger import Document, documents, meant_totals, totals

LEDGER_PLANTS = ("D01", "D03", "D04", "D05")
LEVELS = ("L1", "L2", "L3", "L4", "L5", "L6")


# ---- events: received = processed + quarantined + deduplicated (INV-16) ------------------------


def check_events(kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare the counts and the id sets of what came in with what the seller delivered."""
    events = demo["events"]
    quarantined = {row["seq"] for row in kept.quarantine if row["state"] != "released"}
    known = {row["seq"] for row in kept.raw}
    if quarantined - known:
        raise DifferenceError(f"quarantined but not in the raw zone: {sorted(quarantined - known)}")
    received = len(kept.raw) + len(kept.duplicates)
    yield same("events.received", events["received"], received)
    yield same("events.deduplicated", events["deduplicated"], len(kept.duplicates))
    yield same("events.quarantined", events["quarantined"], len(quarantined))
    processed = len(kept.raw) - len(quarantined)
    yield same("events.processed", events["processed"], processed)
    yield from check_bodies(kept)
    yield from check_deliveries(kept)


def check_bodies(kept: Kept) -> Iterator[str]:
    """Compare every raw body with its hash, and every id with its uniqueness."""
    ids = Counter((row["source"], row["channel"], row["event_id"]) for row in kept.raw)
    twice = [key for key, count in ids.items() if count > 1]
    if twice:
        raise DifferenceError(f"landed twice in the raw zone: {twice[:3]}")
    for row in kept.raw:
        digest = hashlib.sha256(row["body"]).hexdigest()
        if row["sha256"] != digest:
            raise DifferenceError(f"raw event {row['event_id']}: sha256 is not that of its body")
    yield f"raw bodies with their sha256: {len(kept.raw)}"


def check_deliveries(kept: Kept) -> Iterator[str]:
    """Compare the webhooks in the raw zone with the deliveries the seller saw acknowledged."""
    attempts = kept.square["deliveries"]
    good = [row for row in attempts if row["status"] and 200 <= row["status"] < 300]
    believed = [row["event_id"] for row in good if row.get("fault") == "forge"]
    if believed:
        raise DifferenceError(f"forged webhooks were acknowledged: {believed[:3]}")
    acknowledged = {row["event_id"]: row["body_sha256"] for row in good}
    landed = {row["event_id"]: row["sha256"] for row in kept.raw if row["channel"] == "webhook"}
    lost = acknowledged.keys() - landed.keys()
    if lost:
        raise DifferenceError(f"acknowledged but not in the raw zone: {sorted(lost)[:3]}")
    attempted = {row["event_id"] for row in attempts}
    forged = landed.keys() - attempted
    if forged:
        raise DifferenceError(f"in the raw zone but never delivered: {sorted(forged)[:3]}")
    changed = [key for key, sha256 in acknowledged.items() if landed[key] != sha256]
    if changed:
        raise DifferenceError(f"bytes changed between seller and raw zone: {sorted(changed)[:3]}")
    yield f"webhooks acknowledged to the seller and kept byte for byte: {len(acknowledged)}"


# ---- sales: from the raw bodies, with this script's own arithmetic -----------------------------


def raw_orders(kept: Kept) -> dict[str, dict[str, Any]]:
    """Give the latest version of every order body in the raw zone, by order id."""
    latest: dict[str, dict[str, Any]] = {}
    for row in kept.raw:
        if row["kind"] != "order":
            continue
        body = json.loads(row["body"], parse_float=Decimal)
        for order in body.get("orders") or [body.get("order") or body]:
            known = latest.get(order["id"])
            if known is None or int(order.get("version", 1)) >= int(known.get("version", 1)):
                latest[order["id"]] = order
    return latest


def order_net_minor(order: Mapping[str, Any]) -> int:
    """Net sales of an order: lines less tax and service, less returned lines; no gift cards."""
    net = sum(_line_net(line) for line in order.get("line_items", ()))
    for back in order.get("returns", ()):
        net -= sum(_line_net(line) for line in back.get("return_line_items", ()))
    return net


def _line_net(line: Mapping[str, Any]) -> int:
    if line.get("item_type") == "GIFT_CARD":
        return 0
    parts = ("total_tax_money", "total_service_charge_money")
    return _amount(line, "total_money") - sum(_amount(line, part) for part in parts)


def _amount(owner: Mapping[str, Any], name: str) -> int:
    return int((owner.get(name) or {"amount": 0})["amount"])


def business_date(at: datetime, store: Mapping[str, Any]) -> date:
    """Trading day of an instant in a store (R-2.2)."""
    zone, cutoff = ZoneInfo(store["time_zone"]), time.fromisoformat(store["cutoff"])
    day = at.astimezone(zone).date()
    start = datetime.combine(day, cutoff, zone).astimezone(UTC)
    return day if at >= start else day - timedelta(days=1)


def check_sales(kept: Kept, _demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare net sales per store-day in the raw order bodies with the generator's truth."""
    stores = {row["location_id"]: row for row in kept.truth["stores"]}
    found: dict[tuple[str, str], int] = defaultdict(int)
    for order in raw_orders(kept).values():
        if order.get("state") != "COMPLETED" or order["id"] in kept.planted_orders:
            continue
        store = stores[order["location_id"]]
        at = datetime.fromisoformat(order["closed_at"])
        found[store["store"], business_date(at, store).isoformat()] += order_net_minor(order)
    meant = _meant_net_sales(kept.truth)
    for key in sorted(meant.keys() | found.keys()):
        same(f"net sales of {key}", meant.get(key, 0), found.get(key, 0))
    yield f"net sales per store-day from raw orders: {len(meant)} days, {sum(meant.values())} minor"


def check_processed(kept: Kept, _demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare net sales per store-day in the processed tables with the generator's truth."""
    version = ["sale_id", "version_rank", "version_digest"]
    latest: dict[str, tuple[Any, ...]] = {}
    for row in kept.processed("sales", [*version, "state"]):
        rank = (row["version_rank"], row["version_digest"], row["state"])
        latest[row["sale_id"]] = max(latest.get(row["sale_id"], rank), rank)
    found: dict[tuple[str, str], int] = defaultdict(int)
    columns = [*version, "store", "business_date", "line_uid", "event", "is_sale", "net_minor"]
    lines = {
        (row["sale_id"], row["event"], row["line_uid"]): row
        for row in kept.processed("sale_lines", columns)
        if (row["version_rank"], row["version_digest"], "closed") == latest[row["sale_id"]]
    }
    for row in lines.values():
        if row["is_sale"]:
            found[row["store"], str(row["business_date"])] += row["net_minor"]
    meant = _meant_net_sales(kept.truth)
    for key in sorted(meant.keys() | found.keys()):
        same(f"processed net sales of {key}", meant.get(key, 0), found.get(key, 0))
    yield f"net sales per store-day in the processed tables: {sum(found.values())} minor"


def _meant_net_sales(truth: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    meant: dict[tuple[str, str], int] = defaultdict(int)
    for sign, rows in ((1, truth["store_days"]), (-1, truth["planted"])):
        for row in rows:
            if "figures" in row:
                key = (row["store"], row["business_date"])
                meant[key] += sign * int(row["figures"]["net_sales_minor"])
    return dict(meant)


# ---- the ledger: from the simulated organisation alone -----------------------------------------


def check_ledger(kept: Kept, _demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare the ledger per store, day and account with the truth; only planted days may differ.

    A planted D05 moves an entry to another day of its store: there, the sums over all days agree.
    """
    found, meant = totals(documents(kept.xero)), meant_totals(kept.truth)
    planted: dict[tuple[str, str], set[str]] = defaultdict(set)
    by_store: dict[str, set[str]] = defaultdict(set)
    for row in kept.truth["planted"]:
        if row["kind"] in LEDGER_PLANTS:
            planted[row["store"], row["business_date"]].add(row["kind"])
            by_store[row["store"]].add(row["kind"])
    differing: set[tuple[str, str]] = set()
    moved: Counter[tuple[str, str]] = Counter()
    for key in sorted(meant.keys() | found.keys()):
        store, day, code = key
        difference = found.get(key, 0) - meant.get(key, 0)
        if not difference:
            continue
        differing.add((store, day))
        if by_store[store] == {"D05"}:
            moved[store, code] += difference
        elif (store, day) not in planted and "D05" not in by_store[store]:
            raise DifferenceError(f"ledger {key}: {difference} more than was meant")
    if any(moved.values()):
        raise DifferenceError(f"the ledger holds more than was moved: {dict(moved)}")
    for place, kinds in planted.items():
        if place not in differing:
            raise DifferenceError(f"planted {sorted(kinds)} at {place} is not to be seen")
    yield f"ledger per store, day, account: {len(meant)} amounts, {len(planted)} days with breaks"


def check_entries(kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare entries by kind and state with the books, and each posted one with its document."""
    counted: Counter[tuple[str, str]] = Counter((e["kind"], e["state"]) for e in kept.books)
    said = {
        (kind, state): count
        for kind, states in demo["entries"].items()
        for state, count in states.items()
        if count
    }
    yield same("entries by kind and state", said, dict(counted))
    by_key: dict[str, list[Document]] = defaultdict(list)
    for document in documents(kept.xero):
        if document.key:
            by_key[document.key].append(document)
    posted = {entry["posting_key"]: entry for entry in kept.books if entry["state"] == "posted"}
    strange = by_key.keys() - {entry["posting_key"] for entry in kept.books}
    if strange:
        raise DifferenceError(f"documents with a key no entry has: {sorted(strange)[:3]}")
    _check_documents(kept.truth, posted, by_key)
    yield f"posted entries with one document each: {len(posted)}"


def _check_documents(
    truth: Mapping[str, Any],
    posted: Mapping[str, Mapping[str, Any]],
    by_key: Mapping[str, list[Document]],
) -> None:
    planted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in truth["planted"]:
        planted[row["store"], row["business_date"]].add(row["kind"])
    for key, entry in posted.items():
        name = f"{entry['kind']} {entry['store']} {entry['business_date']} v{entry['version']}"
        kinds = planted[entry["store"], entry["business_date"]] & set(LEDGER_PLANTS)
        found = by_key.get(key, [])
        if len(found) != 1 and not kinds:
            raise DifferenceError(f"{name}: {len(found)} live documents carry its key")
        lines: Counter[str] = Counter()
        for line in entry["lines"]:
            lines[line["account_code"]] += int(line["amount_minor"])
        if sum(lines.values()):
            raise DifferenceError(f"{name}: its lines sum to {sum(lines.values())} (INV-01)")
        if not kinds:
            held: Counter[str] = Counter()
            for _, code, amount in found[0].lines:
                held[code] += amount
            same(name, {k: v for k, v in lines.items() if v}, {k: v for k, v in held.items() if v})


# ---- what the demo concludes -------------------------------------------------------------------


def check_store_days(kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare the number of store-days with the days on which the truth's stores traded."""
    meant = [row for row in kept.truth["store_days"] if row["trading"]]
    said = demo["store_days"]
    yield same("store_days", said if isinstance(said, int) else len(said), len(meant))


def check_levels(kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Check that each level names two sources, covers its population and explains all of it."""
    yield same("levels", sorted(demo["levels"]), list(LEVELS))
    floors = populations(kept)
    for name, level in demo["levels"].items():
        if level["state"] == "not_connected":
            continue
        if len(set(level["sources"])) != 2:
            raise DifferenceError(f"{name} does not name two sources: {level['sources']}")
        if level["state"] == "green" and level["open"]:
            raise DifferenceError(f"{name} is green with {level['open']} open items")
        covered = level["matched"] + level["explained"] + level["open"]
        if covered < floors[name]:
            raise DifferenceError(f"{name} covers {covered} items of at least {floors[name]}")
    yield f"levels cover at least: {floors}"
    left = sum(abs(int(level["unexplained_minor"] or 0)) for level in demo["levels"].values())
    yield same("unexplained_minor", demo["unexplained_minor"], left)
    yield same("unexplained_minor", demo["unexplained_minor"], 0)


def populations(kept: Kept) -> dict[str, int]:
    """Give the least each level must cover, from the two simulators' dumps (INV-28).

    Completed sales for L1 and L2, captured payments and refunds for L3, payouts for L4, a day of
    sales for L5, and live documents with our key for L6.
    """
    sales = sum(order["state"] == "COMPLETED" for order in kept.square["orders"])
    captured = sum(payment["status"] == "COMPLETED" for payment in kept.square["payments"])
    traded = sum(bool(row["trading"]) for row in kept.truth["store_days"])
    return {
        "L1": sales,
        "L2": sales - len(kept.planted_orders),
        "L3": captured + len(kept.square["refunds"]) - len(kept.planted_orders),
        "L4": len(kept.truth["payouts"]),
        "L5": traded,
        "L6": sum(document.key is not None for document in documents(kept.xero)),
    }


def check_planted(kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare what was planted with what was found; the code found must be the kind planted."""
    meant = sorted(row["kind"] for row in kept.truth["planted"])
    yield same("planted", sorted(row["kind"] for row in demo["planted"]), meant)
    for row in demo["planted"]:
        same(f"planted {row['kind']} found as", row["found_as"], row["kind"])
    bodies = {row["seq"]: row["body"] for row in kept.raw}
    held = [json.loads(bodies[row["seq"]]) for row in kept.quarantine]
    missing = kept.planted_orders - {body.get("id") for body in held if isinstance(body, dict)}
    if missing:
        raise DifferenceError(f"planted D16 is not in quarantine: {sorted(missing)}")
    yield f"planted violations found in quarantine: {len(kept.planted_orders)}"


CHECKS: tuple[Callable[[Kept, Mapping[str, Any]], Iterator[str]], ...] = (
    check_events,
    check_sales,
    check_processed,
    check_store_days,
    check_entries,
    check_ledger,
    check_levels,
    check_planted,
)


def recompute(folder: Path, demo: Mapping[str, Any]) -> list[str]:
    """Run every check; gives what was compared, raises DifferenceError at the first difference."""
    compared = [same("schema", demo["schema"], "conductor.demo/v1")]
    kept = Kept(folder)
    for check in CHECKS:
        compared += check(kept, demo)
    return compared


def main() -> int:
    """Read the demo's last line from standard input; give the exit code."""
    if len(sys.argv) != 2:
        print("usage: recompute.py KEEP_DIR < demo.json", file=sys.stderr)
        return 2
    said = [line for line in sys.stdin.read().splitlines() if line.strip()]
    try:
        compared = recompute(Path(sys.argv[1]), json.loads(said[-1], parse_float=Decimal))
    except DifferenceError as difference:
        print(f"DIFFERENCE {difference}", file=sys.stderr)
        return 1
    print("\n".join(f"agrees: {line}" for line in compared))
    return 0


if __name__ == "__main__":
    sys.exit(main())
