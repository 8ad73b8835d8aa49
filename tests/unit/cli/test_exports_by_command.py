"""Exports by commands alone, in the configuration that the how-to shows: no source, no ledger."""

import json
import re
from pathlib import Path

import pytest
from shop import ROOT, Inside, check

from exports import sale, text

HOW_TO = ROOT / "docs" / "how-to" / "land-exports.md"
CLOCK = '[clock]\nstart = "2026-11-23T12:00:00Z"\n'


@pytest.fixture
def shop(empty: Inside) -> Inside:
    """The how-to's conductor.toml, but that a file need not settle."""
    (block,) = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    shown = re.sub(r"^ {3}", "", block, flags=re.MULTILINE)
    shown = shown.replace("[landing.shop] ", "[landing.shop]\nsettle_s = 0 ")
    (empty.folder / "conductor.toml").write_text(shown + CLOCK)
    (empty.folder / "landing").mkdir()
    return empty


def land(shop: Inside, name: str, *records: dict[str, object]) -> Path:
    path = shop.folder / "landing" / name
    path.write_bytes(text(*records))
    return path


def test_a_corrected_record_is_released_and_conformed_without_a_ledger(shop: Inside) -> None:
    land(shop, "sales_20261122_050000.json", sale("T-1"), sale("T-2", total="30.75"))
    assert shop.conductor("landing", "take").code == 0
    (held,) = shop.conductor("quarantine", "list", "--json").json["records"]
    (shop.folder / "fixed.json").write_text(json.dumps(sale("T-2")))
    release = ("quarantine", "release", str(held["seq"]), "--body", "fixed.json", "--as", "ana")
    released = shop.conductor(*release, "--json")
    assert released.code == 0, released.err
    check(released.json)
    assert released.json["sent"] == 1
    assert released.json["still_open"] == 0
    assert shop.conductor("quarantine", "list", "--json").json["records"] == []
    sales = shop.conductor("query", "select count(*) n from sales", "--format", "json")
    assert sales.json["rows"] == [{"n": 2}]
    assert shop.conductor("replay").code == 0


def test_conform_needs_no_ledger_and_close_says_where_to_add_one(shop: Inside) -> None:
    land(shop, "sales_20261122_050000.json", sale("T-1"))
    assert shop.conductor("landing", "take").code == 0
    conformed = shop.conductor("run", "conform", "--json")
    assert conformed.code == 0, conformed.err
    closed = shop.conductor("run", "close")
    assert closed.code == 3
    assert "conductor.toml has no [ledger]" in closed.err
    assert f"add [ledger] and [mapping] to {shop.folder / 'conductor.toml'}" in closed.err
    assert "conductor init" not in closed.err


def test_a_misspelt_export_is_named_by_take_list_and_status(shop: Inside) -> None:
    land(shop, "refunds_20261121_1.json", sale("T-1"))
    taken = shop.conductor("landing", "take")
    assert taken.code == 0
    assert "unknown=1" in taken.out
    problem = "its path names no dataset; there is: products, sales"
    assert f"shop: refunds_20261121_1.json is not taken: {problem}" in taken.err
    listed = shop.conductor("landing", "list", "--json").json
    check(listed)
    assert [(one["path"], one["state"]) for one in listed["files"]] == [
        ("refunds_20261121_1.json", "unknown")
    ]
    needs = shop.conductor("status", "--json").json["needs_you"]
    assert "1 landed files are taken by nobody: conductor landing list" in needs


def test_a_landing_folder_that_is_missing_is_answered_with_how_to_make_it(shop: Inside) -> None:
    folder = shop.folder / "landing"
    folder.rmdir()
    assert f"Fix:  mkdir -p {folder}" in shop.conductor("landing", "take").err


def test_a_failure_is_shown_with_its_time_until_a_success_came_after_it(shop: Inside) -> None:
    (shop.folder / "landing").rmdir()
    assert shop.conductor("landing", "take").code == 5
    (feed,) = shop.conductor("status", "--json").json["feeds"]
    assert (feed["failing"], feed["last_success"]) == (True, "never")
    assert feed["last_failure"].startswith("2026-11-23T12:")
    assert re.search(r"2026-11-23 12:\d\d:\d\d UTC CC-102", shop.conductor("status").out)
    (shop.folder / "landing").mkdir()
    assert shop.conductor("landing", "take").code == 0
    (feed,) = shop.conductor("status", "--json").json["feeds"]
    assert not feed["failing"]
    assert "CC-102" in feed["error"]
    assert "CC-102" not in shop.conductor("status").out


def test_a_query_of_an_unknown_table_names_those_there_are(shop: Inside) -> None:
    answer = shop.conductor("query", "select nothing from nowhere")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("CC-235")
    assert "nowhere does not exist" in answer.err
    assert "the tables are sales, sale_lines" in answer.err
    assert "pg_" not in answer.err
