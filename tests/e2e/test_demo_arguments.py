"""What `conductor demo` refuses, and how it says so; nothing is started for a refusal."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from demo_rig import conductor

from cloud_conductor.cli.demo import demo


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        ("D04", "KIND@STORE/DAY"),
        ("D04@NYC01", "KIND@STORE/DAY"),
        ("D04/2026-11-21", "KIND@STORE/DAY"),
        ("D99@NYC01/2026-11-21", "D01, D03, D04, D05, D16"),
        ("D04@NYC01/21 November", "not a date"),
        ("D04@NYC01/2026-11-31", "not a date"),
        ("D04@NYC09/2026-11-21", "NYC01"),
        ("D04@NYC01/2026-11-29", "2026-11-20 to 2026-11-21"),
    ],
)
def test_a_plant_that_makes_no_sense_is_a_usage_error(plant: str, says: str):
    done = CliRunner().invoke(demo, ["--scenario", "chain", "--once", "--plant", plant])
    assert done.exit_code == 2
    assert says in done.output


@pytest.mark.parametrize(
    "given",
    [
        ["--plant", "D16@NYC01/2026-11-21"],
        ["--plant", "D04@NYC01/2026-11-22"],
        ["--data", "completejourney", "--plant", "D04@400/2017-01-01"],
        ["--data", "completejourney", "--scenario", "chain"],
        ["--days", "3"],
        ["--faults"],
        ["--scenario", "chain", "--country", "JP"],
        ["--scenario", "retail", "--plant", "D04@NYC0001/2026-11-01"],
        ["--scenario", "retail", "--country", "FR"],
        ["--days", "0"],
        ["--scenario", "village"],
        ["--data", "nielsen"],
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(given: list[str]):
    done = CliRunner().invoke(demo, ["--once", *given])
    assert (done.exit_code, "Traceback" in done.output) == (2, False)


def test_a_used_folder_is_left_as_it_is(tmp_path: Path):
    used = tmp_path / "conductor.toml"
    used.write_text("mine")
    done = conductor("demo", "--once", "--json", "--keep", tmp_path)
    assert done.returncode == 2
    assert "name an empty folder" in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["conductor.toml"]
    assert used.read_text() == "mine"
