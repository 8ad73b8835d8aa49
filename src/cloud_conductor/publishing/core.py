"""What a message says: pure, from rows to bytes, the same for the same facts.

Every body has the shape of the Standard Webhooks specification (`type`, `timestamp`, `data`),
whatever channel carries it. Amounts are integers in minor units (R-1.1), refunds negative (R-3.2).
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.ports.queue import Message

SALE, ENTRY = "sale.recorded", "journal_entry.posted"
TYPES = (SALE, ENTRY)
SaleKey = tuple[str, str, str]
"""source, merchant_id, sale_id."""
NAMESPACE = uuid.UUID("2c1d4a52-6a2e-5d0b-9a53-0d7f6f0f3a10")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TABLES = ("sales", "sale_lines", "sale_taxes", "sale_tenders")
_encode = msgspec.json.Encoder(order="sorted").encode

HEAD = (
    "source", "merchant_id", "sale_id", "store", "business_date", "state", "currency",
    "occurred_at", "subtotal_minor", "service_minor", "tax_minor", "tip_minor", "rounding_minor",
    "total_minor",
)  # fmt: skip
LINES = ("event", "line_kind", "department", "gross_minor", "discount_minor", "net_minor")
TAXES = ("event", "jurisdiction", "amount_minor")
TENDERS = ("event", "tender_id", "tender_type", "amount_minor", "tip_minor")


def sale_messages(
    facts: Mapping[str, pa.Table], wanted: Iterable[SaleKey]
) -> dict[SaleKey, Message]:
    """The message of each wanted sale that has a row.

    facts: latest enriched rows of one business date. A sale that has none moved to another date,
    and is told from there.
    """
    rows = {name: _by_sale(facts[name]) for name in TABLES}
    found = {}
    for key in wanted:
        sale = next(iter(rows["sales"].get(key, ())), None)
        if sale is not None and sale["state"] != "moved":
            parts = {name: rows[name].get(key, []) for name in TABLES[1:]}
            found[key] = _sale_message(sale, parts)
    return found


def entry_message(
    entry: JournalEntry, *, posting_key: str, external_id: str, posted_us: int
) -> Message:
    """One entry that the ledger holds."""
    data = {
        "posting_key": posting_key,
        "external_id": external_id,
        "kind": entry.kind,
        "entity": entry.entity,
        "store": entry.store,
        "currency": entry.currency,
        "business_date": entry.business_date,
        "ledger_date": entry.ledger_date,
        "version": entry.version,
        "lines": [
            {
                "role": line.role,
                "account_code": line.account_code,
                "amount_minor": line.amount_minor,
            }
            for line in entry.lines
        ],
    }
    message_id = str(uuid.uuid5(NAMESPACE, f"{ENTRY}|{posting_key}|{external_id}"))
    return _message(ENTRY, message_id, entry.store, posted_us, data)


def _sale_message(sale: Mapping[str, Any], parts: Mapping[str, list[dict[str, Any]]]) -> Message:
    identity = [
        SALE, sale["source"], sale["merchant_id"], sale["sale_id"], sale["store"],
        sale["business_date"].isoformat(), str(sale["version_rank"]), sale["version_digest"],
    ]  # fmt: skip
    data = {name: sale[name] for name in HEAD} | {
        "version_rank": sale["version_rank"],
        "version_digest": sale["version_digest"],
        "lines": _summed(parts["sale_lines"], LINES),
        "taxes": _summed(parts["sale_taxes"], TAXES),
        "tenders": [
            {name: row[name] for name in TENDERS}
            for row in sorted(
                parts["sale_tenders"], key=lambda row: (row["event"], row["tender_id"])
            )
        ],
    }
    message_id = str(uuid.uuid5(NAMESPACE, "|".join(identity)))
    return _message(SALE, message_id, sale["store"], _us(sale["occurred_at"]), data)


def _message(
    kind: str, message_id: str, store: str, created_us: int, data: Mapping[str, Any]
) -> Message:
    timestamp = EPOCH + timedelta(microseconds=created_us)
    body = _encode({"type": kind, "timestamp": timestamp, "data": data})
    return Message(message_id, kind, store, created_us, body)


def _by_sale(rows: pa.Table) -> dict[SaleKey, list[dict[str, Any]]]:
    found: dict[SaleKey, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        found.setdefault((row["source"], row["merchant_id"], row["sale_id"]), []).append(row)
    return found


def _summed(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Amounts summed over rows that agree in everything else: the core, not the receipt."""
    names = [name for name in columns if not name.endswith("_minor")]
    sums: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(str(row[name] or "") for name in names)
        one = sums.setdefault(key, {name: row[name] for name in names})
        for name in columns[len(names) :]:
            one[name] = one.get(name, 0) + row[name]
    return [sums[key] for key in sorted(sums)]


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
