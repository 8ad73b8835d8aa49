"""Live windows held against the facts of closed dates."""

import sqlalchemy as sa
from alembic import op

revision = "worker_0007"
down_revision = "worker_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "windows_proof",
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("facts_seq", sa.BigInteger(), nullable=False),
        sa.Column("taken_seq", sa.BigInteger(), nullable=False),
        sa.Column("stores", sa.Integer(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("differences", sa.Text(), nullable=False),
        sa.Column("proven_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("business_date"),
    )
