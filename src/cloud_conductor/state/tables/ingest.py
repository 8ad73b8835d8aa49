"""Tables of the ingest room (worker). Instants: microseconds UTC."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

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

# One row per source that webhooks come from. listening_us: the change (in the vendor's time) that
# the first webhook told of; what changed before could not be told. The counts are of objects whose
# rows in `ingest_heard` were let go.
CONNECTION = Table(
    "ingest_connection",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("listening_us", BigInteger, nullable=False),
    Column("last_webhook_us", BigInteger, nullable=False),
    Column("on_time", BigInteger, nullable=False, default=0),
    Column("late", BigInteger, nullable=False, default=0),
    Column("lost", BigInteger, nullable=False, default=0),
    Column("late_us_max", BigInteger, nullable=False, default=0),
)

# One row per object: the newest version that a webhook told of and that a sweep brought, and when
# we had it from each. 0: not yet.
HEARD = Table(
    "ingest_heard",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("object_id", Text, primary_key=True),
    Column("told_version", BigInteger, nullable=False, default=0),
    Column("told_us", BigInteger, nullable=False, default=0),
    Column("swept_version", BigInteger, nullable=False, default=0),
    Column("swept_us", BigInteger, nullable=False, default=0),
    Column("touched_us", BigInteger, nullable=False, default=0),
    Index("ingest_heard_touched", "touched_us"),
)

# What a source says of itself that conductor.toml says otherwise, until they agree again.
NOTICE = Table(
    "ingest_notice",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
)

# Receipt numbers seen, as closed intervals per register: more than one interval is a gap (D13).
RECEIPTS = Table(
    "ingest_receipts",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("register", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False, server_default="0"),
)

# How far a backfill has come: its dates up to and including `done_to` are read.
BACKFILL = Table(
    "ingest_backfill",
    WORKER,
    Column("source", Text, primary_key=True),
    Column("first", Text, primary_key=True),
    Column("last", Text, primary_key=True),
    Column("done_to", Text, nullable=False),
    Column("objects", BigInteger, nullable=False, default=0),
    Column("new_objects", BigInteger, nullable=False, default=0),
    Column("changed_us", BigInteger, nullable=False),
)
