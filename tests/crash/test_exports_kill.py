"""kill -9 between folder and receiver: each record is one event, each sale is told, in order."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_conductor.conform import flow as conform
from cloud_conductor.wiring.house import open_house
from exports import sale, text
from receivers import SECRET, Receiver

DRIVER = Path(__file__).with_name("driver_exports.py")
DEADLINE_S = 120.0
FILES, SALES_PER_FILE, KILLS = 5, 30, 3
CONFIG = """
[landing.shop]
path = "landing"
settle_s = 0

[stores.NYC01]
location = "S-1"
source = "shop"
time_zone = "America/New_York"

[stores.LON01]
location = "S-2"
source = "shop"
time_zone = "Europe/London"

[publish.others]
kind = "standard_webhooks"
url = "{url}"
secret = "env:HOOK_SECRET"
"""


def records(number: int) -> list[dict[str, object]]:
    """Sales of two stores in turn, in the order in which they must be told."""
    start = number * SALES_PER_FILE
    return [
        sale(f"T-{n:04d}", store=f"S-{1 + n % 2}") for n in range(start, start + SALES_PER_FILE)
    ]


@contextmanager
def child(path: Path) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen([sys.executable, DRIVER, path], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "up\n"
        try:
            yield one
        finally:
            one.send_signal(signal.SIGKILL)


def wait_until_told(receiver: Receiver, count: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while len(set(receiver.ids)) < count:
        assert time.monotonic() < deadline, f"{len(set(receiver.ids))} of {count} were told"
        time.sleep(0.01)


@pytest.mark.slow
def test_exports_are_taken_once_and_told_at_least_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(21)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "landing").mkdir()
    path = tmp_path / "conductor.toml"
    total = FILES * SALES_PER_FILE
    with Receiver() as receiver:
        receiver.answer = lambda n: 503 if n % 50 == 0 else 204
        path.write_text(CONFIG.format(url=receiver.url))
        for number in range(FILES):
            file = tmp_path / "landing" / f"sales_{number}.json"
            file.write_bytes(text(*records(number)))
            if number < KILLS:
                with child(path):
                    wait_until_told(receiver, number * SALES_PER_FILE + dice.randint(1, 25))
        receiver.answer = lambda _: 204
        with child(path):
            wait_until_told(receiver, total)
    with open_house(str(path)) as house:
        (count,) = conform.accounting_of_events(house.conform_deps).values()
        held = house.query("select count(*) as n, sum(total_minor) as s from sales").to_pylist()
    assert (count.processed, count.quarantined, count.pending) == (total, 0, 0)
    assert held == [{"n": total, "s": total * 2975}]
    told = {
        body["data"]["sale_id"]: name
        for body, name in zip(receiver.taken, receiver.ids, strict=True)
    }
    assert len(set(receiver.ids)) == len(told) == total
    for store in ("NYC01", "LON01"):
        first = dict.fromkeys(
            body["data"]["sale_id"] for body in receiver.taken if body["data"]["store"] == store
        )
        assert list(first) == sorted(first), f"{store} is out of order"
