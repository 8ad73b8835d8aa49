"""Live: how soon a sale is on a screen, and what fifty screens cost those who send webhooks.

The limit. A sale is four thin webhooks of 0.7 kB, each durable in one shared fsync (0.2 ms); the
worker asks the vendor for the order and its payment in batches (a round trip of 1 ms and some 0.1 ms
an object), and writes the windows in one transaction (an fsync and some 20 us a line). Ten
milliseconds would do; what a person waits for is the next turn of the worker (every 0.2 s while it
rests) and the next look of the stream (every 0.5 s): 0.7 s at worst while nobody falls behind. A frame
for fifty screens is rendered once and written fifty times, 10 us each.

The product runs as `conductor up` starts it, gateway and worker in processes of their own, against the
simulated Square in another, on a small chain. First sales are rung up through
the vendor's API at a steady pace, and one stream says when the day's count of orders has reached each
of them; the vendor's and the tills' CPU are on the same cores. Then the gateway alone: signed
webhooks on 128 connections, round-robin with nobody and with 50 streams open that show four topics.

Goals: 50 viewers cost intake p99 at most 20 %; sale to screen p95 <= 1 s at 200 sales/s.

    python bench/bench_live.py [--rounds 5] [--seconds 1.5] [--sales 200] [--selling 10]
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bench_intake
from harness import middle, percentile, report, round_robin

bench_intake.REQUESTS_PER_SECOND_MAX = 25_000
VIEWERS = 50
CONNECTIONS = 128
TOPICS = "live,today,status,alerts"
TILLS = 4
WAIT_S_MAX = 60.0
ANSWERED = "with {} viewers"


class Screen:
    """A stream that somebody watches.

    orders: (when, the day's orders as shown) of each live frame, if it `counts`; fifty browsers
    would read theirs on machines of their own.
    """

    def __init__(self, url: str, key: str, topics: str, *, counts: bool = False) -> None:
        self._url = urlsplit(url)
        self._asked = (
            f"GET /api/v1/stream?topics={topics} HTTP/1.1\r\nhost: {self._url.netloc}\r\n"
            f"authorization: Bearer {key}\r\n\r\n"
        )
        self._counts = counts
        self.frames = 0
        self.orders: list[tuple[float, int]] = []

    async def watch(self) -> None:
        reader, writer = await asyncio.open_connection(
            self._url.hostname, self._url.port, limit=2**24
        )
        try:
            writer.write(self._asked.encode())
            event = b""
            while line := await reader.readline():
                if line.startswith(b"event: "):
                    event = line[len(b"event: ") :].strip()
                elif line.startswith(b"data: "):
                    self.frames += 1
                    if self._counts and event == b"live":
                        shown = json.loads(line[len(b"data: ") :])
                        orders = sum(store["orders"] for store in shown["stores"])
                        self.orders.append((time.monotonic(), orders))
        finally:
            writer.close()


def view(url: str, key: str) -> None:
    """Child process: fifty screens; says `ready` when each shows something, until its end."""

    async def run() -> None:
        screens = [Screen(url, key, TOPICS) for _ in range(VIEWERS)]
        watching = [asyncio.create_task(screen.watch()) for screen in screens]
        while not all(screen.frames for screen in screens):  # noqa: ASYNC110  # a bench's own end
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        await asyncio.gather(*watching)

    import uvloop

    uvloop.run(run())


class Till:
    """Sales through the vendor's API on one kept-open connection."""

    def __init__(self, url: str, location_id: str, goods: list[str]) -> None:
        from cloud_conductor.cli import rehearsal

        found = urlsplit(url)
        self._line = http.client.HTTPConnection(found.hostname or "", found.port, timeout=30)
        self._headers = {
            "authorization": f"Bearer {rehearsal.SQUARE_TOKEN}",
            "content-type": "application/json",
        }
        self._location_id = location_id
        self._goods = goods

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body)
        self._line.request(method, path, sent, self._headers)
        answer = self._line.getresponse()
        told = answer.read()
        assert answer.status == 200, (answer.status, told[:500])
        return json.loads(told)

    def sell(self, number: int) -> None:
        good = self._goods[number % len(self._goods)]
        line = {"catalog_object_id": good, "quantity": "1"}
        order = {"location_id": self._location_id, "line_items": [line]}
        asked = {"idempotency_key": f"bench-{number}-o", "order": order}
        made = self.ask("POST", "/v2/orders", asked)["order"]
        payment = {
            "idempotency_key": f"bench-{number}-p",
            "source_id": "cnon:card-nonce-ok",
            "order_id": made["id"],
            "location_id": self._location_id,
            "amount_money": made["total_money"],
        }
        self.ask("POST", "/v2/payments", payment)


