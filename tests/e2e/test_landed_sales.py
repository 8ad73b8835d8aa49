"""Exports from folder to entries, through the house that conductor.toml describes."""

import json
from datetime import date
from pathlib import Path

import pytest

from cloud_conductor.accounting.facts import DayFacts
from cloud_conductor.accounting.journal import day_entries
from cloud_conductor.conform import flow as conform
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.ingest.flow_landing import run_landing
from cloud_conductor.state import conform as state
from cloud_conductor.wiring.house import open_house
from exports import CSV, sale, text

DAY = date(2026, 11, 21)
CONFIG = """
[landing.shop]
path = "landing"
settle_s = 0
processor = "adyen"
{policy}

[stores.NYC01]
location = "S-1"
source = "shop"
time_zone = "America/New_York"
cutoff = "04:00"
tax_splits."Sales tax" = {{ STATE = "4", CITY = "4.5", DISTRICT = "0.375" }}

[clock]
start = "2026-11-23T12:00:00Z"

[mapping]
"clearing.adyen" = "1100"
"undeposited_cash" = "1010"
"sales.grocery" = "4010"
"sales.apparel" = "4020"
"returns.apparel" = "4100"
"tax_payable.*" = "2200"
"""


def _house(folder: Path, policy: str = "") -> Path:
    (folder / "landing").mkdir()
    path = folder / "conductor.toml"
    path.write_text(CONFIG.format(policy=policy))
    return path


def _catch_up(house):
    run_landing(house.landing_deps, house.clock.now())
    conform.run_conform(house.conform_deps)
    ingest.run_archive(house.ingest_deps)


def test_landed_sales_become_balanced_entries_to_the_cent(tmp_path: Path):
    path = _house(tmp_path)
    (tmp_path / "landing" / "sales_20261122_050000.json").write_bytes(text(sale("T-1")))
    nested = tmp_path / "landing" / "raw" / "sales" / "source=shop" / "date=2026-11-22"
    nested.mkdir(parents=True)
    (nested / "part-0.csv").write_bytes(CSV)
    with open_house(str(path)) as house:
        _catch_up(house)
        conform.run_seal(house.conform_deps, DAY)
        tables = conform.day_facts(house.lake, DAY)
        facts = DayFacts.of(house.stores[0], DAY, tables, processor="adyen", quarantined=())
        made = day_entries(facts, house.accounts, fees_at="sale")
        counts = conform.accounting_of_events(house.conform_deps)["shop"]
    (entry,) = [one for one in made.entries if one.kind == "SALES"]
    assert entry.is_balanced
    amounts = {}
    for line in entry.lines:
        amounts[line.role] = amounts.get(line.role, 0) + line.amount_minor
    assert amounts["undeposited_cash"] == 2 * 2975
    assert amounts["clearing.adyen"] == -2450
    assert amounts["sales.grocery"] == -2 * 799
    assert amounts["returns.apparel"] == 2250
    assert amounts["tax_payable.*"] == -2 * 177 + 200
    assert (counts.received, counts.processed, counts.quarantined) == (3, 3, 0)
    assert list((tmp_path / "lake" / "raw" / "source=shop").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("policy", "kept", "held"), [('policy = "record"', 1, 1), ('policy = "file"', 0, 1)]
)
def test_quarantine_is_per_record_or_per_file_and_a_corrected_body_releases_it(
    tmp_path: Path, policy: str, kept: int, held: int
):
    path = _house(tmp_path, policy)
    bad = sale("T-2", total="30.75")
    (tmp_path / "landing" / "sales_20261122_050000.json").write_bytes(text(sale("T-1"), bad))
    with open_house(str(path)) as house:
        _catch_up(house)
        waiting = state.quarantine(house.worker)
        assert len(waiting) == held
        assert house.query("select count(*) as n from sales")["n"].to_pylist() == [kept]
        whole = policy.endswith('"file"')
        fixed = text(sale("T-1"), sale("T-2")) if whole else json.dumps(sale("T-2")).encode()
        conform.release(
            house.conform_deps, waiting, author="user:a", now=house.clock.now(), fixed_body=fixed
        )
        conform.run_conform(house.conform_deps)
        assert state.quarantine(house.worker) == []
        assert house.query("select count(*) as n from sales")["n"].to_pylist() == [2]
