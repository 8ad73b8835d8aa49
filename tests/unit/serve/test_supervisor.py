"""The supervisor keeps its children running, and none of them outlives it (design, section 4)."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_conductor.serve import supervisor
from cloud_conductor.serve.supervisor import (
    Child,
    announce,
    announced,
    keep_running,
    outdated,
    role_file,
)

WAIT_S = 30.0
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)"
)
ORPHAN = """
import sys
from pathlib import Path
from cloud_conductor.serve.supervisor import announce, stop_signal
stop = stop_signal()
announce(Path(sys.argv[1]), "worker", "")
stop.wait()
"""
PARENT = """
import sys, threading
from cloud_conductor.serve.supervisor import Child, keep_running
keep_running([Child("worker", sys.argv[1:])], threading.Event())
"""


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.01)


def sleeper(role: str, started: Path) -> Child:
    """A child that writes its role down when it is told to stop."""
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    open(sys.argv[1], 'a').write(sys.argv[2] + ' down\\n')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(sys.argv[1], 'a').write(sys.argv[2] + ' up\\n')\n"
        "time.sleep(60)\n"
    )
    return Child(role, [sys.executable, "-c", program, str(started), role])


def test_a_child_that_dies_at_once_is_started_again_after_pauses_that_double(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now)
    child = Child("worker", [sys.executable, "-c", "raise SystemExit(3)"])
    child.start()
    pauses = []
    for _ in range(8):
        assert child.process is not None
        child.process.wait()
        child.tend()
        pauses.append(child.restart_at - now)
        now = child.restart_at - 0.01
        child.tend()
        assert child.process is None, "it was started before its pause was over"
        now = child.restart_at
        child.tend()
    assert child.process is not None
    child.process.wait()
    assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])


def test_a_child_that_ran_well_for_a_while_begins_again_with_the_short_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now)
    child = Child("worker", [sys.executable, "-c", "raise SystemExit(3)"])
    child.pause_s = 16.0
    child.start()
    assert child.process is not None
    child.process.wait()
    now += supervisor.HEALTHY_AFTER_S + 1
    child.tend()
    assert child.restart_at - now == pytest.approx(0.5)


def test_children_stop_in_the_order_they_were_given(tmp_path: Path) -> None:
    told, stop = tmp_path / "told", threading.Event()
    children = [sleeper(role, told) for role in ("gateway", "worker", "scheduler")]
    running = threading.Thread(target=keep_running, args=(children, stop))
    running.start()
    until(lambda: told.exists() and told.read_text().count("up") == 3, "all are up")
    stop.set()
    running.join(WAIT_S)
    downs = [line for line in told.read_text().splitlines() if line.endswith("down")]
    assert downs == ["gateway down", "worker down", "scheduler down"]


def test_a_killed_child_is_replaced_while_the_others_go_on(tmp_path: Path) -> None:
    told, stop = tmp_path / "told", threading.Event()
    children = [sleeper(role, told) for role in ("gateway", "worker")]
    running = threading.Thread(target=keep_running, args=(children, stop))
    running.start()
    until(lambda: told.exists() and told.read_text().count("up") == 2, "both are up")
    assert children[0].process is not None
    assert children[1].process is not None
    killed, other = children[0].process, children[1].process.pid
    killed.kill()
    until(lambda: told.read_text().count("gateway up") == 2, "the killed one is up again")
    stop.set()
    running.join(WAIT_S)
    assert killed.returncode == -signal.SIGKILL
    assert told.read_text().count("worker up") == 1
    assert children[1].process.pid == other


def test_a_child_that_will_not_stop_is_killed_at_the_deadline() -> None:
    child = Child("worker", [sys.executable, "-c", STUBBORN])
    with subprocess.Popen(child.command, stdout=subprocess.PIPE) as process:
        child.process = process
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        child.stop(time.monotonic() + 0.2)
        assert process.returncode == -signal.SIGKILL


def test_a_child_whose_supervisor_was_killed_stops_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, sys.executable, "-c", ORPHAN, str(tmp_path)]
    with subprocess.Popen(command) as parent:
        until(lambda: announced(tmp_path, "worker"), "the child runs")
        child = announced(tmp_path, "worker")
        assert child is not None
        parent.kill()
    until(lambda: announced(tmp_path, "worker") is None, "the orphan stops")


def test_roles_that_read_another_configuration_are_named(tmp_path: Path) -> None:
    announce(tmp_path, "worker", "old")
    announce(tmp_path, "gateway", "new", port=80)
    assert outdated(tmp_path, "new") == ["worker"]
    assert outdated(tmp_path, "old") == ["gateway"]


def test_a_dead_process_and_a_torn_file_are_not_announced(tmp_path: Path) -> None:
    assert announced(tmp_path, "worker") is None
    announce(tmp_path, "worker", "", port=80)
    facts = announced(tmp_path, "worker")
    assert facts is not None
    assert (facts["pid"], facts["port"]) == (os.getpid(), 80)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    role_file(tmp_path, "worker").write_text(json.dumps({"pid": gone.pid, "role": "worker"}))
    assert announced(tmp_path, "worker") is None
    for torn in ("", "{", "[]", '{"pid": "x"}', '{"role": "worker"}', '{"pid": 0}', '{"pid": -1}'):
        role_file(tmp_path, "worker").write_text(torn)
        assert announced(tmp_path, "worker") is None, torn


def test_a_stop_that_came_before_the_server_ran_is_not_lost() -> None:
    stop, stopped = threading.Event(), threading.Event()
    stop.set()
    supervisor.when_set(stop, stopped.set)
    assert stopped.wait(WAIT_S)
