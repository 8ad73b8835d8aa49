"""conductor.toml as a value: unknown keys fail, stores come in order."""

import tomllib
from datetime import UTC, date, datetime, time

import msgspec
import pytest

from cloud_conductor.domain.config import Config

TEXT = """
name = "corner-shop"

[sources.square]
vendor = "square"
base_url = "https://connect.squareup.com"
token = "env:SQUARE_TOKEN"

[ledger]
vendor = "xero"
base_url = "https://api.xero.com"
client_id = "env:XERO_CLIENT_ID"
client_secret = "env:XERO_CLIENT_SECRET"

[stores.NYC01]
location = "L8X2"
time_zone = "America/New_York"
cutoff = "04:00"
tax_splits = { "NYC sales tax" = { STATE = "4.000", CITY = "4.500", DISTRICT = "0.375" } }

[stores.CHI01]
location = "L9Y3"
time_zone = "America/Chicago"

[mapping]
"sales.*" = "200"

[accounting.approval]
auto_kinds = ["FEES"]
"""


def load(text: str) -> Config:
    return msgspec.convert(tomllib.loads(text), Config)


def test_an_ordinary_file_is_read():
    config = load(TEXT)
    assert config.ledger.vendor == "xero"
    assert config.mapping == {"sales.*": "200"}
    assert config.accounting.approval.auto_kinds == ("FEES",)


def test_an_empty_file_is_a_valid_start():
    assert load("").gateway.port == 8787


@pytest.mark.parametrize(
    "line",
    [
        'nmae = "x"',
        "[gateway]\nprot = 1",
        '[ledger]\nvendor = "xero"\nbase_url = "x"\ncall_per_minute = 9',
        '[stores.A]\nlocation = "L"\ntime_zone = "UTC"\ncut_off = "04:00"',
        "[accounting.approval]\nauto_kind = []",
    ],
)
def test_an_unknown_key_fails_wherever_it_stands(line):
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        load(line)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('[gateway]\nport = "8787"', r"\$\.gateway\.port"),
        ('[accounting]\nfees_at = "never"', r"\$\.accounting\.fees_at"),
        ("[mapping]\nbank = 90", r"\$\.mapping"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(line, path):
    with pytest.raises(msgspec.ValidationError, match=path):
        load(line)


def test_the_store_master_is_sorted_and_typed():
    chicago, new_york = load(TEXT).store_master()
    assert (chicago.store, chicago.cutoff, chicago.currency) == ("CHI01", time(0), "USD")
    assert new_york.cutoff == time(4)
    assert new_york.tax_splits[0].tax == "NYC sales tax"
    assert new_york.tax_splits[0].parts == (
        ("STATE", "4.000"), ("CITY", "4.500"), ("DISTRICT", "0.375"),
    )  # fmt: skip


def test_folders_are_below_the_folder_of_the_file():
    config = msgspec.structs.replace(load(TEXT), root="shop")
    assert config.state_dir.as_posix() == "shop/.conductor"
    assert config.lake_dir.as_posix() == "shop/lake"


def test_a_store_gives_dates_by_its_own_zone_and_cut_off():
    chicago, new_york = load(TEXT).store_master()
    instant = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
    assert new_york.business_date(instant) == date(2026, 11, 21)
    assert chicago.business_date(instant) == date(2026, 11, 22)
    start, end = new_york.day_interval(date(2026, 11, 21))
    assert start <= instant < end
    assert new_york.previous(date(2026, 3, 1)) == date(2026, 2, 28)
