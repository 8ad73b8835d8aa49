"""One living scheduler and one supervisor per state directory, by locks that die with their process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from cloud_conductor.domain.errors import LeaseLost

Role = Literal["scheduler", "supervisor"]


@contextmanager
def state_lock(state_dir: Path, role: Role = "scheduler") -> Iterator[None]:
    """Hold the lock of a role. Raises LeaseLost at once when a living process has it.

    Two supervisors would start each other's roles for ever. Two engines under one executor id would
    each recover the other's running work and do it twice; the kernel frees the lock however its
    process ends, kill -9 included.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(state_dir / f"{role}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            raise LeaseLost(
                f"process {holder or '?'} is the {role} of {state_dir}",
                hint="conductor status",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(state_dir: Path, role: Role = "scheduler") -> bool:
    """Whether a living process has the lock of a role now."""
    try:
        with state_lock(state_dir, role):
            return False
    except LeaseLost:
        return True


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file across processes of this machine, waiting as long as another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
