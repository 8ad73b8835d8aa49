"""Decoded tables as windows read them: versions of sales and of the catalogue. Pure.

Row by row: a live batch holds some dozens of sales, and each becomes a row of state.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cloud_conductor.domain.stores import Store
from cloud_conductor.windows.sales import Line, Paid, SaleVersion

MILLION = 1_000_000

VersionKey = tuple[Any, ...]


def sales_of(
    tables: Mapping[str, pa.Table], stores: Mapping[str, Store]
) -> list[tuple[int, int, SaleVersion]]:
    """(log seq, received at in us, version) of every sale, in the order of the rows.

    tables: as decoded, unsealed. stores: by our name. A sale of a store that is not in the master
    is not shown live: nothing says when its day begins.
    """
    if "sales" not in tables:
        return []
    lines: dict[VersionKey, list[Line]] = defaultdict(list)
    for row in tables["sale_lines"].to_pylist() if "sale_lines" in tables else ():
        if row["is_sale"]:
            lines[_version_of(row)].append(_line(row))
    tenders: dict[VersionKey, list[Paid]] = defaultdict(list)
    for row in tables["sale_tenders"].to_pylist() if "sale_tenders" in tables else ():
        paid = Paid(row["event"], row["tender_type"] or "", row["amount_minor"])
        tenders[_version_of(row)].append(paid)
    found = []
    for row in tables["sales"].to_pylist():
        store = stores.get(row["store"])
        if store is not None:
            key = _version_of(row)
            sale = _sale(row, store, tuple(lines[key]), tuple(tenders[key]))
            found.append((row["log_seq"], micros(row["received_at"]), sale))
    return found


def products_of(rows: pa.Table | None) -> list[tuple[int, dict[str, Any]]]:
    """(log seq, row of state) of every version of a product or category, in the order of the rows."""
    found = []
    for row in rows.to_pylist() if rows is not None else ():
        kept = {name: row[name] for name in ("source", "merchant_id", "product_id")}
        kept |= {name: row[name] or "" for name in ("department", "name")}
        found.append((row["log_seq"], kept | {"valid_from_us": micros(row["valid_from"])}))
    return found


def dated(store: Store, occurred_at: datetime) -> dict[str, Any]:
    """The business date of an instant in a store, when that day began, and the instant itself."""
    day = store.business_date(occurred_at)
    return {
        "business_date": day.isoformat(),
        "day_start_us": micros(store.day_interval(day)[0]),
        "occurred_us": micros(occurred_at),
    }


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - datetime.fromtimestamp(0, instant.tzinfo)) // timedelta(microseconds=1)


def _sale(
    row: Mapping[str, Any], store: Store, lines: tuple[Line, ...], tenders: tuple[Paid, ...]
) -> SaleVersion:
    is_closed = row["state"] == "closed"
    return SaleVersion(
        source=row["source"],
        merchant_id=row["merchant_id"],
        sale_id=row["sale_id"],
        version_rank=row["version_rank"],
        version_digest=row["version_digest"],
        store=row["store"],
        currency=row["currency"],
        total_minor=row["total_minor"] if is_closed else 0,
        lines=lines if is_closed else (),
        tenders=tenders if is_closed else (),
        **dated(store, row["occurred_at"]),
    )


def _line(row: Mapping[str, Any]) -> Line:
    return Line(
        event=row["event"],
        product_id=row["product_id"] or "",
        department="" if row["product_id"] else row["department"] or "",
        quantity=_millionths(row["quantity"]),
        gross_minor=row["gross_minor"],
        discount_minor=row["discount_minor"],
        net_minor=row["net_minor"],
        tax_minor=row["tax_minor"],
    )


def _millionths(quantity: Decimal) -> int:
    scaled = quantity * MILLION
    assert scaled == scaled.to_integral_value(), "a quantity has at most six decimals"
    return int(scaled)


def _version_of(row: Mapping[str, Any]) -> VersionKey:
    """One version of a sale as one event tells it: the same version may come twice in a batch."""
    return row["source"], row["merchant_id"], row["sale_id"], row["log_seq"]
