"""Conform and seal the log of a folder; die without a word at the step given by number."""

import os
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cloud_conductor.conform.flow import run_conform, run_seal
from conform_events import House, store


def main(folder: str, die_at: int) -> None:
    with House(Path(folder), [store()], events_per_batch=20) as house:
        steps = 0

        def step(_name: str) -> None:
            nonlocal steps
            steps += 1
            if steps == die_at:
                os._exit(9)

        object.__setattr__(house.deps, "step", step)
        run_conform(house.deps)
        for day in house.dates():
            run_seal(house.deps, date.fromisoformat(str(day)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
