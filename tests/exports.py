"""A golden day as exports would state it, and small sales of exports."""

import json
from datetime import time
from typing import Any

from cloud_conductor.domain.events import Event
from cloud_conductor.domain.stores import Store, TaxSplit

NYC = Store(
    store="NYC01", source="shop", location_id="S-1", time_zone="America/New_York",
    cutoff=time(4), currency="USD",
    tax_splits=(TaxSplit("Sales tax", (("STATE", "4"), ("CITY", "4.5"), ("DISTRICT", "0.375"))),),
)  # fmt: skip


def sale(sale_id: str = "T-1", **changes: Any) -> dict[str, Any]:
    """O2 of the golden day (§5): grocery 7.99, apparel 19.99, tax 1.77, cash 29.75."""
    return {
        "sale_id": sale_id,
        "store": "S-1",
        "occurred_at": "2026-11-21T11:30:00",
        "currency": "USD",
        "total": "29.75",
        "lines": [
            {"sku": "G-1", "name": "Milk", "department": "Grocery", "quantity": 1,
             "unit_price": "7.99"},
            {"sku": "A-1", "name": "Shirt", "department": "Apparel", "quantity": 1,
             "unit_price": "19.99", "tax": "1.77", "tax_name": "Sales tax", "tax_rate": "8.875"},
        ],
        "tenders": [{"type": "cash", "amount": "29.75", "cash_given": "30.00"}],
    } | changes  # fmt: skip


def text(*records: dict[str, Any]) -> bytes:
    return json.dumps(list(records), indent=1).encode()


CSV = b"""\
sale_id,store,occurred_at,total,sku,department,quantity,unit_price,tax,tax_name,tender_type
T-9,S-1,2026-11-21 11:30:00,29.75,G-1,Grocery,1,7.99,,,cash
T-9,S-1,2026-11-21 11:30:00,29.75,A-1,Apparel,1,19.99,1.77,Sales tax,cash
T-8,S-1,2026-11-21 15:00:00,-24.50,A-1,Apparel,-1,22.50,-2.00,Sales tax,card
"""


def landed_day() -> list[Event]:
    """A cash sale, a card sale with a tip, a refund and a product, as events of the log."""
    cafe = {"sku": "C-1", "department": "Cafe", "unit_price": "12.40", "tax": "1.10"}
    card = {"type": "card", "amount": "16.00", "tip": "2.50", "fee": "0.52"}
    back = {"sku": "A-1", "department": "Apparel", "quantity": -1, "unit_price": "22.50"}
    product = {"sku": "A-1", "department": "Apparel", "updated_at": "2026-11-01T00:00:00Z"}
    records = [
        ("sales", sale("T-1")),
        ("sales", sale("T-2", lines=[cafe], total="16.00", tenders=[card])),
        ("products", product),
        ("sales", sale("T-3", lines=[back], total="-22.50",
                       tenders=[{"type": "card", "amount": "-22.50"}])),
    ]  # fmt: skip
    return [
        Event(source="shop", channel="file", kind=kind, event_id=f"{kind}:{seq}", merchant_id="",
              received_us=1_795_400_000_000_000, body=json.dumps(record).encode(), seq=seq)
        for seq, (kind, record) in enumerate(records, start=1)
    ]  # fmt: skip
