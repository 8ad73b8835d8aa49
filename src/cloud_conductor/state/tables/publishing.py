"""Tables of the publishing room (worker): what changed, and what is to be said of it, to whom."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from cloud_conductor.state.tables import WORKER

_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only an INTEGER key

CHANGE = Table(
    "publishing_change",
    WORKER,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("sale_id", Text, nullable=False),
    Column("business_date", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""Sales with a new winning version, written in the transaction that conforms them; taken away when
their messages are in the outbox."""

MESSAGE = Table(
    "publishing_message",
    WORKER,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending | sent | dead
    Column("attempts", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("sent_us", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    UniqueConstraint("channel", "message_id"),
    Index("publishing_message_waiting", "channel", "state", "store", "number"),
    sqlite_autoincrement=True,
)
"""The outbox: one row per message and channel; `number` is the order within a store."""

POSITION = Table(
    "publishing_position",
    WORKER,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
"""How far the books' audit chain has been read."""
