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
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import matrix_driver
import psycopg
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
SENDERS = 4  # and so at most as many new webhooks in a group of the log
GROUP_BORDERS = 4  # before and after it is put, before and after it is durable; in PostgreSQL two
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


@dataclass(frozen=True)
class Database:
    """A database of a PostgreSQL server that the product keeps its state in, and copies of it."""

    server: str
    name: str

    @property
    def url(self) -> str:
        base, _, query = self.server.partition("?")
        place = base.rpartition("/")[0].replace("postgresql://", "postgresql+psycopg://")
        return f"{place}/{self.name}?{query}"

    def copy(self, source: str, to: str) -> None:
        """Nobody is connected to either; what was there before is gone."""
        self.run(f"drop database if exists {self.name}{to} with (force)")
        self.run(f"create database {self.name}{to} template {self.name}{source}")

    def drop(self) -> None:
        for name in ("", *(f"_{role}" for role in ROLES)):
            self.run(f"drop database if exists {self.name}{name} with (force)")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)


@dataclass
class Played:
    """A day at the vendor, and what the product has before each role. borders: by role."""

    folder: Path
    seller: Seller
    truth: dict[str, Any]
    path: Path
    webhooks: set[str] = field(default_factory=set)
    borders: dict[str, int] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    lake: Digests = field(default_factory=dict)
    database: Database | None = None

    def before(self, role: str) -> Path:
        return self.folder / f"before-{role}"

    def keep(self, role: str) -> None:
        """Remember what the product has now for runs of a role."""
        shutil.copytree(self.path.parent, self.before(role))
        if self.database is not None:
            self.database.copy("", f"_{role}")

    def again(self, role: str) -> None:
        """Put everything back to what it was before a role."""
        shutil.rmtree(self.path.parent)
        shutil.copytree(self.before(role), self.path.parent)
        if self.database is not None:
            self.database.copy(f"_{role}", "")


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix. border: the n-th crossing of the role's process, from 1."""

    role: str
    border: int
    loses_reply: bool


@dataclass
class Outcome:
    """What a run came to. struck: the kill did. lost, doubled: counted at the end, over all kept.

    What is counted: webhooks acknowledged, events in the log, events in raw files, documents in the
    ledger.
    """

    struck: bool = False
    lost: int = 0
    doubled: int = 0

    def count(self, wanted: Iterable[Any], found: Iterable[Any]) -> None:
        """Add what is missing of what must be there, and what is there besides."""
        must, there = Counter(wanted), Counter(found)
        self.lost += (must - there).total()
        self.doubled += (there - must).total()


class Deal:
    """Deals the cells so that none is met twice before each was tried once, on whatever day.

    Days differ in how many borders they have: `ends` of each role's last ones are dealt first, while
    the day is there that has them.
    """

    def __init__(self, seed: int, ends: int = 0) -> None:
        self._dice = random.Random(seed)
        self._ends = ends
        self.tried: Counter[Cell] = Counter()
        self.met: Counter[Cell] = Counter()
        self._left: list[Cell] = []
        self.cells: set[Cell] = set()

    def begin(self, borders: dict[str, int]) -> None:
        """Take up a day that has these borders."""
        self._left = [
            Cell(role, border, loses_reply)
            for role in ROLES
            for border in range(1, borders[role] + 1)
            for loses_reply in (False, True)
        ]
        self._dice.shuffle(self._left)
        self._left.sort(key=lambda one: one.border <= borders[one.role] - self._ends)
        self.cells |= set(self._left)

    def next(self, roles: Collection[str] = ROLES) -> Cell:
        """The cell tried least of these roles; of those, one that no kill has struck yet."""
        cells = (cell for cell in self._left if cell.role in roles)
        cell = min(cells, key=lambda one: (self.tried[one], self.met[one]))
        self.tried[cell] += 1
        return cell

    def told(self) -> dict[str, Any]:
        """Cells met and cells there by role, and how many kills struck at each border in order."""
        told: dict[str, Any] = {}
        for role in ROLES:
            cells = [cell for cell in self.cells if cell.role == role]
            told[role] = {"met": sum(self.met[cell] > 0 for cell in cells), "there": len(cells)}
            for loses_reply, name in ((False, "replies kept"), (True, "replies lost")):
                row = sorted(cell.border for cell in cells if cell.loses_reply == loses_reply)
                kills = (str(self.met[Cell(role, border, loses_reply)]) for border in row)
                told[role][name] = " ".join(kills)
        return told


