"""A thousand runs of the kill matrix, over days of four seeds: every cell at least once."""

import sys
from pathlib import Path

import pytest
from recording import recorded

sys.path.append(str(Path(__file__).parents[1] / "crash"))

from kill_matrix import ROLES, Deal, open_matrix, quick_folder, run_cell

RUNS = 1_000
DAYS = 4
TELL_EVERY = 20


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_in_a_thousand_kills(tmp_path: Path) -> None:
    deal = Deal(seed=1, ends=12)
    with recorded("kill-matrix") as facts:
        facts |= {"runs": 0, "killed": 0, "lost": 0, "doubled": 0, "borders_by_day": {}}
        for day in range(1, DAYS + 1):
            with quick_folder(tmp_path) as folder, open_matrix(folder, seed=day) as played:
                deal.begin(played.borders)
                facts["borders_by_day"][str(day)] = played.borders
                for _ in range(RUNS // DAYS):
                    cell = deal.next()
                    outcome = run_cell(played, cell, seed=facts["runs"])
                    deal.met[cell] += outcome.struck
                    facts["runs"] += 1
                    facts["killed"] += outcome.struck
                    facts["lost"] += outcome.lost
                    facts["doubled"] += outcome.doubled
                    if outcome.lost or outcome.doubled:
                        facts["last_wrong"] = str(cell)
                    if facts["runs"] % TELL_EVERY == 0:
                        facts["cells"] = deal.told()
                        facts.save()
        facts["cells"] = deal.told()
        facts.save()
        assert (facts["runs"], facts["lost"], facts["doubled"]) == (RUNS, 0, 0)
        cells = facts["cells"]
        assert all(cells[role]["met"] == cells[role]["there"] for role in ROLES)
