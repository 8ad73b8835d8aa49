"""R-13.2 to R-13.4: late facts after the golden day was posted."""

from datetime import date

import pyarrow as pa
import pytest
from msgspec.structs import replace

from cloud_conductor.accounting.facts import DayFacts, fact_set_hash
from cloud_conductor.accounting.journal import day_entries
from cloud_conductor.accounting.mapping import AccountMap
from cloud_conductor.accounting.versions import (
    correction_date,
    corrections,
    next_version,
    reversal,
    summed,
)
from cloud_conductor.domain.journal import JournalEntry
from cloud_conductor.testing import golden_day as golden
from cloud_conductor.testing.small_day import Basket, Line, Tender, small_tables

ACCOUNTS = AccountMap.of(golden.MAPPING, "1")
# O12: offline card sale at 19:00 on 11-21, received on 11-23; its cost is ours.
O12 = Basket(
    sale_id="O12",
    lines=(Line(gross=20_00, department="Apparel", cost=8_00),),
    tax=(("STATE", 80), ("CITY", 90), ("DISTRICT", 8)),
    tenders=(Tender(amount=21_78, fee=67),),
)


def entries(*late: Basket, accounts: AccountMap = ACCOUNTS) -> dict[str, JournalEntry]:
    tables = golden.golden_tables(golden.DAY)
    more = small_tables(late)
    facts = DayFacts.of(
        golden.STORE,
        golden.DAY,
        {name: pa.concat_tables([table, more[name]]) for name, table in tables.items()},
    )
    return {entry.kind: entry for entry in day_entries(facts, accounts).entries}


def legs(entry: JournalEntry) -> dict[str, int]:
    return {line.role: line.amount_minor for line in entry.lines}


def test_a_late_sale_gives_the_delta_of_the_guide_and_nothing_else():
    before, after = entries(), entries(O12)
    sales = next_version([before["SALES"]], after["SALES"])
    fees = next_version([before["FEES"]], after["FEES"])
    costs = next_version([before["COGS"]], after["COGS"])
    assert legs(sales) == {
        "clearing.square": 21_78,
        "sales.apparel": -20_00,
        "tax_payable.STATE": -80,
        "tax_payable.CITY": -90,
        "tax_payable.DISTRICT": -8,
    }
    assert legs(fees) == {"merchant_fees.square": 67, "clearing.square": -67}
    assert legs(costs) == {"cogs.*": 8_00, "inventory.*": -8_00}
    assert (sales.version, sales.ledger_date, sales.is_balanced) == (2, golden.DAY, True)
    assert next_version([before["DEPOSIT"]], after["DEPOSIT"]) is None


def test_in_a_locked_period_the_delta_has_the_same_lines_on_the_first_open_day():
    opened = date(2026, 12, 1)
    delta = next_version([entries()["SALES"]], entries(O12)["SALES"], open_from=opened)
    assert (delta.ledger_date, delta.business_date) == (opened, golden.DAY)
    assert legs(delta)["clearing.square"] == 21_78


@pytest.mark.parametrize(
    ("open_from", "expected"),
    [(None, 21), (date(2026, 11, 1), 21), (date(2026, 11, 21), 21), (date(2026, 11, 25), 25)],
)
def test_a_correction_is_never_dated_before_the_original_r_13_3(open_from, expected):
    assert correction_date(golden.DAY, open_from) == date(2026, 11, expected)


def test_a_first_version_is_never_moved_to_another_period_silently_r_13_5():
    first = next_version([], entries()["SALES"], open_from=date(2026, 12, 1))
    assert (first.version, first.ledger_date) == (1, golden.DAY)


def test_unchanged_content_gives_nothing_whatever_the_hash_says():
    posted = entries()["SALES"]
    again = replace(posted, fact_set_hash="other", mapping_version="2")
    assert next_version([posted], again) is None


def test_facts_that_call_for_no_entry_any_more_take_back_what_was_posted():
    posted = entries()["CASH"]
    gone = next_version([posted], replace(posted, lines=()))
    assert summed([posted, gone]) == {}
    assert next_version([], replace(posted, lines=())) is None


def test_a_role_moved_to_another_account_is_reversed_and_rebooked():
    v1 = entries()["SALES"]
    remapped = AccountMap.of({**golden.MAPPING, "sales.home": "209"}, "2")
    wanted = entries(accounts=remapped)["SALES"]
    flipped, booked = corrections([v1], wanted)
    assert (flipped.kind, flipped.of_version, flipped.entry.version) == ("reversal", 1, 2)
    assert (booked.kind, booked.of_version, booked.entry.version) == ("rebook", 2, 3)
    assert summed([v1, flipped.entry]) == {}
    assert summed([v1, flipped.entry, booked.entry]) == summed([wanted])
    v2 = next_version([v1], wanted)
    v3 = next_version([v1, v2], wanted)
    assert (v2.lines, v3.lines) == (flipped.entry.lines, booked.entry.lines)
    assert next_version([v1, v2, v3], wanted) is None


def test_an_account_changed_under_the_same_version_name_is_reversed_all_the_same_r_13_2():
    v1 = entries()["SALES"]
    edited = AccountMap.of({**golden.MAPPING, "sales.home": "209"}, v1.mapping_version)
    steps = corrections([v1], entries(accounts=edited)["SALES"])
    assert [step.kind for step in steps] == ["reversal", "rebook"]


def test_a_rule_renamed_on_the_same_account_posts_nothing():
    renamed = AccountMap.of({**golden.MAPPING, "discounts.percent": "220"}, "2")
    assert next_version([entries()["SALES"]], entries(accounts=renamed)["SALES"]) is None


def test_a_reversal_and_its_original_are_zero_per_account_inv_20():
    for entry in entries().values():
        flipped = reversal(entry, version=2)
        assert summed([entry, flipped]) == {}
        assert flipped.is_balanced


def test_the_fact_set_hash_sees_a_version_and_not_an_order():
    tables = golden.golden_tables(golden.DAY)
    upside_down = tables["sales"].take(list(range(tables["sales"].num_rows))[::-1])
    changed = tables["sales"].set_column(
        tables["sales"].schema.get_field_index("version_digest"),
        "version_digest",
        pa.array(["1" * 16] + ["0" * 16] * (tables["sales"].num_rows - 1)),
    )
    base = fact_set_hash({"sales": tables["sales"]})
    assert base == fact_set_hash({"sales": upside_down})
    assert base != fact_set_hash({"sales": changed})
    assert entries()["SALES"].fact_set_hash != entries(O12)["SALES"].fact_set_hash
    assert entries()["CASH"].fact_set_hash == entries(O12)["CASH"].fact_set_hash
