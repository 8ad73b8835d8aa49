"""Promises to users that are about the program itself: start-up, and what its files may say."""

import os
import re
import sys
from pathlib import Path

from source import name_of, tracked_files

HELP_CPU_S_MAX = 0.150
ATTEMPTS = 9
CONDUCTOR = Path(sys.executable).with_name("conductor")

PYTHON_INDEX_HOSTS = {"pypi.org", "files.pythonhosted.org"}
MACHINE_PATHS = re.compile(
    r"(?<![\w.:/])/(?:work|root|home/\w+|Users/\w+|opt/wheels|opt/pypi)[/\s\"'`]"
)


def _help_cpu_s() -> float:
    """User plus system time of one `conductor --help`, as the kernel accounts it to the child."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(CONDUCTOR, [str(CONDUCTOR), "--help"], os.environ, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "conductor --help failed"
    return usage.ru_utime + usage.ru_stime


def test_help_takes_at_most_150_ms_of_cpu():
    _help_cpu_s()  # the first run writes byte code
    best = min(_help_cpu_s() for _ in range(ATTEMPTS))
    assert best <= HELP_CPU_S_MAX, f"{best * 1000:.0f} ms"


def test_the_lock_names_only_the_public_package_index():
    lock = next(f for f in tracked_files() if f.name == "uv.lock").read_text("utf-8")
    hosts = set(re.findall(r"https?://([^/\"]+)", lock))
    assert hosts == PYTHON_INDEX_HOSTS


def test_no_file_names_a_path_of_one_machine():
    named = []
    for file in (f for f in tracked_files() if "specs" not in f.parts and f.name != "uv.lock"):
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        named += [
            f"{name_of(file)}:{text[: hit.start()].count(chr(10)) + 1} {hit[0]}"
            for hit in MACHINE_PATHS.finditer(text)
            if file.name != Path(__file__).name
        ]
    assert named == []
