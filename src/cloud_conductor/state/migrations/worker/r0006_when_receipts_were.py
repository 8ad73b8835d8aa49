"""When the first sale of a run of receipt numbers was: the day that a gap is told on (D13)."""

import sqlalchemy as sa
from alembic import op

revision = "worker_0006"
down_revision = "worker_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "ingest_receipts",
        sa.Column("first_us", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.execute("update ingest_receipts set first_us = seen_us")
