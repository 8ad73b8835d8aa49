"""Damaged bodies and headers: no crash, no unhandled exception, no event lost (INV-16).

The slice runs everywhere; the million is `make soak`.
"""

from pathlib import Path

import pytest
from door_rig import DOORS
from fuzz_rig import Corpus, fuzz_decoders, fuzz_intake
from recording import recorded

SLICE = 2_500
SURE = (200, 400, 401)
ANSWERS = {0, *SURE, 404, 405, 413, 503}  # 0: a request that never ended, and was hung up on
MILLION = 1_000_000


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.of_the_golden_day()


def check_intake(folder: Path, corpus: Corpus, seed: int, requests: int) -> dict[str, object]:
    found = fuzz_intake(folder, corpus, seed=seed, requests=requests)
    assert sum(found.answers.values()) == requests
    assert set(found.answers) <= ANSWERS
    assert found.answers[0] <= requests // 100, "most damaged heads are answered"
    assert all(found.by_door[f"{door.__name__} {status}"] for door in DOORS for status in SURE)
    answers = {str(status): number for status, number in sorted(found.answers.items())}
    return {
        "requests": requests,
        "answers": answers,
        "answers_by_door": dict(sorted(found.by_door.items())),
        "stored": found.stored,
        "lost": found.lost,
    }


def check_decoders(corpus: Corpus, seed: int, bodies: int) -> dict[str, object]:
    outcomes = fuzz_decoders(corpus, seed=seed, bodies=bodies)
    assert outcomes.total() == bodies
    assert all(outcomes[name] for name in ("rows", "ignored", "rejected"))
    return {"bodies": bodies, "outcomes": dict(outcomes)}


def test_damaged_webhooks_are_answered_and_every_acknowledged_one_is_kept(
    tmp_path: Path, corpus: Corpus
) -> None:
    check_intake(tmp_path, corpus, 1, SLICE)


def test_damaged_bodies_give_rows_or_findings_and_nothing_else(corpus: Corpus) -> None:
    check_decoders(corpus, 2, SLICE)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_million_damaged_webhooks(tmp_path: Path, corpus: Corpus) -> None:
    with recorded("fuzz-intake") as facts:
        facts.update(check_intake(tmp_path, corpus, 3, MILLION))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_million_damaged_bodies(corpus: Corpus) -> None:
    with recorded("fuzz-decoders") as facts:
        facts.update(check_decoders(corpus, 4, MILLION))
