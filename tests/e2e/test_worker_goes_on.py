"""The worker outlives a disk that refuses and a POS that is away, and loses nothing by it (INV-16)."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from house_rig import Town, open_town

from cloud_conductor.conform import flow as conform
from cloud_conductor.domain.events import NewEvent
from cloud_conductor.ingest import flow as ingest
from cloud_conductor.pipelines import worker
from cloud_conductor.wiring.house import House

PASSES_MAX = 8


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A store that has traded; everything is in the log, nothing is conformed yet."""
    with open_town(tmp_path, seed=3, stores=1, days=1, orders_per_day=4) as found:
        deps = found.house.ingest_deps
        ingest.run_sweeps(deps, deps.clock.now())
        yield found


class Word:
    """Says when to stop: after PASSES_MAX passes, or once all is conformed. pauses: as asked for."""

    def __init__(
        self, house: House, *, repair_after: int = 0, obstacle: Path | None = None
    ) -> None:
        self.house, self.repair_after, self.obstacle = house, repair_after, obstacle
        self.pauses: list[float] = []

    def __call__(self, pause_s: float) -> bool:
        self.pauses.append(pause_s)
        if self.obstacle is not None and len(self.pauses) > self.repair_after:
            self.obstacle.unlink()
            self.obstacle = None
        return worker.backlog(self.house.conform_deps) == 0 or len(self.pauses) > PASSES_MAX


def work(house: House, word: Word) -> None:
    worker.work(
        house.close_deps,
        word,
        flush_interval=house.clock.now() - house.clock.now(),
        flush_events_max=1,
    )


def failures(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.message == "worker.failed" for record in caplog.records)


def test_a_lake_that_cannot_be_written_is_tried_again_until_it_can(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    obstacle = town.house.config.lake_dir / "processed"
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.write_text("not a folder")
    word = Word(town.house, repair_after=3, obstacle=obstacle)
    with caplog.at_level(logging.INFO, "conductor"):
        work(town.house, word)
    assert failures(caplog) == 3
    assert word.pauses[:4] == [worker.TICK_S, 1.0, 2.0, 4.0]
    (count,) = conform.accounting_of_events(town.house.conform_deps).values()
    assert (count.pending, count.quarantined) == (0, 0)
    assert count.received == count.processed + count.deduplicated > 0


def test_a_pos_that_is_away_holds_up_nothing_that_is_in_the_log(
    town: Town, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"event_id": "ev-1", "type": "order.updated", "data": {"id": "O1"}}'
    thin = NewEvent("square", "webhook", "order.updated", "ev-1", "M1", 1, body)
    town.house.log.append([thin])
    monkeypatch.setenv("SQUARE_TOKEN", "revoked")
    with House(town.house.path) as house, caplog.at_level(logging.INFO, "conductor"):
        word = Word(house)
        work(house, word)
        assert len(word.pauses) == 2, "one pass conformed everything"
        (count,) = conform.accounting_of_events(house.conform_deps).values()
    assert failures(caplog) == 1
    assert count.pending == 0


def test_live_figures_go_on_while_the_lake_is_written(town: Town) -> None:
    deps = town.house.close_deps
    seen = threading.Event()

    @contextmanager
    def held() -> Iterator[None]:
        assert seen.wait(20), "the live consumer runs beside the flush"
        with deps.lake_lock():
            yield

    flush = worker.Flush(timedelta(0), 1)
    worker.work_once(replace(deps, lake_lock=held), flush, live=(seen.set,))
    assert worker.backlog(town.house.conform_deps) == 0
    assert not any(thread.name == "live" for thread in threading.enumerate())


def test_a_live_consumer_that_fails_fails_no_flush(town: Town) -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise OSError("the state is away")

    @contextmanager
    def held() -> Iterator[None]:
        assert failed.wait(20)
        yield

    deps = replace(town.house.close_deps, lake_lock=held)
    worker.work_once(deps, worker.Flush(timedelta(0), 1), live=(fail,))
    assert worker.backlog(town.house.conform_deps) == 0
