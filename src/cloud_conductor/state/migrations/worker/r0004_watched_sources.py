"""What is known of connections: who told what, receipts, notices, backfills; duplicates counted."""

import sqlalchemy as sa
from alembic import op

revision = "worker_0004"
down_revision = "worker_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _conform_duplicate()
    _ingest_backfill()
    _ingest_connection()
    _ingest_heard()
    _ingest_notice()
    _ingest_receipts()


def _conform_duplicate() -> None:
    op.create_table(
        "conform_duplicate",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )


def _ingest_backfill() -> None:
    op.create_table(
        "ingest_backfill",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("done_to", sa.Text(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("new_objects", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "first", "last"),
    )


def _ingest_connection() -> None:
    op.create_table(
        "ingest_connection",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("listening_us", sa.BigInteger(), nullable=False),
        sa.Column("last_webhook_us", sa.BigInteger(), nullable=False),
        sa.Column("on_time", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("late_us_max", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )


def _ingest_heard() -> None:
    op.create_table(
        "ingest_heard",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("told_version", sa.BigInteger(), nullable=False),
        sa.Column("told_us", sa.BigInteger(), nullable=False),
        sa.Column("swept_version", sa.BigInteger(), nullable=False),
        sa.Column("swept_us", sa.BigInteger(), nullable=False),
        sa.Column("touched_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind", "object_id"),
    )
    op.create_index("ingest_heard_touched", "ingest_heard", ["touched_us"], unique=False)


def _ingest_notice() -> None:
    op.create_table(
        "ingest_notice",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "code", "subject"),
    )


def _ingest_receipts() -> None:
    op.create_table(
        "ingest_receipts",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "place", "register", "first"),
    )
