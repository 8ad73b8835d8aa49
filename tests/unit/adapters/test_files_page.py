"""The contract's page says what the types say."""

import re
from pathlib import Path

import msgspec
import pytest

from cloud_conductor.adapters.pos.files import wire

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "adapters" / "pos" / "files.md"
SECTIONS = {
    "A sale": wire.Sale,
    "A line": wire.Line,
    "A tender": wire.Tender,
    "A service charge": wire.Service,
    "A product": wire.Product,
}


def section(name):
    return PAGE.read_text("utf-8").split(f"\n## {name}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_field_of_the_contract_is_on_its_page_and_says_whether_it_is_required(name):
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", section(name), re.MULTILINE)
    fields = msgspec.structs.fields(SECTIONS[name])
    assert {field: default.strip() == "required" for field, default in rows} == {
        field.name: field.required for field in fields
    }


def test_every_cell_of_a_tender_is_on_the_page():
    cells = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section("A sale in rows"), re.MULTILINE)
    assert dict(cells) == wire.TENDER_CELLS
