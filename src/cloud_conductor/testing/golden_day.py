"""The golden day (§5): one store's facts as tables of `domain.schemas`, and what must come of them.

Store NYC01, business date 2026-11-21; the two sales of 2026-11-20 that a refund and a payout need,
and payout PO1 sent on 2026-11-23. Every figure is typed from the guide, none is computed from
another, so that a fault in our arithmetic can't hide here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cloud_conductor.domain.schemas import TABLES
from cloud_conductor.domain.stores import Store, TaxSplit

STORE = Store(
    store="NYC01",
    source="square",
    location_id="L-NYC01",
    time_zone="America/New_York",
    cutoff=time(4),
    currency="USD",
    tax_splits=(
        TaxSplit("NYC sales tax", (("STATE", "4.000"), ("CITY", "4.500"), ("DISTRICT", "0.375"))),
    ),
)
DAY_BEFORE, DAY, PAYOUT_DAY = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 23)

MAPPING: Mapping[str, str] = {
    "clearing.square": "110",
    "undeposited_cash": "115",
    "cash_float": "118",
    "bank": "090",
    "inventory.*": "140",
    "sales.apparel": "200",
    "sales.home": "201",
    "sales.grocery": "202",
    "sales.cafe": "203",
    "service_revenue.*": "210",
    "discounts.*": "220",
    "returns.apparel": "230",
    "returns.*": "234",
    "cogs.*": "310",
    "merchant_fees.square": "420",
    "cash_over_short": "425",
    "petty_expense.*": "430",
    "tax_payable.STATE": "820",
    "tax_payable.CITY": "821",
    "tax_payable.DISTRICT": "822",
    "tips_payable": "830",
    "gift_card_liability": "840",
}
"""Roles of the golden day -> account codes of an ordinary retailer's chart."""

ENTRIES: Mapping[str, Mapping[tuple[str, str], int]] = {
    "SALES": {
        ("clearing.square", ""): 184_07,
        ("undeposited_cash", ""): 56_57,
        ("gift_card_liability", "redeemed"): 20_00,
        ("discounts.*", ""): 9_05,
        ("returns.apparel", ""): 44_99,
        ("sales.apparel", ""): -99_98,
        ("sales.home", ""): -112_50,
        ("sales.grocery", ""): -7_99,
        ("sales.cafe", ""): -20_40,
        ("service_revenue.*", ""): -5_00,
        ("tax_payable.STATE", ""): -7_35,
        ("tax_payable.CITY", ""): -8_28,
        ("tax_payable.DISTRICT", ""): -68,
        ("tips_payable", ""): -2_50,
        ("gift_card_liability", "sold"): -50_00,
    },
    "FEES": {("merchant_fees.square", ""): 6_02, ("clearing.square", ""): -6_02},
    "COGS": {("cogs.*", ""): 77_50, ("inventory.*", ""): -77_50},
    "CASH": {
        ("cash_over_short", ""): 50,
        ("petty_expense.*", ""): 12_00,
        ("undeposited_cash", ""): -12_50,
    },
    "DEPOSIT": {("bank", ""): 44_07, ("undeposited_cash", ""): -44_07},
    "PAYOUT": {("bank", ""): 198_98, ("clearing.square", ""): -198_98},
}
"""Entries of §6 and §7: kind -> (mapping rule, movement) -> signed minor units, debit > 0."""

SALES_TOTAL_MINOR = 314_68
COLLECTED_MINOR = 260_64
NET_SALES_MINOR = 186_83
CLEARING_AFTER_PO1_MINOR = 17_93

