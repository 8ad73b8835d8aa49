"""Group commit over any log: one append a group, every submitter told its own outcome."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cloud_conductor.adapters.log.group import STAGED_MAX, GroupCommitWriter
from cloud_conductor.adapters.log.sqlite import SqliteLog
from cloud_conductor.domain.errors import Transient
from cloud_conductor.domain.events import Appended, NewEvent
from cloud_conductor.ports.log import EventLog
from cloud_conductor.testing.log import new_event


class SlowDisk:
    """A real log behind a gate, written in one step; remembers the size of each group."""

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
        if name in {"stage", "commit"}:
            raise AttributeError(name)
        return getattr(self._log, name)


class SlowCommit:
    """A real log in two steps whose second waits for a gate; remembers each group's size."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.staged: list[int] = []
        self.appended: list[int] = []

    def stage(self, events: Sequence[NewEvent]) -> list[Appended] | None:
        self.staged.append(len(events))
        return self._log.stage(events)

    def commit(self) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        self._log.commit()

    def append(self, events: Sequence[NewEvent]) -> list[Appended]:
        self.appended.append(len(events))
        return self._log.append(events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def test_what_gathers_during_a_commit_is_the_next_group(tmp_path: Path) -> None:
    log = SlowDisk(SqliteLog(tmp_path / "log.sqlite"))

    async def play() -> list[Appended]:
        writer = GroupCommitWriter(log)
        writer.start()
        tasks = [asyncio.ensure_future(writer.submit(new_event("e-0")))]
        assert await asyncio.to_thread(log.entered.wait, 10)
        tasks += [
            asyncio.ensure_future(writer.submit(new_event(f"e-{n % 5}"))) for n in range(1, 10)
        ]
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
        first = asyncio.ensure_future(writer.submit(new_event("e-0")))
        assert await asyncio.to_thread(log.entered.wait, 10)
        second = asyncio.ensure_future(writer.submit(new_event("e-1", body=bytes(900))))
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
        task = asyncio.ensure_future(writer.submit(new_event("e-0")))
        assert await asyncio.to_thread(log.entered.wait, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        log.gate.set()
        await asyncio.to_thread(writer.close)

    asyncio.run(play())
    assert [event.event_id for event in log.read("0", 0)] == ["e-0"]
    log.close()


def test_nobody_is_told_before_the_commit_and_no_reader_sees_the_rows(tmp_path: Path) -> None:
    log = SlowCommit(SqliteLog(tmp_path / "log.sqlite"))

    async def play() -> list[Appended]:
        writer = GroupCommitWriter(log)
        writer.start()
        tasks = [writer.submit(new_event(f"e-{n % 3}")) for n in range(4)]
        assert await asyncio.to_thread(log.entered.wait, 10)
        assert not any(task.done() for task in tasks)
        assert log.high_water("0") == 0
        tasks += [writer.submit(new_event("e-9"))]
        log.gate.set()
        outcomes = await asyncio.gather(*tasks)
        await asyncio.to_thread(writer.close)
        return outcomes

    outcomes = asyncio.run(play())
    assert [(one.seq, one.duplicate) for one in outcomes] == [
        (1, False),
        (2, False),
        (3, False),
        (1, True),
        (4, False),
    ]
    assert (log.staged, log.appended) == ([4, 1], [])
    log.close()


def test_a_write_lock_that_is_taken_is_waited_for_off_the_loop(tmp_path: Path) -> None:
    log = SlowCommit(SqliteLog(tmp_path / "log.sqlite"))
    log.gate.set()
    with closing(sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)) as other:
        other.execute("begin immediate")

        async def play() -> Appended:
            writer = GroupCommitWriter(log)
            writer.start()
            outcome = writer.submit(new_event("e-1"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert log.staged == [1]
            other.execute("rollback")
            appended = await outcome
            await asyncio.to_thread(writer.close)
            return appended

        assert asyncio.run(play()) == Appended(seq=1, duplicate=False)
    assert log.appended == [1]
    log.close()


def test_a_group_too_large_for_the_loop_is_left_to_the_thread(tmp_path: Path) -> None:
    log = SlowCommit(SqliteLog(tmp_path / "log.sqlite"))
    log.gate.set()

    async def play() -> list[Appended]:
        writer = GroupCommitWriter(log)
        writer.start()
        tasks = [writer.submit(new_event(f"e-{n}")) for n in range(STAGED_MAX + 1)]
        outcomes = await asyncio.gather(*tasks)
        await asyncio.to_thread(writer.close)
        return outcomes

    assert len({one.seq for one in asyncio.run(play())}) == STAGED_MAX + 1
    assert (log.staged, log.appended) == ([], [STAGED_MAX + 1])
    log.close()


def test_a_commit_that_fails_tells_each_of_its_submitters_and_nothing_is_put(
    tmp_path: Path,
) -> None:
    class FailsOnce(SlowCommit):
        failed = False

        def commit(self) -> None:
            if self.failed:
                super().commit()
                return
            self.failed = True
            self._log._let_go()
            raise Transient("the disk is away")

    log = FailsOnce(SqliteLog(tmp_path / "log.sqlite"))
    log.gate.set()

    async def play() -> None:
        writer = GroupCommitWriter(log)
        writer.start()
        told = await asyncio.gather(
            *(writer.submit(new_event(f"e-{n}")) for n in range(3)), return_exceptions=True
        )
        assert [str(one) for one in told] == ["CC-100: the disk is away"] * 3
        assert log.high_water("0") == 0
        assert not (await writer.submit(new_event("e-1"))).duplicate
        await asyncio.to_thread(writer.close)

    asyncio.run(play())
    assert [event.event_id for event in log.read("0", 0)] == ["e-1"]
    log.close()
