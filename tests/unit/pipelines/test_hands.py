"""A process that leaves finishes the steps in hand before it lets go of its lock (R-13.6)."""

import threading

import pytest

from cloud_conductor.pipelines.hands import Hands, Stopping

WAIT_S = 20.0


def test_closing_waits_for_the_step_in_hand_and_lets_no_other_begin() -> None:
    hands, begun, go_on = Hands(), threading.Event(), threading.Event()
    closed: list[bool] = []

    def step() -> None:
        with hands:
            begun.set()
            go_on.wait(WAIT_S)

    working = threading.Thread(target=step)
    working.start()
    assert begun.wait(WAIT_S)
    assert hands.close(0.01) is False
    with pytest.raises(Stopping), hands:
        pytest.fail("a step began in a process that is leaving")
    leaving = threading.Thread(target=lambda: closed.append(hands.close(WAIT_S)))
    leaving.start()
    go_on.set()
    leaving.join()
    working.join()
    assert closed == [True]


def test_a_step_that_fails_is_no_longer_in_hand() -> None:
    hands = Hands()
    with pytest.raises(ValueError, match="bad"), hands:
        raise ValueError("bad")
    assert hands.close(0.0) is True
    hands.open()
    with hands:
        assert hands.close(0.0) is False
