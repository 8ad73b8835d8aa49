"""The garbage collector of a process whose rows and records make no cycles: asked less often."""

import atexit
import gc
from functools import cache

ROWS = (50_000, 20, 20)
"""For passes over a day's records: looking cost a tenth of the CPU of a year (bench_year)."""
REQUESTS = (20_000, 20, 100)
"""For a door: a request makes no cycles, and looking cost 3 us of CPU each (bench_intake)."""


@cache
def spare(thresholds: tuple[int, int, int]) -> None:
    """Once a process: what start-up made is never looked at again, the rest less often.

    What is frozen would not be taken apart at the end, and DuckDB would tell of it as leaked: it is
    given back to the collector first.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)
    atexit.register(gc.unfreeze)