# sale, UTC time, state, subtotal, service, tax, tip, total
_SALES: Sequence[tuple[str, date, datetime, str, int, int, int, int, int]] = (
    ("S1", DAY_BEFORE, datetime(2026, 11, 20, 20, 0, tzinfo=UTC), "closed", 22_50, 0, 2_00, 0, 24_50),
    ("S2", DAY_BEFORE, datetime(2026, 11, 21, 1, 30, tzinfo=UTC), "closed", 40_00, 0, 0, 0, 40_00),
    ("O1", DAY, datetime(2026, 11, 21, 15, 5, tzinfo=UTC), "closed", 58_95, 0, 5_23, 0, 64_18),
    ("O2", DAY, datetime(2026, 11, 21, 16, 30, tzinfo=UTC), "closed", 27_98, 0, 1_77, 0, 29_75),
    ("O3", DAY, datetime(2026, 11, 21, 17, 15, tzinfo=UTC), "closed", 12_40, 0, 1_10, 2_50, 16_00),
    ("O4", DAY, datetime(2026, 11, 21, 18, 0, tzinfo=UTC), "closed", 50_00, 0, 0, 0, 50_00),
    ("O5", DAY, datetime(2026, 11, 21, 19, 20, tzinfo=UTC), "closed", 35_00, 0, 3_11, 0, 38_11),
    ("O6", DAY, datetime(2026, 11, 21, 20, 0, tzinfo=UTC), "closed", -22_50, 0, -2_00, 0, -24_50),
    ("O7", DAY, datetime(2026, 11, 21, 21, 0, tzinfo=UTC), "closed", 10_00, 0, 89, 0, 10_89),
    ("O8", DAY, datetime(2026, 11, 21, 22, 0, tzinfo=UTC), "closed", 40_00, 5_00, 3_99, 0, 48_99),
    ("O9", DAY, datetime(2026, 11, 21, 23, 10, tzinfo=UTC), "voided", 84_00, 0, 0, 0, 84_00),
    ("O11", DAY, datetime(2026, 11, 22, 2, 10, tzinfo=UTC), "closed", 17_00, 0, 1_51, 0, 18_51),
    ("O10", DAY, datetime(2026, 11, 22, 6, 30, tzinfo=UTC), "closed", 8_00, 0, 71, 0, 8_71),
)  # fmt: skip

GOODS = "merchandise"

# sale, line, event, kind, department, name, quantity, unit price, unit cost, gross, discount, tax, cost
_LINES: Sequence[tuple[Any, ...]] = (
    ("S1", "1", "sale", GOODS, "Apparel", "Scarf", 1, "25.00", "10.50", 25_00, 2_50, 2_00, 10_50),
    ("S2", "1", "sale", GOODS, "Grocery", "Hamper", 1, "40.00", "21.00", 40_00, 0, 0, 21_00),
    ("O1", "1", "sale", GOODS, "Apparel", "Scarf", 2, "25.00", "10.50", 50_00, 5_00, 3_99, 21_00),
    ("O1", "2", "sale", GOODS, "Home", "Candle", 1, "15.50", "6.20", 15_50, 1_55, 1_24, 6_20),
    ("O2", "1", "sale", GOODS, "Grocery", "Honey", 1, "7.99", "4.30", 7_99, 0, 0, 4_30),
    ("O2", "2", "sale", GOODS, "Apparel", "Socks", 1, "19.99", "8.40", 19_99, 0, 1_77, 8_40),
    ("O3", "1", "sale", GOODS, "Café", "Lunch", 1, "12.40", "3.10", 12_40, 0, 1_10, 3_10),
    ("O4", "1", "sale", "gift_card", None, "Gift card", 1, "50.00", None, 50_00, 0, 0, None),
    ("O5", "1", "sale", GOODS, "Home", "Vase", 1, "35.00", "14.00", 35_00, 0, 3_11, 14_00),
    ("O6", "1", "return", GOODS, "Apparel", "Scarf", -1, "25.00", "10.50", -25_00, -2_50, -2_00, -10_50),
    ("O7", "1", "sale", GOODS, "Apparel", "Shirt", 1, "29.99", "12.60", 29_99, 0, 2_66, 12_60),
    ("O7", "2", "return", GOODS, "Apparel", "Socks", -1, "19.99", "8.40", -19_99, 0, -1_77, -8_40),
    ("O8", "1", "sale", GOODS, "Home", "Lamp", 1, "40.00", "16.00", 40_00, 0, 3_55, 16_00),
    ("O9", "1", "sale", GOODS, "Home", "Chair", 1, "84.00", None, 84_00, 0, 0, None),
    ("O11", "1", "sale", GOODS, "Home", "Frame", 1, "22.00", "8.80", 22_00, 5_00, 1_51, 8_80),
    ("O10", "1", "sale", GOODS, "Café", "Cake", 1, "8.00", "2.00", 8_00, 0, 71, 2_00),
)  # fmt: skip

