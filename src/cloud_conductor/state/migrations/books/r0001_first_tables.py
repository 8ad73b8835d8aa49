"""First tables of the database books."""

import sqlalchemy as sa
from alembic import op

revision = "books_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _accounting_audit()
    _accounting_batch()
    _accounting_break()
    _accounting_day()
    _accounting_entry()
    _accounting_head()
    _accounting_level()


def _accounting_audit() -> None:
    op.create_table(
        "accounting_audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )


def _accounting_batch() -> None:
    op.create_table(
        "accounting_batch",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("posting_keys", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
        sa.UniqueConstraint("seq", name="accounting_batch_seq"),
    )
    op.create_index("accounting_batch_state", "accounting_batch", ["state"], unique=False)


def _accounting_break() -> None:
    op.create_table(
        "accounting_break",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("break_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("effect_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("left_ref", sa.Text(), nullable=False),
        sa.Column("right_ref", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("detected_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(
        "accounting_break_day", "accounting_break", ["store", "business_date"], unique=False
    )
    op.create_index("accounting_break_id", "accounting_break", ["break_id", "seq"], unique=False)


def _accounting_day() -> None:
    op.create_table(
        "accounting_day",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("control_count", sa.BigInteger(), nullable=True),
        sa.Column("control_minor", sa.BigInteger(), nullable=True),
        sa.Column("held_count", sa.BigInteger(), nullable=True),
        sa.Column("held_minor", sa.BigInteger(), nullable=True),
        sa.Column("facts_seq", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", "business_date"),
    )


def _accounting_entry() -> None:
    op.create_table(
        "accounting_entry",
        sa.Column("posting_key", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("ledger_date", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("correction", sa.Text(), nullable=False),
        sa.Column("replaces", sa.Text(), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("debit_minor", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("readback_hash", sa.Text(), nullable=False),
        sa.Column("mapping_version", sa.Text(), nullable=False),
        sa.Column("fact_set_hash", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("posted_at_us", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_sent_us", sa.BigInteger(), nullable=True),
        sa.Column("last_sent_us", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("posting_key"),
        sa.UniqueConstraint(
            "organisation",
            "entity",
            "store",
            "currency",
            "kind",
            "source_id",
            "version",
            name="accounting_entry_identity",
        ),
        sa.UniqueConstraint("seq", name="accounting_entry_seq"),
    )
    op.create_index("accounting_entry_batch", "accounting_entry", ["batch_id"], unique=False)
    op.create_index(
        "accounting_entry_day", "accounting_entry", ["store", "business_date"], unique=False
    )
    op.create_index(
        "accounting_entry_state", "accounting_entry", ["state", "organisation"], unique=False
    )


def _accounting_head() -> None:
    op.create_table(
        "accounting_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("batch_seq", sa.BigInteger(), nullable=False),
        sa.Column("break_seq", sa.BigInteger(), nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), nullable=False),
        sa.Column("audit_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _accounting_level() -> None:
    op.create_table(
        "accounting_level",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("unexplained_minor", sa.BigInteger(), nullable=False),
        sa.Column("compared_us", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("store", "business_date", "level"),
    )
