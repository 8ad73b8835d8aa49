"""The reference pages say what the code does."""

import re
from pathlib import Path

from cloud_conductor.accounting.breaks import KINDS, LEVELS, PRECEDENCE
from cloud_conductor.accounting.mapping import ROLES

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_every_role_is_on_its_page_and_no_other():
    page = (REFERENCE / "roles.md").read_text("utf-8")
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == list(ROLES)


def test_every_code_level_and_the_precedence_are_on_their_page():
    page = (REFERENCE / "breaks.md").read_text("utf-8")
    rows = re.findall(r"^\| (D\d\d) \| (\w+) \|", page, re.MULTILINE)
    assert rows == [(code, kind.name) for code, kind in sorted(KINDS.items())]
    assert re.findall(r"^\| (L\d) \|", page, re.MULTILINE) == list(LEVELS)
    order = re.search(r"first of ((?:D\d\d,?\s)+)is the", page)
    assert order is not None
    assert tuple(re.findall(r"D\d\d", order[1])) == PRECEDENCE
