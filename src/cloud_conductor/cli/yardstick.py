"""What the demo's year is held against: the physical limit of a stage, the bytes of one day.

A limit is measured on this machine, in this run, on a sample of the same bytes, and scaled up: one
core, or the disk, doing the least that the stage cannot do without.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from cloud_conductor.domain.events import PARTITION, Event
from cloud_conductor.domain.schemas import PARTITIONED

if TYPE_CHECKING:
    from cloud_conductor.adapters.lake.delta import DeltaLake

SAMPLE_EVENTS = 4_000
WRITE_BYTES = 128 * 1024 * 1024
SEALED_DATES = 5
IO = Path("/proc/self/io")


class Spent(msgspec.Struct):
    """What one stage cost us. limit_s: the same bytes through one core and nothing else, if known."""

    stage: str
    cpu_s: float
    wall_s: float
    limit: str = ""
    limit_s: float | None = None


def add_limits(house: Any, spent: Sequence[Spent]) -> None:
    """Write the limit of each stage that has one into `spent`."""
    events, bytes_all, bytes_sample = _sample(house)
    scale = bytes_all / max(1, bytes_sample)
    rate = _write_rate(house.state_dir)
    limits: dict[str, tuple[str, float]] = {
        "read into the log": ("the bytes written once, fsynced", bytes_all / rate),
        "conform": ("typed decode of the bodies, one core", scale * _decode_s(events)),
        "archive": ("zstd over the bodies, one core", scale * _compress_s(events)),
    }
    if house.lake.is_folder:
        rewritten = "the sealed files read and written, one core"
        limits["seal"] = (rewritten, _rewrite_s(house.lake))
    for one in spent:
        if one.stage in limits:
            one.limit, seconds = limits[one.stage]
            one.limit_s = round(seconds, 3)


def one_day(lake: "DeltaLake") -> dict[str, int]:
    """Bytes read to have every row of the year's median day, and of all days, as they were read.

    A fresh handle on the lake; what its tables' logs cost is told apart. Zeros where the system
    does not count a process's reads, and for a bucket, which it does not count.
    """
    from cloud_conductor.adapters.lake.delta import DeltaLake

    is_counted = lake.is_folder and IO.exists()
    sizes = {day: _size(lake, [day]) for day in lake.dates("sales")} if is_counted else {}
    if not sizes:
        return {"log_bytes": 0, "day_bytes": 0, "all_bytes": 0, "files": 0}
    day = sorted(sizes, key=lambda one: sizes[one])[len(sizes) // 2]
    fresh = DeltaLake(lake.root)
    before = _bytes_read()
    files = sum(len(fresh.uris(table, [day])) for table in PARTITIONED)
    opened = _bytes_read()
    for table in PARTITIONED:
        fresh.read(table, [day])
    return {
        "log_bytes": opened - before,
        "day_bytes": _bytes_read() - opened,
        "all_bytes": sum(sizes.values()),
        "files": files,
    }


def _size(lake: "DeltaLake", dates: Sequence[Any]) -> int:
    return sum(Path(uri).stat().st_size for table in PARTITIONED for uri in lake.uris(table, dates))


def _bytes_read() -> int:
    """Bytes this process has asked the system for, from disk or from memory."""
    text = IO.read_text()
    return int(text.partition("rchar:")[2].split()[0])


def _sample(house: Any) -> tuple[list[Event], int, int]:
    """Events spread over the log, the bytes of all bodies (estimated from them), and of these."""
    end = house.log.high_water(PARTITION)
    step = max(1, end // SAMPLE_EVENTS)
    events = house.log.get(range(1, end + 1, step))
    size = sum(len(event.body) for event in events)
    return events, size * end // max(1, len(events)), size


def _write_rate(folder: Path) -> float:
    """Bytes a second of one sequential write with one fsync."""
    block = os.urandom(1024 * 1024)

    def write() -> None:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(WRITE_BYTES // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    return WRITE_BYTES / _wall_s(write)


def _decode_s(events: Sequence[Event]) -> float:
    from cloud_conductor.adapters.pos.square.decode import READERS

    readers = [
        (READERS[event.kind].decoder, event.body) for event in events if event.kind in READERS
    ]

    def decode() -> None:
        for decoder, body in readers:
            decoder.decode(body)

    return _cpu_s(decode)


def _compress_s(events: Sequence[Event]) -> float:
    whole = b"".join(event.body for event in events)
    return _cpu_s(lambda: pa.compress(whole, codec="zstd", asbytes=True))


def _rewrite_s(lake: "DeltaLake") -> float:
    """Reading and writing all live files, from a sample of days."""
    days = lake.dates("sales")
    some = days[:: max(1, len(days) // SEALED_DATES)]
    uris = [uri for table in PARTITIONED for uri in lake.uris(table, some)]

    def rewrite() -> None:
        for uri in uris:
            pq.write_table(pq.read_table(uri, use_threads=False), pa.BufferOutputStream())

    return _cpu_s(rewrite) * len(days) / max(1, len(some))


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _wall_s(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
