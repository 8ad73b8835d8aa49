"""What conform remembers between batches: positions, versions seen, quarantine."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from cloud_conductor.state.tables import WORKER

CURSOR = Table(
    "conform_cursor",
    WORKER,
    Column("partition", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""Per log partition: everything up to seq is in the lake, durably, and in the tables below."""

POSITION = Table(
    "conform_position",
    WORKER,
    Column("partition", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""Position of each lake table when the cursor was written: a table behind it has lost commits."""

VERSION = Table(
    "conform_version",
    WORKER,
    Column("table_name", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("merchant_id", Text, primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("version_rank", BigInteger, nullable=False),
    Column("version_digest", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("business_date", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
)
"""Winning version of each sale and tender: its date, and the event it came from."""

CLOCK = Table(
    "conform_clock",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)
"""Earliest till time of sales taken offline (R-2.5)."""

PARENT = Table(
    "conform_parent",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("location_id", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
"""Where and when children belong that do not say so themselves."""

QUARANTINE = Table(
    "conform_quarantine",
    WORKER,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("waits_for", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("author", Text, nullable=False, default=""),
    Column("released_us", BigInteger, nullable=False, default=0),
    Column("resolved_by", BigInteger, nullable=False, default=0),
    Index("conform_quarantine_group", "state", "group_key"),
    Index("conform_quarantine_waits", "state", "waits_for"),
)
"""Events without rows. state: open | released (now in the tables) | replayed (see resolved_by)."""

WARNING = Table(
    "conform_warning",
    WORKER,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("message", Text, nullable=False),
)
"""Findings on events whose rows were kept."""

COUNT = Table(
    "conform_count",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
)
"""Events by first outcome: rows | ignored | rejected; their sum is what conform has read."""

DUPLICATE = Table(
    "conform_duplicate",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("deliveries", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
)
"""Duplicate deliveries of the log counted so far, and the number of the last one counted."""

MEMORY = (CURSOR, POSITION, VERSION, CLOCK, PARENT, QUARANTINE, WARNING, COUNT)
"""Everything conform remembers; all of it can be made again from the log."""
