"""Tables of the governance room (books): people, keys, sessions, repeated requests, alerts.

They live beside the audit chain, so that an act and its record commit together. Instants:
microseconds UTC. Roles and stores: JSON lists. Of secrets only digests are kept.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from cloud_conductor.state.tables import BOOKS

USER = Table(
    "governance_user",
    BOOKS,
    Column("name", Text, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("stores", Text, nullable=False),
    Column("is_active", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger),
)

KEY = Table(
    "governance_key",
    BOOKS,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("stores", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("last_used_us", BigInteger),
    Column("revoked_us", BigInteger),
)

LINK = Table(
    "governance_link",
    BOOKS,
    Column("digest", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
)

SESSION = Table(
    "governance_session",
    BOOKS,
    Column("digest", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("key_id", Text, nullable=False),  # of the key it was opened with, or empty
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
)

# The answer to a write by (caller, key). status 0: the request is being worked on.
REQUEST = Table(
    "governance_request",
    BOOKS,
    Column("caller", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

# One row per thing that is wrong. alert_id: hash of kind, store and subject while it lasts.
ALERT = Table(
    "governance_alert",
    BOOKS,
    Column("alert_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("state", Text, nullable=False),  # open | acknowledged | resolved
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("acknowledged_by", Text, nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    Index("governance_alert_state", "state", "kind"),
)

# One row per alert and way out. state: due | sent | failed; due_us: when it is tried (again).
DELIVERY = Table(
    "governance_delivery",
    BOOKS,
    Column("alert_id", Text, primary_key=True),
    Column("occasion_us", BigInteger, primary_key=True, autoincrement=False),
    Column("route", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("error", Text, nullable=False, default=""),
    Index("governance_delivery_due", "state", "due_us"),
)
