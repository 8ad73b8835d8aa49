"""The demo as somebody starts it, and a real browser in front of its console."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cloud_conductor.wiring.house import open_house
from cloud_conductor.wiring.query import run_query

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
START_S_MAX = 180.0
WAIT_S_MAX = 60.0


def chromium() -> str:
    """Path of a Chromium, or the test is skipped with one line that says how to get one."""
    named = os.environ.get("CONDUCTOR_CHROMIUM", "")
    found = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), "")
    if not found:
        pytest.skip("no browser: install Chromium (Debian: apt-get install chromium)")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Demo:
    """A demo that stays. console, till: addresses; folder: what it keeps."""

    process: "subprocess.Popen[str]"
    folder: Path
    link: str
    till: str

    @property
    def console(self) -> str:
        return self.link.partition("/login")[0]

    @property
    def square(self) -> str:
        return self.till.partition("/sandbox")[0]

    def net_sales_minor(self, day: str) -> int:
        """Net sales of a date by SQL: lines of closed sales, returns being negative (R-18, R-3.2)."""
        sql = (
            "select cast(coalesce(sum(l.net_minor), 0) as bigint) as net from sale_lines l"
            " join sales s using (source, merchant_id, sale_id, business_date)"
            f" where s.state = 'closed' and l.is_sale and business_date = date '{day}'"
        )
        with open_house(str(self.folder / "conductor.toml")) as house:
            return int(run_query(house.lake, sql)["net"][0].as_py())

    def undelivered(self) -> int:
        """Webhooks that the simulated seller has not got rid of yet."""
        answer = httpx.get(f"{self.square}/sandbox/deliveries", timeout=60).raise_for_status()
        return int(answer.json()["pending"])

    def gateway_pid(self) -> int:
        facts = json.loads((self.folder / ".conductor" / "run" / "gateway.json").read_text())
        return int(facts["pid"])

    def switch(self, name: str, *, on: bool) -> None:
        """A switch of the panel at the simulated seller."""
        httpx.post(
            f"{self.square}/sandbox/till/faults", json={"name": name, "on": on}, timeout=60
        ).raise_for_status()


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    """`conductor demo --console`, until its address is printed; stopped at the end."""
    command = [sys.executable, "-m", "cloud_conductor.cli.main", "demo", "--console"]
    process = subprocess.Popen(
        [*command, "--keep", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={name: value for name, value in os.environ.items() if "DISPLAY" not in name},
    )  # fmt: skip
    said: list[str] = []
    reader = threading.Thread(target=_read, args=(process, said), daemon=True)
    reader.start()
    try:
        link = _told(process, said, r"console\s+(http\S+)")
        till = _told(process, said, r"till\s+(http\S+)")
        yield Demo(process, folder, link, till)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        reader.join(5)
        if process.stderr is not None:
            process.stderr.close()


def _read(process: "subprocess.Popen[str]", said: list[str]) -> None:
    assert process.stderr is not None
    said.extend(process.stderr)


def _told(process: "subprocess.Popen[str]", said: list[str], pattern: str) -> str:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        found = re.search(pattern, "".join(list(said)))
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"the demo did not say {pattern}:\n{''.join(said)}")


def until(claim: Callable[[], Any], what: str, seconds: float = WAIT_S_MAX) -> Any:
    """The first true answer of `claim`, asked again and again up to a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := claim():
            return answer
        time.sleep(0.1)
    pytest.fail(f"not within {seconds:.0f} s: {what}")


def watched(page: Page) -> list[str]:
    """Everything that a page should never say or ask for, gathered while it lives."""
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return wrong
