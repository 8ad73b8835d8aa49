"""Tables of the windows room (worker). All of it is made again from the log. Instants: us UTC.

Figures of CELL, STORE and TENDER rows that went to zero stay as zeros: a stream has to retract them.
version counts a row's changes, seq numbers the changes of all of them.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from cloud_conductor.state.tables import WORKER

CURSOR = Table(
    "windows_cursor",
    WORKER,
    Column("partition", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("newest_us", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
)
"""Per log partition: everything up to seq is in the windows; the newest sale's time (never after
its receipt). The row of the empty partition gives out change numbers."""

CLOCK = Table(
    "windows_clock",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("sale_id", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)
"""When sales of offline tills really were (R-2.5)."""

PRODUCT = Table(
    "windows_product",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("merchant_id", Text, primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("valid_from_us", BigInteger, primary_key=True, autoincrement=False),
    Column("department", Text, nullable=False),
    Column("name", Text, nullable=False),
)

SALE = Table(
    "windows_sale",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("merchant_id", Text, primary_key=True),
    Column("sale_id", Text, primary_key=True),
    Column("version_rank", BigInteger, nullable=False),
    Column("version_digest", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("business_date", Text, nullable=False),
    Column("day_start_us", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("occurred_us", BigInteger, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("lines", Text, nullable=False),
    Column("tenders", Text, nullable=False),
    Index("windows_sale_place", "start_us", "store"),
)
"""The latest version of each sale of some days; what a window's figures are made from."""

CELL = Table(
    "windows_cell",
    WORKER,
    Column("store", Text, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("department", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("business_date", Text, nullable=False),
    Column("sales", Integer, nullable=False),
    Column("returns", Integer, nullable=False),
    Column("quantity", BigInteger, nullable=False),  # millionths
    Column("gross_minor", BigInteger, nullable=False),
    Column("discount_minor", BigInteger, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("windows_cell_seq", "seq"),
    Index("windows_cell_day", "business_date", "store"),
)

STORE = Table(
    "windows_store",
    WORKER,
    Column("store", Text, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("currency", Text, primary_key=True),
    Column("business_date", Text, nullable=False),
    Column("day_start_us", BigInteger, nullable=False),
    Column("sales", Integer, nullable=False),
    Column("returns", Integer, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("windows_store_day", "business_date", "store"),
)

TENDER = Table(
    "windows_tender",
    WORKER,
    Column("store", Text, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("tender_type", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("business_date", Text, nullable=False),
    Column("payments", Integer, nullable=False),
    Column("refunds", Integer, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("windows_tender_day", "business_date", "store"),
)

LATE = Table(
    "windows_late",
    WORKER,
    Column("store", Text, primary_key=True),
    Column("business_date", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("changes", Integer, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
)
"""What came when its window was closed: cells + late = facts, per store and day (INV-26)."""

PROOF = Table(
    "windows_proof",
    WORKER,
    Column("business_date", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("facts_seq", BigInteger, nullable=False),
    Column("taken_seq", BigInteger, nullable=False),
    Column("stores", Integer, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("differences", Text, nullable=False),
    Column("proven_us", BigInteger, nullable=False),
)
"""Windows of a date against its facts (INV-26). state: alike | unlike | behind (one of the two has
not taken what the other has). facts_seq: newest fact that the close saw; taken_seq: how far in the
log either had come. differences: JSON of [store, department, windows, facts]."""

MEMORY = (CURSOR, CLOCK, PRODUCT, SALE, CELL, STORE, TENDER, LATE, PROOF)
