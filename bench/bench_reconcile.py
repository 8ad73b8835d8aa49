"""Reconciliation: two sets of a million records each, of which 0.1 % differ. Which ones?

The limit. A record is a key of two texts (store, 24 characters of sale id) and two integers: 49 B.
Reading both sides once is 98 MB, 10 ms at the 10 GB/s one core reads memory with. An exact answer by
a join must also put a million keys into a hash table and look a million up in it: each is a miss of
the cache, some 80 ns, so 160 ms on one core. A digest needs no table of keys: it mixes 7 words a row
at 0.5 ns a word, and adds to one of 65,536 sums, which stay in the cache: 10 ns a record, 20 ms for
both sides. What differs is then 1.6 % of the rows.

Variants, round-robin in one run, the same Arrow tables in memory, the right side shuffled:
  ours     accounting.digests.compare: digests per bucket, rows only where digests differ; one thread
  duckdb   full join on the key, rows whose values differ; all cores
  pandas   outer merge with indicator, rows whose values differ
  exactly  accounting.digests.exactly: every row compared, as the nightly check does

Goals: exactly the planted differences; >= 30x pandas and >= 4x DuckDB in the same run; ten million
against ten million from files within 4 GB (`--large`, a process of its own; its peak is reported).

    python bench/bench_reconcile.py [--rounds 5] [--rows 1000000] [--large 10000000]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import middle, ratio, report, round_robin

from cloud_conductor.accounting.digests import (
    Compared,
    Rows,
    buckets_for,
    compare,
    exactly,
    rows_of,
)

KEY, VALUES = ["store", "sale_id"], ["version", "amount_minor"]
EVERY = 1_000  # one record in so many differs
STORES = 457
ID_CHARS = 24
PART_ROWS = 1_000_000
MEMORY_BYTES_MAX = 4 * 1024**3
OVER_PANDAS, OVER_DUCKDB = 30.0, 4.0

FULL_JOIN = """
select * from l full join r using (store, sale_id)
where l.version is distinct from r.version or l.amount_minor is distinct from r.amount_minor
"""


def records(rows: int, *, seed: int) -> pa.Table:
    """Random records; the same seed gives the same."""
    dice = np.random.default_rng(seed)
    letters = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
    text = letters[dice.integers(0, 32, size=rows * ID_CHARS, dtype=np.uint8)]
    ends = np.arange(rows + 1, dtype=np.int32) * ID_CHARS
    ids = pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(text.tobytes())]
    )
    stores = pa.array([f"store-{number:03}" for number in range(STORES)])
    return pa.table(
        {
            "store": stores.take(pa.array(dice.integers(0, STORES, rows))),
            "sale_id": ids,
            "version": pa.array(dice.integers(1, 5, rows)),
            "amount_minor": pa.array(dice.integers(100, 100_000, rows)),
        }
    )


def other_side(left: pa.Table, *, seed: int) -> tuple[pa.Table, set[tuple[str, str]]]:
    """The same records shuffled, one in EVERY changed or left out; and which those are."""
    dice = np.random.default_rng(seed)
    planted = dice.choice(left.num_rows, left.num_rows // EVERY, replace=False)
    lost, changed = np.split(planted, [len(planted) // 2])
    amounts = left["amount_minor"].to_numpy().copy()
    amounts[changed] += 1
    kept = np.setdiff1d(np.arange(left.num_rows), lost)
    dice.shuffle(kept)
    right = left.set_column(3, "amount_minor", pa.array(amounts)).take(pa.array(kept))
    return right.combine_chunks(), keys_of(left.take(pa.array(planted)))


def keys_of(rows: pa.Table) -> set[tuple[str, str]]:
    return set(zip(rows["store"].to_pylist(), rows["sale_id"].to_pylist(), strict=True))


def in_pandas(left: pa.Table, right: pa.Table) -> Callable[[], int]:
    ours, theirs = left.to_pandas(), right.to_pandas()

    def merge() -> int:
        both = ours.merge(theirs, on=KEY, how="outer", indicator=True)
        differs = both["_merge"] != "both"
        for name in VALUES:
            differs |= both[f"{name}_x"] != both[f"{name}_y"]
        return len(both[differs])

    return merge


def measure(rows: int, rounds: int, large: int) -> int:
    left = records(rows, seed=1)
    right, planted = other_side(left, seed=2)
    sides = rows_of(left), rows_of(right)
    memory = duckdb.connect()
    memory.register("l", left)
    memory.register("r", right)
    merge = in_pandas(left, right)

    def per_second(run: Callable[[], int]) -> Callable[[], float]:
        def timed() -> float:
            start = time.perf_counter()
            assert run() == len(planted)
            return 2 * rows / (time.perf_counter() - start)

        return timed

    def by(way: Callable[..., Compared]) -> Callable[[], int]:
        return lambda: len(
            keys_of(way(*sides, key=KEY, values=VALUES, buckets=buckets_for(rows)).rows)
        )

    variants = {
        "ours": per_second(by(compare)),
        "duckdb": per_second(lambda: memory.sql(FULL_JOIN).to_arrow_table().num_rows),
        "pandas": per_second(merge),
        "exactly": per_second(by(exactly)),
    }
    for run in (variants["ours"], variants["duckdb"]):
        run()  # warm
    measured = round_robin(variants, rounds)
    compared = compare(*sides, key=KEY, values=VALUES, buckets=buckets_for(rows))
    figures = {f"{name} records/s": round(middle(measured, name)) for name in variants}
    figures |= {
        "ours over pandas": ratio(measured, "ours", "pandas"),
        "ours over duckdb": ratio(measured, "ours", "duckdb"),
        "planted": len(planted),
        "records opened": compared.opened,
    }
    goals = {
        "exactly the planted differences": keys_of(compared.rows) == planted,
        f">= {OVER_PANDAS:.0f}x pandas": figures["ours over pandas"] >= OVER_PANDAS,
        f">= {OVER_DUCKDB:.0f}x DuckDB": figures["ours over duckdb"] >= OVER_DUCKDB,
    }
    if large:
        told = in_files(large)
        figures |= told
        goals["10M against 10M within 4 GB"] = told["large: peak bytes"] <= MEMORY_BYTES_MAX
        goals["10M against 10M: exactly the planted"] = told["large: planted and found"]
    return report("reconcile", figures, goals)


def in_files(rows: int) -> dict[str, int | float | bool]:
    """Two sets in Parquet files compared by a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        planted = 0
        for part, start in enumerate(range(0, rows, PART_ROWS)):
            left = records(min(PART_ROWS, rows - start), seed=100 + part)
            right, keys = other_side(left, seed=200 + part)
            planted += len(keys)
            for side, table in (("left", left), ("right", right)):
                pq.write_table(table, Path(folder, f"{side}-{part:03}.parquet"), compression="none")
            del left, right
        told = subprocess.run(
            [sys.executable, __file__, "large", folder, str(rows)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(told.stdout)
    return {
        "large: records of both sides": found["records"],
        "large: seconds": found["seconds"],
        "large: peak bytes": found["peak_bytes"],
        "large: planted and found": found["keys"] == planted,
    }


def side_in(folder: str, side: str) -> Rows:
    def batches() -> Iterator[pa.RecordBatch]:
        for path in sorted(Path(folder).glob(f"{side}-*.parquet")):
            yield from pq.ParquetFile(path).iter_batches(256 * 1024)

    return batches


def large(folder: str, rows: int) -> None:
    """Child process: compare what lies in a folder and say what it took."""
    start = time.perf_counter()
    compared = compare(
        side_in(folder, "left"),
        side_in(folder, "right"),
        key=KEY,
        values=VALUES,
        buckets=buckets_for(rows),
    )
    told = {
        "records": compared.left_rows + compared.right_rows,
        "seconds": round(time.perf_counter() - start, 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "keys": len(keys_of(compared.rows)),
    }
    print(json.dumps(told), flush=True)


def main() -> int:
    if sys.argv[1:2] == ["large"]:
        large(sys.argv[2], int(sys.argv[3]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    given = parser.parse_args()
    try:
        import pandas as pd  # noqa: F401
    except ImportError:
        print("pandas is not installed; run: uv sync --group bench", file=sys.stderr)
        return 3
    return measure(given.rows, given.rounds, given.large)


if __name__ == "__main__":
    sys.exit(main())
