"""Recompute the demo's JSON from what it kept, with none of the product's code.

    conductor demo --once --json --keep DIR > demo.json
    python tests/outside/recompute.py DIR < demo.json

Reads the generator's truth, both simulators' own dumps, the raw Parquet, the processed Delta tables and the
product's books; works every figure out again; exits 0 and says what was compared, or exits 1 with the first
difference. Amounts are integers of minor units; JSON numbers are read as int or Decimal, never float.
"""

import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

Amounts = dict[tuple[str, str, str], int]  # (store, ISO date, account code) -> signed minor units

# The chart of accounts the simulated organisation starts with: what each role of the truth means in it.
ACCOUNTS = {
    "bank": "090",
    "clearing.square": "110",
    "undeposited_cash": "115",
    "inventory": "140",
    "sales.apparel": "200",
    "sales.home": "201",
    "sales.grocery": "202",
    "sales.cafe": "203",
    "sales.other": "204",
    "service_revenue": "210",
    "discounts": "220",
    "returns.apparel": "230",
    "returns.home": "231",
    "returns.grocery": "232",
    "returns.cafe": "233",
    "returns.other": "234",
    "cogs": "310",
    "merchant_fees.square": "420",
    "cash_over_short": "425",
    "petty_expense": "430",
    "tax_payable.STATE": "820",
    "tax_payable.CITY": "821",
    "tax_payable.DISTRICT": "822",
    "tips_payable": "830",
    "gift_card_liability": "840",
}
KEY = re.compile(r"key=([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
LEDGER_PLANTS = ("D01", "D03", "D04", "D05")
LEVELS = ("L1", "L2", "L3", "L4", "L5", "L6")
LIVE = ("POSTED", "AUTHORISED")


class DifferenceError(Exception):
    """A figure of the demo that the kept files do not give."""


def same(what: str, said: Any, found: Any) -> str:
    """Give the line that says what agreed; raises DifferenceError otherwise."""
    if said != found:
        raise DifferenceError(f"{what}: the demo says {said!r}, the kept files give {found!r}")
    return f"{what}: {found!r}"


@dataclass(frozen=True)
class Kept:
    """The kept folder, each part read when first asked for."""

    folder: Path

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"), parse_float=Decimal)

    @cached_property
    def truth(self) -> dict[str, Any]:
        return dict(self._json("truth.json"))

    @cached_property
    def square(self) -> dict[str, Any]:
        return dict(self._json("square.json"))

    @cached_property
    def xero(self) -> dict[str, Any]:
        return dict(self._json("xero.json"))

    @cached_property
    def quarantine(self) -> list[dict[str, Any]]:
        return list(self._json("quarantine.json"))

    @cached_property
    def books(self) -> list[dict[str, Any]]:
        found = self._json("books.json")
        return list(found["entries"] if isinstance(found, dict) else found)

    @cached_property
    def raw(self) -> list[dict[str, Any]]:
        """Rows of the raw zone without the duplicate deliveries, by log sequence."""
        files = [f for f in self.folder.glob("raw/**/*.parquet") if "duplicates" not in f.parts]
        return sorted(_rows(files), key=lambda row: row["seq"])

    @cached_property
    def duplicates(self) -> list[dict[str, Any]]:
        return list(_rows(self.folder.glob("raw/duplicates/**/*.parquet")))

    @cached_property
    def planted_orders(self) -> set[str]:
        planted = self.truth["planted"]
        return {row["order_id"] for row in planted if row["kind"] == "D16" and "order_id" in row}


def _rows(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in sorted(files):
        yield from pq.ParquetFile(file).read().to_pylist()


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
    acknowledged = {
        row["event_id"]: row.get("sha256", row.get("body_sha256"))
        for row in kept.square["deliveries"]
        if 200 <= int(row["status"] or 0) < 300  # noqa: PLR2004
    }
    landed = {row["event_id"]: row["sha256"] for row in kept.raw if row["channel"] == "webhook"}
    lost = acknowledged.keys() - landed.keys()
    if lost:
        raise DifferenceError(f"acknowledged but not in the raw zone: {sorted(lost)[:3]}")
    attempted = {row["event_id"] for row in kept.square["deliveries"]}
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
    """Net sales of an order: lines less tax and service charges, less returned lines; no gift cards."""
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


def _meant_net_sales(truth: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    meant: dict[tuple[str, str], int] = defaultdict(int)
    for sign, rows in ((1, truth["store_days"]), (-1, truth["planted"])):
        for row in rows:
            if "figures" in row:
                key = (row["store"], row["business_date"])
                meant[key] += sign * int(row["figures"]["net_sales_minor"])
    return dict(meant)


# ---- the ledger: from the simulated organisation alone -----------------------------------------


@dataclass(frozen=True)
class Document:
    """One live ledger document: its posting key, day, and signed lines (debit > 0)."""

    document_id: str
    key: str | None
    day: str
    lines: tuple[tuple[str, str, int], ...]  # (store, account code, signed minor)


def minor(amount: Any) -> int:
    """Cents of a ledger amount; raises DifferenceError for a fraction of a cent."""
    cents = Decimal(str(amount)) * 100
    if cents != int(cents):
        raise DifferenceError(f"ledger amount {amount} is not a whole number of cents")
    return int(cents)


def ledger_day(text: str) -> str:
    """ISO date of either form the vendor writes: 2026-11-22... or /Date(ms+0000)/."""
    stamp = re.fullmatch(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/", text)
    if stamp is None:
        return text[:10]
    return datetime.fromtimestamp(int(stamp[1]) / 1000, UTC).date().isoformat()


def documents(xero: Mapping[str, Any]) -> list[Document]:
    """Give every live manual journal and bank transaction of the organisation's dump."""
    codes = {row.get("AccountID"): row.get("Code") for row in xero["accounts"]}
    out = []
    for row in xero["manual_journals"]:
        if row["Status"] in LIVE:
            lines = [_line(line, codes, 1) for line in row["JournalLines"]]
            out.append(_document(row, "ManualJournalID", row["Narration"], lines))
    for row in xero["bank_transactions"]:
        if row["Status"] in LIVE:
            sign = 1 if row["Type"].startswith("RECEIVE") else -1
            lines = [_line(line, codes, -sign) for line in row["LineItems"]]
            account = row["BankAccount"]
            bank = account.get("Code") or codes[account["AccountID"]]
            total = -sum(line[2] for line in lines)
            lines.append((lines[0][0], bank, total))
            out.append(_document(row, "BankTransactionID", row.get("Reference") or "", lines))
    return out


def _document(
    row: Mapping[str, Any], id_name: str, text: str, lines: list[tuple[str, str, int]]
) -> Document:
    key = KEY.search(text)
    day = ledger_day(row.get("DateString") or row["Date"])
    return Document(row[id_name], key[1] if key else None, day, tuple(lines))


def _line(line: Mapping[str, Any], codes: Mapping[Any, Any], sign: int) -> tuple[str, str, int]:
    tracked = {row["Name"]: row["Option"] for row in line.get("Tracking") or ()}
    code = line.get("AccountCode") or codes[line.get("AccountID")]
    return tracked.get("Store", ""), code, sign * minor(line["LineAmount"])


def totals(rows: Iterable[Document]) -> Amounts:
    """Sum the documents per store, day and account, zero sums left out."""
    out: Amounts = defaultdict(int)
    for row in rows:
        for store, code, amount in row.lines:
            out[store, row.day, code] += amount
    return {key: amount for key, amount in out.items() if amount}


def meant_totals(truth: Mapping[str, Any]) -> Amounts:
    """Sum the truth's entries per store, day and account, less what a planted finding keeps out."""
    out: Amounts = defaultdict(int)
    for sign, rows in ((1, truth["store_days"]), (-1, truth["planted"])):
        for row in rows:
            for entry in row.get("entries", ()):
                for role, amount in entry["lines"].items():
                    code = ACCOUNTS[role.partition(":")[0]]
                    out[row["store"], row["business_date"], code] += sign * int(amount)
    return {key: amount for key, amount in out.items() if amount}


def check_ledger(kept: Kept, _demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare the ledger per store, day and account with the truth; only planted days may differ."""
    found, meant = totals(documents(kept.xero)), meant_totals(kept.truth)
    planted = {
        (row["store"], row["business_date"]): row["kind"]
        for row in kept.truth["planted"]
        if row["kind"] in LEDGER_PLANTS
    }
    moved = {store for (store, _), kind in planted.items() if kind == "D05"}
    differing = set()
    for key in sorted(meant.keys() | found.keys()):
        said, got = meant.get(key, 0), found.get(key, 0)
        if said == got:
            continue
        store, day, _ = key
        differing.add((store, day))
        if (store, day) not in planted and store not in moved:
            raise DifferenceError(f"ledger {key}: meant {said}, the ledger holds {got}")
    for day, kind in planted.items():
        if day not in differing:
            raise DifferenceError(f"planted {kind} at {day} is not to be seen in the ledger")
    yield f"ledger per store, day and account: {len(meant)} amounts, {len(planted)} planted breaks"


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
    """Compare the number of store-days with the days the truth has sales or drawer entries for."""
    kinds = {"SALES", "CASH", "DEPOSIT", "FEES", "COGS"}
    meant = {
        (row["store"], row["business_date"])
        for row in kept.truth["store_days"]
        if kinds & {entry["kind"] for entry in row["entries"]}
    }
    said = demo["store_days"]
    yield same("store_days", said if isinstance(said, int) else len(said), len(meant))


def check_levels(_kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Check that each level names two sources, leaves nothing unexplained, and that the sum agrees."""
    yield same("levels", sorted(demo["levels"]), list(LEVELS))
    for name, level in demo["levels"].items():
        if level["state"] == "not_connected":
            continue
        if len(set(level["sources"])) != 2:  # noqa: PLR2004
            raise DifferenceError(f"{name} does not name two sources: {level['sources']}")
        if level["state"] == "green" and level["open"]:
            raise DifferenceError(f"{name} is green with {level['open']} open items")
    left = sum(abs(int(level["unexplained_minor"] or 0)) for level in demo["levels"].values())
    yield same("unexplained_minor", demo["unexplained_minor"], left)
    yield same("unexplained_minor", demo["unexplained_minor"], 0)


def check_planted(kept: Kept, demo: Mapping[str, Any]) -> Iterator[str]:
    """Compare what was planted with what was found; the code found must be the kind planted."""
    meant = sorted(row["kind"] for row in kept.truth["planted"])
    yield same("planted", sorted(row["kind"] for row in demo["planted"]), meant)
    for row in demo["planted"]:
        same(f"planted {row['kind']} found as", row["found_as"], row["kind"])


CHECKS: tuple[Callable[[Kept, Mapping[str, Any]], Iterator[str]], ...] = (
    check_events,
    check_sales,
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
    if len(sys.argv) != 2:  # noqa: PLR2004
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
