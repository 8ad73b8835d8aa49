"""Keep the three roles of one machine running: gateway, worker, scheduler (design, section 4).

Each role is a child process. One that dies is started again after a growing pause; SIGTERM and
SIGINT stop all of them gracefully, and a child whose supervisor is gone stops by itself.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

log = logging.getLogger("conductor")

ROLES = ("gateway", "worker", "scheduler")
RESTART_PAUSE_S_MAX = 30.0
HEALTHY_AFTER_S = 20.0
STOP_S_MAX = 20.0
TEND_S = 0.2
SUPERVISOR_ENV = "CONDUCTOR_SUPERVISOR_PID"


def role_file(state_dir: Path, role: str) -> Path:
    """What a running role says of itself: pid, and for the gateway its address."""
    return state_dir / "run" / f"{role}.json"


def announce(state_dir: Path, role: str, config: str, **facts: object) -> None:
    """Write the role's file atomically; readers see the old one or the new one.

    config: digest of the configuration that the role has read.
    """
    path = role_file(state_dir, role)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    told = {"pid": os.getpid(), "role": role, "config": config, **facts}
    partial.write_text(json.dumps(told))
    partial.replace(path)


def announced(state_dir: Path, role: str) -> dict[str, object] | None:
    """The role's file, if its process is alive."""
    try:
        facts: dict[str, object] = json.loads(role_file(state_dir, role).read_text())
        pid = int(str(facts["pid"]))
        if pid <= 0:  # would mean whole process groups
            return None
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts


def outdated(state_dir: Path, config: str) -> list[str]:
    """Running roles that have read another configuration than the one with this digest."""
    told = {role: announced(state_dir, role) for role in ROLES}
    return [role for role, facts in told.items() if facts and facts.get("config", config) != config]


def stop_signal() -> threading.Event:
    """Set by SIGTERM, SIGINT, or when the supervisor of this process has gone."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    supervisor = os.environ.get(SUPERVISOR_ENV)
    if supervisor:
        threading.Thread(target=_watch_parent, args=(int(supervisor), stop), daemon=True).start()
    return stop


def when_set(stop: threading.Event, act: Callable[[], None]) -> None:
    """Call `act` once `stop` is set, even if it is set already: no signal falls between.

    For a server that takes the signals itself as soon as it runs.
    """

    def wait() -> None:
        stop.wait()
        act()

    threading.Thread(target=wait, name="stop", daemon=True).start()


def _watch_parent(supervisor: int, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        if os.getppid() != supervisor:
            stop.set()
            os.kill(os.getpid(), signal.SIGTERM)


class Child:
    """One role and the command that runs it; its pause before the next start grows by doubling."""

    def __init__(self, role: str, command: Sequence[str]) -> None:
        self.role = role
        self.command = list(command)
        self.pause_s = 0.5
        self.started = 0.0
        self.restart_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process. It knows by SUPERVISOR_ENV whose end is its own."""
        environment = {**os.environ, SUPERVISOR_ENV: str(os.getpid())}
        self.process = subprocess.Popen(self.command, env=environment)  # noqa: S603 - our own argv
        self.started = time.monotonic()
        log.info("role.started", extra={"fields": {"role": self.role, "pid": self.process.pid}})

    def tend(self) -> None:
        """Start again what has died, after a pause that doubles up to its limit."""
        if self.process is None:
            if time.monotonic() >= self.restart_at:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        if time.monotonic() - self.started > HEALTHY_AFTER_S:
            self.pause_s = 0.5
        log.error(
            "role.died",
            extra={"fields": {"role": self.role, "exit": code, "again_in_s": self.pause_s}},
        )
        self.process, self.restart_at = None, time.monotonic() + self.pause_s
        self.pause_s = min(self.pause_s * 2, RESTART_PAUSE_S_MAX)

    def stop(self, deadline: float) -> None:
        """Ask it to stop; kill it when the deadline (of the monotonic clock) has passed."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("role.killed", extra={"fields": {"role": self.role}})
            self.process.kill()
            self.process.wait()


def supervise(config_path: Path, roles: Sequence[str] = ROLES) -> None:
    """Run the roles until told to stop. The order is: gateway first up, gateway first down."""
    base = [sys.executable, "-m", "cloud_conductor.cli.main", "up", "--config", str(config_path)]
    keep_running([Child(role, [*base, "--role", role]) for role in roles], stop_signal())


def keep_running(
    children: Sequence[Child], stop: threading.Event, *, stop_s_max: float = STOP_S_MAX
) -> None:
    """Start the children in order and tend them; when `stop` is set, stop them in order.

    stop_s_max: for all of them together; the one that needs longer is killed.
    """
    for child in children:
        child.start()
    while not stop.wait(TEND_S):
        for child in children:
            child.tend()
    deadline = time.monotonic() + stop_s_max
    for child in children:
        child.stop(deadline)
