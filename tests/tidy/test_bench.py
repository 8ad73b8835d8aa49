"""What README says of speed is what a committed result says."""

import json
import runpy

from source import ROOT

BENCH = ROOT / "bench"


def test_the_table_in_readme_is_that_of_the_results():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert runpy.run_path(str(BENCH / "readme.py"))["written"](readme) == readme, (
        "run: python bench/readme.py"
    )


def test_every_result_names_its_machine_and_commit_and_has_a_bench():
    results = sorted((BENCH / "results").glob("*.json"))
    assert results
    for path in results:
        result = json.loads(path.read_text("utf-8"))
        assert (BENCH / f"bench_{path.stem.partition('-')[0]}.py").is_file(), path.name
        assert result["machine"]["cpu"], path.name
        assert result["machine"]["commit"] not in {"", "none"}, path.name
        assert result["goals"], path.name


def test_every_bench_begins_with_the_physical_limit():
    benches = sorted(BENCH.glob("bench_*.py"))
    assert benches
    for path in benches:
        assert "The limit" in path.read_text("utf-8")[:1_500], path.name
