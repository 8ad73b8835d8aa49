"""Exports in a folder of this machine, or of a share that is mounted on it.

A file counts as complete when it has not been touched for a while: whoever writes in one go or
renames into place is complete at once after that, and whoever writes slowly is waited for.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG

from cloud_conductor.domain.errors import VendorUnavailable
from cloud_conductor.domain.exports import is_export
from cloud_conductor.ports.clock import Clock
from cloud_conductor.ports.landing import LandedFile

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FolderPlace:
    """Every export below `folder` (ports.landing.LandingPlace).

    clock: the machine's, in which files are dated, whatever clock the product runs on.
    """

    def __init__(self, folder: Path, clock: Clock, *, settle: timedelta) -> None:
        self._folder = folder
        self._clock = clock
        self._settle = settle

    def files(self) -> Iterator[LandedFile]:
        if not self._folder.is_dir():
            raise VendorUnavailable(
                f"the landing folder {self._folder} is not there",
                hint=f"mkdir -p {self._folder}, mount it, or correct path in [landing.*]",
            )
        now = self._clock.now()
        paths = sorted(self._paths(), key=lambda path: path.relative_to(self._folder).parts)
        for path in paths:
            found = self._seen(path, now)
            if found is not None:
                yield found

    def find(self, path: str) -> LandedFile | None:
        return self._seen(self._folder / path, self._clock.now())

    def read(self, file: LandedFile) -> bytes | None:
        path = self._folder / file.path
        try:
            data = path.read_bytes()
        except OSError:
            return None
        again = self._seen(path, self._clock.now())
        return data if again is not None and again.mark == file.mark else None

    def url(self, path: str) -> str:
        return (self._folder / path).resolve().as_uri()

    def _paths(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder) / name
                if is_export(path.relative_to(self._folder).as_posix()):
                    yield path

    def _seen(self, path: Path, now: datetime) -> LandedFile | None:
        try:
            found = path.stat()
        except OSError:
            return None
        if not S_ISREG(found.st_mode):
            return None
        touched = EPOCH + timedelta(microseconds=max(found.st_mtime_ns, found.st_ctime_ns) // 1_000)
        return LandedFile(
            path=path.relative_to(self._folder).as_posix(),
            size_bytes=found.st_size,
            mark=f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}",
            is_complete=now - touched >= self._settle,
        )