# sale, line, event, STATE, CITY, DISTRICT
_TAXES: Sequence[tuple[str, str, str, int, int, int]] = (
    ("S1", "1", "sale", 90, 1_01, 9),
    ("O1", "1", "sale", 1_80, 2_02, 17),
    ("O1", "2", "sale", 56, 63, 5),
    ("O2", "2", "sale", 80, 90, 7),
    ("O3", "1", "sale", 49, 56, 5),
    ("O5", "1", "sale", 1_40, 1_58, 13),
    ("O6", "1", "return", -90, -1_01, -9),
    ("O7", "1", "sale", 1_20, 1_35, 11),
    ("O7", "2", "return", -80, -90, -7),
    ("O8", "1", "sale", 1_60, 1_80, 15),
    ("O8", "alteration", "sale", 20, 22, 2),
    ("O11", "1", "sale", 68, 77, 6),
    ("O10", "1", "sale", 32, 36, 3),
)

# sale, line, event, kind, amount
_DISCOUNTS: Sequence[tuple[str, str, str, str, int]] = (
    ("S1", "1", "sale", "amount", 2_50),
    ("O1", "1", "sale", "percent", 5_00),
    ("O1", "2", "sale", "percent", 1_55),
    ("O6", "1", "return", "amount", -2_50),
    ("O11", "1", "sale", "loyalty", 5_00),
)

# tender, sale, event, type, amount without tip, tip, fee, cash given, change
_TENDERS: Sequence[tuple[str, str, str, str, int, int, int, int, int]] = (
    ("T-S1", "S1", "payment", "card", 24_50, 0, 74, 0, 0),
    ("T-S2", "S2", "payment", "card", 40_00, 0, 1_14, 0, 0),
    ("T-O1", "O1", "payment", "card", 64_18, 0, 1_77, 0, 0),
    ("T-O2", "O2", "payment", "cash", 29_75, 0, 0, 30_00, 25),
    ("T-O3", "O3", "payment", "card", 13_50, 2_50, 52, 0, 0),
    ("T-O4", "O4", "payment", "card", 50_00, 0, 1_40, 0, 0),
    ("T-O5-G", "O5", "payment", "gift_card", 20_00, 0, 0, 0, 0),
    ("T-O5-C", "O5", "payment", "cash", 18_11, 0, 0, 18_11, 0),
    ("R-O6", "O6", "refund", "card", -24_50, 0, 0, 0, 0),
    ("T-O7", "O7", "payment", "card", 10_89, 0, 38, 0, 0),
    ("T-O8", "O8", "payment", "card", 48_99, 0, 1_37, 0, 0),
    ("T-O11", "O11", "payment", "card", 18_51, 0, 58, 0, 0),
    ("T-O10", "O10", "payment", "cash", 8_71, 0, 0, 8_71, 0),
)

# payout, entry, type, gross, fee, net, tender
_PAYOUT_ENTRIES: Sequence[tuple[str, str, str, int, int, int, str]] = (
    ("PO0", "B-S1", "charge", 24_50, 74, 23_76, "T-S1"),
    ("PO1", "B-S2", "charge", 40_00, 1_14, 38_86, "T-S2"),
    ("PO1", "B-O1", "charge", 64_18, 1_77, 62_41, "T-O1"),
    ("PO1", "B-O3", "charge", 16_00, 52, 15_48, "T-O3"),
    ("PO1", "B-O4", "charge", 50_00, 1_40, 48_60, "T-O4"),
    ("PO1", "B-O7", "charge", 10_89, 38, 10_51, "T-O7"),
    ("PO1", "B-O8", "charge", 48_99, 1_37, 47_62, "T-O8"),
    ("PO1", "B-O6", "refund", -24_50, 0, -24_50, "R-O6"),
)

_AT = {sale: (day, at) for sale, day, at, *_ in _SALES}


