"""Arrow schemas of the processed zone. Money is int64 minor units; partition key business_date.

Signs: sales positive, returns and refunds negative, in the same columns (R-3.2).
Every table carries the key of its source object, its version and where it came from:
`version_rank` orders versions of one object, `version_digest` breaks ties, so the latest version
is the same in any arrival order (INV-14). The digest is the first 16 hex of the SHA-256 of the
object's fields that are read, whatever envelope, order or spacing they came in; a sale whose time
comes from an offline till has a digest that sorts after (the earliest till time last, R-2.5).
"""

import pyarrow as pa

MONEY = pa.int64()
QUANTITY = pa.decimal128(18, 6)
INSTANT = pa.timestamp("us", tz="UTC")

ARRIVAL_COLUMNS = ("raw_sha256", "log_seq", "received_at")
"""Columns that say how a row came, not what it says: left out of digests (INV-14).

raw_sha256 is that of the event's body: the same payment comes inside a webhook and alone.
"""

_HEAD = [
    ("source", pa.string()),
    ("merchant_id", pa.string()),
    ("store", pa.string()),
    ("business_date", pa.date32()),
]
_TAIL = [
    ("version_rank", pa.int64()),
    ("version_digest", pa.string()),
    ("raw_sha256", pa.string()),
    ("log_seq", pa.int64()),
    ("received_at", INSTANT),
]


def _table(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in [*_HEAD, *fields, *_TAIL]])


