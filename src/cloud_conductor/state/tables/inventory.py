"""Tables of the inventory room (worker). Instants: microseconds UTC; quantities: millionths.

A quantity is an exact integer: `decimal(18,6)` times a million. The movements are the truth and are
only ever added; ON_HAND is a cache that must equal their sum (R-11.1, INV-13).
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from cloud_conductor.state.tables import WORKER

CURSOR = Table(
    "inventory_cursor",
    WORKER,
    Column("partition", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("movement_seq", BigInteger, nullable=False),
)
"""Per log partition: everything up to seq is in the movements; and the last number given out."""

PRODUCT = Table(
    "inventory_product",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("merchant_id", Text, primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("valid_from_us", BigInteger, primary_key=True, autoincrement=False),
    Column("sku", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("unit_price", Text, nullable=False),
    Column("unit_cost", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("is_deleted", Integer, nullable=False),
    Index("inventory_product_sku", "sku"),
)
"""Catalogue versions as the log told them. Prices: decimal text, empty where there is none."""

ALIAS = Table(
    "inventory_alias",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
"""A person's word for what the catalogue does not say: which SKU a product is."""

SALE = Table(
    "inventory_sale",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("merchant_id", Text, primary_key=True),
    Column("sale_id", Text, primary_key=True),
    Column("version_rank", BigInteger, nullable=False),
    Column("version_digest", Text, nullable=False),
    Column("lines", Text, nullable=False),
)
"""What the latest version of a sale has moved: JSON of line -> [store, product, quantity]."""

MOVEMENT = Table(
    "inventory_movement",
    WORKER,
    Column("movement_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("occurred_us", BigInteger, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),  # sale, transfer, receipt or count it belongs to
    Column("line_uid", Text, nullable=False),
    Column("log_seq", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("seq", name="inventory_movement_seq"),
    Index("inventory_movement_sku", "sku", "store", "occurred_us"),
    Index("inventory_movement_reference", "reference"),
)
"""Append only: nothing is ever changed or taken out."""

UNKNOWN = Table(
    "inventory_unknown",
    WORKER,
    Column("movement_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("occurred_us", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),
    Column("line_uid", Text, nullable=False),
    Column("log_seq", BigInteger, nullable=False),
    Column("released_us", BigInteger),
    Index("inventory_unknown_product", "source", "product_id"),
)
"""Movements in quarantine: their product has no SKU yet, and their sale posted all the same (R-11.4)."""

ON_HAND = Table(
    "inventory_on_hand",
    WORKER,
    Column("sku", Text, primary_key=True),
    Column("store", Text, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("last_movement_us", BigInteger, nullable=False),
    Column("counted_us", BigInteger),
    Column("count_id", Text, nullable=False, default=""),
    Column("seq", BigInteger, nullable=False),
)
"""Sum of the movements by SKU and store; `~transit` is the store of what is on its way."""

TRANSFER = Table(
    "inventory_transfer",
    WORKER,
    Column("transfer_id", Text, primary_key=True),
    Column("from_store", Text, nullable=False),
    Column("to_store", Text, nullable=False),
    Column("state", Text, nullable=False),  # open | received
    Column("created_us", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("lines", Text, nullable=False),  # JSON of sku -> [sent, received]
)

MEMORY = (CURSOR, PRODUCT, SALE)
"""What is made again from the log; movements of people (counts, transfers) are not."""
