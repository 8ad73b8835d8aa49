"""A day from the till to the ledger by commands alone: JSON, exit codes, secrets, no questions."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import CREDENTIALS, Shop, check, golden_shop

DAY = "2026-11-21"
SECRETS = (CREDENTIALS["SQUARE_TOKEN"], CREDENTIALS["XERO_CLIENT_SECRET"])
PLANTED = "planted-secret-7f3a"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """After `run close`: drafts wait for a second person."""
    with golden_shop(tmp_path_factory.mktemp("shop")) as made:
        closed = made.conductor("run", "close", "--json")
        assert closed.code == 0, closed.err
        check(closed.json)
        yield made


def test_a_day_goes_from_drafts_to_green_levels_by_commands_alone(shop):
    """Figures of the golden day (§5): 314.68 balanced, COGS 77.50, payout 198.98."""
    drafts = shop.conductor("journals", "list", "--state", "draft", "--json")
    check(drafts.json)
    debits = {
        (one["business_date"], one["kind"]): sum(
            max(line["amount_minor"], 0) for line in one["lines"]
        )
        for one in drafts.json["entries"]
    }
    assert debits[DAY, "SALES"] == 31468
    assert debits[DAY, "COGS"] == 7750
    assert debits["2026-11-23", "PAYOUT"] == 19898

    dry = shop.conductor("journals", "approve", "--all", "--as", "maria", "--json")
    assert dry.code == 0, dry.err
    check(dry.json)
    assert len(dry.json["approved"]) == 10

    would = shop.conductor("journals", "post", "--dry-run")
    check(would.json)
    assert len(would.json["would_post"]) == 10

    asked = shop.conductor("journals", "post")
    assert (asked.code, asked.out) == (6, "")
    assert "--yes" in asked.err

    posted = shop.conductor("journals", "post", "--yes", "--json")
    assert posted.code == 0, posted.err
    check(posted.json)
    assert posted.json["entries"] == {"posted": 10}

    compared = shop.conductor("reconcile", "--json")
    check(compared.json)
    assert {name: one["state"] for name, one in compared.json["levels"].items()} == dict.fromkeys(
        ("L1", "L2", "L3", "L4", "L5", "L6"), "green"
    )
    assert compared.code == 0


READING = (
    ("status",),
    ("doctor",),
    ("config", "show"),
    ("journals", "list"),
    ("quarantine", "list"),
    ("explain", "D03"),
    ("replay",),
    ("backfill", "--from", DAY, "--to", DAY, "--dry-run"),
    ("run", "conform"),
)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_the_json_of_a_command_fits_its_published_schema(shop, words):
    answer = shop.conductor(*words, "--json")
    assert answer.code == 0, answer.err + answer.out
    assert len(answer.out.splitlines()) == 1
    check(answer.json)


def test_query_gives_the_days_net_sales_as_json(shop):
    sql = f"select sum(net_minor) net from sale_lines where is_sale and business_date = '{DAY}'"
    answer = shop.conductor("query", sql, "--format", "json")
    check(answer.json)
    assert answer.json["rows"] == [{"net": 18683}]
    assert shop.conductor("query", "drop table sales").code == 2


def test_one_entry_is_shown_by_the_first_letters_of_its_key(shop):
    listed = shop.conductor("journals", "list", "--date", DAY, "--json").json["entries"]
    sales = next(one for one in listed if one["kind"] == "SALES")
    one = shop.conductor("journals", "show", sales["posting_key"][:8], "--json")
    check(one.json)
    assert one.json["lines"] == sales["lines"]
    assert shop.conductor("journals", "show", "nothing").code == 2


def test_log_lines_are_objects_with_their_schema(shop):
    answer = shop.conductor("logs", "--json")
    assert answer.code == 0
    for line in answer.out.splitlines():
        check(json.loads(line))


@pytest.mark.parametrize(
    "words",
    [("status", "--json"), ("doctor",), ("config", "show"), ("logs", "--json")],
    ids=" ".join,
)
def test_no_secret_is_printed(shop, words):
    planted = {
        "CONDUCTOR__SOURCES__SQUARE__SIGNATURE_KEY": PLANTED,
        "CONDUCTOR__LEDGER__REFRESH_TOKEN": PLANTED,
    }
    answer = shop.conductor(*words, **planted)
    text = answer.out + answer.err
    assert text
    assert [secret for secret in (*SECRETS, PLANTED) if secret in text] == []


def test_nothing_that_is_kept_on_disk_holds_a_secret(shop):
    kept = [
        file
        for file in (shop.folder / ".conductor").rglob("*")
        if file.is_file() and any(s.encode() in file.read_bytes() for s in SECRETS)
    ]
    assert kept == []


def test_a_wrong_vendor_token_is_a_failed_check_and_says_what_to_do(shop):
    answer = shop.conductor("doctor", "--json", SQUARE_TOKEN="expired")
    check(answer.json)
    assert answer.code == 4
    (failed,) = (one for one in answer.json["checks"] if not one["holds"])
    assert failed["name"] == "square"
    assert "CC-204" in failed["found"]
    assert "expired" not in answer.out + answer.err


def test_a_vendor_that_refuses_is_exit_code_5(shop, tmp_path):
    stranger = Shop(tmp_path)
    answer = stranger.conductor(
        "init", "new", "--square-url", shop.square, "--xero-url", shop.xero, SQUARE_TOKEN="wrong"
    )
    assert answer.code == 5
    assert re.search(
        r"^CC-204 .+\n +Fix: .+\n +More: conductor explain CC-204$", answer.err, re.MULTILINE
    )
    assert not Path(tmp_path / "new" / "conductor.toml").exists()


def test_a_reconciliation_that_is_not_green_is_exit_code_4(shop):
    """A day that was never closed has no entries: its levels are not all green, or say so."""
    answer = shop.conductor("reconcile", "--date", "2026-11-21", "--json", XERO_CLIENT_SECRET="no")
    assert answer.code == 4
    assert answer.json["levels"]["L6"]["state"] == "not_connected"


@pytest.mark.parametrize("words", [("status",), ("journals", "list"), ("reconcile",)], ids=" ".join)
def test_a_screen_fits_80_columns_and_has_no_colour_off_a_terminal(shop, words):
    answer = shop.conductor(*words, COLUMNS="80")
    assert [line for line in answer.out.splitlines() if len(line.rstrip()) > 80] == []
    assert "\x1b" not in answer.out + answer.err
