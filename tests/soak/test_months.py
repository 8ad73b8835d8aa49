"""Three hundred seeded months of small chains with all faults on, each held against its truth.

MONTHS=300 WORKERS=2 make soak ARGS=tests/soak/test_months.py
"""

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from recording import recorded

E2E = Path(__file__).parents[1] / "e2e"
MONTHS = int(os.environ.get("MONTHS", "300"))
START = int(os.environ.get("START", "0"))
WORKERS = int(os.environ.get("WORKERS", "2"))
MINUTES = float(os.environ.get("MINUTES", "1e6"))


def judge(number: int) -> dict[str, Any]:
    """A month in a process of the pool, which finds the rig beside the end-to-end tests."""
    if str(E2E) not in sys.path:
        sys.path.insert(0, str(E2E))
    from month_judge import judged

    try:
        return judged(number)
    except Exception as error:  # noqa: BLE001  # one month that breaks is told, the others go on
        return {"month": number, "wrong": [f"raised {type(error).__name__}: {error}"]}


@pytest.mark.soak
def test_every_store_day_of_every_month_equals_its_truth():
    told: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")
    with (
        recorded("months") as facts,
        ProcessPoolExecutor(WORKERS, mp_context=spawn, max_tasks_per_child=20) as pool,
    ):
        for one in judged_together(pool):
            told.append(one)
            print(one["month"], one["wrong"], flush=True)
            facts.update(added_up(told))
            facts.save()
    assert facts["wrong"] == {}


def judged_together(pool: ProcessPoolExecutor) -> Iterator[dict[str, Any]]:
    """Months as they come to their end; no new one is begun once the time is up."""
    until = time.monotonic() + 60 * MINUTES
    left, running = iter(range(START, START + MONTHS)), set()
    while True:
        while len(running) < WORKERS and time.monotonic() < until:
            number = next(left, None)
            if number is None:
                break
            running.add(pool.submit(judge, number))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        yield from (one.result() for one in done)


def added_up(told: list[dict[str, Any]]) -> dict[str, Any]:
    """All months together; `wrong`: month -> its differences."""
    sums: dict[str, Counter[str]] = {
        name: Counter()
        for name in ("webhooks", "square_faults", "xero_faults", "weather", "flows", "countries")
    }
    played = [one for one in told if "country" in one]
    for one in played:
        for name, found in sums.items():
            found.update({one["country"]: 1} if name == "countries" else one[name])
    return {
        "months": len(told),
        "first_month": START,
        "wrong": {str(one["month"]): one["wrong"] for one in told if one["wrong"]},
        **{
            name: sum(one[name] for one in played)
            for name in ("store_days", "entries", "figures", "stock", "breaks")
        },
        **{name: dict(sorted(found.items())) for name, found in sums.items()},
    }
