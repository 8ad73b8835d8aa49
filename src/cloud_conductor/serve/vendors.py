"""Where a record has its own page at the vendor. In a demo, the simulators' pages stand in.

Xero: "Deep linking into Xero". Square: the dashboard's own addresses.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloud_conductor.serve.desk import Desk

PAGES: Mapping[str, str] = {
    "xero journal": "https://go.xero.com/Journal/View.aspx?invoiceID={id}",
    "xero bank_receipt": "https://go.xero.com/Bank/ViewTransaction.aspx?bankTransactionID={id}",
    "xero bank_spend": "https://go.xero.com/Bank/ViewTransaction.aspx?bankTransactionID={id}",
    "square sale": "https://app.squareup.com/dashboard/orders/overview/{id}",
    "square tender": "https://app.squareup.com/dashboard/sales/transactions/{id}",
    "square payout": "https://app.squareup.com/dashboard/balance/payouts/{id}",
}
DEMO_FILE = "demo.json"


def demo(desk: Desk) -> dict[str, Any] | None:
    """What whoever started a demo wrote down for its console; None when this is none."""
    path: Path = desk.house.state_dir / "run" / DEMO_FILE
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    found: dict[str, Any] = desk.keep("demo", stamp, lambda: json.loads(path.read_text("utf-8")))
    return found


def page_url(desk: Desk, vendor: str, kind: str, identity: str) -> str | None:
    """The vendor's page of a record, or None where there is none."""
    if not identity:
        return None
    pages = {**PAGES, **(demo(desk) or {}).get("pages", {})}
    template = pages.get(f"{vendor} {kind}") or pages.get(vendor)
    return template.replace("{id}", quote(identity, safe="")) if template else None


def source_url(desk: Desk, source: str, kind: str, identity: str) -> str | None:
    """The page of a sale, tender or payout at the vendor of a source."""
    found = desk.house.config.sources.get(source)
    return page_url(desk, found.vendor, kind, identity) if found else None


def ledger_url(desk: Desk, document_type: str, identity: str) -> str | None:
    """The page of a document in the ledger."""
    ledger = desk.house.config.ledger
    return page_url(desk, ledger.vendor, document_type, identity) if ledger else None
