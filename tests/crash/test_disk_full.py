"""A disk that is full in the middle of a write: 503, nothing half written, and on with it after."""

import base64
import hmac
import http.client
import json
import os
import random
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from cloud_conductor.adapters.clock import SystemClock
from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.postgres import PostgresLog
from cloud_conductor.adapters.log.sqlite import FREE_BYTES_MIN, SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.adapters.pos.square.webhooks import SquareVerifier
from cloud_conductor.domain.errors import DiskPressure
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.pipelines import worker
from cloud_conductor.ports.log import EventLog
from cloud_conductor.serve.gateway import Door, Gateway, gateway_server

URL = "https://cc.example.com/hooks/square"
KEY = b"sq_key"
MIB = 1024 * 1024
DEADLINE_S = 30.0
SENDERS = 16
WEBHOOKS = 120
PADDING = random.Random(1).randbytes(15_000).hex()  # nothing makes it smaller
PAGES_MAX = 400  # 1.6 MB: some forty of them


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own that is soon full; only where one may mount it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=777", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system may not be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(disk: Path, size_bytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size_bytes}", str(disk)], check=True)


@contextmanager
def serving(log: EventLog) -> Iterator[int]:
    """An intake on a log; gives its port."""
    doors = {"square": Door(SquareVerifier(), (KEY,), URL)}
    server = gateway_server(Gateway(doors, GroupCommitWriter(log), SystemClock()), "127.0.0.1", 0)
    started = threading.Event()
    server.on_started = lambda _: started.set()
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(DEADLINE_S)
    yield server.port
    server.stop()
    thread.join(DEADLINE_S)


def post(port: int, number: int) -> tuple[int, str, str]:
    """Status, code and Retry-After of webhook `number`."""
    told = {"merchant_id": "ML1", "type": "order.updated", "event_id": f"ev-{number}"}
    body = json.dumps(told | {"data": PADDING}).encode()
    signed = base64.b64encode(hmac.digest(KEY, URL.encode() + body, "sha256")).decode()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        line.request("POST", "/hooks/square", body, {"x-square-hmacsha256-signature": signed})
        answer = line.getresponse()
        code = json.loads(answer.read() or b"{}").get("code", "")
        return answer.status, code, answer.headers.get("retry-after", "")
    finally:
        line.close()


def fill(log: EventLog, empty: Callable[[], None]) -> None:
    """Send until it is full, look, make room, and send again what was refused."""
    with serving(log) as port, ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(lambda number: post(port, number), range(WEBHOOKS)))
        taken = {f"ev-{n}" for n, answer in enumerate(answers) if answer[0] == 200}
        assert taken
        assert set(answers) == {(200, "", ""), (503, "CC-105", "5")}
        assert ids(log) == taken, "acknowledged is kept, and nothing else is there"
        empty()
        refused = [number for number in range(WEBHOOKS) if f"ev-{number}" not in taken]
        assert {answer[0] for answer in pool.map(lambda one: post(port, one), refused)} == {200}
    assert ids(log) == {f"ev-{number}" for number in range(WEBHOOKS)}


def ids(log: EventLog) -> set[str]:
    """The ids in the log; each event is whole and there once."""
    found, after = [], 0
    while page := log.read("0", after, 1_000):
        found += page
        after = page[-1].seq
    assert all(json.loads(event.body)["data"] == PADDING for event in found)
    assert len({event.event_id for event in found}) == len(found)
    return {event.event_id for event in found}


def some(count: int) -> list[NewEvent]:
    body = json.dumps({"data": PADDING}).encode()
    return [NewEvent("square", "webhook", "k", f"e-{n}", "m", 0, body) for n in range(count)]


def limit(log: SqliteLog, pages: int) -> None:
    for connection in (log._writer, log._stager):
        connection.execute(f"pragma max_page_count={pages}")


def check_sound(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_database_that_may_not_grow_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    limit(log, PAGES_MAX)
    fill(log, lambda: limit(log, 2**30))
    log.close()
    check_sound(tmp_path / "log.sqlite")


@pytest.mark.parametrize("way", ["append", "stage"])
def test_a_group_that_does_not_fit_is_not_there_by_half(tmp_path: Path, way: str) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(some(3))
    limit(log, PAGES_MAX)
    for _ in range(2):  # the log is not locked after the first
        with pytest.raises(DiskPressure) as full:
            getattr(log, way)(some(200))
        assert full.value.retry_after_s == 5
        assert ids(log) == {"e-0", "e-1", "e-2"}
    limit(log, 2**30)
    assert [one.duplicate for one in log.append(some(200))] == [True] * 3 + [False] * 197
    log.close()
    check_sound(tmp_path / "log.sqlite")


def test_a_disk_that_is_full_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 * MIB) as disk:
        log = SqliteLog(disk / "log.sqlite", free_bytes_min=0)

        fill(log, lambda: resize(disk, 32 * MIB))
        log.close()
        check_sound(disk / "log.sqlite")


def test_before_the_disk_is_full_there_is_still_the_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        log = SqliteLog(disk / "log.sqlite", free_bytes_min=2 * MIB)
        assert len(log.append(some(10))) == 10
        with pytest.raises(DiskPressure, match="are kept in reserve"):
            log.append(some(200))
        free = os.statvfs(disk)
        assert free.f_bavail * free.f_frsize >= 2 * MIB
        resize(disk, 32 * MIB)
        assert len(log.append(some(200))) == 200
        log.close()


def test_a_raw_file_that_does_not_fit_is_not_there_by_half(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", MIB) as disk:
        objects = LocalObjects(disk / "raw")
        assert objects.create("raw/a", b"a" * 1_000)
        with pytest.raises(DiskPressure, match="raw/b could not be written"):
            objects.create("raw/b", b"b" * 2 * MIB)
        assert list(objects.list("")) == ["raw/a"]
        left = [path.name for path in (disk / "raw").rglob("*") if path.is_file()]
        assert left == ["a"], "nor aside"
        assert objects.create("raw/b", b"b" * 1_000)


def test_the_worker_stops_while_the_intake_has_room_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 * MIB) as disk:
        deps: Any = SimpleNamespace(folder=disk)
        assert worker.FREE_BYTES_MIN > FREE_BYTES_MIN
        with pytest.raises(DiskPressure, match="to the intake"):
            worker._check_space(deps)
        resize(disk, worker.FREE_BYTES_MIN + MIB)
        worker._check_space(deps)


@pytest.mark.postgres
def test_a_postgres_that_is_full_refuses_what_it_cannot_keep(postgres_server: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cc-full-") as folder,
        small_disk(Path(folder) / "disk", 24 * MIB) as disk,
        psycopg.connect(postgres_server, autocommit=True) as server,
    ):
        Path(folder).chmod(0o755)
        (disk / "space").mkdir()
        row = server.execute("show data_directory").fetchone()
        assert row is not None
        owner = Path(row[0]).stat()
        os.chown(disk / "space", owner.st_uid, owner.st_gid)
        server.execute(f"create tablespace small location '{disk}/space'")
        server.execute("create database small tablespace small")
        base, _, query = postgres_server.partition("?")
        try:
            log = PostgresLog(f"{base.rpartition('/')[0]}/small?{query}")
            with (disk / "ballast").open("wb") as ballast:  # all but two MiB of what is left
                ballast.write(
                    bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 2 * MIB)
                )
            fill(log, lambda: resize(disk, 64 * MIB))
            log.close()
        finally:
            server.execute("drop database small with (force)")
            server.execute("drop tablespace small")
