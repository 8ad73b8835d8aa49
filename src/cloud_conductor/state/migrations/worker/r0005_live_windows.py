"""Live windows per store and department."""

import sqlalchemy as sa
from alembic import op

revision = "worker_0005"
down_revision = "worker_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _windows_cell()
    _windows_clock()
    _windows_cursor()
    _windows_late()
    _windows_product()
    _windows_sale()
    _windows_store()
    _windows_tender()


def _windows_cell() -> None:
    op.create_table(
        "windows_cell",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("sales", sa.Integer(), nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", "start_us", "department", "currency"),
    )
    op.create_index("windows_cell_day", "windows_cell", ["business_date", "store"], unique=False)
    op.create_index("windows_cell_seq", "windows_cell", ["seq"], unique=False)


def _windows_clock() -> None:
    op.create_table(
        "windows_clock",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "sale_id"),
    )


def _windows_cursor() -> None:
    op.create_table(
        "windows_cursor",
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("newest_us", sa.BigInteger(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )


def _windows_late() -> None:
    op.create_table(
        "windows_late",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", "business_date", "currency"),
    )


def _windows_product() -> None:
    op.create_table(
        "windows_product",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("valid_from_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "merchant_id", "product_id", "valid_from_us"),
    )


def _windows_sale() -> None:
    op.create_table(
        "windows_sale",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("version_rank", sa.BigInteger(), nullable=False),
        sa.Column("version_digest", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("day_start_us", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("tenders", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "merchant_id", "sale_id"),
    )
    op.create_index("windows_sale_place", "windows_sale", ["start_us", "store"], unique=False)


def _windows_store() -> None:
    op.create_table(
        "windows_store",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("day_start_us", sa.BigInteger(), nullable=False),
        sa.Column("sales", sa.Integer(), nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", "start_us", "currency"),
    )
    op.create_index("windows_store_day", "windows_store", ["business_date", "store"], unique=False)


def _windows_tender() -> None:
    op.create_table(
        "windows_tender",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tender_type", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("refunds", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", "start_us", "tender_type", "currency"),
    )
    op.create_index(
        "windows_tender_day", "windows_tender", ["business_date", "store"], unique=False
    )
