"""Tables of the accounting room (books). Instants: microseconds UTC; dates: ISO text; money: minor.

`accounting_head` is one row that every writing transaction updates first: it hands out the rising
numbers and serialises the writers, on SQLite by the write lock and on PostgreSQL by the row lock.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from cloud_conductor.state.tables import BOOKS

HEAD = Table(
    "accounting_head",
    BOOKS,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("entry_seq", BigInteger, nullable=False),
    Column("batch_seq", BigInteger, nullable=False),
    Column("break_seq", BigInteger, nullable=False),
    Column("audit_seq", BigInteger, nullable=False),
    Column("audit_hash", Text, nullable=False),
)

# One row per entry version; the outbox is its states from approved to posted.
# correction: delta | reversal | rebook of the version `replaces`, or empty.
# payload: the frozen JournalEntry as JSON. attempts: calls that may have reached the ledger.
ENTRY = Table(
    "accounting_entry",
    BOOKS,
    Column("posting_key", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("business_date", Text, nullable=False),
    Column("ledger_date", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("correction", Text, nullable=False, default=""),
    Column("replaces", Text, nullable=False, default=""),
    Column("document_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("debit_minor", BigInteger, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("readback_hash", Text, nullable=False, default=""),
    Column("mapping_version", Text, nullable=False, default=""),
    Column("fact_set_hash", Text, nullable=False, default=""),
    Column("external_id", Text, nullable=False, default=""),
    Column("created_by", Text, nullable=False),
    Column("approved_by", Text, nullable=False, default=""),
    Column("created_us", BigInteger, nullable=False),
    Column("posted_at_us", BigInteger),
    Column("attempts", Integer, nullable=False, default=0),
    Column("first_sent_us", BigInteger),
    Column("last_sent_us", BigInteger),
    Column("batch_id", Text, nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("payload", Text, nullable=False),
    UniqueConstraint("seq", name="accounting_entry_seq"),
    UniqueConstraint(
        "organisation", "entity", "store", "currency", "kind", "source_id", "version",
        name="accounting_entry_identity",
    ),
    Index("accounting_entry_day", "store", "business_date"),
    Index("accounting_entry_state", "state", "organisation"),
    Index("accounting_entry_batch", "batch_id"),
)  # fmt: skip

# posting_keys: JSON list, the frozen membership in posting order. state: open | done.
BATCH = Table(
    "accounting_batch",
    BOOKS,
    Column("batch_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("document_type", Text, nullable=False),
    Column("posting_keys", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("error", Text, nullable=False, default=""),
    UniqueConstraint("seq", name="accounting_batch_seq"),
    Index("accounting_batch_state", "state"),
)

# One row per store and business date. control: the source's own listing of the day.
DAY = Table(
    "accounting_day",
    BOOKS,
    Column("store", Text, primary_key=True),
    Column("business_date", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("control_count", BigInteger),
    Column("control_minor", BigInteger),
    Column("held_count", BigInteger),
    Column("held_minor", BigInteger),
    Column("facts_seq", BigInteger),  # log_seq of the newest fact the last close saw
    Column("note", Text, nullable=False, default=""),
    Column("updated_us", BigInteger, nullable=False),
)

# Append only: one row per state of a break; the newest row of a break_id is what it is.
# scope: the run that looks for it again, so a break that is gone can be resolved. actor: who made
# this row, empty for a run. match_id: of the breaks that a person matched with one another.
BREAK = Table(
    "accounting_break",
    BOOKS,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("break_id", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("business_date", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("effect_minor", BigInteger, nullable=False, default=0),
    Column("currency", Text, nullable=False),
    Column("left_ref", Text, nullable=False, default=""),
    Column("right_ref", Text, nullable=False, default=""),
    Column("message", Text, nullable=False),
    Column("hint", Text, nullable=False, default=""),
    Column("owner", Text, nullable=False, default=""),
    Column("detected_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("actor", Text, nullable=False, server_default=""),
    Column("match_id", Text, nullable=False, server_default=""),
    Index("accounting_break_id", "break_id", "seq"),
    Index("accounting_break_day", "store", "business_date"),
)

# How each level of a store-day stood when it was last compared; payload: the LevelResult as JSON.
LEVEL = Table(
    "accounting_level",
    BOOKS,
    Column("store", Text, primary_key=True),
    Column("business_date", Text, primary_key=True),
    Column("level", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("unexplained_minor", BigInteger, nullable=False),
    Column("compared_us", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
)

# Append only and chained: hash = sha256(previous hash || record) (R-15.1, INV-30).
AUDIT = Table(
    "accounting_audit",
    BOOKS,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("record", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
