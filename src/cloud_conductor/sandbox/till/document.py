"""A vendor's document as a page a person can read: what the trail of the console ends at.

    GET /sandbox/pages/{id}   the object with that id, any kind the simulator holds

Plain nested tables of the object exactly as the vendor's API would give it, and a line that says
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
WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
STYLE = """
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
body { max-width: 860px; margin: 0 auto; padding: 24px 20px 60px; }
.vendor { display: flex; gap: 12px; align-items: baseline; padding-bottom: 12px; border-bottom: 3px solid currentColor; }
.vendor b { font-size: 20px; } .vendor span { opacity: .75; }
main { overflow-x: auto; } h1 { font-size: 18px; overflow-wrap: anywhere; } table { border-collapse: collapse; width: 100%; } th, td { padding: 5px 10px 5px 0; vertical-align: top; text-align: left; }
tr + tr > * { border-top: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
th { font-weight: 500; opacity: .8; } tbody > tr > th { width: 180px; } td { overflow-wrap: anywhere; }
"""


def style() -> Answer:
    """The one style sheet of the pages."""
    return Answer(200, STYLE.encode(), {"content-type": "text/css; charset=utf-8"})


def page(vendor: str, kind: str, document: dict[str, Any] | None, *, id_: str) -> Answer:
    """One document as HTML; 404 when there is none. kind: what it is called, e.g. ManualJournal."""
    title = f"{_said(kind)} {id_}" if document else f"No document {id_}"
    body = _table(document) if document else "<p>The simulator holds nothing with this id.</p>"
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f'<link rel="stylesheet" href="{STYLE_PATH}"></head><body>'
        f'<header class="vendor"><b>{escape(vendor)}</b><span>simulated on this machine; '
        f"the real vendor was not asked</span></header>"
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": POLICY}
    return Answer(200 if document else 404, html.encode(), headers)


def _said(name: str) -> str:
    """`JournalLines` and `journal_lines` in words."""
    return WORDS.sub(" ", name).capitalize()


def in_major(minor: int, currency: str) -> str:
    """Decimal text of an amount of minor units."""
    places = PLACES.get(currency, 2)
    whole, part = divmod(abs(minor), 10**places)
    text = f"{whole:,}.{part:0{places}d}" if places else f"{whole:,}"
    return f"\N{MINUS SIGN}{text}" if minor < 0 else text


def _table(value: Any) -> str:
    """Objects as two columns, lists of objects as rows with a head, the rest as text."""
    if isinstance(value, dict):
        if set(value) == {"amount", "currency"}:
            return escape(f"{in_major(value['amount'], value['currency'])} {value['currency']}")
        rows = "".join(
            f"<tr><th>{escape(_said(name))}</th><td>{_table(one)}</td></tr>"
            for name, one in value.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"
    if isinstance(value, list):
        if len(value) > 1 and all(isinstance(one, dict) for one in value):
            return _rows(value)
        return "<br>".join(_table(one) for one in value) or "none"
    return escape("yes" if value is True else "no" if value is False else str(value))


def _rows(objects: list[dict[str, Any]]) -> str:
    """Objects of one kind under each other, a column for every name that any of them has."""
    names = list(dict.fromkeys(name for one in objects for name in one))
    head = "".join(f'<th scope="col">{escape(_said(name))}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_table(one.get(name, ''))}</td>" for name in names) + "</tr>"
        for one in objects
    )
    return f'<table class="rows"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
