"""The year: a published grocer's baskets from a vendor's lists to the ledger, stage by stage.

The limit. 155,848 orders are 1.5 GB of JSON with their payments. One core reads that into typed
values in about 3 s, hashes it in 1, compresses it in 4 and writes it to this disk in 5; whatever
else we spend is ours: 100,000 calls of a vendor that lists payouts and drawer shifts one by one,
1.5 million lines into columns, 38,410 store-days into entries and comparisons.

Variants, one after the other, a process each, over the same made seller (--seller keeps it):
  local     state in SQLite, the lake in a folder
  postgres  state and log in PostgreSQL, as it comes
  s3        the lake and the raw zone in a bucket of a real S3 server (SeaweedFS)

Our time is the CPU of our process; the simulators are another one, and so are both servers, which
share the machine's two cores: wall times hold them too.

Goals: every level green, nothing unexplained, a document in the ledger for every entry; memory
<= 2 GB, a second run <= 5 s; on PostgreSQL <= 1.5x and with the lake in a bucket <= 2x the local
time, of CPU and of wall. Of the whole year: compute <= 90 s on two cores (180 s of CPU), one day
reads < 0.3 % of the bytes.

    python bench/bench_year.py [--days 7 | --year] [--on local postgres s3] [--seller FOLDER]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import servers
from harness import report

from cloud_conductor.cli import rehearsal, year

YEAR_DAYS = 365
CPU_S_MAX, MEMORY_BYTES_MAX, DAY_SHARE_MAX, AGAIN_S_MAX = 180.0, 2 * 2**30, 0.003, 5.0
PLACES = {"local": servers.local, "postgres": servers.postgres, "s3": servers.s3}
TIMES_MAX = {"postgres": 1.5, "s3": 2.0}
LIVE = "POSTED", "AUTHORISED"

Said = dict[str, Any]
"""What a run said: the report's `year`, its `levels` and `entries`, `documents` in the ledger, `again`."""


class _Document(msgspec.Struct):
    status: str


class _Ledger(msgspec.Struct):
    manual_journals: list[_Document]
    bank_transactions: list[_Document]


def plan_of(days: int) -> rehearsal.Plan:
    return rehearsal.Plan("completejourney", seed=1, stores=3, days=days, is_listed=True)


def play(days: int, folder: Path) -> None:
    """Child process: a run and a second one over the same folder; says what they found."""
    first = year.play(plan_of(days), folder)
    if not first.is_proven:
        sys.exit("the ledger does not agree with the file: figures of a wrong run mean nothing")
    held = msgspec.json.decode((folder / "xero.json").read_bytes(), type=_Ledger)
    documents = [*held.manual_journals, *held.bank_transactions]
    told = {name: first.report[name] for name in ("year", "levels", "entries", "store_days")}
    told["documents"] = sum(one.status in LIVE for one in documents)
    told["again"] = year.play(plan_of(days), folder).report["year"]["again"]
    (folder / "said.json").write_bytes(msgspec.json.encode(told))


def run(place: str, days: int, seller: Path) -> Said:
    """One variant, in a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-year-{place}-"))
    try:
        (folder / "seller").symlink_to(seller.resolve())
        with PLACES[place]() as environment:
            print(f"== {place}", file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "play", str(days), str(folder)]
            subprocess.run(command, env=os.environ | dict(environment), check=True)
        said: Said = json.loads((folder / "said.json").read_bytes())
        return said
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def made(days: int, seller: Path) -> None:
    """Make the seller if it is not there: the simulators' work, before anything is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-year-") as folder:
        seller.mkdir(parents=True, exist_ok=True)
        Path(folder, "seller").symlink_to(seller.resolve())
        rehearsal.Stage(plan_of(days), Path(folder)).stop()


def wall_s(said: Said) -> float:
    return float(sum(one["wall_s"] for one in said["year"]["stages"]))


