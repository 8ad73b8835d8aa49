"""Breaks planted in a chain are found by the demo itself, and by an outside script."""

import copy
import json

import pytest
from demo_rig import Demo, play, recompute

PLANTS = (
    ("D01", "NYC01", "2026-11-20"),
    ("D03", "NYC01", "2026-11-21"),
    ("D04", "CHI01", "2026-11-20"),
    ("D05", "LAX01", "2026-11-20"),
    ("D16", "CHI01", "2026-11-21"),
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    given = [f"--plant={kind}@{store}/{day}" for kind, store, day in PLANTS]
    folder = tmp_path_factory.mktemp("planted") / "kept"
    return play(folder, "--scenario", "chain", "--seed", "5", *given)


def test_every_planted_break_is_found_with_its_code(planted: Demo):
    """Exit 0: what is open was planted there, and found as what it is."""
    assert planted.done.returncode == 0, planted.done.stderr
    assert planted.said["planted"] == [
        {"kind": kind, "store": store, "business_date": day, "found_as": kind}
        for kind, store, day in PLANTS
    ]
    assert planted.said["unexplained_minor"] == 0
    assert planted.said["levels"]["L6"]["state"] == "breaks"
    assert planted.said["events"]["quarantined"] >= 1


def test_an_outside_script_agrees_with_what_was_found(planted: Demo):
    done = recompute(planted.folder, planted.said)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", range(len(PLANTS)))
def test_a_planted_break_that_is_not_found_is_noticed_from_outside(planted: Demo, number: int):
    said = copy.deepcopy(planted.said)
    said["planted"][number]["found_as"] = None
    assert recompute(planted.folder, said).returncode == 1


def test_the_quarantined_sale_is_kept_with_its_pointer(planted: Demo):
    records = json.loads((planted.folder / "quarantine.json").read_text())
    truth = json.loads((planted.folder / "truth.json").read_text())
    (meant,) = [one for one in truth["planted"] if one["kind"] == "D16"]
    assert meant["order_id"] in json.dumps(records)
    assert {one["state"] for one in records} == {"open"}


def test_folder_is_complete(planted: Demo):
    names = {path.name for path in planted.folder.iterdir()}
    assert names >= {
        "truth.json", "square.json", "xero.json", "books.json", "quarantine.json", "demo.json",
        "conductor.toml", "lake",
    }  # fmt: skip
    assert {path.name for path in (planted.folder / "lake").iterdir()} >= {"raw", "processed"}
