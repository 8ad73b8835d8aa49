"""The filter language of Xero's lists: `where`, `order`, pages and If-Modified-Since.

`Date>=DateTime(2026,11,21) AND Status=="POSTED" AND Narration.Contains("key")`, with `&&`, `||`,
brackets, `!=`, `StartsWith`, `EndsWith`, `guid("..")`, numbers, true, false and null.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from cloud_conductor.sandbox.xero.wire import Ask, parse_instant, query_invalid

PAGE_SIZE = 100
PAGE_SIZE_MAX = 1000
DEPTH_MAX = 50

Fields = Mapping[str, Callable[[Any], Any]]
Predicate = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*") |
        (?P<number>-?\d+(?:\.\d+)?) |
        (?P<word>[A-Za-z_][A-Za-z0-9_.]*) |
        (?P<sign>&&|\|\||==|!=|<>|>=|<=|=|>|<|\(|\)|,)
    )""",
    re.VERBOSE,
)
_DAYS = re.compile(r"Date>=DateTime\((\d+),(\d+),(\d+)\) AND Date<DateTime\((\d+),(\d+),(\d+)\)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "=": operator.eq, "!=": operator.ne, "<>": operator.ne,
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_TEXT_CALLS: dict[str, Callable[[str, str], bool]] = {
    "Contains": lambda value, part: part in value,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}


class _Reader:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, fields: Fields) -> None:
        self._fields = fields
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def read(self) -> Predicate:
        """The whole filter; raises XeroError 400 if anything is left or wrong."""
        predicate = self._any()
        if self._at != len(self._tokens):
            raise query_invalid(f"Syntax error near '{self._tokens[self._at][1]}'")
        return predicate

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise query_invalid("Expression expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        found = self._next()[1]
        if found != sign:
            raise query_invalid(f"'{sign}' expected, not '{found}'")

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._peek().upper() in {"OR", "||"}:
            self._next()
            parts.append(self._all())
        return lambda item: any(part(item) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._one()]
        while self._peek().upper() in {"AND", "&&"}:
            self._next()
            parts.append(self._one())
        return lambda item: all(part(item) for part in parts)

    def _one(self) -> Predicate:
        if self._peek() == "(":
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise query_invalid("Expression too deep")
            self._next()
            inner = self._any()
            self._expect(")")
            self._depth -= 1
            return inner
        kind, name = self._next()
        if kind != "word":
            raise query_invalid(f"Property name expected, not '{name}'")
        stem, _, call = name.rpartition(".")
        if call in _TEXT_CALLS:
            return self._text_call(self._field(stem), _TEXT_CALLS[call])
        field, sign = self._field(name), self._next()[1]
        if sign not in _COMPARE:
            raise query_invalid(f"Operator expected, not '{sign}'")
        return _comparison(field, sign, self._value())

    def _text_call(
        self, field: Callable[[Any], Any], holds: Callable[[str, str], bool]
    ) -> Predicate:
        self._expect("(")
        part = self._value()
        self._expect(")")
        return lambda item: holds(str(field(item) or ""), str(part))

    def _field(self, name: str) -> Callable[[Any], Any]:
        try:
            return self._fields[name]
        except KeyError:
            raise query_invalid(f"No property or field '{name}' exists") from None

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return Decimal(text)
        constants = {"null": None, "true": True, "false": False}
        if text.lower() in constants:
            return constants[text.lower()]
        self._expect("(")
        arguments = self._arguments()
        try:
            if text.lower() == "datetime":
                return datetime(*(int(part) for part in arguments), tzinfo=UTC)  # type: ignore[misc,arg-type]
            if text == "DateTime.Parse" and len(arguments) == 1:
                return parse_instant(str(arguments[0]))
        except (ValueError, TypeError) as wrong:
            raise query_invalid(f"Not a date: {arguments}") from wrong
        if text.lower() == "guid" and len(arguments) == 1:
            return str(arguments[0]).lower()
        raise query_invalid(f"No function '{text}' exists")

    def _arguments(self) -> list[Any]:
        arguments: list[Any] = []
        while self._peek() != ")":
            kind, text = self._next()
            if kind not in {"text", "number"}:
                raise query_invalid(f"Value expected, not '{text}'")
            arguments.append(text[1:-1] if kind == "text" else text)
            if self._peek() == ",":
                self._next()
        self._next()
        return arguments


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise query_invalid(f"Syntax error near '{text[at : at + 20]}'")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def _comparison(field: Callable[[Any], Any], sign: str, wanted: Any) -> Predicate:
    holds = _COMPARE[sign]

    def matches(item: Any) -> bool:
        value = field(item)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if value is None or wanted is None:
            return (holds is operator.eq) is (value is wanted) and holds in {
                operator.eq,
                operator.ne,
            }
        try:
            return holds(value, wanted)
        except TypeError:
            raise query_invalid(f"Operator '{sign}' does not fit '{wanted}'") from None

    return matches


def kept(name: str, items: Iterable[Any], ask: Ask, fields: Fields, changed: str) -> list[Any]:
    """`select` of the list `name`; asked again before anything is written, it is not worked out anew.

    So the pages of one question cost one look at all documents, not one a page.
    """
    question = (
        name,
        ask.query.get("where", ""),
        ask.query.get("order", ""),
        ask.headers.get("if-modified-since", ""),
    )
    if question not in ask.kept:
        ask.kept[question] = select(items, ask, fields, changed)
    return ask.kept[question]


def select(items: Iterable[Any], ask: Ask, fields: Fields, changed: str) -> list[Any]:
    """Items that `where` and If-Modified-Since keep, in the asked `order`.

    fields: property name -> reader. changed: name of the field that If-Modified-Since looks at.
    Raises XeroError 400 for a filter that cannot be read.
    """
    kept = list(items)
    if since := ask.headers.get("if-modified-since"):
        try:
            limit = parse_instant(since)
        except ValueError:
            raise query_invalid(f"If-Modified-Since is not a date: {since}") from None
        kept = [item for item in kept if fields[changed](item) >= limit]
    if text := ask.query.get("where", "").strip():
        predicate = _Reader(text, fields).read()
        if (days := _DAYS.fullmatch(text)) and "Date" in fields:  # the plain window, at once
            first, last = (date(*map(int, days.group(at, at + 1, at + 2))) for at in (1, 4))
            read = fields["Date"]
            kept = [item for item in kept if first <= read(item) < last]
        else:
            kept = [item for item in kept if predicate(item)]
    for clause in reversed([part for part in ask.query.get("order", "").split(",") if part]):
        name, _, direction = clause.strip().partition(" ")
        if name not in fields or direction.strip().upper() not in {"", "ASC", "DESC"}:
            raise query_invalid(f"Cannot order by '{clause.strip()}'")
        kept.sort(
            key=partial(_sort_key, fields[name]),
            reverse=direction.strip().upper() == "DESC",
        )
    return kept


def _sort_key(read: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    """Sorts what is missing first."""
    value = read(item)
    return value is not None, value


def paged(items: list[Any], ask: Ask) -> tuple[list[Any], dict[str, int] | None]:
    """The asked page and its `pagination`; without `page` everything and None.

    Raises XeroError 400 for a page below 1 or a size outside 1..1000.
    """
    if "page" not in ask.query:
        return items, None
    try:
        page = int(ask.query["page"])
        size = int(ask.query.get("pageSize", PAGE_SIZE))
    except ValueError:
        raise query_invalid("page and pageSize are whole numbers") from None
    if page < 1 or not 1 <= size <= PAGE_SIZE_MAX:
        raise query_invalid(f"page starts at 1, pageSize is 1..{PAGE_SIZE_MAX}")
    told = {
        "page": page,
        "pageSize": size,
        "pageCount": -(-len(items) // size),
        "itemCount": len(items),
    }
    return items[(page - 1) * size : page * size], told
