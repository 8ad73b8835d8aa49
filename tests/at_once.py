"""Processes that do the same thing at the same time."""

import subprocess
from collections.abc import Sequence


def run_at_once(command: Sequence[str], processes: int) -> list[str]:
    """What processes say that are all there (`here`) before one of them goes on."""
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "here\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[0].strip() for one in running]
    assert [one.returncode for one in running] == [0] * processes
    return said
