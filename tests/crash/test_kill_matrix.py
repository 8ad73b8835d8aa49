"""kill -9 at every border of every process: 40 runs here, 1,000 in `make soak`."""

from collections import Counter
from pathlib import Path

import pytest
from kill_matrix import ROLES, Run, open_matrix, quick_folder, run_cell

RUNS = 40


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_wherever_a_process_dies(tmp_path: Path) -> None:
    struck: Counter[str] = Counter()
    with quick_folder(tmp_path) as folder, open_matrix(folder, seed=1) as played:
        assert all(played.borders[role] > 10 for role in ROLES), played.borders
        for seed in range(RUNS):
            cell = Run.of(seed, RUNS)
            struck[cell.role] += run_cell(played, cell, seed)
    assert all(struck[role] >= RUNS // 6 for role in ROLES), struck
