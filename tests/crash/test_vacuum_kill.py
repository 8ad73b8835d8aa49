"""Killed in the midst of removing replaced files, a lake reads the same and the next run goes on."""

import signal
import subprocess
import sys
from pathlib import Path

from cloud_conductor.adapters.lake.delta import DeltaLake
from cloud_conductor.testing.lake import APP, DAY, FAR, rows, sale

DRIVER = Path(__file__).with_name("driver_vacuum.py")
FILES, KILLED_AFTER = 9, 4


def test_a_vacuum_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    for n in range(FILES):
        lake.append("sales", rows("sales", sale(f"s{n}", n + 1)), app=APP, lo=n, hi=n + 1)
    open_files = set(lake.uris("sales"))
    lake.replace("sales", [DAY], lake.read("sales", [DAY]))
    before = lake.digest("sales", DAY)

    killed = subprocess.run([sys.executable, DRIVER, tmp_path, str(KILLED_AFTER)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = {path for path in open_files if Path(path).exists()}
    assert len(left) == FILES - KILLED_AFTER
    again = DeltaLake(tmp_path)
    assert again.digest("sales", DAY) == before
    assert again.vacuum("sales", before=FAR).keys() == left
    assert again.digest("sales", DAY) == lake.digest("sales", DAY) == before
