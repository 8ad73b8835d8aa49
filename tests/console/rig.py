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
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from cloud_conductor.cli.demo_console import Shop
from cloud_conductor.cli.rehearsal import SQUARE_TOKEN
from cloud_conductor.wiring.house import open_house
from cloud_conductor.wiring.query import run_query

PICTURES = Path(__file__).parents[2] / "docs" / "pictures" / "console"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
START_S_MAX = 240.0
WAIT_S_MAX = 60.0
TABS_MAX = 200
expect.set_options(timeout=WAIT_S_MAX * 1_000)


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
class Stage:
    """Where a demo's simulators are."""

    square: str
    xero: str


@dataclass
class Cashier:
    """A cashier who tries again when the till's network fails."""

    shop: Shop
    square: str

    def sell_through(self) -> None:
        """One sale, however often it takes."""
        self._open()
        self._again(self.shop.sell)

    def sell_late(self, day: str, now: str) -> None:
        """One sale of the evening of a day that is over."""
        self._open()
        self.shop.run_clocks(datetime.fromisoformat(f"{day}T21:30:00+00:00"))
        self._again(self.shop.sell)
        self.shop.run_clocks(datetime.fromisoformat(now))

    def _open(self) -> None:
        def places() -> Any:
            headers = {"Authorization": f"Bearer {SQUARE_TOKEN}"}
            return httpx.get(f"{self.square}/v2/locations", headers=headers, timeout=60)

        found = self._again(lambda: places().raise_for_status().json()["locations"][0]["id"])
        self._again(lambda: self.shop.open_at(found))

    def _again(self, act: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + WAIT_S_MAX
        while True:
            try:
                return act()
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "the till sold nothing"


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

    @contextmanager
    def cashier(self) -> "Iterator[Cashier]":
        """Somebody at the till of the demo's store."""
        about = json.loads((self.folder / ".conductor" / "run" / "demo.json").read_text())
        stage = Stage(about["square_url"], about["xero_url"])
        with Shop(stage) as shop:  # type: ignore[arg-type]
            yield Cashier(shop, self.square)

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


def settle(page: Page) -> None:
    """The page is drawn, and its stream has told the machine's state."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_text(re.compile("^Live"), exact=False).first).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"^(Waiting for|Comparing|Following|Looking)"))
    ).to_have_count(0)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the wanted element has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(TABS_MAX):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{wanted} is not reached by keyboard")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def call(page: Page, method: str, path: str, body: Any = None) -> Any:
    """An act or a question of whoever is signed in, through the page's own session."""
    told = page.evaluate(
        """async ([method, path, body]) => {
          const headers = {"content-type": "application/json", "idempotency-key": crypto.randomUUID()};
          const sent = body === null ? {headers} : {headers, body: JSON.stringify(body)};
          const answer = await fetch("/api/v1" + path, {method, ...sent});
          return [answer.status, await answer.text()];
        }""",
        [method, path, body],
    )
    assert told[0] < 300, told
    return json.loads(told[1])


def picture(page: Page, name: str) -> None:
    """A screenshot for the documents, when they are asked for: CONDUCTOR_PICTURES=1."""
    if os.environ.get("CONDUCTOR_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")
