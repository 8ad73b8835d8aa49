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


class Facts(dict[str, Any]):
    """What a soak found so far."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._began, self._cpu = time.monotonic(), sum(os.times()[:4])
        changed = bool(_git("status", "--porcelain", "--untracked-files=no", "--", "src"))
        self._commit = _git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")

    def save(self, *, finished: bool = False) -> None:
        """Write results/<name>.json; a run that was ended early says so."""
        machine = {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load_1m": round(os.getloadavg()[0], 1),
        }
        told = {
            "soak": self._name,
            "finished": finished,
            "commit": self._commit,
            "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "took_s": round(time.monotonic() - self._began, 1),
            "cpu_s": round(sum(os.times()[:4]) - self._cpu, 1),
            "machine": machine,
            **self,
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self._name}.json").write_text(json.dumps(told, indent=1) + "\n")


@contextmanager
def recorded(name: str) -> Iterator[Facts]:
    """Give a dictionary for the facts; written to results/<name>.json when the body succeeds."""
    facts = Facts(name)
    yield facts
    facts.save(finished=True)


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
