"""Writes README's table of ratios from `bench/results`. `make bench` runs it last.

A tidy test compares the table with what this gives, so README never claims what no result holds.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- written by bench/readme.py -->"
END = "<!-- end -->"


class Row(NamedTuple):
    """One line of the table. figure: its name in the result. unit: what stands behind it."""

    bench: str
    what: str
    against: str
    figure: str
    goal: str
    goal_key: str
    unit: str = "x"
    scale: float = 1.0


ROWS = (
    Row(
        "intake",
        "Signed webhooks a second, durable before the answer, 128 connections",
        "the same handler on FastAPI",
        "ours / fastapi, 128 connections",
        ">= 4x",
        "at 128 connections >= 4x FastAPI",
    ),
    Row(
        "intake",
        "CPU of the server for one of them",
        "the same handler on FastAPI",
        "server CPU fastapi / ours, 128 connections",
        "",
        "",
    ),
    Row(
        "intake",
        "99 of 100 of them are answered within",
        "",
        "ours x128: p99_ms",
        "<= 30 ms",
        "at 128 connections p99 <= 30 ms",
        " ms",
    ),
    Row(
        "live",
        "95 of 100 sales are on a screen within, 200 sales a second",
        "",
        "sale to screen: p95_s",
        "<= 1 s",
        "sale to screen p95 <= 1 s at 200 sales/s",
        " s",
    ),
    Row(
        "live",
        "The intake's p99 with 50 viewers",
        "with none",
        "50 viewers: intake p99, with / without",
        "<= 1.2x",
        "50 viewers cost intake p99 <= 20 %",
    ),
    Row(
        "rest",
        "99 of 100 tills learn what is on hand within",
        "",
        "stock_p99_ms",
        "<= 25 ms",
        "stock answers a till in 25 ms p99",
        " ms",
    ),
    Row(
        "contract",
        "Contract check and parse of one order",
        "precompiled `jsonschema`",
        "ours over compiled jsonschema",
        ">= 40x",
        "ours >= 40x compiled jsonschema",
    ),
    Row(
        "conform",
        "Log to durable tables",
        "a dlt filesystem load of the same documents",
        "ours over dlt",
        ">= 5x",
        "ours >= 5x dlt",
    ),
    Row(
        "reconcile",
        "A million records against a million, 0.1 % differ",
        "a full join in DuckDB",
        "ours over duckdb",
        ">= 4x",
        ">= 4x DuckDB",
    ),
    Row(
        "reconcile",
        "The same",
        "`pandas.merge`",
        "ours over pandas",
        ">= 30x",
        ">= 30x pandas",
    ),
    Row(
        "reconcile",
        "Memory for ten million against ten million, from files",
        "",
        "large: peak bytes",
        "<= 4 GB",
        "10M against 10M within 4 GB",
        " GB",
        1e-9,
    ),
    Row(
        "windows",
        "Sale lines a second, JSON text to five-minute windows",
        "",
        "ours events/s",
        ">= 1 million",
        "ours >= 1,000,000 events/s",
        " million",
        1e-6,
    ),
    Row(
        "year",
        "A published grocer's year, 155,520 sales of 457 stores, from lists to compared ledger: CPU",
        "",
        "compute, CPU s",
        "90 s on two cores",
        "compute <= 90 s on two cores",
        " s",
    ),
    Row(
        "year",
        "The same again, when nothing changed",
        "",
        "second run, s",
        "<= 5 s",
        "a second run <= 5 s",
        " s",
    ),
    Row(
        "year-slice",
        "A week of it with log and state in PostgreSQL: time",
        "the same week on SQLite",
        "postgres over local, wall",
        "<= 1.5x",
        "postgres <= 1.5x the local wall time",
    ),
    Row(
        "year-slice",
        "A week of it with the lake in a bucket (SeaweedFS): time",
        "the same week in a folder",
        "s3 over local, wall",
        "<= 2x",
        "s3 <= 2x the local wall time",
    ),
)


def table() -> str:
    """The table between its marks, of the benches that have a result."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    lines = ["| What | Against | Measured | Goal |", "|---|---|---:|---|"]
    for row in ROWS:
        result = results.get(row.bench)
        if result is not None:
            lines.append(
                f"| {row.what} | {row.against} | {_measured(row, result)} | {_goal(row, result)} |"
            )
    machines = sorted({_machine(one["machine"]) for one in results.values()})
    commits = sorted({one["machine"]["commit"] for one in results.values()})
    loads = [one["machine"]["load_1m"] for one in results.values()]
    told = (
        f"Measured with `make bench` on {'; '.join(machines)}, at {', '.join(commits)}, with"
        f" {min(loads):.0f} to {max(loads):.0f} other processes waiting for the cores."
    )
    return "\n".join([BEGIN, *lines, "", told, END])


def written(text: str) -> str:
    """README with the table in its place. Raises ValueError when the marks are gone."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md has lost its marks {BEGIN} and {END}")
    return before + table() + after


def _measured(row: Row, result: dict[str, Any]) -> str:
    value = float(result["figures"][row.figure]) * row.scale
    return f"{value:.0f}{row.unit}" if value >= 20 else f"{value:.1f}{row.unit}"


def _goal(row: Row, result: dict[str, Any]) -> str:
    if not row.goal:
        return ""
    return row.goal if result["goals"][row.goal_key] else f"{row.goal}: **missed**"


def _machine(one: dict[str, Any]) -> str:
    return f"{one['cores']} cores of {one['cpu']} (Python {one['python']})"


def main() -> int:
    README.write_text(written(README.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
