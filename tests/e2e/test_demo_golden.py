"""The golden day through the whole path, on SQLite: real processes, real signatures (§5 to §8)."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from demo_rig import CLEARING, Demo, assert_golden, conductor, play, recompute

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return play(tmp_path_factory.mktemp("golden") / "kept")


def test_the_demo_proves_itself(golden: Demo):
    assert golden.done.returncode == 0, golden.done.stderr
    assert "leaked" not in golden.done.stderr  # what a library says of objects not taken apart
    assert golden.said["schema"] == "conductor.demo/v1"
    assert {name: level["state"] for name, level in golden.said["levels"].items()} == dict.fromkeys(
        ("L1", "L2", "L3", "L4", "L5", "L6"), "green"
    )
    assert golden.said["unexplained_minor"] == 0
    assert golden.said["store_days"] == 2
    assert golden.said["planted"] == []
    assert golden.said["entries"] == {
        "SALES": {"posted": 2},
        "FEES": {"posted": 2},
        "COGS": {"posted": 2},
        "PAYOUT": {"posted": 2},
        "CASH": {"posted": 1},
        "DEPOSIT": {"posted": 1},
    }
    assert json.loads((golden.folder / "demo.json").read_text()) == golden.said


def test_no_event_is_lost_between_the_door_and_the_tables(golden: Demo):
    """INV-16: webhooks came in, were fetched, and every one is accounted for."""
    events = golden.said["events"]
    assert events["received"] > 0
    assert events["quarantined"] == 0
    parts = ("processed", "quarantined", "deduplicated")
    assert events["received"] == sum(events[part] for part in parts)


def test_the_ledger_holds_the_golden_figures(golden: Demo):
    assert_golden(golden.ledger)
    assert golden.ledger.balance(CLEARING) == 17_93  # O11 net of its fee, in no payout yet


def test_an_outside_script_recomputes_the_same_figures(golden: Demo):
    done = recompute(golden.folder, golden.said)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["events"].update(received=said["events"]["received"] + 1),
        lambda said: said.update(store_days=3),
        lambda said: said["entries"]["SALES"].update(posted=3),
        lambda said: said["levels"]["L3"].update(matched=0),
        lambda said: said.update(planted=[{"kind": "D04", "found_as": "D04"}]),
    ],
    ids=["events", "store_days", "entries", "levels", "planted"],
)
def test_one_changed_figure_is_noticed_from_outside(golden: Demo, change: Change):
    said = copy.deepcopy(golden.said)
    change(said)
    done = recompute(golden.folder, said)
    assert (done.returncode, "DIFFERENCE" in done.stderr) == (1, True)


def test_green_levels_do_not_hide_a_voided_document_from_outside(golden: Demo, tmp_path: Path):
    """The JSON stays as it was; the organisation's dump has lost one journal."""
    kept = tmp_path / "kept"
    shutil.copytree(golden.folder, kept)
    dump = json.loads((kept / "xero.json").read_text())
    voided = next(row for row in dump["manual_journals"] if " SALES " in row["narration"])
    voided["status"] = "VOIDED"
    (kept / "xero.json").write_text(json.dumps(dump))
    done = recompute(kept, golden.said)
    assert done.returncode == 1
    assert "SALES NYC01" in done.stderr or "ledger" in done.stderr


def test_a_replay_of_the_log_gives_identical_tables(golden: Demo):
    """INV-14: the simulators are gone; the log alone is enough."""
    done = conductor("replay", "--json", "--config", golden.folder)
    assert done.returncode == 0, done.stderr
    replayed = json.loads(done.stdout)
    assert replayed["different"] == []
    assert replayed["identical"] > 10


def test_a_used_folder_is_refused(golden: Demo):
    done = play(golden.folder).done
    assert done.returncode == 2
    assert "holds a demo already" in done.stderr
    assert done.stdout == ""
