"""Lists asked for several at a time come in order, bounded, and end at the first failure."""

import threading

import pytest

from cloud_conductor.adapters.pos.square.abreast import ABREAST, ALONE_MAX, abreast

MANY = list(range(10 * ABREAST))


def test_answers_keep_the_order_of_what_was_asked() -> None:
    assert list(abreast(lambda number: number * 2, MANY)) == [number * 2 for number in MANY]


def test_several_are_on_the_way_at_a_time() -> None:
    together = threading.Barrier(ABREAST)
    asked = abreast(lambda _: together.wait(timeout=10), MANY[: 2 * ABREAST])
    assert len(list(asked)) == 2 * ABREAST


def test_a_few_are_asked_one_after_the_other() -> None:
    here = threading.get_ident()
    asked = abreast(lambda _: threading.get_ident(), MANY[:ALONE_MAX])
    assert set(asked) == {here}


def test_no_more_than_twice_as_many_are_held() -> None:
    asked: list[int] = []
    found = abreast(asked.append, MANY)
    next(found)
    found.close()
    assert len(asked) <= 2 * ABREAST


def test_a_failure_is_raised_in_its_turn_and_ends_it() -> None:
    def read(number: int) -> int:
        if number == 5:
            raise ValueError(number)
        return number

    found = abreast(read, MANY)
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="5"):
        next(found)
    assert list(found) == []
