"""Windows: sale lines as JSON text in, sums per store, department and five minutes out.

The limit. A line is 236 B of JSON. Arrow's reader takes 0.5 s of CPU to find the members of a
million lines and as much again to make columns of eleven of them, on as many cores as there are.
Adding up takes 0.2 s on one: texts to numbers, one look-up of (store, department, currency, window),
sums, and a sort of (that, order) for distinct orders. Two cores so take 0.5 + 0.2 s for a million.
DuckDB's reader takes half of Arrow's CPU, but reads 2.7 as 3, "7" as 7 and true as 1 where a whole
number of cents is due (R-1.1); Arrow's refuses all three.

Variants, round-robin in one run, on the same bytes:
  ours    windows.tumbling: lines_of_json + tumbling, a million lines a batch
  duckdb  read_json, time_bucket, group by, count(distinct), all cores
  python  what a cloud function does: json.loads a line, a dictionary of sums and of order ids

Goals: >= 1,000,000 events/s; the sums of the windows are the sums of the input, to the cent, and the
counts and sums are those of the plain loop.

This is the arithmetic of windows alone. The worker's own speed is that of decoding the vendor's
orders (bench_conform), of which a line is a seventh.

    python bench/bench_windows.py [--rounds 5] [--lines 1000000]
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from harness import middle, ratio, report, round_robin

from cloud_conductor.windows.tumbling import SUMS, WINDOW_US, lines_of_json, tumbling

GOAL = 1_000_000
STORES, DEPARTMENTS, LINES_PER_ORDER = 100, 12, 4
HOURS = 14
PYTHON_SHARE = 0.1
DAY_US = int(datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp()) * 1_000_000

Cells = dict[tuple[str, str, int], tuple[int, int, int]]
"""(store, department, start) -> net, quantity, distinct orders with a line sold"""

IN_DUCKDB = f"""
select store, department, (occurred_us // {WINDOW_US}) * {WINDOW_US} as start_us,
  sum(net_minor) as net_minor, sum(quantity) as quantity, sum(gross_minor) as gross_minor,
  sum(discount_minor) as discount_minor, sum(tax_minor) as tax_minor,
  count(distinct sale_id) filter (where event = 'sale') as sales,
  count(distinct sale_id) filter (where event = 'return') as returns
from read_json('{{path}}', format = 'newline_delimited', columns = {{{{
  store: 'varchar', department: 'varchar', currency: 'varchar', occurred_us: 'bigint',
  sale_id: 'varchar', event: 'varchar', quantity: 'bigint', gross_minor: 'bigint',
  discount_minor: 'bigint', net_minor: 'bigint', tax_minor: 'bigint' }}}})
group by all
"""


def text(lines: int) -> bytes:
    """A day of a chain as JSON, an order's lines together, orders in the order of a busy network."""
    dice = random.Random(5)
    found = []
    for _ in range(lines // LINES_PER_ORDER):
        store = f"store-{dice.randrange(STORES):03}"
        sale_id = f"{dice.getrandbits(96):024x}"
        at_us = DAY_US + dice.randrange(HOURS * 3_600_000_000)
        for _ in range(LINES_PER_ORDER):
            sign, event = (-1, "return") if dice.random() < 0.05 else (1, "sale")
            gross = dice.randrange(99, 9_999)
            discount = dice.randrange(0, 99)
            found.append(
                f'{{"store":"{store}","department":"dept-{dice.randrange(DEPARTMENTS):02}",'
                f'"currency":"USD","occurred_us":{at_us},"sale_id":"{sale_id}","event":"{event}",'
                f'"quantity":{sign * dice.randrange(1, 5) * 1_000_000},"gross_minor":{sign * gross},'
                f'"discount_minor":{sign * discount},"net_minor":{sign * (gross - discount)},'
                f'"tax_minor":{sign * gross // 12}}}'
            )
    return "\n".join(found).encode()


def ours(data: bytes) -> pa.Table:
    return tumbling(lines_of_json(data))


def in_python(rows: list[bytes]) -> Cells:
    net: dict[tuple[str, str, int], int] = defaultdict(int)
    quantity: dict[tuple[str, str, int], int] = defaultdict(int)
    orders: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for row in rows:
        line = json.loads(row)
        key = (line["store"], line["department"], line["occurred_us"] // WINDOW_US * WINDOW_US)
        net[key] += line["net_minor"]
        quantity[key] += line["quantity"]
        if line["event"] == "sale":
            orders[key].add(line["sale_id"])
    return {key: (net[key], quantity[key], len(orders[key])) for key in net}


def cells_of(table: pa.Table) -> Cells:
    names = ("store", "department", "start_us", "net_minor", "quantity", "sales")
    columns = (table[name].to_pylist() for name in names)
    return {
        (one, two, at): (int(net), int(qty), sales)
        for one, two, at, net, qty, sales in zip(*columns, strict=True)
    }


def cpu_s(run: Callable[[], object]) -> float:
    """Seconds of CPU, of all threads: what other people's load on the machine moves least."""
    began_s = time.process_time()
    run()
    return time.process_time() - began_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=1_000_000)
    given = parser.parse_args()
    data = text(given.lines)
    rows = data.split(b"\n")
    some = rows[: int(len(rows) * PYTHON_SHARE)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lines.json")
        path.write_bytes(data)
        memory = duckdb.connect()

        def per_second(run: Callable[[], object], lines: int) -> Callable[[], float]:
            def timed() -> float:
                start = time.perf_counter()
                run()
                return lines / (time.perf_counter() - start)

            return timed

        def duck() -> pa.Table:
            return memory.sql(IN_DUCKDB.format(path=path)).to_arrow_table()

        variants = {
            "ours": per_second(lambda: ours(data), len(rows)),
            "duckdb": per_second(duck, len(rows)),
            "python": per_second(lambda: in_python(some), len(some)),
        }
        found, lines = ours(data), lines_of_json(data)
        agrees = cells_of(found) == cells_of(duck())
        agrees &= cells_of(ours(b"\n".join(some))) == in_python(some)
        reading_s = min(cpu_s(lambda: lines_of_json(data)) for _ in range(given.rounds))
        summing_s = min(cpu_s(lambda: tumbling(lines)) for _ in range(given.rounds))
        sums = all(pc.sum(found[name]) == pc.sum(lines[name]) for name in SUMS)
        measured = round_robin(variants, given.rounds)
    figures = {f"{name} events/s": round(middle(measured, name)) for name in variants}
    figures |= {
        "CPU s a million lines: reading, on all cores": round(reading_s * 1e6 / len(rows), 3),
        "CPU s a million lines: summing, on one": round(summing_s * 1e6 / len(rows), 3),
        "events/s that two idle cores would do": round(len(rows) / (reading_s / 2 + summing_s)),
        "bytes a line": round(len(data) / len(rows)),
        "cells": found.num_rows,
        "ours over duckdb": ratio(measured, "ours", "duckdb"),
        "ours over python": ratio(measured, "ours", "python"),
    }
    goals = {
        "ours >= 1,000,000 events/s": figures["ours events/s"] >= GOAL,
        "its CPU allows 1,000,000 events/s on two cores": reading_s / 2 + summing_s
        <= len(rows) / GOAL,
        "sums of windows = sums of input": sums,
        "the same cells as DuckDB and as a plain loop": agrees,
    }
    return report("windows", figures, goals)


if __name__ == "__main__":
    sys.exit(main())
