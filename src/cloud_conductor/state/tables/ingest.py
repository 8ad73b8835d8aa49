"""Tables of the ingest room (worker). Instants: microseconds UTC."""

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from cloud_conductor.state.tables import WORKER

# Position of a consumer in the event log. `planned`: end of the range being written, 0 for none;
# a range is announced before its files are made, so that a killed run makes the same files again.
CURSOR = Table(
    "ingest_cursor",
    WORKER,
    Column("name", Text, primary_key=True),
    Column("partition", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("planned", BigInteger, nullable=False, default=0),
)

# One row per source and kind: how far the sweep has come, and how its last runs went.
SWEEP = Table(
    "ingest_sweep",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("watermark_us", BigInteger),
    Column("last_success_us", BigInteger),
    Column("last_failure_us", BigInteger),
    Column("last_error", Text, nullable=False, default=""),
    Column("objects", BigInteger, nullable=False, default=0),
    Column("new_objects", BigInteger, nullable=False, default=0),
)

# Secrets the product was given by a vendor (rotating tokens, signature keys), AES-GCM sealed.
SEALED = Table(
    "ingest_sealed",
    WORKER,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

# Every landed file that was taken, by its latest content. state: taken (its records are events) or
# whole (it is one event, in quarantine as a whole). mark: as the place told it, to skip unread.
LANDED = Table(
    "ingest_landed",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("new_records", BigInteger, nullable=False),
    Column("taken_us", BigInteger, nullable=False),
    Column("problem", Text, nullable=False, default=""),
)