def golden_tables(business_date: date | None = None) -> dict[str, pa.Table]:
    """Every table of the fixture, of one business date or of all three."""
    rows = {
        "sales": _sales(),
        "sale_lines": _lines(),
        "sale_taxes": _taxes(),
        "sale_discounts": _discounts(),
        "sale_services": _services(),
        "sale_tenders": _sale_tenders(),
        "tenders": _tenders(),
        "payouts": _payouts(),
        "payout_entries": _payout_entries(),
        "cash_shifts": _shifts(),
        "cash_events": _cash_events(),
        "gift_card_activities": _gift_cards(),
    }
    tables = {name: as_table(name, found) for name, found in rows.items()}
    if business_date is None:
        return tables
    wanted = pa.scalar(business_date)
    return {
        name: table.filter(pc.equal(table["business_date"], wanted))
        for name, table in tables.items()
    }


def as_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a canonical table; columns a row does not give take the fixture's head, or null.

    Raises KeyError for a column the schema does not have.
    """
    schema = TABLES[name]
    head = {
        "source": "square",
        "merchant_id": "M1",
        "store": STORE.store,
        "business_date": DAY,
        "version_rank": 1,
        "version_digest": "0" * 16,
        "raw_sha256": "0" * 64,
        "log_seq": 1,
        "received_at": datetime(2026, 11, 22, 12, tzinfo=UTC),
    }
    for row in rows:
        unknown = row.keys() - set(schema.names)
        if unknown:
            raise KeyError(f"{name} has no column {sorted(unknown)}")
    full = [{column: {**head, **row}.get(column) for column in schema.names} for row in rows]
    return pa.Table.from_pylist(full, schema=schema)


def _sales() -> list[dict[str, Any]]:
    return [
        {
            "sale_id": sale,
            "business_date": day,
            "state": state,
            "currency": "USD",
            "register": "R1",
            "occurred_at": at,
            "source_created_at": at,
            "clock_suspect": False,
            "subtotal_minor": subtotal,
            "service_minor": service,
            "tax_minor": tax,
            "tip_minor": tip,
            "rounding_minor": 0,
            "total_minor": amount,
            "source_total_minor": amount,
        }
        for sale, day, at, state, subtotal, service, tax, tip, amount in _SALES
    ]


def _lines() -> list[dict[str, Any]]:
    of_return = {("O6", "1"): ("S1", "1"), ("O7", "2"): (None, None)}
    return [
        {
            "sale_id": sale,
            "business_date": _AT[sale][0],
            "line_uid": uid,
            "event": event,
            "line_kind": kind,
            "is_sale": kind == GOODS,
            "name": name,
            "department": department,
            "quantity": Decimal(quantity),
            "unit_price": Decimal(price),
            "unit_cost": None if unit_cost is None else Decimal(unit_cost),
            "price_includes_tax": False,
            "gross_minor": gross,
            "discount_minor": discount,
            "net_minor": gross - discount,
            "tax_minor": tax,
            "cost_minor": cost,
            "return_of_sale_id": of_return.get((sale, uid), (None, None))[0],
            "return_of_line_uid": of_return.get((sale, uid), (None, None))[1],
            "occurred_at": _AT[sale][1],
        }
        for (
            sale, uid, event, kind, department, name, quantity, price, unit_cost, gross, discount,
            tax, cost,
        ) in _LINES
    ]  # fmt: skip


def _taxes() -> list[dict[str, Any]]:
    return [
        {
            "sale_id": sale,
            "business_date": _AT[sale][0],
            "line_uid": uid,
            "event": event,
            "tax_name": "NYC sales tax",
            "jurisdiction": jurisdiction,
            "amount_minor": amount,
            "inclusive": False,
            "derived": True,
        }
        for sale, uid, event, *parts in _TAXES
        for jurisdiction, amount in zip(("STATE", "CITY", "DISTRICT"), parts, strict=True)
    ]


def _discounts() -> list[dict[str, Any]]:
    return [
        {
            "sale_id": sale,
            "business_date": _AT[sale][0],
            "line_uid": uid,
            "event": event,
            "discount_uid": f"D-{sale}",
            "discount_kind": kind,
            "funded_by": "store",
            "amount_minor": amount,
        }
        for sale, uid, event, kind, amount in _DISCOUNTS
    ]


def _services() -> list[dict[str, Any]]:
    return [
        {
            "sale_id": "O8",
            "service_uid": "alteration",
            "event": "sale",
            "name": "Alterations",
            "is_gratuity": False,
            "amount_minor": 5_00,
            "tax_minor": 44,
        }
    ]


def _sale_tenders() -> list[dict[str, Any]]:
    return [
        {
            "sale_id": sale,
            "business_date": _AT[sale][0],
            "tender_id": tender,
            "event": event,
            "tender_type": kind,
            "amount_minor": amount + tip,
            "tip_minor": tip,
        }
        for tender, sale, event, kind, amount, tip, *_ in _TENDERS
    ]


def _tenders() -> list[dict[str, Any]]:
    return [
        {
            "tender_id": tender,
            "business_date": _AT[sale][0],
            "event": event,
            "sale_id": sale,
            "original_tender_id": "T-S1" if tender == "R-O6" else None,
            "tender_type": kind,
            "brand": "visa" if kind == "card" else None,
            "processor": "square" if kind == "card" else "",
            "state": "captured",
            "currency": "USD",
            "amount_minor": amount,
            "tip_minor": tip,
            "fee_minor": fee,
            "cash_given_minor": given,
            "change_minor": change,
            "register": "R1",
            "occurred_at": _AT[sale][1],
        }
        for tender, sale, event, kind, amount, tip, fee, given, change in _TENDERS
    ]


def _payouts() -> list[dict[str, Any]]:
    rows = (
        ("PO0", DAY_BEFORE, datetime(2026, 11, 21, 2, 0, tzinfo=UTC), 23_76, date(2026, 11, 23)),
        ("PO1", PAYOUT_DAY, datetime(2026, 11, 23, 15, 0, tzinfo=UTC), 198_98, date(2026, 11, 24)),
    )
    return [
        {
            "payout_id": payout,
            "business_date": day,
            "state": "sent",
            "currency": "USD",
            "net_minor": net,
            "sent_at": at,
            "arrival_date": arrival,
            "destination_id": "BANK1",
        }
        for payout, day, at, net, arrival in rows
    ]


def _payout_entries() -> list[dict[str, Any]]:
    day_of = {"PO0": DAY_BEFORE, "PO1": PAYOUT_DAY}
    return [
        {
            "entry_id": entry,
            "business_date": day_of[payout],
            "payout_id": payout,
            "entry_type": kind,
            "currency": "USD",
            "gross_minor": gross,
            "fee_minor": fee,
            "net_minor": net,
            "tender_id": tender,
            "effective_at": _AT[tender.split("-")[1]][1],
        }
        for payout, entry, kind, gross, fee, net, tender in _PAYOUT_ENTRIES
    ]


def _shifts() -> list[dict[str, Any]]:
    return [
        {
            "shift_id": "SH1",
            "state": "closed",
            "currency": "USD",
            "opened_at": datetime(2026, 11, 21, 14, 0, tzinfo=UTC),
            "closed_at": datetime(2026, 11, 22, 7, 15, tzinfo=UTC),
            "opening_minor": 200_00,
            "cash_sales_minor": 56_57,
            "cash_refunds_minor": 0,
            "paid_in_minor": 0,
            "paid_out_minor": 12_00,
            "expected_minor": 244_57,
            "counted_minor": 244_07,
        }
    ]


def _cash_events() -> list[dict[str, Any]]:
    rows = (
        ("CE1", "paid_out", 12_00, "window cleaner", datetime(2026, 11, 21, 19, 0, tzinfo=UTC)),
        ("CE2", "no_sale", 0, "", datetime(2026, 11, 21, 23, 12, tzinfo=UTC)),
    )
    return [
        {
            "event_id": event,
            "shift_id": "SH1",
            "event_type": kind,
            "currency": "USD",
            "amount_minor": amount,
            "description": text,
            "occurred_at": at,
        }
        for event, kind, amount, text, at in rows
    ]


def _gift_cards() -> list[dict[str, Any]]:
    rows = (
        ("GA1", "activate", 50_00, 50_00, "O4", None),
        ("GA2", "redeem", -20_00, 30_00, "O5", "T-O5-G"),
    )
    return [
        {
            "activity_id": activity,
            "card_id": "GC1",
            "activity_type": kind,
            "currency": "USD",
            "amount_minor": amount,
            "balance_minor": balance,
            "sale_id": sale,
            "tender_id": tender,
            "occurred_at": _AT[sale][1],
        }
        for activity, kind, amount, balance, sale, tender in rows
    ]