def figures_of(said: Said) -> dict[str, Any]:
    """What one run found and cost."""
    found = said["year"]
    figures: dict[str, Any] = {
        "sales": found["sales"],
        "lines": found["lines"],
        "store-days": said["store_days"],
        "net sales": f"{found['net_sales_minor'] / 100:,.2f}",
        "documents in the ledger": said["documents"],
        "levels": ", ".join(
            f"{name} {one['state']} ({one['matched']:,} matched, {one['explained']:,} explained)"
            for name, one in said["levels"].items()
        ),
    }
    for one in found["stages"]:
        limit = f", limit {one['limit_s']:.1f} s: {one['limit']}" if one["limit_s"] else ""
        figures[one["stage"]] = f"{one['cpu_s']:.1f} s CPU, {one['wall_s']:.1f} s wall{limit}"
    share = found["one_day"]["day_bytes"] / max(1, found["one_day"]["all_bytes"])
    if found["one_day"]["all_bytes"]:  # a folder's; what a bucket reads is not counted
        figures["one day's share of the bytes"] = f"{share:.3%}"
    return figures | {
        "compute, CPU s": found["compute_cpu_s"],
        "compute, wall s": round(wall_s(said), 2),
        "lines a CPU second, whole path": found["lines"] / found["compute_cpu_s"],
        "memory peak, MB": found["memory_peak_bytes"] / 2**20,
        "second run, s": said["again"]["wall_s"],
    }


def goals_of(said: Said, *, is_year: bool) -> dict[str, bool]:
    """What one run is held to."""
    found = said["year"]
    entries = sum(number for states in said["entries"].values() for number in states.values())
    goals = {
        "every level green": all(one["state"] == "green" for one in said["levels"].values()),
        "a document in the ledger for every entry": said["documents"] == entries,
        "memory <= 2 GB": found["memory_peak_bytes"] <= MEMORY_BYTES_MAX,
        "a second run <= 5 s": said["again"]["wall_s"] <= AGAIN_S_MAX,
    }
    if is_year:
        day = found["one_day"]
        goals["compute <= 90 s on two cores"] = found["compute_cpu_s"] <= CPU_S_MAX
        if day["all_bytes"]:
            is_little = day["day_bytes"] < DAY_SHARE_MAX * day["all_bytes"]
            goals["one day reads < 0.3 % of the bytes"] = is_little
    return goals


def main() -> int:
    if sys.argv[1:2] == ["play"]:
        play(int(sys.argv[2]), Path(sys.argv[3]))
        return 0
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--days", type=int, default=7)
    arguments.add_argument("--year", action="store_true")
    arguments.add_argument("--on", nargs="+", choices=tuple(PLACES), default=tuple(PLACES))
    arguments.add_argument("--seller", type=Path)
    given = arguments.parse_args()
    days = YEAR_DAYS if given.year else given.days
    with tempfile.TemporaryDirectory(prefix="bench-seller-") as folder:
        seller = given.seller or Path(folder)
        made(days, seller)
        found = {place: run(place, days, seller) for place in given.on}
    figures: dict[str, Any] = {"days": days}
    goals: dict[str, bool] = {}
    for place, said in found.items():
        before = "" if place == "local" else f"{place}: "
        figures |= {before + name: value for name, value in figures_of(said).items()}
        goals |= {before + name: met for name, met in goals_of(said, is_year=given.year).items()}
        if place in TIMES_MAX and "local" in found:
            most, local = TIMES_MAX[place], found["local"]
            cpu = said["year"]["compute_cpu_s"] / local["year"]["compute_cpu_s"]
            wall = wall_s(said) / wall_s(local)
            figures |= {f"{place} over local, CPU": cpu, f"{place} over local, wall": wall}
            goals[f"{place} <= {most:g}x the local CPU"] = cpu <= most
            goals[f"{place} <= {most:g}x the local wall time"] = wall <= most
    return report("year" if given.year else "year-slice", figures, goals)


if __name__ == "__main__":
    sys.exit(main())