@contextmanager
def open_matrix(folder: Path, *, seed: int, database: Database | None = None) -> Iterator[Played]:
    """Play a day, and each role once without a kill, keeping what there is before each.

    database: where the log and all state are, instead of in the folder.
    """
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
        opened = _Opened(pos.url, ledger, staged.stores(), told.told_by_owner())
        product = folder / "product"
        path = rehearsal.configure(plan, product, opened)  # type: ignore[arg-type]
        played = Played(folder, seller, {}, path, database=database)
        if database is not None:
            path.write_text(f'{path.read_text()}\n[state]\nurl = "{database.url}"\n')
        with House(path) as house:
            house.prepare()
            key = house.pos[SOURCE].subscribe(house.notification_url(SOURCE))
            house.sealed.put(f"{SOURCE}.signature_key", key, now=house.clock.now())
        played.keep("gateway")
        with _running(played, "gateway"):
            staged.go.set()
            player.join(WAIT_S)
            until(lambda: not seller.state.pending, "every webhook is taken")
        played.truth = staged.truth
        played.webhooks = set(_ids(path))
        groups = -(-len(played.webhooks) // SENDERS)
        played.borders["gateway"] = groups * (GROUP_BORDERS if database is None else 2)
        for role, following in (("worker", "scheduler"), ("scheduler", "")):
            played.keep(role)
            _play(played, role)
            played.borders[role] = _crossed(played)
            if following:
                played.events, played.lake = set(_ids(path)), _digests(path)
        yield played


def run_cell(played: Played, cell: Cell, seed: int) -> Outcome:
    """Kill, start again, and count what is there against what must be."""
    played.again(cell.role)
    if cell.role == "gateway":
        return _run_gateway(played, cell)
    played.seller.state.faults.clear()
    outcome = Outcome()
    if cell.role == "worker":
        if cell.loses_reply:
            played.seller.state.faults.plan({"lose_reply": {"next": 1, "methods": ["POST"]}})
        outcome.struck = _play(played, "worker", cell.border)
        _play(played, "worker")
        outcome.count(played.events, _ids(played.path))
        outcome.count(*_raw(played.path))
        assert _digests(played.path) == played.lake
        check_events(played.path)
        return outcome
    faults = {"lose_reply": {"probability": 0.4, "path": "/api.xro"}} if cell.loses_reply else {}
    with _ledger(seed, faults) as ledger:
        _point_at(played, ledger)
        outcome.struck = _play(played, "scheduler", cell.border)
        _play(played, "scheduler")
        outcome.count(*_documents(played, ledger))
        check_books(played)
    check_events(played.path)
    return outcome


def _run_gateway(played: Played, cell: Cell) -> Outcome:
    """Every webhook again: to a gateway that dies, then to one that lives."""
    left = {
        name: body.encode()
        for _, body in played.seller.state.events
        if (name := json.loads(body)["event_id"]) in played.webhooks
    }
    hang_up = set(list(left)[::3]) if cell.loses_reply else set()
    outcome = Outcome()
    with _running(played, "gateway", cell.border) as process:
        _deliver(played, process, left, hang_up)
        outcome.struck = not process.is_alive()
    with _running(played, "gateway") as process:
        _deliver(played, process, left, set())
    assert left == {}
    outcome.count(played.webhooks, _ids(played.path))
    return outcome


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
    owner: dict[str, Any]


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


def _ids(path: Path) -> list[str]:
    """The id of every event in the log."""
    with House(path) as house:
        return [event.event_id for event in house.log.read("0", 0, 100_000)]


def _digests(path: Path) -> Digests:
    with House(path) as house:
        return {
            f"{table} {day}": house.lake.digest(table, day)
            for table in PARTITIONED
            for day in house.lake.dates(table)
        }


def _raw(path: Path) -> tuple[list[int], list[int]]:
    """Every event of the log, and every one that lies in a raw file: the same ones."""
    with House(path) as house:
        logged = [event.seq for event in house.log.read("0", 0, 100_000)]
        keys = [key for key in house.raw.list("raw/") if not key.startswith("raw/duplicates")]
        found: list[int] = []
        for key in keys:
            found += pq.ParquetFile(house.raw.url(key)).read(["seq"])["seq"].to_pylist()
    return logged, found


def check_events(path: Path) -> None:
    """INV-16."""
    with House(path) as house:
        count = conform.accounting_of_events(house.conform_deps)[SOURCE]
    assert (count.pending, count.quarantined) == (0, 0)
    assert count.received == count.processed + count.deduplicated


def _documents(played: Played, ledger: str) -> tuple[list[str], list[str]]:
    """The posting key of every entry, and of every document in the ledger: the same (INV-18)."""
    dump = httpx.get(f"{ledger}/sandbox/dump", timeout=30).raise_for_status().json()
    texts = [row["narration"] for row in dump["manual_journals"]]
    texts += [
        f"{row['lines'][0]['description']} {row['reference']}" for row in dump["bank_transactions"]
    ]
    with House(played.path) as house, house.books.connect() as connection:
        keys = [row.posting_key for row in books.entries(connection)]
    return keys, [text.partition("key=")[2][:36] for text in texts]


def check_books(played: Played) -> None:
    """INV-18: every entry there must be, each posted as it was meant, the audit chain whole."""
    with House(played.path) as house:
        with house.books.connect() as connection:
            entries = books.entries(connection)
        assert flow.verify_audit(house.books_deps) is None
    assert {row.state for row in entries} == {"posted"}, [(r.kind, r.state) for r in entries]
    assert all(row.readback_hash == row.content_hash for row in entries)
    wanted = [
        (day["store"], day["business_date"], entry["kind"])
        for day in played.truth["store_days"]
        for entry in day["entries"]
    ]
    assert sorted((row.store, str(row.business_date), row.kind) for row in entries) == sorted(
        (store, str(day), kind) for store, day, kind in wanted
    )