class Place:
    """A product in a folder, its vendor, and a key to look at it."""

    def __init__(self, folder: Path, path: Path, stage: Any) -> None:
        from cloud_conductor.governance import flow
        from cloud_conductor.wiring.house import open_house

        self.folder = folder
        self.path = path
        self.stage = stage
        with open_house(str(path)) as house:
            house.prepare()
            self.notification_url = house.notification_url("square")
            access = house.access_deps
            owner = flow.ensure_owner(access)
            made, _ = flow.make_key(
                access, "bench", owner, "bench", roles=["viewer"], stores=["*"],
                ttl=timedelta(days=1),
            )  # fmt: skip
            self.key = made.text
            self.url = house.console_url

    @contextmanager
    def role(self, name: str) -> Iterator[int]:
        """One of the product's processes, as `conductor up` starts it; its pid."""
        from cloud_conductor.serve.supervisor import announced

        command = [sys.executable, "-m", "cloud_conductor.cli.main", "up", "--role", name]
        with (self.folder / f"{name}.log").open("wb") as talk:
            process = subprocess.Popen(
                [*command, "--config", str(self.path)], stdout=talk, stderr=talk
            )
            try:
                deadline = time.monotonic() + WAIT_S_MAX
                while announced(self.folder / ".conductor", name) is None:
                    assert process.poll() is None, (self.folder / f"{name}.log").read_text()
                    assert time.monotonic() < deadline, f"{name} did not start"
                    time.sleep(0.05)
                yield process.pid
            finally:
                process.terminate()
                process.wait()

    def signature_key(self) -> str:
        from cloud_conductor.wiring.house import open_house

        with open_house(str(self.path)) as house:
            found = house.sealed.get("square.signature_key")
        assert found is not None, "the gateway has subscribed"
        return found


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """A small chain that has opened its stores."""
    from cloud_conductor.cli import rehearsal

    plan = rehearsal.Plan(scenario="chain", seed=1, stores=3, days=1)
    os.environ |= rehearsal.SECRETS
    stage = rehearsal.Stage(plan, folder)
    try:
        path = rehearsal.configure(plan, folder, stage)
        yield Place(folder, path, stage)
    finally:
        stage.stop()


