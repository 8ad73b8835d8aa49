"""A scheduler process that posts until everything is in the ledger, or dies at a named border.

Usage: posting_driver.py XERO_URL STATE_DIR DATABASE_URL [BORDER:OCCURRENCE]
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cloud_conductor.accounting.flow import BooksDeps, approve, draft_entries
from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.http import Limits
from cloud_conductor.adapters.ledger.xero import connect
from cloud_conductor.domain.config import LedgerConfig
from cloud_conductor.pipelines import engine
from cloud_conductor.pipelines.score import Score, Times
from cloud_conductor.sandbox.xero.auth import CLIENT_ID, CLIENT_SECRET
from cloud_conductor.state import accounting as books
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import BOOKS
from cloud_conductor.testing.ledger import DAY, make_entry

STORES, DAYS = ("NYC01", "NYC02", "CHI01", "LAX01"), 50
DEADLINE_S = 120


def dying(border: str) -> Callable[[str], None]:
    """Kill this process, as the machine would, the n-th time it comes to a border."""
    wanted, _, occurrence = border.partition(":")
    seen = 0

    def checkpoint(name: str) -> None:
        nonlocal seen
        if name == wanted:
            seen += 1
            if seen == int(occurrence or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


def main(url: str, state_dir: str, database_url: str, border: str = "") -> None:
    database = open_engine(database_url)
    BOOKS.create_all(database)
    config = LedgerConfig(vendor="xero", base_url=url, documents_per_call=10)
    ledger = connect(
        config,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        limits=Limits(attempts_max=5, backoff_s=0.05),
    )
    deps = BooksDeps(
        engine=database, ledger=ledger, clock=SystemClock(), settle_s=0.2, checkpoint=dying(border)
    )
    entries = [
        make_entry(store=store, day=DAY + timedelta(days=day), amount_minor=100 + day)
        for day in range(DAYS)
        for store in STORES
    ]
    draft_entries(deps, entries, "close")
    approve(deps, "boss")
    engine.POLL_S = 0.05
    score = Score(
        books=deps,
        sweep=dict,
        due_dates=lambda _now: [],
        due_reconciles=lambda _now: [],
        close=lambda _date: {},
        reconcile=lambda _date: {},
        crosscheck=dict,
    )
    scheduler = engine.start(
        score, state_dir=Path(state_dir), times=Times(tick_s=0.1, sweep_s=3600.0)
    )
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with database.connect() as connection:
            rows = books.entries(connection)
        if all(row.state == "posted" and row.readback_hash for row in rows):
            scheduler.stop()
            return
        time.sleep(0.05)
    raise SystemExit(f"not done: {books.entry_counts(database.connect())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
