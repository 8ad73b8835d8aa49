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
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

log = logging.getLogger("conductor")

ROLES = ("gateway", "worker", "scheduler")
RESTART_PAUSE_S_MAX = 30.0
HEALTHY_AFTER_S = 20.0
STOP_S_MAX = 20.0
SUPERVISOR_ENV = "CONDUCTOR_SUPERVISOR_PID"


def role_file(state_dir: Path, role: str) -> Path:
    """What a running role says of itself: pid, and for the gateway its address."""
    return state_dir / "run" / f"{role}.json"


def announce(state_dir: Path, role: str, **facts: object) -> None:
    """Write the role's file atomically; readers see the old one or the new one."""
    path = role_file(state_dir, role)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"pid": os.getpid(), "role": role, **facts}))
    partial.replace(path)


def announced(state_dir: Path, role: str) -> dict[str, object] | None:
    """The role's file, if its process is alive."""
    try:
        facts: dict[str, object] = json.loads(role_file(state_dir, role).read_text())
        os.kill(int(str(facts["pid"])), 0)
    except (OSError, ValueError, KeyError):
        return None
    return facts


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


def _watch_parent(supervisor: int, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        if os.getppid() != supervisor:
            stop.set()
            os.kill(os.getpid(), signal.SIGTERM)


class _Child:
    def __init__(self, role: str, command: Sequence[str]) -> None:
        self.role = role
        self.command = list(command)
        self.pause_s = 0.5
        self.started = 0.0
        self.restart_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
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
    stop = stop_signal()
    base = [sys.executable, "-m", "cloud_conductor.cli.main", "up", "--config", str(config_path)]
    children = [_Child(role, [*base, "--role", role]) for role in roles]
    for child in children:
        child.start()
    while not stop.wait(0.2):
        for child in children:
            child.tend()
    deadline = time.monotonic() + STOP_S_MAX
    for child in children:
        child.stop(deadline)