# One row per closed or voided sale (a basket with one customer contact). state: closed | voided |
# moved (a tombstone: this version belongs to another business date now).
SALES = _table(
    ("sale_id", pa.string()),
    ("state", pa.string()),
    ("currency", pa.string()),
    ("register", pa.string()),
    ("employee", pa.string()),
    ("customer_id", pa.string()),
    ("channel", pa.string()),
    ("occurred_at", INSTANT),
    ("source_created_at", INSTANT),
    ("clock_suspect", pa.bool_()),
    ("subtotal_minor", MONEY),  # sum of line.net, sale lines less return lines
    ("service_minor", MONEY),
    ("tax_minor", MONEY),
    ("tip_minor", MONEY),
    ("rounding_minor", MONEY),
    ("total_minor", MONEY),  # subtotal + service + tax + tips + rounding
    ("source_total_minor", MONEY),  # the vendor's own figure, kept beside ours
)
# One row per sale line or return line. event: sale | return. line_kind: merchandise | service |
# gift_card | deposit | donation | shipping | fee. sku, department, unit_cost and cost_minor are
# filled at the seal from the catalogue as of occurred_at.
SALE_LINES = _table(
    ("sale_id", pa.string()),
    ("line_uid", pa.string()),
    ("event", pa.string()),
    ("line_kind", pa.string()),
    ("is_sale", pa.bool_()),
    ("product_id", pa.string()),
    ("name", pa.string()),
    ("sku", pa.string()),
    ("department", pa.string()),
    ("quantity", QUANTITY),
    ("unit_price", QUANTITY),
    ("unit_cost", QUANTITY),
    ("price_includes_tax", pa.bool_()),
    ("gross_minor", MONEY),
    ("discount_minor", MONEY),  # reduces gross: net = gross - discount, same sign as gross
    ("net_minor", MONEY),
    ("tax_minor", MONEY),
    ("cost_minor", MONEY),
    ("return_of_sale_id", pa.string()),
    ("return_of_line_uid", pa.string()),
    ("occurred_at", INSTANT),
)
# One row per line x jurisdiction (service charges use their uid as line_uid).
SALE_TAXES = _table(
    ("sale_id", pa.string()),
    ("line_uid", pa.string()),
    ("event", pa.string()),
    ("tax_name", pa.string()),
    ("jurisdiction", pa.string()),
    ("rate_percent", QUANTITY),
    ("base_minor", MONEY),
    ("amount_minor", MONEY),
    ("inclusive", pa.bool_()),
    ("derived", pa.bool_()),  # split from a combined POS tax by statutory rates
)
# One row per line x discount, as allocated. kind: percent | amount | comp | loyalty | coupon.
SALE_DISCOUNTS = _table(
    ("sale_id", pa.string()),
    ("line_uid", pa.string()),
    ("event", pa.string()),
    ("discount_uid", pa.string()),
    ("discount_kind", pa.string()),
    ("funded_by", pa.string()),  # store | vendor
    ("amount_minor", MONEY),
)
# One row per service charge. is_gratuity: payable to staff, not revenue.
SALE_SERVICES = _table(
    ("sale_id", pa.string()),
    ("service_uid", pa.string()),
    ("event", pa.string()),
    ("name", pa.string()),
    ("is_gratuity", pa.bool_()),
    ("amount_minor", MONEY),
    ("tax_minor", MONEY),
)
# One row per tender as the *sale* states it: the left side of reconciliation level L3.
SALE_TENDERS = _table(
    ("sale_id", pa.string()),
    ("tender_id", pa.string()),
    ("event", pa.string()),  # payment | refund
    ("tender_type", pa.string()),
    ("amount_minor", MONEY),  # with tip; refunds negative
    ("tip_minor", MONEY),
)
# One row per payment or refund as the *processor* states it. tender_type: card | cash | gift_card |
# store_credit | house_account | wallet | bnpl | bank | external. state: authorised | captured |
# failed | voided | pending.
TENDERS = _table(
    ("tender_id", pa.string()),
    ("event", pa.string()),  # payment | refund
    ("sale_id", pa.string()),
    ("original_tender_id", pa.string()),
    ("tender_type", pa.string()),
    ("brand", pa.string()),
    ("processor", pa.string()),  # empty for cash and gift cards: nothing to settle
    ("state", pa.string()),
    ("currency", pa.string()),
    ("amount_minor", MONEY),  # without tip, +payment -refund
    ("tip_minor", MONEY),
    ("fee_minor", MONEY),  # charged by the processor, positive = cost
    ("cash_given_minor", MONEY),
    ("change_minor", MONEY),
    ("register", pa.string()),
    ("employee", pa.string()),
    ("occurred_at", INSTANT),
)
PAYOUTS = _table(
    ("payout_id", pa.string()),
    ("state", pa.string()),  # sent | paid | failed
    ("currency", pa.string()),
    ("net_minor", MONEY),
    ("sent_at", INSTANT),
    ("arrival_date", pa.date32()),
    ("destination_id", pa.string()),
)
# One row per processor balance transaction in a payout. entry_type in lower case: charge | refund |
# fee | ....
PAYOUT_ENTRIES = _table(
    ("entry_id", pa.string()),
    ("payout_id", pa.string()),
    ("entry_type", pa.string()),
    ("currency", pa.string()),
    ("gross_minor", MONEY),
    ("fee_minor", MONEY),
    ("net_minor", MONEY),
    ("tender_id", pa.string()),  # the payment or refund it settles, when it names one
    ("effective_at", INSTANT),
)
# One row per dispute of a card payment, whose amount moves in payouts; only its outcome is told here
# . Business date of its outcome, until then of its opening. state: inquiry | open | won |
# lost (also accepted) | closed (an inquiry that came to nothing) | moved.
DISPUTES = _table(
    ("dispute_id", pa.string()),
    ("state", pa.string()),
    ("currency", pa.string()),
    ("amount_minor", MONEY),
    ("reason", pa.string()),
    ("tender_id", pa.string()),  # the payment in dispute
    ("opened_at", INSTANT),
    ("due_at", INSTANT),
    ("decided_at", INSTANT),
)
# One row per drawer shift; business date of its opening. expected per §8 is recomputed, and kept.
CASH_SHIFTS = _table(
    ("shift_id", pa.string()),
    ("state", pa.string()),  # open | ended | closed
    ("currency", pa.string()),
    ("opened_at", INSTANT),
    ("closed_at", INSTANT),
    ("opening_minor", MONEY),
    ("cash_sales_minor", MONEY),
    ("cash_refunds_minor", MONEY),
    ("paid_in_minor", MONEY),
    ("paid_out_minor", MONEY),
    ("expected_minor", MONEY),
    ("counted_minor", MONEY),
)
CASH_EVENTS = _table(
    ("event_id", pa.string()),
    ("shift_id", pa.string()),
    # no_sale | cash_payment | cash_refund | paid_in | paid_out | drop | float_raised | ...
    ("event_type", pa.string()),
    ("currency", pa.string()),
    ("amount_minor", MONEY),
    ("description", pa.string()),
    ("employee", pa.string()),
    ("occurred_at", INSTANT),
)
GIFT_CARD_ACTIVITIES = _table(
    ("activity_id", pa.string()),
    ("card_id", pa.string()),
    ("activity_type", pa.string()),  # activate | load | redeem | refund | adjust | ...
    ("currency", pa.string()),
    ("amount_minor", MONEY),  # signed effect on the balance
    ("balance_minor", MONEY),
    ("sale_id", pa.string()),
    ("tender_id", pa.string()),
    ("occurred_at", INSTANT),
)
# Catalogue versions, slowly changing: valid from the vendor's updated_at. Not partitioned; its
# business_date and store are null. unit_cost is null where the catalogue has none. A category is
# a row too, product_id `category:<id>`; department of a product is that id, resolved at the seal.
PRODUCTS = _table(
    ("product_id", pa.string()),
    ("valid_from", INSTANT),
    ("sku", pa.string()),
    ("name", pa.string()),
    ("department", pa.string()),
    ("unit_price", QUANTITY),
    ("unit_cost", QUANTITY),
    ("currency", pa.string()),
    ("is_deleted", pa.bool_()),
)

