"""Group commit over any log: one append a group, every submitter told its own outcome."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.adapters.log.group import GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.domain.errors import Transient
from cloud_conductor.domain.events import Appended, NewEvent
from cloud_conductor.ports.log import EventLog
from cloud_conductor.testing.log import new_event


class SlowDisk:
    """A real log behind a gate; remembers the size of each group."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.groups: list[int] = []

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        self.groups.append(len(events))
        self.entered.set()
        assert self.gate.wait(10)
        return self._log.append(events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def test_what_gathers_during_a_commit_is_the_next_group(tmp_path: Path) -> None:
    log = SlowDisk(SqliteLog(tmp_path / "log.sqlite"))

    async def play() -> list[Appended]:
        writer = GroupCommitWriter(log)
        writer.start()
        tasks = [asyncio.create_task(writer.submit(new_event("e-0")))]
        assert await asyncio.to_thread(log.entered.wait, 10)
        tasks += [asyncio.create_task(writer.submit(new_event(f"e-{n % 5}"))) for n in range(1, 10)]
        await asyncio.sleep(0)
        log.gate.set()
        outcomes = await asyncio.gather(*tasks)
        await asyncio.to_thread(writer.close)
        return outcomes

    outcomes = asyncio.run(play())
    assert log.groups == [1, 9]
    assert [one.duplicate for one in outcomes] == [False] * 5 + [True] * 5
    assert [one.seq for one in outcomes] == [1, 2, 3, 4, 5] * 2
    log.close()


def test_a_group_that_fails_tells_each_of_its_submitters_and_the_writer_goes_on(
    tmp_path: Path,
) -> None:
    class FailsOnce(SlowDisk):
        def append(self, events: Sequence[NewEvent]) -> list[Appended]:
            if not self.groups:
                self.groups.append(len(events))
                raise Transient("the disk is away")
            return self._log.append(events)

    log = FailsOnce(SqliteLog(tmp_path / "log.sqlite"))

    async def play() -> None:
        writer = GroupCommitWriter(log)
        writer.start()
        with pytest.raises(Transient, match="the disk is away"):
            await writer.submit(new_event("e-1"))
        assert not (await writer.submit(new_event("e-1"))).duplicate
        await asyncio.to_thread(writer.close)
        with pytest.raises(Transient, match="closing"):
            await writer.submit(new_event("e-2"))

    asyncio.run(play())
    log.close()


def test_the_queue_is_bounded_by_bytes_too(tmp_path: Path) -> None:
    log = SlowDisk(SqliteLog(tmp_path / "log.sqlite"))

    async def play() -> None:
        writer = GroupCommitWriter(log, queue_bytes_max=1_000)
        writer.start()
        first = asyncio.create_task(writer.submit(new_event("e-0")))
        assert await asyncio.to_thread(log.entered.wait, 10)
        second = asyncio.create_task(writer.submit(new_event("e-1", body=bytes(900))))
        await asyncio.sleep(0)
        with pytest.raises(Transient, match="full"):
            await writer.submit(new_event("e-2", body=bytes(101)))
        log.gate.set()
        await asyncio.gather(first, second)
        await asyncio.to_thread(writer.close)

    asyncio.run(play())
    log.close()


def test_a_submitter_that_gave_up_still_has_its_event_in_the_log(tmp_path: Path) -> None:
    log = SlowDisk(SqliteLog(tmp_path / "log.sqlite"))

    async def play() -> None:
        writer = GroupCommitWriter(log)
        writer.start()
        task = asyncio.create_task(writer.submit(new_event("e-0")))
        assert await asyncio.to_thread(log.entered.wait, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        log.gate.set()
        await asyncio.to_thread(writer.close)

    asyncio.run(play())
    assert [event.event_id for event in log.read("0", 0)] == ["e-0"]
    log.close()
