"""What a soak found, beside the tests: one file each, with the commit it was run on."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@contextmanager
def recorded(name: str) -> Iterator[dict[str, Any]]:
    """Give a dictionary for the facts; written to results/<name>.json when the body succeeds."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = bool(_git("status", "--porcelain", "--untracked-files=no", "--", "src"))
    began, cpu = time.monotonic(), os.times()
    facts: dict[str, Any] = {}
    yield facts
    spent = os.times()
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_1m": round(os.getloadavg()[0], 1),
    }
    told = {
        "soak": name,
        "commit": f"{commit}{' with changes' if changed else ''}",
        "run_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_s": round(time.monotonic() - began, 1),
        "cpu_s": round(sum(spent[:4]) - sum(cpu[:4]), 1),
        "machine": machine,
        **facts,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
