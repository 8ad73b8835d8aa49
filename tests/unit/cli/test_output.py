"""Tables on screens of any width."""

import pytest

from cloud_conductor.cli.output import table

COLUMNS = (("business date", "left"), ("store total", "right"), ("what was compared", "left"))
ROWS = (("2026-11-21", "1234567.89", "the payments and the refunds"),)


def test_a_narrow_screen_breaks_between_words_and_never_inside_a_date_or_an_amount(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "44")
    table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 44
    assert sum("2026-11-21" in line and "1234567.89" in line for line in lines) == 1


def test_a_row_far_wider_than_the_screen_is_given_column_by_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "30")
    table((("sale_id", "left"), ("raw_sha256", "left")), (("s1", "a" * 64), ("[s2]", "b" * 64)))
    assert capsys.readouterr().out.strip() == (
        f"sale_id     s1\nraw_sha256  {'a' * 64}\n\nsale_id     [s2]\nraw_sha256  {'b' * 64}"
    )
