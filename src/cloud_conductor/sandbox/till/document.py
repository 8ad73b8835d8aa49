"""A vendor's document as a page a person can read: what the trail of the console ends at.

    GET /sandbox/pages/{id}   the object with that id, any kind the simulator holds

Plain tables of the object exactly as the vendor's API would give it, and a line that says
that the vendor is simulated.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from cloud_conductor.sandbox.http import Answer

PREFIX = "/sandbox/pages/"
POLICY = "default-src 'none'; style-src 'self'"
STYLE_PATH = "/sandbox/pages/style.css"
PLACES = {"JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3}
COLUMNS_MAX = 7
WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
STYLE = """
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
body { --line: color-mix(in srgb, currentColor 20%, transparent); }
body { max-width: 860px; margin: 0 auto; padding: 24px 20px 60px; }
header { display: flex; gap: 12px; align-items: baseline; padding-bottom: 12px; border-bottom: 2px solid; }
header b { font-size: 20px; }
main { overflow-x: auto; }
h1 { font-size: 18px; overflow-wrap: anywhere; }
h2 { font-size: 14px; margin: 20px 0 4px; }
section section, section > div { padding-left: 16px; margin: 8px 0; border-left: 2px solid var(--line); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 5px 12px 5px 0; vertical-align: top; text-align: left; overflow-wrap: anywhere; }
tr + tr > *, thead + tbody > tr:first-child > * { border-top: 1px solid var(--line); }
th { font-weight: 500; color: color-mix(in srgb, currentColor 75%, transparent); }
th[scope="row"] { width: 200px; }
"""


def style() -> Answer:
    """The one style sheet of the pages."""
    return Answer(200, STYLE.encode(), {"content-type": "text/css; charset=utf-8"})


def page(vendor: str, kind: str, document: dict[str, Any] | None, *, id_: str) -> Answer:
    """One document as HTML; 404 when there is none. kind: what it is called, e.g. ManualJournal."""
    title = f"{_said(kind)} {id_}" if document else f"No document {id_}"
    body = (
        _object(_inner(document))
        if document
        else "<p>The simulator holds nothing with this id.</p>"
    )
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f'<link rel="stylesheet" href="{STYLE_PATH}"></head><body>'
        f"<header><b>{escape(vendor)}</b><span>simulated on this machine; "
        f"the real vendor was not asked</span></header>"
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": POLICY}
    return Answer(200 if document else 404, html.encode(), headers)


def _inner(document: dict[str, Any]) -> dict[str, Any]:
    """What an answer like {"order": {...}} is about."""
    only = next(iter(document.values())) if len(document) == 1 else None
    return only if isinstance(only, dict) else document


def in_major(minor: int, currency: str) -> str:
    """Decimal text of an amount of minor units."""
    places = PLACES.get(currency, 2)
    whole, part = divmod(abs(minor), 10**places)
    text = f"{whole:,}.{part:0{places}d}" if places else f"{whole:,}"
    return f"\N{MINUS SIGN}{text}" if minor < 0 else text


def _said(name: str) -> str:
    """`JournalLines` and `journal_lines` in words."""
    return WORDS.sub(" ", name).capitalize()


def _is_plain(value: Any) -> bool:
    """Text, a number, a sum of money: what fits a cell."""
    return not isinstance(value, dict | list) or (
        isinstance(value, dict) and set(value) == {"amount", "currency"}
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return escape(f"{in_major(value['amount'], value['currency'])} {value['currency']}")
    return escape("yes" if value is True else "no" if value is False else str(value))


def _object(value: dict[str, Any]) -> str:
    """What fits a cell in a table of two columns; the rest below it, each under its name."""
    rows = "".join(
        f'<tr><th scope="row">{escape(_said(name))}</th><td>{_cell(one)}</td></tr>'
        for name, one in value.items()
        if _is_plain(one)
    )
    parts = "".join(
        f"<section><h2>{escape(_said(name))}</h2>{_part(one)}</section>"
        for name, one in value.items()
        if not _is_plain(one) and one
    )
    return f"<table><tbody>{rows}</tbody></table>{parts}"


def _part(value: Any) -> str:
    """An object, or a list: as rows under one head where all of it fits cells."""
    if isinstance(value, dict):
        return _object(value)
    if not all(isinstance(one, dict) for one in value):
        return escape(", ".join(str(one) for one in value))
    names = list(dict.fromkeys(name for one in value for name in one))
    if len(names) > COLUMNS_MAX or not all(
        _is_plain(part) for one in value for part in one.values()
    ):
        return "".join(f"<div>{_object(one)}</div>" for one in value)
    head = "".join(f'<th scope="col">{escape(_said(name))}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(one.get(name, ''))}</td>" for name in names) + "</tr>"
        for one in value
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
