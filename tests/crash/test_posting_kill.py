"""200 entries, a ledger that loses one reply in five, a scheduler killed at every border.

0 duplicate, 0 missing, 0 out of order per store (INV-18, R-13.6, R-13.8), from the ledger's own
dump. Seeds are fixed: the faults are the simulator's, the moments of death are ours.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from posting_driver import DAYS, STORES

from cloud_conductor.accounting.flow import BooksDeps, verify_audit
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.sandbox.xero.app import XeroSandbox, build, start
from cloud_conductor.state import accounting as books
from cloud_conductor.state.engine import open_engine
from cloud_conductor.testing.ledger import MemoryLedger

DRIVER = Path(__file__).with_name("posting_driver.py")
BORDERS = (
    "before_sending_commit",
    "after_sending_commit",
    "after_call",
    "before_record",
    "after_record",
    "after_look_up",
    "before_readback_record",
    "after_readback",
)
RANDOM_KILLS = 4
NARRATION = re.compile(r"CC (\S+) (\S+) SALES v1 key=(\S+)")


@pytest.fixture
def xero() -> Iterator[tuple[str, XeroSandbox]]:
    sandbox = build(clock="2026-11-23T15:00:00Z", time_scale=600, lose_replies=0.2, seed=7)
    sandbox.faults.clear()
    sandbox.faults.plan({"lose_reply": {"probability": 0.2, "methods": ["PUT"]}})
    running = start(sandbox)
    yield running.url, sandbox
    running.stop()


def run(arguments: list[str], border: str, timeout_s: float | None) -> int | None:
    """Exit code of one driver process; None when it was killed because its time was over."""
    with subprocess.Popen(
        [sys.executable, str(DRIVER), *arguments, border],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            _, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
        assert process.returncode in {0, -9}, errors.decode()[-3000:]
        return process.returncode


def kill_and_restart(url: str, state_dir: Path, database_url: str) -> int:
    """Die at every border, then at random moments, then finish; gives the number of deaths."""
    arguments, deaths, dice = [url, str(state_dir), database_url], 0, random.Random(2026)
    for border in BORDERS:
        code = run(arguments, border, 60)
        deaths += code != 0
        if code == 0:
            return deaths
    for _ in range(RANDOM_KILLS):
        deaths += run(arguments, "", dice.uniform(1.0, 3.0)) is None
    assert run(arguments, "", 150) == 0
    return deaths


def check(url: str, database_url: str) -> None:
    dump = httpx.get(f"{url}/sandbox/dump").raise_for_status().json()
    journals = sorted(dump["manual_journals"], key=lambda one: one["order"])
    found = [NARRATION.search(one["narration"]) for one in journals]
    posted = [one.groups() for one in found if one]
    keys = [key for _, _, key in posted]
    assert len(posted) == len(journals)
    assert len(keys) == len(set(keys)), "a document was written twice"
    assert len(keys) == len(STORES) * DAYS, "a document is missing"
    for store in STORES:
        dates = [day for where, day, _ in posted if where == store]
        assert dates == sorted(dates), f"{store} is out of order"
    engine = open_engine(database_url)
    with engine.connect() as connection:
        rows = books.entries(connection)
    assert {row.posting_key for row in rows} == set(keys)
    assert {row.state for row in rows} == {"posted"}
    assert all(row.readback_hash == row.content_hash for row in rows)
    assert verify_audit(BooksDeps(engine, MemoryLedger(), SystemClock())) is None
    engine.dispose()


@pytest.mark.slow
def test_posting_survives_death_at_every_border_on_sqlite(xero, tmp_path: Path):
    url, sandbox = xero
    database_url = f"sqlite:///{tmp_path}/books.sqlite"
    deaths = kill_and_restart(url, tmp_path, database_url)
    check(url, database_url)
    assert deaths >= len(BORDERS)
    assert sandbox.faults.struck["lose_reply"] > 0


@pytest.mark.slow
@pytest.mark.postgres
def test_posting_survives_death_at_every_border_on_postgres(
    xero, tmp_path: Path, postgres_fresh_url: str
):
    url, sandbox = xero
    database_url = postgres_fresh_url.replace("postgresql://", "postgresql+psycopg://")
    deaths = kill_and_restart(url, tmp_path, database_url)
    check(url, database_url)
    assert deaths >= len(BORDERS)
    assert sandbox.faults.struck["lose_reply"] > 0
