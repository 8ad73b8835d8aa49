"""Conform: raw order bodies to canonical rows in the lake, against a dlt load of the same bodies.

The limit. An order is about 4.9 kB and 5 lines. One core reads JSON into typed values at about
110,000 orders/s and maps them at 120,000/s; Arrow columns and Parquet of some 25 rows an order cost
about as much again. Memory is the trap: 20,000 typed orders kept at once run at a quarter of the
speed, so they are turned into columns 250 at a time. The disk sees a tenth of the input.

Variants, round-robin in one run, one process each, over the same bodies:
  ours     log -> decode, contract, arithmetic, tax split -> Delta tables, fsynced, state committed
  decode   the decode alone, as Arrow tables: what one core does before anything is written
  dlt      `dlt` filesystem destination, Parquet, nested lists as child tables (its defaults)

Goals: ours >= 5x dlt; decode >= 100,000 sale lines/s on one core.

    python bench/bench_conform.py [--rounds 3] [--orders 8000]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import time as local_time
from pathlib import Path

from harness import middle, ratio, report, round_robin
from orders import bodies, lines_in

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.pos.square.decode import SquareDecoder
from cloud_conductor.conform.flow import ConformDeps, run_conform
from cloud_conductor.domain.events import Event, NewEvent
from cloud_conductor.domain.stores import Store, TaxSplit
from cloud_conductor.state.engine import open_engine
from cloud_conductor.state.tables import WORKER
from cloud_conductor.state.tables import conform as _conform_tables  # noqa: F401  # registers

GAIN_GOAL, LINES_GOAL = 5.0, 100_000
SPLIT = TaxSplit("NYC sales tax", (("STATE", "4"), ("CITY", "4.5"), ("DISTRICT", "0.375")))
STORE = Store(
    "NYC01", "square", "L1", "America/New_York", local_time(4), "USD", tax_splits=(SPLIT,)
)
RECEIVED_US = 1_797_000_000_000_000


def new_events(found: list[bytes]) -> list[NewEvent]:
    return [
        NewEvent("square", "api", "order", f"order:{at}", "M1", RECEIVED_US, body)
        for at, body in enumerate(found)
    ]


def decode(found: list[bytes]) -> float:
    """Lines a second from bodies to Arrow."""
    events = [
        Event(seq=at, **{name: getattr(one, name) for name in NewEvent.__struct_fields__})
        for at, one in enumerate(new_events(found), start=1)
    ]
    start = time.perf_counter()
    tables = SquareDecoder().decode(events, {"L1": STORE}, {}).tables
    seconds = time.perf_counter() - start
    return float(tables["sale_lines"].num_rows / seconds)


def ours(found: list[bytes]) -> float:
    """Lines a second from the log to durable Delta tables."""
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteLog(Path(folder) / "log.sqlite")
        log.append(new_events(found))
        engine = open_engine(f"sqlite:///{folder}/worker.sqlite")
        WORKER.create_all(engine)
        lake = DeltaLake(Path(folder) / "lake")
        deps = ConformDeps(log, lake, engine, {"square": SquareDecoder()}, [STORE])
        start = time.perf_counter()
        result = run_conform(deps)
        seconds = time.perf_counter() - start
        assert (result.events, result.quarantined) == (len(found), 0)
        log.close()
        engine.dispose()
    return lines_in(found) / seconds


def dlt_load(found: list[bytes]) -> float:
    """Lines a second of a dlt pipeline over the same documents, parsing included."""
    import dlt

    with tempfile.TemporaryDirectory() as folder:
        destination = dlt.destinations.filesystem(f"file://{folder}/lake")
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=f"{folder}/pipelines", destination=destination
        )
        start = time.perf_counter()
        pipeline.run(
            (json.loads(body) for body in found), table_name="orders", loader_file_format="parquet"
        )
        seconds = time.perf_counter() - start
    return lines_in(found) / seconds


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--orders", type=int, default=8_000)
    given = arguments.parse_args()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    try:
        import dlt  # noqa: F401
    except ImportError:
        sys.exit("dlt is missing: uv sync --group bench")
    found = bodies(given.orders)
    few = found[: max(1, given.orders // 4)]  # dlt is slow; its rate does not fall with size
    decode(few)
    ours(few)
    rounds = round_robin(
        {
            "ours": lambda: ours(found),
            "decode": lambda: decode(found),
            "dlt": lambda: dlt_load(few),
        },
        given.rounds,
    )
    gain, rate = ratio(rounds, "ours", "dlt"), middle(rounds, "decode")
    figures = {f"{name} lines/s": round(middle(rounds, name)) for name in ("ours", "decode", "dlt")}
    figures |= {
        "bytes an order": round(sum(map(len, found)) / len(found)),
        "lines an order": lines_in(found) / len(found),
        "ours over dlt": gain,
    }
    goals = {
        f"ours >= {GAIN_GOAL:.0f}x dlt": gain >= GAIN_GOAL,
        f"decode >= {LINES_GOAL:,} lines/s on one core": rate >= LINES_GOAL,
    }
    return report("conform", figures, goals)


if __name__ == "__main__":
    sys.exit(main())
