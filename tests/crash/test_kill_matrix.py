"""kill -9 at every border of every process: 40 runs here, 1,000 in `make soak`."""

from collections import Counter
from pathlib import Path

import pytest
from kill_matrix import (
    ROLES,
    Cell,
    Database,
    Deal,
    Outcome,
    open_matrix,
    quick_folder,
    run_cell,
)

RUNS = 40
RUNS_ELSEWHERE = 6


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_wherever_a_process_dies(tmp_path: Path) -> None:
    deal = Deal(seed=1)
    with quick_folder(tmp_path) as folder, open_matrix(folder, seed=1) as played:
        assert all(played.borders[role] > 10 for role in ROLES), played.borders
        deal.begin(played.borders)
        for number in range(RUNS):
            cell = deal.next(roles=(ROLES[number % 3],))
            outcome = run_cell(played, cell, number)
            deal.met[cell] += outcome.struck
            assert (outcome.lost, outcome.doubled) == (0, 0), cell
    struck = Counter(cell.role for cell in deal.met.elements())
    assert all(struck[role] >= RUNS // 6 for role in ROLES), struck
    assert len(deal.tried) == RUNS, "no cell is tried twice before each was tried once"


@pytest.mark.slow
@pytest.mark.postgres
def test_nothing_is_lost_or_doubled_with_log_and_state_in_postgres(
    tmp_path: Path, postgres_server: str
) -> None:
    deal, database = Deal(seed=2), Database(postgres_server, "cc_matrix")
    database.run(f"create database {database.name}")
    try:
        with (
            quick_folder(tmp_path) as folder,
            open_matrix(folder, seed=1, database=database) as played,
        ):
            assert not list(played.path.parent.rglob("*.sqlite"))
            deal.begin(played.borders)
            for number in range(RUNS_ELSEWHERE):
                cell = deal.next(roles=(ROLES[number % 3],))
                outcome = run_cell(played, cell, number)
                deal.met[cell] += outcome.struck
                assert (outcome.lost, outcome.doubled) == (0, 0), cell
    finally:
        database.drop()
    assert deal.met.total() == RUNS_ELSEWHERE


def test_every_cell_of_every_day_is_dealt_before_one_is_dealt_again() -> None:
    deal = Deal(seed=5)
    for borders in ({"gateway": 2, "worker": 3, "scheduler": 4}, dict.fromkeys(ROLES, 4)):
        deal.begin(borders)
        for _ in range(12):
            deal.met[deal.next()] += 1
    assert len(deal.cells) == 3 * 4 * 2
    assert set(deal.met.values()) == {1}
    told = deal.told()
    assert {role: (told[role]["met"], told[role]["there"]) for role in ROLES} == dict.fromkeys(
        ROLES, (8, 8)
    )
    assert told["worker"]["replies lost"] == "1 1 1 1"
    deal.met = Counter({Cell("worker", 2, loses_reply=True): 2})
    deal.met[Cell("worker", 1, loses_reply=True)] += False  # tried, and the kill did not strike
    assert deal.told()["worker"]["met"] == 1
    assert deal.told()["worker"]["replies lost"] == "0 2 0 0"


def test_what_is_lost_and_what_is_doubled_are_counted_apart() -> None:
    outcome = Outcome()
    outcome.count(["a", "b", "c"], ["a", "c", "c", "x"])
    assert (outcome.lost, outcome.doubled) == (1, 2)
    outcome.count(["a"], ["a"])
    assert (outcome.lost, outcome.doubled) == (1, 2)


def test_borders_that_one_day_has_alone_are_dealt_while_it_is_there() -> None:
    deal = Deal(seed=1, ends=2)
    for borders in (dict.fromkeys(ROLES, 12), dict.fromkeys(ROLES, 10), dict.fromkeys(ROLES, 11)):
        deal.begin(borders)
        for _ in range(30):
            deal.met[deal.next()] += 1
    assert set(deal.met) == deal.cells
    assert len(deal.cells) == 12 * 3 * 2
