"""A thousand runs of the kill matrix, over days of four seeds."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from recording import recorded

sys.path.append(str(Path(__file__).parents[1] / "crash"))

from kill_matrix import Run, open_matrix, quick_folder, run_cell

RUNS = 1_000
DAYS = 4
TELL_EVERY = 20


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_in_a_thousand_kills(tmp_path: Path) -> None:
    struck: Counter[str] = Counter()
    with recorded("kill-matrix") as facts:
        for day in range(1, DAYS + 1):
            with quick_folder(tmp_path) as folder, open_matrix(folder, seed=day) as played:
                for number in range(RUNS // DAYS):
                    seed = number * DAYS + day - 1
                    cell = Run.of(seed, RUNS)
                    struck[cell.role] += run_cell(played, cell, seed)
                    facts["runs"] = facts.get("runs", 0) + 1
                    facts |= {"killed": dict(struck), "lost": 0, "doubled": 0}
                    facts["borders"] = played.borders
                    if facts["runs"] % TELL_EVERY == 0:
                        facts.save()
        assert facts["runs"] == RUNS
