"""Several lists asked for at a time, given in order: a chain's sweep is thousands of short waits."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

ABREAST = 8  # calls on the way at a time: as many as connections are kept
ALONE_MAX = 10  # so few are asked one after the other: nothing is won


def abreast(read: Callable[[T], R], items: Sequence[T]) -> Generator[R, None, None]:
    """`read` of every item, in the items' order; at most 2 x ABREAST answers are held.

    The first failure ends it and is raised in its item's turn; what was asked besides is dropped.
    """
    if len(items) <= ALONE_MAX:
        yield from map(read, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(ABREAST, thread_name_prefix="sweep") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) >= 2 * ABREAST:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
