"""The quantity ledger of stock."""

import sqlalchemy as sa
from alembic import op

revision = "worker_0002"
down_revision = "worker_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _inventory_alias()
    _inventory_cursor()
    _inventory_movement()
    _inventory_on_hand()
    _inventory_product()
    _inventory_sale()
    _inventory_transfer()
    _inventory_unknown()


def _inventory_alias() -> None:
    op.create_table(
        "inventory_alias",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "product_id"),
    )


def _inventory_cursor() -> None:
    op.create_table(
        "inventory_cursor",
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("movement_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )


def _inventory_movement() -> None:
    op.create_table(
        "inventory_movement",
        sa.Column("movement_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("line_uid", sa.Text(), nullable=False),
        sa.Column("log_seq", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("movement_id"),
        sa.UniqueConstraint("seq", name="inventory_movement_seq"),
    )
    op.create_index(
        "inventory_movement_reference", "inventory_movement", ["reference"], unique=False
    )
    op.create_index(
        "inventory_movement_sku",
        "inventory_movement",
        ["sku", "store", "occurred_us"],
        unique=False,
    )


def _inventory_on_hand() -> None:
    op.create_table(
        "inventory_on_hand",
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("last_movement_us", sa.BigInteger(), nullable=False),
        sa.Column("counted_us", sa.BigInteger(), nullable=True),
        sa.Column("count_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sku", "store"),
    )


def _inventory_product() -> None:
    op.create_table(
        "inventory_product",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("valid_from_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("unit_price", sa.Text(), nullable=False),
        sa.Column("unit_cost", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("is_deleted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "merchant_id", "product_id", "valid_from_us"),
    )
    op.create_index("inventory_product_sku", "inventory_product", ["sku"], unique=False)


def _inventory_sale() -> None:
    op.create_table(
        "inventory_sale",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("sale_id", sa.Text(), nullable=False),
        sa.Column("version_rank", sa.BigInteger(), nullable=False),
        sa.Column("version_digest", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "merchant_id", "sale_id"),
    )


def _inventory_transfer() -> None:
    op.create_table(
        "inventory_transfer",
        sa.Column("transfer_id", sa.Text(), nullable=False),
        sa.Column("from_store", sa.Text(), nullable=False),
        sa.Column("to_store", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transfer_id"),
    )


def _inventory_unknown() -> None:
    op.create_table(
        "inventory_unknown",
        sa.Column("movement_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("line_uid", sa.Text(), nullable=False),
        sa.Column("log_seq", sa.BigInteger(), nullable=False),
        sa.Column("released_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("movement_id"),
    )
    op.create_index(
        "inventory_unknown_product", "inventory_unknown", ["source", "product_id"], unique=False
    )