TABLES: dict[str, pa.Schema] = {
    "sales": SALES,
    "sale_lines": SALE_LINES,
    "sale_taxes": SALE_TAXES,
    "sale_discounts": SALE_DISCOUNTS,
    "sale_services": SALE_SERVICES,
    "sale_tenders": SALE_TENDERS,
    "tenders": TENDERS,
    "payouts": PAYOUTS,
    "payout_entries": PAYOUT_ENTRIES,
    "disputes": DISPUTES,
    "cash_shifts": CASH_SHIFTS,
    "cash_events": CASH_EVENTS,
    "gift_card_activities": GIFT_CARD_ACTIVITIES,
    "products": PRODUCTS,
}

KEYS: dict[str, tuple[str, ...]] = {
    "sales": ("source", "merchant_id", "sale_id"),
    "sale_lines": ("source", "merchant_id", "sale_id", "event", "line_uid"),
    "sale_taxes": (
        "source", "merchant_id", "sale_id", "event", "line_uid", "tax_name", "jurisdiction",
    ),
    "sale_discounts": ("source", "merchant_id", "sale_id", "event", "line_uid", "discount_uid"),
    "sale_services": ("source", "merchant_id", "sale_id", "event", "service_uid"),
    "sale_tenders": ("source", "merchant_id", "sale_id", "event", "tender_id"),
    "tenders": ("source", "merchant_id", "event", "tender_id"),
    "payouts": ("source", "merchant_id", "payout_id"),
    "payout_entries": ("source", "merchant_id", "payout_id", "entry_id"),
    "disputes": ("source", "merchant_id", "dispute_id"),
    "cash_shifts": ("source", "merchant_id", "shift_id"),
    "cash_events": ("source", "merchant_id", "shift_id", "event_id"),
    "gift_card_activities": ("source", "merchant_id", "activity_id"),
    "products": ("source", "merchant_id", "product_id", "valid_from"),
}  # fmt: skip
"""Natural key of each table (§3): one row per key after the seal, sorted by it."""

PARENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sale_lines": ("sales", ("source", "merchant_id", "sale_id")),
    "sale_taxes": ("sales", ("source", "merchant_id", "sale_id")),
    "sale_discounts": ("sales", ("source", "merchant_id", "sale_id")),
    "sale_services": ("sales", ("source", "merchant_id", "sale_id")),
    "sale_tenders": ("sales", ("source", "merchant_id", "sale_id")),
}
"""Child table -> (parent, key): a child row lives only with its parent's latest version."""

PARTITIONED = tuple(name for name in TABLES if name != "products")
