"""The kill matrix: every process, every border between two steps, with and without lost replies.

A day of one store is played once. Each run takes up the product's folder as it was before a role,
plays the role in a process that is killed at one border, starts it again, and compares what there
is at the end with what must be: nothing lost, nothing doubled.
"""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import matrix_driver
import pyarrow.parquet as pq
import pytest

from cloud_conductor.accounting import flow
from cloud_conductor.cli import rehearsal
from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.sandbox import http, stage, xero
from cloud_conductor.sandbox.clock import SandboxClock
from cloud_conductor.sandbox.square import DEFAULT_TOKEN, Seller, Settings, simulator
from cloud_conductor.sandbox.square.webhooks import sign
from cloud_conductor.state import accounting as books
from cloud_conductor.wiring.house import House

ROLES = ("gateway", "worker", "scheduler")
WAIT_S = 120.0
SENDERS = 4
TURNS_MAX = 10
HANG_UP = httpx.Timeout(5, read=0)
MEMORY = Path("/dev/shm")  # what a killed process wrote is there, on any file system
SOURCE = "square"
ENVIRON = {
    "SQUARE_TOKEN": rehearsal.SQUARE_TOKEN,
    "XERO_CLIENT_ID": rehearsal.XERO_CLIENT,
    "XERO_CLIENT_SECRET": rehearsal.XERO_SECRET,
}
PRELOADED = (  # what is slow to import; nothing of ours starts a thread by being imported
    "cloud_conductor.wiring.errands",
    "cloud_conductor.serve.gateway",
    "cloud_conductor.adapters.ledger.xero",
    "matrix_driver",
    "uvicorn.lifespan.on",
    "uvloop",
    "pandas",  # pyarrow imports it on first use where it is installed
)
Digests = dict[str, str]


@contextmanager
def quick_folder(otherwise: Path) -> Iterator[Path]:
    """A folder that costs no fsync, where the machine has one."""
    if not MEMORY.is_dir():
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="cc-matrix-", dir=MEMORY) as folder:
        yield Path(folder)


def until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


@dataclass
class Played:
    """A day at the vendor, and the product's folder before each role. borders: by role."""

    folder: Path
    seller: Seller
    truth: dict[str, Any]
    path: Path
    webhooks: set[str] = field(default_factory=set)
    borders: dict[str, int] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    lake: Digests = field(default_factory=dict)

    def before(self, role: str) -> Path:
        return self.folder / f"before-{role}"

    def keep(self, role: str) -> None:
        """Remember the product's folder as it is now for runs of a role."""
        shutil.copytree(self.path.parent, self.before(role))

    def again(self, role: str) -> None:
        """Put the product's folder back to what it was before a role."""
        shutil.rmtree(self.path.parent)
        shutil.copytree(self.before(role), self.path.parent)


