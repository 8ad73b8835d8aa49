"""All pages of a list, begun again when Square has forgotten where we were.

Square, "Pagination": a cursor is opaque, lasts for minutes, and the question is repeated with it; a
cursor it does not know (any more) is refused with INVALID_CURSOR.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from cloud_conductor.adapters.http import DETAIL_CHARS_MAX, HttpEngine
from cloud_conductor.adapters.pos.square.objects import EPOCH, UNREADABLE, rfc3339
from cloud_conductor.domain.errors import VendorRefused

PAGES_MAX = 10_000  # of one list; reaching it is an error, never a silent end
RESTARTS_MAX = 5  # of one list
ROWS_PER_PAGE = 100
PAYMENT_CHANGES_MAX = timedelta(days=366)  # payments can be refunded for a year
FORGOTTEN = "INVALID_CURSOR"

Query = Mapping[str, str | int]


class Turned(Protocol):
    """One page of a list, however it is read."""

    @property
    def cursor(self) -> str: ...


PageT = TypeVar("PageT", bound=Turned)
PageReader = Callable[[bytes, str, str], PageT]
"""An answer, the list's name in it and the answer's address -> the page."""


class Question(msgspec.Struct, frozen=True):
    """A list as it is asked for: by query, or by `body` in a search. name: of the list in answers."""

    method: str
    path: str
    name: str
    query: Query = {}
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    errors: tuple[_Problem, ...] = ()


def read_pages(engine: HttpEngine, question: Question, read: PageReader[PageT]) -> Iterator[PageT]:
    """Every page in order. After a forgotten cursor the first ones come once more: rows may repeat.

    Raises VendorRefused when that happens more than RESTARTS_MAX times, or past PAGES_MAX.
    """
    cursor, restarts = "", 0
    for _ in range(PAGES_MAX):
        page = _page(engine, question, cursor, read)
        if page is None:
            restarts += 1
            if restarts > RESTARTS_MAX:
                raise VendorRefused(f"Square forgot the cursor of {question} {restarts} times")
            cursor = ""
            continue
        yield page
        if not page.cursor:
            return
        cursor = page.cursor
    raise VendorRefused(f"Square gave more than {PAGES_MAX} pages of {question.name}")


def _page(
    engine: HttpEngine, question: Question, cursor: str, read: PageReader[PageT]
) -> PageT | None:
    """The page at a cursor; None when Square does not know the cursor."""
    more = {"cursor": cursor} if cursor else {}
    body = question.body
    answer = engine.request(
        question.method,
        question.path,
        query={**question.query, **more} if body is None else None,
        json=None if body is None else msgspec.json.encode({**body, **more}),
        idempotent=True,
        expect=(400,) if cursor else (),
    )
    if answer.status != 400:
        return read(answer.body, question.name, answer.url)
    if not _is_forgotten(answer.body):
        detail = answer.body[:DETAIL_CHARS_MAX].decode("utf-8", "replace")
        raise VendorRefused(f"Square answered 400 to {question}: {detail}")
    return None


def _is_forgotten(body: bytes) -> bool:
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except UNREADABLE:
        return False
    return any(one.code == FORGOTTEN for one in refusal.errors)


def changed_within(since: datetime, until: datetime) -> Query:
    """Question for lists that can be asked by `updated_at`; created at most a year before."""
    return {
        "begin_time": rfc3339(max(since - PAYMENT_CHANGES_MAX, EPOCH)),
        "updated_at_begin_time": rfc3339(since),
        "updated_at_end_time": rfc3339(until),
        "sort_field": "UPDATED_AT",
        "sort_order": "ASC",
        "limit": ROWS_PER_PAGE,
    }


def begun_within(since: datetime, until: datetime) -> Query:
    """Question for lists that know only when their objects began."""
    return {
        "begin_time": rfc3339(max(since, EPOCH)),
        "end_time": rfc3339(until),
        "sort_order": "ASC",
        "limit": ROWS_PER_PAGE,
    }
