"""What an endpoint is, and the shapes that many of them share."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from cloud_conductor.domain.errors import NotFound
from cloud_conductor.serve.desk import Ask

Item = TypeVar("Item")
Method = Literal["GET", "POST", "PUT", "DELETE"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMIT = 100

Code = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Limit = Annotated[int, Meta(ge=1, le=500)]
Cursor = Annotated[str, Meta(max_length=200)]
Identity = Annotated[str, Meta(min_length=1, max_length=200)]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the path and the query. Lists repeat: `store=A&store=B`."""


class Scoped(Params, frozen=True, kw_only=True):
    store: list[Code] = []


class Paged(Params, frozen=True, kw_only=True):
    limit: Limit = LIMIT
    after: Cursor = ""


class Span(Scoped, frozen=True, kw_only=True):
    """Business dates, ends included: `from=...&to=...`."""

    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = msgspec.field(default=None, name="to")


class SpanPage(Span, frozen=True, kw_only=True):
    """A page of what belongs to stores and business dates."""

    limit: Limit = LIMIT
    after: Cursor = ""


class Nothing(Params, frozen=True):
    """No parameters."""


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body without fields: `{}`."""


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a list. next: give it as `after` for the page that follows; null at the end."""

    items: list[Item]
    next: str | None = None


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """Something to go to: by kind and id inside, or by url at the vendor."""

    kind: str
    id: str
    label: str
    detail: str = ""
    amount_minor: int | None = None
    currency: str | None = None
    at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """One door. answer(ask, params) or answer(ask, params, body) gives a value of type `gives`.

    permission: empty for anybody signed in. etag: the answer may be asked for again cheaply.
    keyed: a write that needs an Idempotency-Key. previews: takes ?dry_run=true.
    shows_secret: the answer is never kept, so a repetition does not get it.
    """

    method: Method
    path: str
    answer: Callable[..., Any]
    gives: Any
    permission: str = "read"
    params: type[Params] = Nothing
    body: Any = None
    status: int = 200
    etag: bool = False
    keyed: bool = True
    previews: bool = False
    shows_secret: bool = False

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def name(self) -> str:
        words = [word.strip("{}") for word in self.path.strip("/").split("/")]
        return "_".join([self.method.lower(), *words]).replace("-", "_")

    @property
    def summary(self) -> str:
        text = (self.answer.__doc__ or self.name).strip()
        return text.partition("\n")[0]


def cursor(*parts: int | str) -> str:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def place(text: str, *kinds: type[int] | type[str]) -> tuple[Any, ...] | None:
    """The parts of a cursor; None for the first page. Raises NotFound for one we did not give."""
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise NotFound("there is no such page: `after` takes what `next` gave") from None
    is_ours = isinstance(parts, list) and len(parts) == len(kinds)
    if not is_ours or any(type(one) is not kind for one, kind in zip(parts, kinds, strict=True)):
        raise NotFound("there is no such page: `after` takes what `next` gave")
    return tuple(parts)


def page_of(
    items: Sequence[Item], limit: int, key: Callable[[Item], Sequence[int | str]]
) -> Page[Item]:
    """The first `limit` items, when at least one more was read if there is one."""
    shown = list(items[:limit])
    more = len(items) > limit
    return Page(shown, cursor(*key(shown[-1])) if more else None)


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def instant(us: int | None) -> datetime | None:
    """Aware UTC of microseconds since 1970."""
    return None if us is None else EPOCH + timedelta(microseconds=us)


def at(us: int) -> datetime:
    """Aware UTC of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


def is_within(day: str, first: date | None, last: date | None) -> bool:
    """Whether an ISO date lies in [first, last], ends included."""
    return (first is None or day >= first.isoformat()) and (last is None or day <= last.isoformat())


def sees(ask: Ask, store: str) -> bool:
    """Whether a record of a store may be shown; `*` is a record of the whole organisation."""
    return ask.principal.sees_store(store)
