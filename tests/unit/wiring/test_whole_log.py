"""What was pruned from the log is still there for whoever asks."""

from pathlib import Path

import pytest

from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.adapters.objects.local import LocalObjects
from cloud_conductor.ingest.archive import events_in, raw_files
from cloud_conductor.testing.log import new_event
from cloud_conductor.wiring.whole_log import WholeLog

EVENTS = 40
RANGES = ((1, 12), (13, 25), (26, 40))


@pytest.fixture
def logs(tmp_path: Path):
    """A log of 40 events in three archived ranges, and the same log pruned before 30."""
    store = SqliteLog(tmp_path / "log.sqlite")
    store.append([new_event(f"e-{n}") for n in range(1, EVENTS + 1)])
    raw = LocalObjects(tmp_path / "lake")
    everything = store.read("0", 0, EVENTS)
    for lo, hi in RANGES:
        for key, data in raw_files(everything[lo - 1 : hi], lo=lo, hi=hi).items():
            raw.create(key, data)
    assert store.prune("0", 30) == 29
    yield everything, store, WholeLog(store, raw)
    store.close()


def test_a_raw_file_gives_its_events_back(logs):
    everything, _, _ = logs
    (data,) = raw_files(everything, lo=1, hi=EVENTS).values()
    assert events_in(data) == everything


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_reading_from_the_start_gives_every_event_once_in_order(logs, limit: int):
    everything, _, whole = logs
    found, after = [], 0
    while page := whole.read("0", after, limit):
        assert len(page) <= limit
        found += page
        after = page[-1].seq
    assert found == everything


def test_old_and_young_events_are_found_by_number(logs):
    everything, _, whole = logs
    assert whole.get([2, 29, 30, 99]) == [everything[1], everything[28], everything[29]]


def test_the_end_of_the_log_is_its_end(logs):
    _, store, whole = logs
    assert whole.read("0", EVENTS) == []
    assert whole.high_water("0") == EVENTS
    store.append([new_event("e-41")])
    assert [event.event_id for event in whole.read("0", EVENTS)] == ["e-41"]


def test_old_and_young_events_are_found_by_id(logs):
    everything, _, whole = logs
    for one in (everything[0], everything[28], everything[29], everything[-1]):
        assert whole.find("square", one.event_id) == one.seq
    assert whole.find("square", "e-99") == 0
    assert whole.find("clover", "e-2") == 0
