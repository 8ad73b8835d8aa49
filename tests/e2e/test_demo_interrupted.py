"""Ctrl-C while the demo runs: a terminal sends it to every process of the group at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from demo_rig import inherited

DEMO = (sys.executable, "-m", "cloud_conductor.cli.main", "demo", "--once", "--keep")
STOP_S_MAX = 60.0


@contextmanager
def begun(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo in a process group of its own, as a shell starts it; nothing of it is left."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
    with subprocess.Popen(
        [*DEMO, str(folder / "kept")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited(),
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if lives(process.pid):
                os.killpg(process.pid, signal.SIGKILL)


def lives(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("when", ["starting", "playing"])
def test_an_interrupted_demo_ends_all_its_processes_without_a_traceback(when: str, tmp_path: Path):
    with begun(tmp_path) as process:
        assert process.stderr is not None
        said = ""
        if when == "playing":
            while "playing the sales" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
        else:
            until(lambda: b"sandbox.stage" in children(process.pid), "the stage is started")
        os.killpg(process.pid, signal.SIGINT)
        said += process.communicate(timeout=STOP_S_MAX)[1]
        assert process.returncode == 130, said
        assert "Traceback" not in said
        until(lambda: not lives(process.pid), "every process has ended")


def children(pid: int) -> bytes:
    """Command lines of a process's children."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [Path(f"/proc/{one}/cmdline") for one in found]
    return b"".join(one.read_bytes() for one in lines if one.exists())


def until(holds, what: str) -> None:
    deadline = time.monotonic() + STOP_S_MAX
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
