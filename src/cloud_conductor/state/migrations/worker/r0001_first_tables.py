"""First tables of the database worker."""

import sqlalchemy as sa
from alembic import op

revision = "worker_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _conform_clock()
    _conform_count()
    _conform_cursor()
    _conform_parent()
    _conform_position()
    _conform_quarantine()
    _conform_version()
    _conform_warning()
    _ingest_cursor()
    _ingest_sealed()
    _ingest_sweep()


def _conform_clock() -> None:
    op.create_table(
        "conform_clock",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "object_id"),
    )


def _conform_count() -> None:
    op.create_table(
        "conform_count",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "outcome"),
    )


def _conform_cursor() -> None:
    op.create_table(
        "conform_cursor",
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )


def _conform_parent() -> None:
    op.create_table(
        "conform_parent",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "key"),
    )


def _conform_position() -> None:
    op.create_table(
        "conform_position",
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "table_name"),
    )


def _conform_quarantine() -> None:
    op.create_table(
        "conform_quarantine",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("released_us", sa.BigInteger(), nullable=False),
        sa.Column("resolved_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(
        "conform_quarantine_group", "conform_quarantine", ["state", "group_key"], unique=False
    )
    op.create_index(
        "conform_quarantine_waits", "conform_quarantine", ["state", "waits_for"], unique=False
    )


def _conform_version() -> None:
    op.create_table(
        "conform_version",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("version_rank", sa.BigInteger(), nullable=False),
        sa.Column("version_digest", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "source", "merchant_id", "object_id"),
    )


def _conform_warning() -> None:
    op.create_table(
        "conform_warning",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "ordinal"),
    )


def _ingest_cursor() -> None:
    op.create_table(
        "ingest_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("planned", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "partition"),
    )


def _ingest_sealed() -> None:
    op.create_table(
        "ingest_sealed",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _ingest_sweep() -> None:
    op.create_table(
        "ingest_sweep",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("watermark_us", sa.BigInteger(), nullable=True),
        sa.Column("last_success_us", sa.BigInteger(), nullable=True),
        sa.Column("last_failure_us", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("new_objects", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind"),
    )