def viewers(found: Place, rounds: int, seconds: float) -> dict[str, float]:
    """What fifty streams cost those who send webhooks."""
    waits: dict[str, list[dict[str, float]]] = {}
    port = str(urlsplit(found.url).port)
    key = found.signature_key()

    def drive(count: int) -> float:
        with watching(found) if count else contextlib.nullcontext():
            told = subprocess.run(
                child("load", port, str(seconds), key, found.notification_url),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        measured: dict[str, float] = json.loads(told.stdout)
        waits.setdefault(ANSWERED.format(count), []).append(measured)
        return measured["p99_ms"]

    variants = {ANSWERED.format(count): (lambda n=count: drive(n)) for count in (0, VIEWERS)}
    for run in variants.values():
        run()  # warm
    waits.clear()
    measured = round_robin(variants, rounds)
    nobody, fifty = ANSWERED.format(0), ANSWERED.format(VIEWERS)
    return {
        f"intake p99_ms {nobody}": middle(measured, nobody),
        f"intake p99_ms {fifty}": middle(measured, fifty),
        f"intake requests/s {nobody}": middle(waits[nobody], "rate"),
        f"intake requests/s {fifty}": middle(waits[fifty], "rate"),
        f"{VIEWERS} viewers: intake p99, with / without": statistics.median(
            one[fifty] / one[nobody] for one in measured
        ),
    }


@contextmanager
def watching(found: Place) -> Iterator[None]:
    """Fifty screens in a process of their own, until the block ends."""
    process = subprocess.Popen(
        child("view", found.url, found.key), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def sale_to_screen(
    found: Place, pace: float, selling_s: float, pids: dict[str, int]
) -> dict[str, float]:
    """Seconds from the vendor's word that a sale is paid to the frame that counts it."""
    from cloud_conductor.cli.demo_console import Shop
    from cloud_conductor.wiring.house import open_house

    with open_house(str(found.path)) as house, Shop(found.stage) as shop:
        shop.run_clocks(house.clock.now())
    location_id = str(found.stage.stores[0]["location_id"])
    first = Till(found.stage.square, location_id, [])
    listed = first.ask("GET", "/v2/catalog/list?types=ITEM")["objects"]
    goods = [
        variation["id"]
        for item in listed
        for variation in item["item_data"]["variations"]
        if variation["item_variation_data"].get("price_money")
    ]
    screen = Screen(found.url, found.key, "live", counts=True)
    loop = asyncio.new_event_loop()
    watching = loop.create_task(screen.watch())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    _until(lambda: bool(screen.orders), "the screen shows something")
    tills = [Till(found.stage.square, location_id, goods) for _ in range(TILLS)]
    warm = int(pace)
    shown = screen.orders[-1][1] + warm
    sell(tills, 0, warm, pace)
    _until(lambda: screen.orders[-1][1] >= shown, "the first sales are on the screen")
    before = {name: bench_intake.cpu_s(pid) for name, pid in pids.items()}
    paid = sell(tills, warm, int(pace * selling_s), pace)
    _until(lambda: screen.orders[-1][1] >= shown + len(paid), "every sale is on the screen")
    used = {name: bench_intake.cpu_s(pid) - before[name] for name, pid in pids.items()}
    watching.add_done_callback(lambda _: loop.stop())
    loop.call_soon_threadsafe(watching.cancel)
    thread.join()
    loop.close()
    waits = []
    for number, at in enumerate(sorted(paid), start=1):
        seen = next(when for when, count in screen.orders if count >= shown + number)
        waits.append(max(0.0, seen - at))
    took_s = max(paid) - min(paid)
    return {
        "sales/s": (len(paid) - 1) / took_s,
        "sale to screen: p50_s": percentile(waits, 0.5),
        "sale to screen: p95_s": percentile(waits, 0.95),
        "sale to screen: p99_s": percentile(waits, 0.99),
        **{f"{name}: CPU ms a sale": 1e3 * took_s / len(paid) for name, took_s in used.items()},
    }


def sell(tills: list[Till], start: int, sales: int, pace: float) -> list[float]:
    """When each of so many sales was paid; the aim is `pace` a second."""
    paid: list[float] = []
    began = time.monotonic()

    def stand(till: Till, numbers: range) -> None:
        for number in numbers:
            rest_s = began + number / pace - time.monotonic()
            if rest_s > 0:
                time.sleep(rest_s)
            till.sell(start + number)
            paid.append(time.monotonic())

    threads = [
        threading.Thread(target=stand, args=(till, range(n, sales, len(tills))))
        for n, till in enumerate(tills)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paid) == sales, "a till failed"
    return paid


def _until(claim: Any, what: str) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not claim():
        assert time.monotonic() < deadline, f"in time: {what}"
        time.sleep(0.05)


def child(*words: str) -> list[str]:
    return [sys.executable, __file__, *words]


def main() -> int:
    if sys.argv[1:2] == ["view"]:
        view(*sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["load"]:
        port, seconds, key, bench_intake.URL = sys.argv[2:]
        bench_intake.KEY = key.encode()
        bench_intake.load(int(port), CONNECTIONS, float(seconds))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--sales", type=float, default=200.0, help="a second")
    parser.add_argument("--selling", type=float, default=10.0, help="seconds")
    given = parser.parse_args()
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        place(Path(folder)) as found,
        found.role("gateway") as gateway,
    ):
        with found.role("worker") as worker:
            pids = {"gateway": gateway, "worker": worker}
            figures |= sale_to_screen(found, given.sales, given.selling, pids)
        figures |= viewers(found, given.rounds, given.seconds)
    cost = figures[f"{VIEWERS} viewers: intake p99, with / without"]
    goals = {
        f"{VIEWERS} viewers cost intake p99 <= 20 %": cost <= 1.2,
        f"sale to screen p95 <= 1 s at {given.sales:g} sales/s": (
            figures["sale to screen: p95_s"] <= 1 and figures["sales/s"] >= 0.95 * given.sales
        ),
    }
    return report("live", figures, goals)


if __name__ == "__main__":
    sys.exit(main())
