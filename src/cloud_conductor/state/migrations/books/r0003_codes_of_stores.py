"""The code each location has had."""

import sqlalchemy as sa
from alembic import op

revision = "books_0003"
down_revision = "books_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stores_code",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("location_id", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "location_id"),
    )