@dataclass(frozen=True)
class Run:
    """One cell of the matrix. part: which of the role's borders, 0 (first) to 1 (last)."""

    role: str
    part: float
    loses_reply: bool

    @classmethod
    def of(cls, seed: int, total: int) -> "Run":
        """Roles in turn, borders spread evenly over all runs, every second with lost replies."""
        dice = random.Random(seed)
        return cls(
            ROLES[seed % 3], ((seed // 3) + dice.random()) * 3 / total % 1, dice.random() < 0.5
        )


@contextmanager
def open_matrix(folder: Path, *, seed: int) -> Iterator[Played]:
    """Play a day, and each role once without a kill, keeping the folder before each."""
    told = stage.Plan(
        folder=folder, scenario="chain", seed=seed, stores=1, days=1, orders_per_day=3
    )
    seller = Seller(Settings(seed=seed), clock=SandboxClock(scale=0))
    staged = stage.Stage(told, seller)
    with (
        pytest.MonkeyPatch.context() as patch,
        http.start(simulator(seller, token=DEFAULT_TOKEN, retry_seconds=0.2)) as pos,
        _ledger(seed) as ledger,
    ):
        for name, value in ENVIRON.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # for what the fork server imports
        player = threading.Thread(target=staged.run, daemon=True)
        player.start()
        assert staged.ready.wait(WAIT_S)
        plan = rehearsal.Plan(scenario="chain", seed=seed, stores=1, days=1)
        opened = _Opened(pos.url, ledger, staged.stores())
        product = folder / "product"
        path = rehearsal.configure(plan, product, opened)  # type: ignore[arg-type]
        played = Played(folder, seller, {}, path)
        with House(path) as house:
            house.prepare()
            key = house.pos[SOURCE].subscribe(house.notification_url(SOURCE))
            house.sealed.put(f"{SOURCE}.signature_key", key, now=house.clock.now())
        played.keep("gateway")
        with _running(played, "gateway"):
            staged.go.set()
            player.join(WAIT_S)
            until(lambda: not seller.state.pending, "every webhook is taken")
        played.borders["gateway"] = _crossed(played)
        played.truth = staged.truth
        played.webhooks = _ids(path)
        for role, following in (("worker", "scheduler"), ("scheduler", "")):
            played.keep(role)
            _play(played, role)
            played.borders[role] = _crossed(played)
            if following:
                played.events, played.lake = _ids(path), _digests(path)
        yield played


def run_cell(played: Played, cell: Run, seed: int) -> bool:
    """Kill, start again, judge; gives whether the kill struck."""
    played.again(cell.role)
    kill_at = 1 + int(cell.part * played.borders[cell.role])
    if cell.role == "gateway":
        return _run_gateway(played, kill_at, loses_reply=cell.loses_reply)
    played.seller.state.faults.clear()
    if cell.role == "worker":
        if cell.loses_reply:
            played.seller.state.faults.plan({"lose_reply": {"next": 1, "methods": ["POST"]}})
        struck = _play(played, "worker", kill_at)
        _play(played, "worker")
        assert _ids(played.path) == played.events
        assert _digests(played.path) == played.lake
        check_raw(played.path)
        check_events(played.path)
        return struck
    faults = {"lose_reply": {"probability": 0.4, "path": "/api.xro"}} if cell.loses_reply else {}
    with _ledger(seed, faults) as ledger:
        _point_at(played, ledger)
        struck = _play(played, "scheduler", kill_at)
        _play(played, "scheduler")
        check_ledger(played, ledger)
    check_events(played.path)
    return struck


def _run_gateway(played: Played, kill_at: int, *, loses_reply: bool) -> bool:
    """Every webhook again: to a gateway that dies, then to one that lives."""
    left = {
        name: body.encode()
        for _, body in played.seller.state.events
        if (name := json.loads(body)["event_id"]) in played.webhooks
    }
    hang_up = set(list(left)[::3]) if loses_reply else set()
    with _running(played, "gateway", kill_at) as process:
        _deliver(played, process, left, hang_up)
        struck = not process.is_alive()
    with _running(played, "gateway") as process:
        _deliver(played, process, left, set())
    assert left == {}
    assert _ids(played.path) == played.webhooks
    return struck


def _deliver(
    played: Played, process: Any, left: dict[str, bytes], hang_up: Collection[str]
) -> None:
    """Post what is left until all is acknowledged or nobody listens; `left` keeps the rest.

    hang_up: webhooks whose sender does not wait for the answer, and sends them again.
    """
    with House(played.path) as house:
        url = house.notification_url(SOURCE)
        key = house.sealed.get(f"{SOURCE}.signature_key") or ""
        address = (house.config.gateway.host, house.config.gateway.port)

    def listens() -> bool:
        with socket.socket() as probe:
            return not process.is_alive() or probe.connect_ex(address) == 0

    def post(name: str) -> None:
        body = left[name]
        headers = {"x-square-hmacsha256-signature": sign(key, url, body)}
        try:
            if name in hang_up:
                with contextlib.suppress(httpx.ReadTimeout):
                    client.post(url, content=body, headers=headers, timeout=HANG_UP)
            if client.post(url, content=body, headers=headers).status_code == 200:
                del left[name]
        except httpx.TransportError:
            return

    until(listens, "the gateway listens")
    with httpx.Client(timeout=WAIT_S) as client, ThreadPoolExecutor(SENDERS) as pool:
        while left and process.is_alive():
            list(pool.map(post, list(left)))


@contextmanager
def _running(played: Played, role: str, kill_at: int = 0) -> Iterator[Any]:
    process = _process(played, role, kill_at)
    process.start()
    try:
        yield process
    finally:
        if process.is_alive():
            process.terminate()
        process.join(WAIT_S)
        assert process.exitcode in {0, -signal.SIGTERM, -signal.SIGKILL}, process.exitcode


def _play(played: Played, role: str, kill_at: int = 0) -> bool:
    """Play a role to its end; gives whether it was killed.

    One that gave up for now (replies lost several times in a row) is played again, as the scheduler
    would do a minute later.
    """
    for _ in range(TURNS_MAX):
        process = _process(played, role, kill_at)
        process.start()
        process.join(WAIT_S)
        if process.exitcode != os.EX_TEMPFAIL:
            break
    allowed = {0, -signal.SIGKILL} if kill_at else {0}
    assert process.exitcode in allowed, f"{role} at {kill_at} ended with {process.exitcode}"
    return bool(process.exitcode)


def _process(played: Played, role: str, kill_at: int) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    given = (role, str(played.path), kill_at, ENVIRON, str(played.folder / "borders"))
    return context.Process(target=matrix_driver.play, args=given)


def _crossed(played: Played) -> int:
    return int((played.folder / "borders").read_text())


@dataclass
class _Opened:
    square: str
    xero: str
    stores: list[dict[str, Any]]


@contextmanager
def _ledger(seed: int, faults: dict[str, Any] | None = None) -> Iterator[str]:
    organisation = xero.build(seed=seed, time_scale=rehearsal.TIME_SCALE)
    organisation.faults.plan(faults or {})
    with xero.start(organisation) as running:
        yield running.url


def _point_at(played: Played, ledger: str) -> None:
    """Give the configuration another ledger."""
    lines = played.path.read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("[ledger]"))
    for number in range(at, len(lines)):
        if lines[number].startswith("base_url"):
            lines[number] = f'base_url = "{ledger}/api.xro/2.0"\n'.replace(
                "/api.xro/2.0", _suffix(lines[number])
            )
            break
    played.path.write_text("".join(lines))


def _suffix(line: str) -> str:
    """What follows host and port in the configured address."""
    address = line.split('"')[1]
    return "/" + address.split("/", 3)[3] if address.count("/") > 2 else ""


def _ids(path: Path) -> set[str]:
    with House(path) as house:
        events = house.log.read("0", 0, 100_000)
    names = [event.event_id for event in events]
    assert len(names) == len(set(names)), "an event is in the log twice"
    return set(names)


def _digests(path: Path) -> Digests:
    with House(path) as house:
        return {
            f"{table} {day}": house.lake.digest(table, day)
            for table in PARTITIONED
            for day in house.lake.dates(table)
        }


def check_raw(path: Path) -> None:
    """Every event of the log lies in exactly one raw file."""
    with House(path) as house:
        logged = [event.seq for event in house.log.read("0", 0, 100_000)]
        keys = [key for key in house.raw.list("raw/") if not key.startswith("raw/duplicates")]
        found: list[int] = []
        for key in keys:
            found += pq.ParquetFile(house.raw.url(key)).read(["seq"])["seq"].to_pylist()
    assert sorted(found) == logged


def check_events(path: Path) -> None:
    """INV-16."""
    with House(path) as house:
        count = conform.accounting_of_events(house.conform_deps)[SOURCE]
    assert (count.pending, count.quarantined) == (0, 0)
    assert count.received == count.processed + count.deduplicated


def check_ledger(played: Played, ledger: str) -> None:
    """INV-18: one document per posting key, every entry posted, the audit chain whole."""
    dump = httpx.get(f"{ledger}/sandbox/dump", timeout=30).raise_for_status().json()
    texts = [row["narration"] for row in dump["manual_journals"]]
    texts += [
        f"{row['lines'][0]['description']} {row['reference']}" for row in dump["bank_transactions"]
    ]
    keys = Counter(text.partition("key=")[2][:36] for text in texts)
    with House(played.path) as house:
        with house.books.connect() as connection:
            entries = books.entries(connection)
        assert flow.verify_audit(house.books_deps) is None
    assert {row.state for row in entries} == {"posted"}, [(r.kind, r.state) for r in entries]
    assert all(row.readback_hash == row.content_hash for row in entries)
    assert keys == Counter(row.posting_key for row in entries)
    found = {(row.store, row.business_date, row.kind) for row in entries}
    assert found == {
        (day["store"], day["business_date"], entry["kind"])
        for day in played.truth["store_days"]
        for entry in day["entries"]
    }
