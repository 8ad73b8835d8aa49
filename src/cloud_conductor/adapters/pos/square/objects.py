"""Square's answers as events: every object of an answer, byte for byte, with an id of its own."""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.domain.events import NewEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGEST_CHARS = 16
ID_CHARS_MAX = 192
NAME_CHARS_MAX = 255
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON of strangers raises: not JSON, text that is not UTF-8, nested without end."""


class Page(msgspec.Struct, frozen=True):
    """One page of a list: the objects as sent, the address they came from, the next cursor."""

    objects: tuple[bytes, ...]
    url: str
    cursor: str


class Head(msgspec.Struct, frozen=True):
    """What every object of Square's says about itself, as far as it has it."""

    id: str
    version: int | None = None
    type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    effective_at: str | None = None

    @property
    def version_text(self) -> str:
        """Rises with every change of the object; its only instant when it never changes."""
        if self.version is not None:
            return str(self.version)
        return self.updated_at or self.created_at or self.effective_at or "0"


class _Pointer(msgspec.Struct):
    id: str = ""


class _Notice(msgspec.Struct):
    data: _Pointer


_HEAD = msgspec.json.Decoder(Head)
_NOTICE = msgspec.json.Decoder(_Notice)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def page_of(body: bytes, name: str, url: str) -> Page:
    """The list `name` of an answer. Square leaves an empty list and a last cursor out."""
    try:
        found = _answer_with(name).decode(body)
    except UNREADABLE as error:
        _members(body, url)
        raise VendorUnavailable(f"{url} answered with a list that is none: {error}") from error
    objects = tuple(bytes(one) for one in getattr(found, name))
    return Page(objects=objects, url=url, cursor=found.cursor)


@lru_cache(maxsize=64)
def _answer_with(name: str) -> Any:
    """Decoder of an answer with this list: its bytes are gone through once."""
    fields: list[Any] = [
        (name, list[msgspec.Raw], msgspec.field(default_factory=list)),
        ("cursor", str, ""),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Answer", fields))


def member_of(body: bytes, name: str, url: str) -> bytes:
    """The object `name` of an answer, as sent. Raises VendorUnavailable when it is not there."""
    members = _members(body, url)
    if name not in members:
        raise VendorUnavailable(f"{url} answered without {name!r}")
    return bytes(members[name])


def head_of(body: bytes) -> Head | None:
    """The object's head; None when it is not an object with an id (it is kept all the same)."""
    try:
        return _HEAD.decode(body)
    except UNREADABLE:
        return None


def notice_id(body: bytes) -> str:
    """Id of the object a webhook is about; empty when it has none that could be asked for."""
    try:
        object_id = _NOTICE.decode(body).data.id
    except UNREADABLE:
        return ""
    is_id = len(object_id) <= ID_CHARS_MAX and object_id.replace("-", "").replace("_", "").isalnum()
    return object_id if is_id and object_id.isascii() else ""


def new_object(
    kind: str,
    body: bytes,
    *,
    source: str,
    merchant_id: str,
    url: str,
    now: datetime,
    within: str = "",
    trigger_seq: int = 0,
) -> NewEvent:
    """A fetched object as an event; the same bytes of the same version give the same id.

    within: id of the object it belongs to, when its own id is unique only there. A body without a
    readable id is named by its digest alone, so that it reaches quarantine instead of being lost.
    """
    head = head_of(body)
    digest = hashlib.sha256(body).hexdigest()
    parts = [kind, within] if within else [kind]
    name = f"{head.id}:{head.version_text}:{digest[:DIGEST_CHARS]}" if head is not None else ""
    is_name = name.isprintable() and 0 < len(name) <= NAME_CHARS_MAX
    parts.append(name if is_name else f"sha256:{digest}")
    return NewEvent(
        source=source,
        channel="api",
        kind=kind,
        event_id=":".join(parts),
        merchant_id=merchant_id,
        received_us=(now - EPOCH) // timedelta(microseconds=1),
        body=body,
        url=url,
        trigger_seq=trigger_seq,
    )


def instant(text: str) -> datetime:
    """An RFC 3339 instant of Square's; 1970 for none, so that an undated object is never passed."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else EPOCH


def moment_of(text: object) -> datetime | None:
    """The instant a text says; None when it says none."""
    try:
        return instant(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def rfc3339(moment: datetime) -> str:
    """An instant as Square writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _members(body: bytes, url: str) -> dict[str, msgspec.Raw]:
    try:
        return _MEMBERS.decode(body)
    except UNREADABLE as error:
        raise VendorUnavailable(f"{url} answered with something that is not JSON") from error
