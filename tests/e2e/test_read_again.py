"""Backfill and rebuild: stopped and taken up again, and the content is the same (INV-14, INV-23)."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from fault_rig import DAY, FIRST_DAY, open_faulty

from cloud_conductor.domain.errors import ChecksumMismatch
from cloud_conductor.domain.schemas import PARTITIONED
from cloud_conductor.pipelines import close
from cloud_conductor.wiring import backfilling, replaying
from cloud_conductor.wiring.house import House

FROM, TO = FIRST_DAY - DAY, FIRST_DAY + 2 * DAY


class Stopped(Exception):
    """Somebody pressed Ctrl-C."""


class Listener:
    """Hears what a run tells; stops it when it says a word for the n-th time."""

    def __init__(self, word: str, times: int = 1) -> None:
        self.heard: list[str] = []
        self._word, self._times = word, times

    def __call__(self, told: str) -> None:
        self.heard.append(told)
        if sum(self._word in one for one in self.heard) == self._times:
            raise Stopped


def digests(house: House) -> dict[str, str]:
    return {
        f"{table} {day}": replaying._digest(house.lake, table, day)
        for table in PARTITIONED
        for day in house.lake.dates(table)
    }


def test_a_backfilled_house_is_the_one_that_lived_through_it(tmp_path: Path) -> None:
    """INV-23, and a backfill that was stopped goes on after the last day it read."""
    with open_faulty(tmp_path / "live", square={"duplicate": 0.3}) as town:
        town.through()
        later = tmp_path / "later"
        later.mkdir()
        shutil.copy(town.house.path, later)
        began = town.house.state_dir / "rehearsal-began"
        with House(later / town.house.path.name) as other:
            other.state_dir.mkdir()
            shutil.copy(began, other.state_dir)
            other.prepare()
            wanted = backfilling.spans(other, FROM, TO)
            assert [len(span.left) for span in wanted] == [4]
            with pytest.raises(Stopped):
                backfilling.run(other, wanted, Listener("reading", 3))
            (left,) = backfilling.spans(other, FROM, TO)
            assert left.left == [FROM + timedelta(days=2), TO]
            listener = Listener("never")
            done = backfilling.run(other, [left], listener)
            assert (done.days, listener.heard[0]) == (2, f"reading square {left.left[0]} (3 of 4)")
            close.refresh(other.close_deps)  # the catalogue stands, it has no day
            backfilling.run(other, backfilling.spans(other, FROM, TO), str)
            assert digests(other) == digests(town.house)
            again = backfilling.run(other, backfilling.spans(other, FROM, TO), str)
            assert (again.days, again.new_events) == (4, 0)


def test_a_cut_off_file_is_named_and_a_rebuild_stopped_half_way_is_finished(
    tmp_path: Path,
) -> None:
    with open_faulty(tmp_path) as town:
        town.through()
        before = digests(town.house)
        (broken,) = town.house.lake.uris("sales", [FIRST_DAY])
        whole = Path(broken).read_bytes()
        Path(broken).write_bytes(whole[: len(whole) // 2])
        with House(town.house.path) as house:
            with pytest.raises(ChecksumMismatch) as found:
                house.lake.read("sales", [FIRST_DAY])
            assert broken in found.value.message
            assert "replay --rebuild" in found.value.fix
            with pytest.raises(Stopped):
                replaying.rebuild(house, Listener("sealing"))
        with House(town.house.path) as house:
            result = replaying.rebuild(house, str)
            assert result["different"] == [f"{table} {FIRST_DAY}" for table in result_of(result)]
            assert digests(house) == before
            assert not (house.state_dir / replaying.MARK).exists()
            assert replaying.verify(house, str, (FIRST_DAY, FIRST_DAY))["different"] == []


def result_of(result: replaying.Replayed) -> list[str]:
    """Tables that could not be compared: the one that was cut off, and what stands on it."""
    tables = [one.split()[0] for one in result["different"]]
    assert "sales" in tables
    assert "payouts" not in tables
    return tables
