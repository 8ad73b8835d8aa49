"""A chain that does all that happens in shops, on vendors' bad days, played and judged by the demo."""

import json
from pathlib import Path

import jsonschema_rs
from demo_rig import play

SCHEMA = Path(__file__).parents[2] / "docs/reference/schemas/demo.json"


def test_a_chain_on_a_bad_day_is_what_its_truth_says(tmp_path: Path):
    given = ("--country", "AU", "--days", "5", "--stores", "2", "--seed", "4", "--faults")
    demo = play(tmp_path / "kept", "--scenario", "retail", *given)
    assert demo.done.returncode == 0, demo.done.stderr
    said = demo.said
    jsonschema_rs.validate(json.loads(SCHEMA.read_text()), said)
    truth = json.loads((demo.folder / "truth.json").read_text())
    meant = [entry for day in truth["store_days"] for entry in day["entries"]]
    assert said["truth"]["differ"] == []
    assert said["truth"]["entries"] == len(meant) > 50
    made = sorted({tuple(one) for one in truth["breaks"]})
    found = [(one["kind"], one["store"], one["business_date"]) for one in said["planted"]]
    assert found == made
    assert all(one["found_as"] == one["kind"] for one in said["planted"])
    assert min(said["struck"]["square"][name] for name in ("drop", "duplicate", "forge")) > 0
    assert sum(said["struck"]["xero"].values()) > 0
    events = said["events"]
    parts = ("processed", "quarantined", "deduplicated")
    assert events["received"] == sum(events[name] for name in parts)
    assert "misbehaved" in demo.done.stderr
