"""What every bench shares: the machine's line, ratios measured in one run, committed results.

Absolute times on a shared machine move by 2x and more, so a bench measures its variants
round-robin in one run and reports the median over rounds of the ratio within each round.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
Rounds = list[dict[str, float]]


def machine() -> dict[str, Any]:
    """Where and on what a result was measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _text("/proc/cpuinfo").splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or "unknown",
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
        "commit": _commit(),
    }


def round_robin(variants: Mapping[str, Callable[[], float]], rounds: int) -> Rounds:
    """Measure every variant once per round; the order turns, so none is always first."""
    names = list(variants)
    found: Rounds = []
    for number in range(rounds):
        turned = names[number % len(names) :] + names[: number % len(names)]
        found.append({name: variants[name]() for name in turned})
        told = "  ".join(f"{name} {found[-1][name]:,.0f}" for name in names)
        print(f"round {number + 1}/{rounds}: {told}", file=sys.stderr, flush=True)
    return found


def ratio(rounds: Rounds, over: str, under: str) -> float:
    """Median over rounds of `over` / `under` within the round."""
    return statistics.median(one[over] / one[under] for one in rounds)


def middle(rounds: Rounds, name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile; share 0.99 is p99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(name: str, figures: Mapping[str, Any], goals: Mapping[str, bool]) -> int:
    """Print and keep a result as `results/<name>.json`. Exit status: 0 when every goal is met."""
    RESULTS.mkdir(exist_ok=True)
    result = {"bench": name, "machine": machine(), "figures": figures, "goals": goals}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    for key, value in figures.items():
        print(f"{key:44} {value:,.2f}" if isinstance(value, float) else f"{key:44} {value}")
    for goal, met in goals.items():
        print(f"{'met   ' if met else 'MISSED'}  {goal}")
    return 0 if all(goals.values()) else 1


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "none"


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
