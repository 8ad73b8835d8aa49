"""What crosses the line: JSON with exact decimals, Xero's two date forms, Xero's error shapes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_MS_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of the API, ready for a noun's handler.

    params: the `{Names}` of the route. headers: lower-case names. body: decoded JSON or None.
    now: aware UTC, the instant every document touched by this call is stamped with. kept: what
    earlier questions selected, good until the next write (see where.kept).
    """

    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    now: datetime
    kept: dict[tuple[str, ...], list[Any]] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str | None:
        """The caller's `Idempotency-Key`, if it sent one."""
        return self.headers.get("idempotency-key")


@dataclass
class XeroError(Exception):
    """An answer that is not 200, in Xero's shape."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.body}"


def encode(value: Any) -> bytes:
    """JSON bytes; a Decimal is written as a number, digit by digit."""
    return _ENCODER.encode(value)


def decode(data: bytes) -> Any:
    """JSON value whose fractions are Decimal, never float; raises XeroError 400 if malformed."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as wrong:
        raise post_data_invalid(f"Invalid Json data: {wrong}") from wrong


def refusal(number: int, kind: str, message: str, **more: Any) -> XeroError:
    """A 400 as the Accounting API words it: ErrorNumber, Type, Message."""
    return XeroError(400, {"ErrorNumber": number, "Type": kind, "Message": message, **more})


def post_data_invalid(message: str) -> XeroError:
    """The body cannot be read as what the endpoint takes."""
    return refusal(14, "PostDataInvalidException", message)


def query_invalid(message: str) -> XeroError:
    """`where` or `order` cannot be read."""
    return refusal(16, "QueryParseException", message)


def validation_exception(elements: list[dict[str, Any]]) -> XeroError:
    """The documents break business rules: ErrorNumber 10, each element with its messages."""
    message = "A validation exception occurred"
    return refusal(10, "ValidationException", message, Elements=elements)


def problem(status: int, title: str, detail: str, **headers: str) -> XeroError:
    """An error of the gateway in front of the API: Title, Status, Detail."""
    body: dict[str, Any] = {
        "Type": None,
        "Title": title,
        "Status": status,
        "Detail": detail,
        "Extensions": {},
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return XeroError(status, body, named)


def not_found() -> XeroError:
    """404 for a path or an id nobody has."""
    return problem(404, "Not Found", "The resource you're looking for cannot be found")


def ms_instant(instant: datetime) -> str:
    """`/Date(1763769600000+0000)/` of an aware instant."""
    millis = (instant - _EPOCH) // timedelta(milliseconds=1)
    return f"/Date({millis}+0000)/"


def ms_date(day: date) -> str:
    """`/Date(..+0000)/` of a day: its midnight in UTC, as Xero sends document dates."""
    return ms_instant(datetime(day.year, day.month, day.day, tzinfo=UTC))


def date_string(day: date) -> str:
    """`2026-11-21T00:00:00`, the readable twin of `/Date()/`."""
    return f"{day.isoformat()}T00:00:00"


def parse_instant(text: str) -> datetime:
    """Aware UTC instant of an ISO text or a `/Date()/`; no offset means UTC. ValueError if neither.

    HTTP dates (`Sat, 21 Nov 2026 10:00:00 GMT`) are read too: If-Modified-Since may carry one.
    """
    if found := _MS_DATE.fullmatch(text.strip()):
        return _EPOCH + timedelta(milliseconds=int(found[1]))
    if text[:1].isalpha():
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def parse_date(text: Any) -> date:
    """Day of `2026-11-21`, `2026-11-21T00:00:00` or `/Date()/`; ValueError otherwise."""
    if not isinstance(text, str):
        raise ValueError(f"not a date: {text!r}")  # noqa: TRY004 - one error for every bad date
    if _MS_DATE.fullmatch(text.strip()):
        return parse_instant(text).date()
    return datetime.fromisoformat(text).date()
