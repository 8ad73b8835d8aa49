"""The page of limits says the numbers that the code has."""

from datetime import timedelta
from pathlib import Path

import pytest

from cloud_conductor.adapters.http import LIMITS
from cloud_conductor.adapters.ledger import xero
from cloud_conductor.adapters.log import group, sqlite
from cloud_conductor.adapters.pos.square import paging
from cloud_conductor.domain.config import (
    GatewayConfig,
    LakeConfig,
    LedgerConfig,
    LogConfig,
    SourceConfig,
)
from cloud_conductor.ingest import flow_watch, hearing
from cloud_conductor.pipelines import worker
from cloud_conductor.serve import gateway, valve
from cloud_conductor.serve.rest import pipelines
from cloud_conductor.wiring import backfilling

PAGE = Path(__file__).parents[2] / "docs/reference/limits.md"
MIB = 1024 * 1024
(BUSY_S,) = (int(value) for name, value in gateway.BUSY.headers if name == b"retry-after")

ROWS = {
    "Body of a webhook": f"`gateway.body_bytes_max`, {GatewayConfig().body_bytes_max // MIB} MiB | 413",
    "Webhooks not durable yet": (
        f"{valve.IN_HAND_MAX}, fewer while they wait longer than {valve.WAIT_S_MAX * 1000:.0f} ms, "
        f"at least {valve.IN_HAND_MIN} | 503 with `Retry-After: {BUSY_S}`"
    ),
    "Events and bytes waiting for the disk": (
        f"{group.QUEUE_MAX:,}, {group.QUEUE_BYTES_MAX // MIB} MiB "
        f"| 503 with `Retry-After: {group.RETRY_AFTER_S:.0f}`"
    ),
    "Free disk kept in reserve by the event log": (
        f"{sqlite.FREE_BYTES_MIN // MIB} MiB | 503 with `Retry-After: {sqlite.RETRY_AFTER_S:.0f}`"
    ),
    "Free disk kept in reserve by the worker": f"{worker.FREE_BYTES_MIN // MIB} MiB | CC-105",
    "Time for an answer, to connect": f"{LIMITS.timeout_s:.0f} s, {LIMITS.connect_timeout_s:.0f} s",
    "Attempts of a read": f"{LIMITS.attempts_max}, pauses from {LIMITS.backoff_s} s doubling",
    "A pause the vendor asks for": f"{LIMITS.wait_s_max:.0f} s",
    "Failures in a row before a vendor is not called": (
        f"{LIMITS.breaker_failures_max} | {LIMITS.breaker_open_s:.0f} s of rest"
    ),
    "Pages of one list": f"Square {paging.PAGES_MAX:,}, Xero {xero.PAGES_MAX:,}",
    "Beginnings of a list of Square whose cursor is forgotten": f"{paging.RESTARTS_MAX} more",
    "Readings of a list of Xero whose pages shift meanwhile": f"{xero.READS_MAX} |",
    "A file that a seal replaced stays in the lake": (
        f"`lake.vacuum_days`, {LakeConfig().vacuum_days:.0f} days"
    ),
    "An event stays in the log": f"`log.keep_days`, {LogConfig().keep_days:.0f} days",
    "Who told of an object (webhook or sweep)": f"{flow_watch.KEPT.days} days",
    "A webhook is taken for lost": (
        f"{timedelta(microseconds=hearing.LOST_AFTER_US) // timedelta(minutes=1)} minutes"
    ),
    "Days of one backfill": f"{backfilling.DAYS_MAX} |",
}
"""First cell of a row -> how its second begins."""


@pytest.mark.parametrize("what", ROWS)
def test_a_limit_on_the_page_is_the_limit_in_the_code(what: str):
    assert f"| {what} | {ROWS[what]}" in PAGE.read_text()


def test_limits_named_in_sentences_and_those_said_twice_are_one_number():
    page = PAGE.read_text()
    ledger = LedgerConfig(vendor="xero", base_url="")
    assert f"`ledger.calls_per_minute` (Xero: {ledger.calls_per_minute})" in page
    source = SourceConfig(vendor="square", base_url="")
    assert f"`sources.*.sweep_overlap_s` ({source.sweep_overlap_s:.0f} s)" in page
    assert pipelines.BACKFILL_DAYS_MAX == backfilling.DAYS_MAX
    assert GatewayConfig().body_bytes_max == gateway.BODY_BYTES_MAX
