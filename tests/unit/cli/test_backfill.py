"""Backfill by command: refused before anything is read, and told in words (design decision 8)."""

from pathlib import Path

import pytest
from shop import Inside, check, golden_shop

SPAN = ("backfill", "--from", "2026-11-19", "--to", "2026-11-22")
SQUARE = """
[sources.{name}]
vendor = "square"
base_url = "http://127.0.0.1:9"
token = "env:SQUARE_TOKEN"
signature_key = "env:SQUARE_TOKEN"
"""
STORE = '[stores.A]\nlocation = "L1"\nsource = "one"\ntime_zone = "Asia/Tokyo"\n'
WITHOUT = {
    "nobody to read from": (
        '[landing.shop]\npath = "landing"\n',
        "has no [sources.*]",
        "conductor landing take",
    ),
    "a source of no store": (
        SQUARE.format(name="one"),
        "has no [stores.*] of source one",
        'add a [stores.NAME] with source = "one"',
    ),
    "a second source of no store": (
        SQUARE.format(name="one") + SQUARE.format(name="two") + STORE,
        "has no [stores.*] of source two",
        'add a [stores.NAME] with source = "two"',
    ),
}


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize("lack", WITHOUT)
def test_what_cannot_be_backfilled_is_said_with_what_to_add(empty: Inside, lack, dry) -> None:
    written, message, fix = WITHOUT[lack]
    (empty.folder / "conductor.toml").write_text(written)
    answer = empty.conductor(*SPAN, *dry)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith("CC-201")
    assert message in answer.err
    assert fix in answer.err


def test_without_a_ledger_nothing_is_read(empty: Inside) -> None:
    """The source cannot be reached: being asked it would answer CC-102."""
    (empty.folder / "conductor.toml").write_text(SQUARE.format(name="one") + STORE)
    answer = empty.conductor(*SPAN)
    assert (answer.code, answer.out) == (3, "")
    assert "has no [ledger]" in answer.err


def test_a_backfill_is_told_in_words_and_to_scripts_in_json(tmp_path: Path) -> None:
    with golden_shop(tmp_path) as shop:
        day = ("backfill", "--from", "2026-11-21", "--to", "2026-11-22")
        would = shop.conductor(*day, "--dry-run")
        start, end = "2026-11-21T09:00:00+00:00", "2026-11-23T09:00:00+00:00"
        assert would.out == (
            f"would read 2 days, {start} to {end}, and close 2026-11-21 to 2026-11-22\n"
        )
        done = shop.conductor(*day, "--json")
        assert done.code == 0, done.err
        check(done.json)
        assert done.json["days"] == 2
        again = shop.conductor(*day)
        read = done.json["objects"]
        assert again.out == (
            f"read 2 days, {read} objects, 0 of them new; closed 2026-11-21 to 2026-11-22\n"
        )
