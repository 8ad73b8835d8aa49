"""Who moved a break, and which breaks a person matched with one another."""

import sqlalchemy as sa
from alembic import op

revision = "books_0004"
down_revision = "books_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("actor", "match_id"):
        column = sa.Column(name, sa.Text(), server_default="", nullable=False)
        op.add_column("accounting_break", column)
