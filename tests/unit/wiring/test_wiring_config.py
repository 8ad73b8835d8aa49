from pathlib import Path

import pytest

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.wiring import config as loading

MINIMAL = """
[sources.square]
vendor = "square"
base_url = "http://127.0.0.1:1"
token = "env:SQUARE_TOKEN"

[stores.NYC01]
location = "L1"
time_zone = "America/New_York"
cutoff = "04:00"
tax_splits."NYC sales tax" = { STATE = "4.000", CITY = "4.500" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "conductor.toml"
    path.write_text(MINIMAL)
    return path


def test_file_overrides_defaults_and_environment_overrides_file(file: Path):
    file.write_text(MINIMAL + "\n[gateway]\nport = 9000\n")
    assert loading.load(file, {}).gateway.port == 9000
    assert loading.load(file, {"CONDUCTOR__GATEWAY__PORT": "9001"}).gateway.port == 9001


def test_unknown_key_fails_and_names_its_place(file: Path):
    file.write_text(MINIMAL + "\n[gateway]\nporrt = 9000\n")
    with pytest.raises(ConfigError, match=r"porrt.*\$\.gateway"):
        loading.load(file, {})


def test_unknown_environment_key_fails(file: Path):
    with pytest.raises(ConfigError, match="colour"):
        loading.load(file, {"CONDUCTOR__GATEWAY__COLOUR": "blue"})


def test_store_must_name_a_source_that_exists(file: Path):
    file.write_text(MINIMAL.replace("[sources.square]", "[sources.other]"))
    with pytest.raises(ConfigError, match="square"):
        loading.load(file, {})


def test_one_location_cannot_be_two_stores(file: Path):
    file.write_text(MINIMAL + '\n[stores.NYC02]\nlocation = "L1"\ntime_zone = "America/New_York"\n')
    with pytest.raises(ConfigError, match="two stores"):
        loading.load(file, {})


def test_a_store_in_a_currency_nobody_knows_is_refused_r_1_2(file: Path):
    file.write_text(MINIMAL.replace('location = "L1"', 'location = "L1"\ncurrency = "usd"'))
    with pytest.raises(ConfigError, match="'usd' is not in ISO 4217"):
        loading.load(file, {})


def test_broken_toml_is_a_config_error_with_its_line(file: Path):
    file.write_text("[gateway\nport = 1")
    with pytest.raises(ConfigError, match="line 1"):
        loading.load(file, {})


def test_missing_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        loading.find_file(str(tmp_path), {})
    assert "conductor init" in caught.value.fix


def test_settings_say_where_a_value_came_from_and_never_show_a_secret(file: Path):
    file.write_text(MINIMAL + "\n[gateway]\nport = 9000\n")
    rows = {row.key: row for row in loading.settings(file, {"CONDUCTOR__GATEWAY__HOST": "::1"})}
    assert rows["gateway.port"].origin == "file"
    assert rows["gateway.host"].origin == "environment"
    assert rows["lake.path"].origin == "default"
    assert rows["sources.square.token"].value == "env:***"


def test_store_master_carries_cutoff_and_tax_split(file: Path):
    (store,) = loading.load(file, {}).store_master()
    assert store.cutoff.isoformat() == "04:00:00"
    assert store.tax_splits[0].tax == "NYC sales tax"
    assert store.tax_splits[0].parts == (("STATE", "4.000"), ("CITY", "4.500"))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("America/New_York", "America/Dever", "'America/Dever' is not an IANA zone"),
        ("04:00", "3 am", "'3 am' is not a time of day"),
        ("04:00", "25:00", "'25:00' is not a time of day"),
    ],
)
def test_a_store_without_a_zone_or_a_time_that_exists_is_refused(
    file: Path, right: str, wrong: str, said: str
):
    file.write_text(MINIMAL.replace(right, wrong))
    with pytest.raises(ConfigError, match=said):
        loading.load(file, {})


def test_a_ledger_without_an_adapter_is_refused_and_not_taken_for_another(file: Path):
    file.write_text(MINIMAL + '\n[ledger]\nvendor = "quickbooks"\nbase_url = "https://x.example"\n')
    with pytest.raises(ConfigError, match="no adapter for 'quickbooks'; there is: xero"):
        loading.load(file, {})
