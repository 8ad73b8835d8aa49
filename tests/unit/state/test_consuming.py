"""One loop for all who read a log: batch by batch, and the position moves with what a batch did."""

from collections.abc import Sequence

import pytest

from cloud_conductor.domain.errors import LeaseLost
from cloud_conductor.state.consuming import follow


class Reader:
    """Takes numbers from 1 on. Its position moves only when a batch was taken whole."""

    def __init__(self, held: int, *, fails_at: int = 0) -> None:
        self.held, self.fails_at = held, fails_at
        self.at = 0
        self.taken: list[int] = []

    def read(self, after: int) -> list[int]:
        return list(range(after + 1, self.held + 1))[:3]

    def take(self, lo: int, items: Sequence[int]) -> int:
        assert lo == self.at
        if self.fails_at in items:
            raise LeaseLost("another process is at it")
        self.taken += items
        self.at = items[-1]
        return len(items)


def test_every_item_is_taken_once_in_order():
    reader = Reader(8)
    assert list(follow(lambda: reader.at, reader.read, reader.take)) == [3, 3, 2]
    assert reader.taken == [1, 2, 3, 4, 5, 6, 7, 8]
    assert list(follow(lambda: reader.at, reader.read, reader.take)) == []


def test_what_comes_after_the_end_waits_for_the_next_run():
    reader = Reader(9)
    assert sum(follow(lambda: reader.at, reader.read, reader.take, end=4)) == 6
    assert sum(follow(lambda: reader.at, reader.read, reader.take, end=9)) == 3


def test_it_stops_where_another_process_is_at_work():
    reader = Reader(9, fails_at=5)
    assert list(follow(lambda: reader.at, reader.read, reader.take)) == [3]
    assert reader.taken == [1, 2, 3]


def test_any_other_error_is_the_callers():
    reader = Reader(3)

    def broken(_lo: int, _items: Sequence[int]) -> int:
        raise ValueError("disk")

    with pytest.raises(ValueError, match="disk"):
        list(follow(lambda: reader.at, reader.read, broken))
