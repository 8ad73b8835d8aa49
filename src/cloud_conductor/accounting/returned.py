"""What came back against what was sold: never more than was sold, cumulatively (INV-07)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.accounting.breaks import Break
from cloud_conductor.domain.money import major

LINE_COLUMNS = (
    "store", "business_date", "sale_id", "event", "line_uid", "quantity", "net_minor", "tax_minor",
    "return_of_sale_id", "return_of_line_uid",
)  # fmt: skip
TENDER_COLUMNS = (
    "store", "business_date", "tender_id", "event", "original_tender_id", "state", "currency",
    "amount_minor", "tip_minor",
)  # fmt: skip

Row = Mapping[str, Any]


class Sold(msgspec.Struct, frozen=True):
    """One record and what came back of it, as positive figures. on: where it came back last.

    figures: name -> (sold, returned); quantity as Decimal, money in minor units.
    """

    key: str
    store: str
    on: date
    figures: Mapping[str, tuple[Any, Any]]

    @property
    def exceeded(self) -> list[str]:
        return [name for name, (sold, returned) in self.figures.items() if returned > sold]


def originals(lines: pa.Table) -> list[str]:
    """Ids of the sales that return lines name, sorted."""
    named = lines.filter(pc.equal(lines["event"], "return"))["return_of_sale_id"]
    return sorted({sale for sale in named.unique().to_pylist() if sale})


def paid_back(tenders: pa.Table) -> list[str]:
    """Ids of the payments that refunds name, sorted."""
    named = tenders.filter(pc.equal(tenders["event"], "refund"))["original_tender_id"]
    return sorted({tender for tender in named.unique().to_pylist() if tender})


def returned_lines(lines: pa.Table) -> list[Sold]:
    """Every sale line held against all returns of it (LINE_COLUMNS of any dates, in any order).

    A return whose sale is not among the lines is of before the books: nothing to hold it against.
    """
    rows = lines.select(LINE_COLUMNS).to_pylist()
    sold = {(row["sale_id"], row["line_uid"]): row for row in rows if row["event"] == "sale"}
    back = _grouped(
        rows, "return", lambda row: (row["return_of_sale_id"], row["return_of_line_uid"])
    )
    return [
        Sold(
            key=f"line:{key[0]}:{key[1]}",
            **_last(parts),
            figures={
                "quantity": (sold[key]["quantity"], -_sum(parts, "quantity")),
                "amount": (sold[key]["net_minor"], -_sum(parts, "net_minor")),
                "tax": (sold[key]["tax_minor"], -_sum(parts, "tax_minor")),
            },
        )
        for key, parts in back.items()
        if key in sold
    ]


def refunded_tenders(tenders: pa.Table) -> list[Sold]:
    """Every payment held against all its refunds that took place (TENDER_COLUMNS)."""
    rows = [row for row in tenders.select(TENDER_COLUMNS).to_pylist() if row["state"] == "captured"]
    paid = {row["tender_id"]: row for row in rows if row["event"] == "payment"}
    back = _grouped(rows, "refund", lambda row: row["original_tender_id"])
    return [
        Sold(
            key=f"payment:{key}",
            **_last(parts),
            figures={
                "amount": (
                    _sum([paid[key]], "amount_minor") + _sum([paid[key]], "tip_minor"),
                    -_sum(parts, "amount_minor") - _sum(parts, "tip_minor"),
                )
            },
        )
        for key, parts in back.items()
        if key in paid
    ]


def over_returned(found: Iterable[Sold], currency: str) -> list[Break]:
    """A break for each record of which more came back than was sold (D03 at L2, INV-07)."""
    return [
        Break(
            level="L2",
            code="D03",
            key=one.key,
            store=one.store,
            business_date=one.on,
            amount_minor=_over(one),
            currency=currency,
            left=_words(one, 0, currency),
            right=_words(one, 1, currency),
            message=f"more came back of {one.key} than was sold: {', '.join(one.exceeded)}",
        )
        for one in found
        if one.exceeded
    ]


def _grouped(rows: Iterable[Row], event: str, key: Any) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if row["event"] == event:
            found[key(row)].append(row)
    return found


def _last(parts: list[Row]) -> dict[str, Any]:
    """Store and date of the newest of the returns: the one that took it too far."""
    newest = max(parts, key=lambda row: row["business_date"])
    return {"store": newest["store"], "on": newest["business_date"]}


def _sum(rows: Iterable[Row], column: str) -> Any:
    return sum(row[column] or 0 for row in rows)


def _over(one: Sold) -> int:
    """Money that came back too much, tax included; 0 where only the quantity is too large."""
    money = [pair for name, pair in one.figures.items() if name != "quantity"]
    return sum(max(0, returned - sold) for sold, returned in money)


def _words(one: Sold, side: int, currency: str) -> str:
    """`quantity 2, amount 50.00, tax 4.44`."""
    return ", ".join(
        f"{name} {pair[side].normalize():f}"
        if name == "quantity"
        else f"{name} {major(pair[side], currency)}"
        for name, pair in one.figures.items()
    )
